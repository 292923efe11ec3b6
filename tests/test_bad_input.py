"""Bad input gets a clear error and loses nothing: one sentence that names the place and the cure."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from studies import INTERPRETERS, VISITED, Project, needs_interpreters

from fullrank.backends.base import Outcome
from fullrank.crew import LocalTeam, Member

in_process = pytest.mark.in_process

WORKLOAD = '[workload]\nfunction = "sim.py:f"\n'
GRID = f"{WORKLOAD}[sweep.grid]\n"

CONFIGS = {
    "unknown key": (f"{WORKLOAD}sed = 1\n[sweep.grid]\nx = [1]", "workload.sed: unknown key", "did you mean 'seed'?"),
    "unknown table": (f"{GRID}x = [1]\n[runn]", "runn: unknown key", "did you mean 'run'?"),
    "mistyped value": (f'{WORKLOAD}seed = "1"\n[sweep.grid]\nx = [1]', "workload.seed: expected an integer"),
    "mistyped choice": (f'{GRID}x = [1]\n[run]\nschedule = "guide"', "run.schedule", "did you mean 'guided'?"),
    "inline table over lines": (f"{GRID}x = {{ start = 0,\n  stop = 1, num = 3 }}", "line 4", "[sweep.grid.x]"),
    "step": (f"{GRID}x = {{ start = 0, stop = 1, step = 0.5 }}", "sweep.grid.x.step", "num = 3"),
    "no TOML": (f"{GRID}x = [1]\nfunction sim", "line 5", "expected [table] or key = value"),
    "empty list": (f"{GRID}x = []", "sweep.grid.x: expected at least one value"),
    "empty range": (f"{GRID}x = {{ range = [3, 3] }}", "sweep.grid.x.range: expected at least one value"),
    "no points": (f"{GRID}x = {{ start = 0, stop = 1, num = 0 }}", "sweep.grid.x.num: expected an integer >= 1, got 0"),
    "too many items": (
        f"{GRID}x = {{ range = {10**12} }}",
        "sweep: expected at most 2**32 = ",
        "got 1,000,000,000,000",
    ),
    "no axes": (GRID, "sweep.grid: expected at least one axis"),
    "axis and result of one name": (f'{GRID}x = [1]\n[results.x]\nunits = "1"', "results.x: expected another name"),
    "axis named as the file's own": (f"{GRID}status = [1]", "sweep.grid.status: expected another name"),
    "axis and constant of one name": (f"{WORKLOAD}[workload.constants]\nx = 1\n[sweep.grid]\nx = [1]", "constants.x"),
    "missing function file": (GRID.replace("sim.py", "smi.py") + "x = [1]", "there is no file smi.py", "'sim.py'?"),
    "missing table": (f'{WORKLOAD}[sweep.table]\npath = "points.csv"', "sweep.table.path: there is no file points.csv"),
    "missing array": (
        f'{WORKLOAD}[workload.constants]\na = {{ npy = "a.npy" }}\n[sweep.grid]\nx = [1]',
        "workload.constants.a.npy: there is no file a.npy",
    ),
    "no colon": (GRID.replace("sim.py:f", "sim.f") + "x = [1]", "workload.function", 'did you mean "sim:f"?'),
}


def refused(project: Project, *words: str, code: int = 2, args: tuple[object, ...] = (), **options: object) -> str:
    """Return what a run says that is refused; nothing is written, and no traceback is of ours."""
    before = project.files()
    done = project.fullrank("run", "study.toml", *args, **options)
    assert done.returncode == code, done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr
    assert "fullrank: error: " in done.stderr
    assert "fullrank/" not in done.stderr.replace(str(project.folder), "")
    assert project.files() == before
    return done.stderr


@in_process
@pytest.mark.parametrize("what", CONFIGS)
def test_config_that_is_wrong_is_refused_with_place_and_cure(project: Project, what: str) -> None:
    text, *words = CONFIGS[what]
    project.write("def f(x):\n    return x")
    (project.folder / "study.toml").write_text(text + "\n")
    said = refused(project, "study.toml: ", *words)
    assert "Traceback" not in said


FUNCTIONS = {
    "not there": ("def simulate(x):\n    return x", "sim.py:f: there is no 'f' in sim.py"),
    "misspelt": ("def ff(x):\n    return x", "there is no 'f' in sim.py", "did you mean 'ff'?"),
    "no function": ("f = 3", "'f' is of type int, not a function"),
    "lacks a value": ("def f(x, y):\n    return x", "nothing gives its parameter 'y'", "[workload.constants]"),
    "without such an axis": ("def f(y):\n    return y", "the axis 'x' is no parameter of sim.py:f, which takes y"),
    "takes any values": ("def f(*values):\n    return 1", "'*values' takes values without names"),
    "without a signature": ("from builtins import max as f", "its parameters cannot be read"),
}


@in_process
@pytest.mark.parametrize("what", FUNCTIONS)
def test_function_that_cannot_be_called_is_refused_before_any_worker_starts(project: Project, what: str) -> None:
    code, *words = FUNCTIONS[what]
    assert "Traceback" not in refused(project.write(code), *words)


BROKEN = {
    "raises": ("import json\njson.loads('{')", "JSONDecodeError: "),
    "imports what is not there": ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to"),
    "is no Python": ("def f(x)\n    return x", "SyntaxError: expected ':'"),
    "leaves": ("import sys\nsys.exit(3)", "SystemExit: 3"),
}


@in_process
@pytest.mark.parametrize("what", BROKEN)
def test_module_that_fails_at_import_shows_the_users_own_traceback(project: Project, what: str) -> None:
    code, words = BROKEN[what]
    assert f'File "{project.folder}/sim.py", line ' in refused(project.write(code), "importing sim.py failed", words)


@in_process
def test_module_that_is_not_there_is_named(project: Project) -> None:
    said = refused(project.write(function="nowhere.model:f"), "nowhere.model:f: there is no module 'nowhere'")
    assert "Traceback" not in said


SETUPS = {
    "raises": ("def load():\n    return {'a': 1 / 0}", "ZeroDivisionError: division by zero"),
    "leaves": ("import sys\ndef load():\n    sys.exit(3)", "SystemExit: 3"),
    "returns a list": ("def load():\n    return [1]", "sim.py:load: expected a mapping of constants, it returned list"),
    "gives another name": ("def load():\n    return {'b': 1}", "'b' is no parameter of sim.py:f"),
    "gives nothing": ("def load():\n    pass", "nothing gives its parameter 'a'"),
    "lacks a value": ("def load(path):\n    return {}", "sim.py:load: nothing gives its parameter 'path'"),
}


@in_process
@pytest.mark.parametrize("what", SETUPS)
def test_setup_that_fails_is_told_like_an_import_and_may_be_mended(project: Project, what: str) -> None:
    code, words = SETUPS[what]
    project.write(f"{code}\ndef f(x, a):\n    return x * a\n", workload='setup = "sim.py:load"')
    done = project.run("-n", 1, expect=2)
    assert words in done.stderr
    assert "src/fullrank" not in done.stderr
    project.write(
        "def load():\n    return {'a': 2}\ndef f(x, a):\n    return x * a\n", workload='setup = "sim.py:load"'
    )
    project.run("-b", "serial")
    assert project.read("f").tolist() == [2 * x for x in range(12)]


@in_process
def test_constants_that_only_setup_takes_are_no_parameters_of_the_function(project: Project) -> None:
    code = "def load(n):\n    return {'a': 10 * n}\ndef f(x, a):\n    return x * a\n"
    project.write(code, workload='setup = "sim.py:load"\n[workload.constants]\nn = 2').run("-n", 2)
    assert project.read("f").tolist() == [20 * x for x in range(12)]


@in_process
@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_array_file_without_an_array_is_refused(project: Project, backend: str) -> None:
    (project.folder / "a.npy").write_text("1 2 3\n")
    project.write("def f(x, a):\n    return x", workload='[workload.constants]\na = { npy = "a.npy" }')
    done = project.run("-b", backend, expect=2)
    assert f"{project.folder}/a.npy: expected an array written by numpy.save" in done.stderr
    assert "Traceback" not in done.stderr


NAME_TAKEN = f"""\
{VISITED}
def f(x):
    visited(x)
    time.sleep(0.01)
    return {{"y": x}} if x < 20 else {{NAME: x}}
"""


@in_process
@pytest.mark.parametrize(
    "way", ["serial", "threads", "processes", INTERPRETERS, "threads isolate", "processes isolate"]
)
def test_first_result_whose_name_is_taken_stops_the_run_and_keeps_the_others(project: Project, way: str) -> None:
    backend, _, isolate = way.partition(" ")
    tail = '[run]\norder = "index"\nmax_failures = 1000' + ("\nisolate = true" if isolate else "")
    project.write(NAME_TAKEN.replace("NAME", "'status'"), grid="x = { range = 400 }", tail=tail)
    said = project.run("-b", backend, expect=2).stderr
    assert "sim.py:f: item 2" in said
    assert "the result name 'status' is taken by an axis or by the file itself; rename it" in said
    assert "Traceback" not in said
    assert len(project.visits()) < 100
    assert project.indices_finished() == set(range(20))
    assert project.read("y", "results/study.partial.h5")[:20].tolist() == list(range(20))


TAKEN = {
    "axis": ("{'x': x}", "the result name 'x' is taken by an axis"),
    "function": ("x", "a result without a name is called after its function"),
    "part of a complex result": ("{'z': 1j, 'z_re': 1.0}", "the file needs the name 'z_re' for the result 'z' itself"),
    "lengths of an array": ("{'a': [1], 'a_length': 1}", "the file needs the name 'a_length' for the result 'a'"),
}


@in_process
@pytest.mark.parametrize("what", TAKEN)
def test_name_that_the_file_needs_itself_is_told_by_function_and_item(project: Project, what: str) -> None:
    returned, words = TAKEN[what]
    project.write(f"def status(x):\n    return {returned}", grid="x = [7]", function="sim.py:status")
    said = project.run("-b", "serial", expect=2).stderr
    assert f"sim.py:status: item 0: {words}" in said
    assert "rename" in said
    alone = project.run("--item", 0, expect=3).stdout
    assert alone.count(words) == 1


# --- the command line

COMMANDS = {
    "no config": (("run",), "the following arguments are required: CONFIG"),
    "unknown command": (("rnu", "study.toml"), "invalid choice: 'rnu'"),
    "unknown option": (("run", "study.toml", "--frsh"), "unrecognized arguments: --frsh"),
    "unknown backend": (("run", "study.toml", "-b", "dask"), "invalid choice: 'dask'"),
    "no workers": (("run", "study.toml", "-n", "0"), "expected an integer >= 1, got 0"),
    "serial workers": (("run", "study.toml", "-b", "serial", "-n", "3"), "backend 'serial' is one worker"),
    "missing config": (("run", "studdy.toml"), "there is no file studdy.toml; did you mean 'study.toml'?"),
    "folder as config": (("run", "."), "expected a file, got the folder"),
}


@in_process
@pytest.mark.parametrize("what", COMMANDS)
def test_wrong_command_line_is_refused_in_a_sentence(project: Project, what: str) -> None:
    args, words = COMMANDS[what]
    done = project.write("def f(x):\n    return x").fullrank(*args)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not project.output.parent.exists()


# --- outputs


@in_process
def test_output_that_is_not_ours_stays_as_it_is(project: Project) -> None:
    project.write("def f(x):\n    return x")
    (project.folder / "data.h5").write_bytes(b"precious")
    refused(project, "data.h5: is no result of fullrank and stays as it is", "-o", code=74, args=("-o", "data.h5"))
    refused(project, "data.h5", code=74, args=("-o", "data.h5", "--fresh"))
    assert (project.folder / "data.h5").read_bytes() == b"precious"


@in_process
def test_hdf5_file_of_another_program_stays_as_it_is(project: Project) -> None:
    import h5py

    project.write("def f(x):\n    return x")
    with h5py.File(project.folder / "data.h5", "w") as file:
        file["x"] = np.arange(3)
    before = (project.folder / "data.h5").read_bytes()
    refused(project, "data.h5", code=74, args=("-o", "data.h5", "--fresh"))
    assert (project.folder / "data.h5").read_bytes() == before


@in_process
def test_damaged_result_stays_as_it_is(project: Project) -> None:
    project.write("def f(x):\n    return x").run("-b", "serial")
    damaged = project.output.read_bytes()[:2000]
    project.output.write_bytes(damaged)
    done = project.run(expect=74)
    assert "study.h5" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.output.read_bytes() == damaged


@in_process
@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_output_folder_that_cannot_be_made_or_written_is_refused(project: Project, backend: str) -> None:
    project.write("def f(x):\n    return x")
    file = project.folder / "sim.py"
    for where in (file / "out.h5", Path("/proc/nowhere/out.h5")):
        said = refused(project, str(where.parent), code=74, args=("-b", backend, "-o", where))
        assert "the output folder cannot be written" in said
        assert "Traceback" not in said
    refused(project, "is a folder", code=74, args=("-b", backend, "-o", "."))


def test_disk_that_is_full_ends_the_run_with_a_sentence_and_keeps_what_was_finished(project: Project) -> None:
    project.write("def f(x):\n    return [float(x)] * 4000", grid="x = { range = 60 }")
    limited = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (400000, 400000)); "
    limited += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", limited, sys.executable, "-m", "fullrank", "run", "study.toml", "-b", "serial"]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 74, done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not project.output.exists()
    n_before = len(project.indices_finished())
    assert 0 < n_before < 60
    assert f"{n_before} of 60 items were finished before" in project.run("-b", "serial").stderr
    np.testing.assert_array_equal(project.read("f"), np.repeat(np.arange(60.0), 4000).reshape(60, 4000))


CLOSES_ALL = """\
import os, time
def f(x):
    time.sleep(0.01)
    if x == 3:
        os.closerange(3, 100)
    return x * x
"""


@pytest.mark.parametrize("backend", ["serial", "threads"])
def test_item_that_closes_standard_output_is_named_as_the_cause_and_loses_nothing(
    project: Project, backend: str
) -> None:
    project.write("import os\ndef f(x):\n    if x == 3:\n        os.close(1)\n    return x * x")
    said = project.run("-b", backend, "-n", 1, expect=74).stderr
    assert "standard output cannot be written: Bad file descriptor" in said
    assert "Traceback" not in said
    assert project.read("f").tolist() == [x * x for x in range(12)]


@pytest.mark.parametrize("backend", ["serial", "threads", "processes", INTERPRETERS])
def test_item_that_closes_all_descriptors_loses_nothing(project: Project, backend: str) -> None:
    project.write(CLOSES_ALL, grid="x = { range = 40 }")
    project.run("-b", backend)
    assert project.read("f").tolist() == [x * x for x in range(40)]


@needs_interpreters
def test_item_that_closes_what_interpreters_share_is_named_as_the_cause_and_loses_nothing(project: Project) -> None:
    project.write(CLOSES_ALL.replace("100", "100_000"), grid="x = { range = 40 }")
    done = project.run("-b", "interpreters", expect=2)
    assert "has closed descriptors that it did not open" in done.stderr
    project.write(CLOSES_ALL.replace("100", "100_000"), grid="x = { range = 40 }").run("-b", "processes")
    assert project.read("f").tolist() == [x * x for x in range(40)]


@pytest.mark.mpi
def test_item_that_closes_all_descriptors_costs_restarts_of_the_ranks_and_at_most_itself(mpi_project: Project) -> None:
    mpi_project.write(CLOSES_ALL, grid="x = { range = 40 }")
    assert mpi_project.fullrank("run", "study.toml", "-b", "mpi", "-n", 2).returncode in (0, 3)
    others = np.arange(40) != 3
    assert (mpi_project.read("status")[others] == 1).all()
    assert mpi_project.read("f")[others].tolist() == [x * x for x in range(40) if x != 3]


def test_nothing_is_written_into_files_that_got_descriptors_of_ours(project: Project) -> None:
    project.write(
        """
        import os, time
        def f(x):
            time.sleep(0.05)
            if x == 3:
                os.closerange(3, 100)
                for number in range(3, 100):
                    os.open(f"mine{number}", os.O_WRONLY | os.O_CREAT)
            return x * x
        """,
        tail="[run]\nitem_time_limit_seconds = 10",  # whose timer ticks, and signals are told to the process beside
    )
    project.run("-b", "serial")
    assert project.read("f").tolist() == [x * x for x in range(12)]
    assert [path.name for path in project.folder.glob("mine*") if path.read_bytes()] == []


@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_function_that_leaves_files_open_is_named_as_the_cause_and_loses_nothing(
    project: Project, backend: str
) -> None:
    project.write(
        """
        import os
        kept = []
        def f(x):
            try:
                while not os.path.exists("fast"):
                    kept.append(open(os.devnull))
            except OSError:
                pass
            return x * x
        """
    )
    said = project.run("-b", backend, "-n", 1, expect=74).stderr
    assert "Too many open files; the function leaves files open: close them" in said
    assert "Traceback" not in said
    project.hurry()
    project.run("-b", backend, "-n", 1)
    assert project.read("f").tolist() == [x * x for x in range(12)]


@pytest.mark.mpi
def test_function_that_clears_the_environment_does_not_have_its_ranks_started_again(mpi_project: Project) -> None:
    mpi_project.write("import os\ndef f(x):\n    os.environ.clear()\n    return x * x")
    assert "started again" not in mpi_project.run("-b", "mpi", "-n", 2).stderr


@pytest.mark.mpi
def test_function_that_takes_all_modules_away_ends_its_ranks(mpi_project: Project) -> None:
    mpi_project.write("import sys\ndef f(x):\n    sys.modules.clear()\n    return x * x")
    assert mpi_project.fullrank("run", "study.toml", n_ranks=2).returncode != 0  # and in time


@in_process
@pytest.mark.parametrize("backend", ["processes", "serial"])
def test_isolated_item_that_closes_descriptors_of_others_loses_nothing(project: Project, backend: str) -> None:
    project.write(CLOSES_ALL, tail="[run]\nisolate = true").run("-b", backend, "-n", 1)
    assert project.read("f").tolist() == [x * x for x in range(12)]


def test_rank_that_does_not_see_the_work_folder_says_so(tmp_path: Path) -> None:
    member = Member(LocalTeam(lambda job, todo, watch: Outcome(stopped=False)))
    assert f"does not see the work folder {tmp_path}/elsewhere" in member.sees(f"{tmp_path}/elsewhere", "mine")
    (tmp_path / "token").write_text("another run's")
    assert "another run's token is there" in member.sees(str(tmp_path), "mine")
    (tmp_path / "token").write_text("mine")
    assert member.sees(str(tmp_path), "mine") == ""


COMMANDS_ON_FILES = (("report",), ("verify",), ("status",), ("gather",), ("diff", "sim.py"))


@in_process
@pytest.mark.parametrize("command", COMMANDS_ON_FILES)
def test_commands_on_files_that_are_no_results_end_with_a_sentence(project: Project, command: tuple[str, ...]) -> None:
    done = project.write().fullrank(*command, "sim.py")
    assert done.returncode in (2, 74)
    assert "sim.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_standard_output_that_cannot_be_written_is_an_error_of_its_own(project: Project) -> None:
    project.write("def f(x):\n    return x").run("-b", "serial")
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "fullrank", "report", project.output]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 74
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


# --- MPI that does not fit

HIDE_MPI = """\
import sys
class NoMpi:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mpi4py":
            raise ModuleNotFoundError("No module named 'mpi4py'", name="mpi4py")
sys.meta_path.insert(0, NoMpi())
"""


def test_without_mpi_its_backend_is_refused_with_the_cure_and_all_others_work(project: Project) -> None:
    hidden = project.folder / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(HIDE_MPI)
    path = os.pathsep.join([str(hidden), *filter(None, [os.environ.get("PYTHONPATH")])])
    project.write("def f(x):\n    return x")
    said = refused(project, "No module named 'mpi4py'", "pip install", args=("-b", "mpi"), env={"PYTHONPATH": path})
    assert "-b processes" in said
    for backend in ("serial", "threads", "processes"):
        project.run("-b", backend, "-o", f"{backend}.h5", env={"PYTHONPATH": path})
    assert project.fullrank("report", "serial.h5", env={"PYTHONPATH": path}).returncode == 0


@pytest.mark.mpi
def test_mpi_library_that_cannot_be_loaded_is_refused_with_the_cure(project: Project) -> None:
    env = {"MPI4PY_LIBMPI": "/nowhere/libmpi.so"}
    project.write("def f(x):\n    return x")
    refused(project, "/nowhere/libmpi.so", "pip install 'fullrank[mpich]'", args=("-b", "mpi"), env=env)


OF_MPICH = {"PMI_RANK": "0", "PMI_SIZE": "2", "MPI_LOCALRANKID": "0"}
OF_OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "0", "PMIX_NAMESPACE": "prterun-1"
}  # fmt: skip


@pytest.mark.parametrize(
    ("env", "rank", "told"),
    [
        pytest.param(OF_MPICH, "PMI_RANK", "each is a world of 1 rank", marks=pytest.mark.mpi),
        # MPICH without PMIx would abort in MPI_Init, and say neither launcher nor library
        (OF_OPEN_MPI, "OMPI_COMM_WORLD_RANK", "do not belong together"),
    ],
)
def test_launcher_of_another_library_is_refused_with_both_named(
    project: Project, env: dict[str, str], rank: str, told: str
) -> None:
    # what a launcher of another MPI leaves in the environment
    project.write("def f(x):\n    return x")
    said = refused(project, "'s mpiexec started 2 processes", told, env=env)
    assert ("Open MPI's" if env is OF_OPEN_MPI else "MPICH's") in said
    assert "MPI library that mpi4py loads (" in said
    assert "fullrank run CONFIG -n 2 -b mpi" in said
    other_rank = project.fullrank("run", "study.toml", env=env | {rank: "1"})
    assert (other_rank.returncode, other_rank.stderr) == (2, "")
