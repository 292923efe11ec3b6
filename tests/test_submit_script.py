"""Job scripts against who reads them: bash, and batch systems by the rules that their manuals tell."""

import dataclasses
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fullrank.errors import UsageError
from fullrank.submit.script import JobRequest, job_script
from fullrank.submit.site import Site
from fullrank.submit.starting import Launcher, by_mpiexec, by_site, by_srun
from fullrank.submit.systems import LSF, PBS, SGE, SLURM, SYSTEMS, BatchSystem
from fullrank.submit.words import job_name, name_from, option_lines

JOB = {
    "SLURM_JOB_ID": "17",
    "PBS_JOBID": "17.head",
    "JOB_ID": "17",
    "JOB_SCRIPT": "/spool/job_scripts/17",
    "LSB_JOBID": "17",
    "NSLOTS": "4",
    "LSB_DJOB_NUMPROC": "4",
    "LSB_DJOB_HOSTFILE": "hosts",
    "PBS_NODEFILE": "hosts",
}
"""What the systems set in a job."""

# It notes how it was called, each word ended by a zero byte; $CODE is how the ranks end.
MPIEXEC = '#!/bin/bash\nprintf "%s\\\\0" "$@" >>called\nexit "${CODE:-0}"\n'.replace("\\\\", "\\")

NOTING = MPIEXEC
"""The same for a fullrank that is started without a launcher."""

PATHS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=30)
OPTIONS = st.lists(
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=12), max_size=4
)
UNREADABLE = {"slurm": '"\\', "sge": "\"\\'#", "pbs": "\"\\'#", "lsf": "\"\\'#"}
"""What cannot be in an option: what is lost by the rules of the two readers below, and a backslash."""
system_of_any_kind = pytest.mark.parametrize("system", SYSTEMS.values(), ids=list(SYSTEMS))


def request(config: str = "study.toml", *, launcher: Launcher | None = None, **others: object) -> JobRequest:
    chosen = launcher or Launcher("./mpiexec")
    return JobRequest(**{"config": config, "name": "study", "program": ("fullrank",), "launcher": chosen} | others)  # type: ignore[arg-type]  # any field


def options_read(script: str, system: BatchSystem) -> list[str]:
    """Return the options as a batch system reads them: lines with its prefix before the first command."""
    words: list[str] = []
    for line in script.split("\n"):
        if not line.startswith("#"):
            break
        if line.startswith(f"{system.prefix} "):
            read = words_of_grid_engine if system is SGE else words_read
            words += read(line.removeprefix(system.prefix))
    return words


def words_read(line: str) -> list[str]:
    """Return words as the manual page of sbatch has it: spaces separate, quotes keep, # begins a comment."""
    words, word, quote = [], None, ""
    for character in line:
        if quote:
            quote, word = ("", word) if character == quote else (quote, word + character)
        elif character in "\"'":
            quote, word = character, word or ""
        elif character == "#":
            break
        elif character.isspace():
            words += [word] if word is not None else []
            word = None
        else:
            word = (word or "") + character
    assert not quote, "a quote is not closed"
    return words + ([word] if word is not None else [])


def words_of_grid_engine(line: str) -> list[str]:
    """Return words as qsub has them: the line ends at any #, spaces outside quotes separate, no quote is kept."""
    words = [""]
    quote = ""
    for character in line.split("#")[0].strip():
        if character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        if character == " " and not quote:
            words.append("")
        elif character not in "\"'":
            words[-1] += character
    return words


def run(script: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a script as a batch system does, in a folder with a launcher that only notes what it is to start."""
    for name in ("mpiexec", "srun"):
        (folder / name).write_text(MPIEXEC)
        (folder / name).chmod(0o755)
    (folder / "scontrol").write_text('#!/bin/sh\necho "$@" >>requeued\n')
    (folder / "scontrol").chmod(0o755)
    (folder / "fullrank").write_text(variables.pop("FAKE", '#!/bin/sh\necho "$@" >>asked\nexit "${STANDS:-0}"\n'))
    (folder / "fullrank").chmod(0o755)
    (folder / "hosts").write_text("n1\nn1\nn2\nn2\n")
    env = JOB | {"PATH": f"{folder}:{os.environ['PATH']}", "PBS_O_WORKDIR": str(folder)} | variables
    return subprocess.run(
        ["bash", "-s"], input=os.fsencode(script), cwd=folder, env=env, capture_output=True, timeout=60, check=False
    )


def called(folder: Path) -> list[str]:
    return (folder / "called").read_bytes().decode().split("\0")[:-1]


@settings(max_examples=25, deadline=None)
@given(words=st.lists(PATHS, max_size=3))
@example(words=["sweep.grid.x=['a b', \"$HOME\"]", "x=`id`"])
def test_keys_that_are_set_reach_the_run_and_nothing_else(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        done = run(job_script(request(settings=tuple(words)), SLURM, Site()), folder, CODE="9")
        assert called(folder)[2:] == ["study.toml", *(part for word in words for part in ("--set", word))]
        assert (folder / "asked").read_text() == "status study.toml --exit-code\n", done.stderr


@system_of_any_kind
@settings(max_examples=25, deadline=None)
@given(path=PATHS, output=st.one_of(st.just(""), PATHS))
@example(path="-x.toml", output="--json")
@example(path="$(touch called-too)/`id`.toml", output="'\"; exit 3 #")
@example(path="#SBATCH --uid=0", output="#PBS -N x")
def test_study_of_any_name_is_run_and_nothing_else(system: BatchSystem, path: str, output: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = job_script(request(path, output=output), system, Site())
        done = run(script, folder)
        assert done.returncode == 0, done.stderr
        words = called(folder)
        assert words[:2] == ["fullrank", "run"]
        assert [os.path.normpath(word) for word in words[2:3]] == [os.path.normpath(path)]
        assert [os.path.normpath(word) for word in words[3:]] == (["-o", os.path.normpath(output)] if output else [])
        assert not any(word.startswith("-") for word in words[2:3] + words[4:])
        assert {file.name for file in folder.iterdir()} - {"study-17.log"} == {
            "asked",
            "called",
            "fullrank",
            "hosts",
            "mpiexec",
            "scontrol",
            "srun",
        }


@system_of_any_kind
@settings(max_examples=100)
@given(path=PATHS, options=OPTIONS)
@example(path="study.toml", options=["-R", "span[ptile=2] rusage[mem=4]", "#", "--comment=a b"])
def test_batch_system_reads_each_option_as_it_was_given(system: BatchSystem, path: str, options: list[str]) -> None:
    own = options_read(job_script(request(path), system, Site()), system)
    try:
        script = job_script(request(path, native=tuple(options)), system, Site())
    except UsageError:
        assert set(UNREADABLE[system.name]) & set("".join(options))
        return
    assert options_read(script, system) == own + options


@system_of_any_kind
@settings(max_examples=20, deadline=None)
@given(path=PATHS, options=OPTIONS)
def test_bash_finds_no_error_in_a_script(system: BatchSystem, path: str, options: list[str]) -> None:
    safe = tuple(option for option in options if not set(UNREADABLE[system.name]) & set(option))
    script = job_script(request(path, native=safe, time_seconds=5000.0), system, Site())
    done = subprocess.run(["bash", "-n"], input=os.fsencode(script), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@system_of_any_kind
@pytest.mark.parametrize("path", ["a\nb.toml", "a\r#SBATCH -A x", "a\x00b", "a\u2028b"])
def test_path_of_several_lines_is_refused(system: BatchSystem, path: str) -> None:
    with pytest.raises(UsageError, match="expected one line without control characters"):
        job_script(request(path), system, Site())


@system_of_any_kind
@pytest.mark.parametrize("option", ["--wrap=a\nid", 'a"b', "a\\"])
def test_option_that_could_be_read_as_another_is_refused(system: BatchSystem, option: str) -> None:
    with pytest.raises(UsageError, match="an option behind --: expected"):
        job_script(request(native=(option,)), system, Site())


CHANGED = pytest.mark.parametrize("option", ["note=it's", "note=x#y", "it's #1"])


@CHANGED
@pytest.mark.parametrize("system", [PBS, SGE, LSF], ids=["pbs", "sge", "lsf"])
def test_option_that_grid_engine_changes_is_refused_there_and_where_nobody_could_try_it(
    system: BatchSystem, option: str
) -> None:
    assert words_of_grid_engine(f'-A "{option}"') != ["-A", option]  # so no quotes around it would do
    with pytest.raises(UsageError, match=r"an option behind --: expected it without any of \" \\ ' # \("):
        job_script(request(native=("-A", option)), system, Site())
    with pytest.raises(UsageError, match=r"site\.toml: options: expected it without any of \" \\ ' # \("):
        job_script(request(), system, Site(options=("-A", option)))


@CHANGED
def test_option_that_grid_engine_changes_is_given_to_slurm(option: str) -> None:
    script = job_script(request(native=("--comment", option)), SLURM, Site())
    assert options_read(script, SLURM)[-2:] == ["--comment", option]


@pytest.mark.parametrize("name", ["", "a b", "a\n#SBATCH --uid=0", "#SBATCH", "--uid=0", "1st", "a%j", "ä", "a" * 65])
def test_name_that_is_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--name: expected"):
        job_name(name, n_most=64)


@given(stem=st.text(max_size=90), n_most=st.sampled_from([15, 64]))
def test_study_of_any_name_has_a_job_name(stem: str, n_most: int) -> None:
    name = name_from(stem, n_most=n_most)
    assert job_name(name, n_most=n_most) == name


@system_of_any_kind
def test_launcher_starts_before_the_program_with_its_words(system: BatchSystem, tmp_path: Path) -> None:
    launcher = by_mpiexec("./mpiexec", "MPICH", system)
    assert run(job_script(request(launcher=launcher), system, Site()), tmp_path).returncode == 0
    hosts = {"slurm": [], "pbs": ["--hostfile", "hosts", "-n", "4"], "sge": ["-n", "4"]}
    expected = hosts.get(system.name, ["--hostfile", "hosts", "-n", "4"])
    assert called(tmp_path) == [*expected, "--bind-to", "core", "fullrank", "run", "study.toml"]


def test_open_mpi_is_told_the_hosts_that_grid_engine_gives(tmp_path: Path) -> None:
    # the columns of sge_pe(5): host, slots, queue, cores
    (tmp_path / "pe").write_text("n1 2 all.q@n1 UNDEFINED\nn2 6 all.q@n2 UNDEFINED\n")
    script = job_script(request(launcher=by_mpiexec("./mpiexec", "Open MPI", SGE)), SGE, Site())
    assert run(script, tmp_path, PE_HOSTFILE="pe").returncode == 0
    assert called(tmp_path)[:4] == ["--host", "n1:2,n2:6", "-n", "4"]


def test_srun_ends_the_others_if_a_rank_is_killed(tmp_path: Path) -> None:
    for launcher in (by_srun("MPICH"), by_srun("Open MPI")):
        assert run(job_script(request(launcher=launcher), SLURM, Site()), tmp_path).returncode == 0
        assert "--kill-on-bad-exit=1" in called(tmp_path)
        (tmp_path / "called").unlink()
    script = job_script(request(launcher=by_site("srun --mpi=cray_shasta", SLURM)), SLURM, Site())
    assert "export SLURM_KILL_BAD_EXIT=1\n" in script  # the variable of that option, srun(1)


# --- what becomes of a job that was stopped early


def test_slurm_puts_a_stopped_job_back_until_it_was_started_too_often(tmp_path: Path) -> None:
    script = job_script(request(), SLURM, Site())
    for restarts in ("", "0", "19"):
        assert run(script, tmp_path, CODE="75", SLURM_RESTART_COUNT=restarts).returncode == 75
    assert (tmp_path / "requeued").read_text().splitlines() == ["requeue 17"] * 3
    run(script, tmp_path, CODE="75", SLURM_RESTART_COUNT="20")
    assert len((tmp_path / "requeued").read_text().splitlines()) == 3


def test_grid_engine_is_given_a_stopped_job_anew_until_it_was_started_too_often(tmp_path: Path) -> None:
    (tmp_path / "qsub").write_text('#!/bin/sh\necho "$@" >>requeued\n')
    (tmp_path / "qsub").chmod(0o755)
    script = job_script(request(), SGE, Site())
    for restarts in ("", "0", "19", "20"):
        assert run(script, tmp_path, CODE="75", FULLRANK_RESTARTS=restarts).returncode == 75
    expected = [f"-v FULLRANK_RESTARTS={number} /spool/job_scripts/17" for number in (1, 1, 20)]
    assert (tmp_path / "requeued").read_text().splitlines() == expected


def test_lsf_puts_a_stopped_job_back_until_it_was_started_too_often(tmp_path: Path) -> None:
    script = job_script(request(), LSF, Site())
    assert options_read(script, LSF)[-2:] == ["-Q", "75"]
    codes = [run(script, tmp_path, CODE="75").returncode for _ in range(22)]
    assert codes == [75] * 20 + [1] * 2


def test_pbs_says_how_a_stopped_job_goes_on(tmp_path: Path) -> None:
    assert run(job_script(request(), PBS, Site()), tmp_path, CODE="75").returncode == 75
    assert "submit it again" in (tmp_path / "study-17.log").read_text()


@system_of_any_kind
@pytest.mark.parametrize("code", ["1", "2", "3", "70", "74", "127"])
def test_job_that_failed_ends_with_its_code(tmp_path: Path, system: BatchSystem, code: str) -> None:
    assert run(job_script(request(), system, Site()), tmp_path, CODE=code).returncode == int(code)
    assert not (tmp_path / "requeued").exists()


@pytest.mark.parametrize("death", ["0", "9", "11", "15", "137", "139", "143", "255"])
def test_after_a_death_the_files_are_asked_how_far_the_study_is(tmp_path: Path, death: str) -> None:
    script = job_script(request("my study.toml", output="b.h5"), SLURM, Site())
    for stands in ("0", "3", "75"):
        assert run(script, tmp_path, CODE=death, STANDS=stands).returncode == int(stands)
    assert (tmp_path / "asked").read_text().splitlines() == ["status my study.toml -o b.h5 --exit-code"] * 3
    assert (tmp_path / "requeued").read_text() == "requeue 17\n"


@pytest.mark.parametrize(("number", "is_requeued"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_ranks_hear_usr1_and_only_a_job_that_nobody_ended_goes_back(
    tmp_path: Path, number: signal.Signals, is_requeued: bool
) -> None:
    waiting = tmp_path / "waiting"
    waiting.write_text(
        "#!/bin/bash\ntrap 'echo heard >>called; exit 75' USR1\nsleep 0.2\ntouch ready\nwhile :; do sleep 0.01; done\n"
    )
    waiting.chmod(0o755)
    run("exit 0", tmp_path)  # leaves the programs there
    script = tmp_path / "job.sh"
    script.write_text(job_script(request(launcher=Launcher("./waiting")), SLURM, Site()))
    env = JOB | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(["bash", script], cwd=tmp_path, env=env) as shell:
        for _ in range(6000):
            if (tmp_path / "ready").exists():
                break
            time.sleep(0.01)
        shell.send_signal(number)
        assert shell.wait(60) == 75
    assert (tmp_path / "called").read_text() == "heard\n"
    assert (tmp_path / "requeued").exists() is is_requeued


# --- an array, whose elements are shards

ELEMENT = {
    "SLURM_ARRAY_JOB_ID": "16",
    "SLURM_ARRAY_TASK_ID": "4",
    "PBS_JOBID": "17[4].head",
    "SGE_TASK_ID": "4",
    "LSB_JOBINDEX": "4",
}


def array_of(n_shards: int, config: str = "study.toml", **others: object) -> JobRequest:
    return dataclasses.replace(request(config, **others), launcher=None, n_shards=n_shards)


@system_of_any_kind
@settings(max_examples=25, deadline=None)
@given(path=PATHS)
@example(path="$(touch called-too)/`id`.toml")
def test_element_of_an_array_runs_its_shard_of_a_study_of_any_name(system: BatchSystem, path: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        done = run(job_script(array_of(20, path), system, Site()), folder, FAKE=NOTING, **ELEMENT)
        assert done.returncode == 0, done.stderr
        words = called(folder)
        assert (words[0], os.path.normpath(words[1])) == ("run", os.path.normpath(path))
        # and nothing after it: the study is not complete when a shard is, and would be sent back to the queue for ever
        assert words[2:] == ["-b", "processes", "--shard", "auto/20"]


@pytest.mark.parametrize(
    ("system", "options"),
    [
        (SLURM, ["--array=1-20", "--nodes=1"]),
        (PBS, ["-J", "1-20"]),
        (SGE, ["-t", "1-20"]),
        (LSF, ["-J", "study[1-20]"]),
    ],
    ids=list(SYSTEMS),
)
def test_array_has_an_element_for_each_shard(system: BatchSystem, options: list[str]) -> None:
    """By the manual pages of sbatch, qsub (PBS Professional, Grid Engine) and bsub."""
    own = options_read(job_script(array_of(20), system, Site()), system)
    assert any(own[start : start + len(options)] == options for start in range(len(own)))
    single = options_read(job_script(request(), system, Site()), system)
    assert not any(single[start : start + len(options)] == options for start in range(len(single)))


@system_of_any_kind
def test_each_element_of_an_array_has_a_log_of_its_own(system: BatchSystem, tmp_path: Path) -> None:
    script = job_script(array_of(20), system, Site())
    words = options_read(script, system)
    named = [word for word in words if word.endswith(".log")]
    run(script, tmp_path, FAKE=NOTING, **ELEMENT)
    tells_element = {"slurm": "%a", "sge": "$TASK_ID", "lsf": "%I"}
    assert all(tells_element[system.name] in word for word in named)
    written = {path.name for path in tmp_path.glob("*.log")}
    assert written == {"pbs": {"study-17[4].log"}, "lsf": {"study-17-4.log"}}.get(system.name, set())


def test_only_the_element_that_was_stopped_goes_back_to_the_queue(tmp_path: Path) -> None:
    stopped = {"FAKE": NOTING, "CODE": "75", **ELEMENT}
    assert run(job_script(array_of(20), SLURM, Site()), tmp_path, **stopped).returncode == 75
    (tmp_path / "qsub").write_text('#!/bin/sh\necho "qsub $@" >>requeued\n')
    (tmp_path / "qsub").chmod(0o755)
    assert run(job_script(array_of(20), SGE, Site()), tmp_path, **stopped).returncode == 75
    requeued = (tmp_path / "requeued").read_text().splitlines()
    assert requeued == ["requeue 16_4", "qsub -t 4 -v FULLRANK_RESTARTS=1 /spool/job_scripts/17"]


@pytest.mark.parametrize(("system", "option"), [(SLURM, "--ntasks-per-node=8"), (LSF, "-n")], ids=["slurm", "lsf"])
def test_ranks_per_node_are_the_workers_of_an_element(system: BatchSystem, option: str) -> None:
    assert option in options_read(job_script(array_of(20), system, Site(ranks_per_node=8)), system)


# --- what a job is given


@pytest.mark.parametrize(
    ("system", "options"),
    [
        (SLURM, ["--time=02:30:05", "--ntasks-per-node=8", "-A", "abc", "--nodes=2"]),
        (LSF, ["-W", "2:31", "-R", "span[ptile=8]", "-A", "abc", "--nodes=2"]),
    ],
    ids=["slurm", "lsf"],
)
def test_options_of_the_command_line_are_read_last(system: BatchSystem, options: Sequence[str]) -> None:
    site = Site(options=("-A", "abc"), ranks_per_node=8)
    script = job_script(request(time_seconds=9005.0, native=("--nodes=2",)), system, site)
    assert options_read(script, system)[-len(options) :] == options


@pytest.mark.parametrize("system", [PBS, SGE], ids=["pbs", "sge"])
def test_ranks_per_node_are_refused_where_they_are_part_of_another_option(system: BatchSystem) -> None:
    with pytest.raises(UsageError, match=r"ranks_per_node: .* has no option for it alone"):
        job_script(request(), system, Site(ranks_per_node=8))


@pytest.mark.parametrize("system", [PBS, SGE, LSF], ids=["pbs", "sge", "lsf"])
def test_run_stops_by_itself_where_nobody_tells_it_that_its_limit_comes(tmp_path: Path, system: BatchSystem) -> None:
    assert run(job_script(request(time_seconds=3600.0), system, Site()), tmp_path).returncode == 0
    assert called(tmp_path)[-2:] == ["--stop-after", "3420s"]


@system_of_any_kind
def test_modules_and_lines_of_the_site_come_before_the_ranks(tmp_path: Path, system: BatchSystem) -> None:
    (tmp_path / "module").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >modules\n')
    (tmp_path / "module").chmod(0o755)
    site = Site(modules=("gcc/12", "mpi; touch oops"), setup=("test -e modules", "export CODE=3"))
    assert run(job_script(request(), system, site), tmp_path).returncode == 3
    assert (tmp_path / "modules").read_text().splitlines() == ["load", "gcc/12", "mpi; touch oops"]


@system_of_any_kind
def test_lines_of_the_site_may_use_variables_that_are_not_set(tmp_path: Path, system: BatchSystem) -> None:
    site = Site(
        setup=("export LIBRARIES=/opt/mpi/lib:$NOWHERE_SET", 'test "$LIBRARIES" = /opt/mpi/lib:', "export CODE=3")
    )
    done = run(job_script(request(), system, site), tmp_path)
    assert (done.returncode, done.stderr) == (3, b"")


@system_of_any_kind
def test_line_of_the_site_that_fails_ends_the_job_before_the_ranks_start(tmp_path: Path, system: BatchSystem) -> None:
    assert run(job_script(request(), system, Site(setup=("false",))), tmp_path).returncode == 1
    assert not (tmp_path / "called").exists()


@system_of_any_kind
@pytest.mark.parametrize("code", [0, 1, 75])
def test_job_has_the_functions_of_the_users_profile_and_ends_with_its_code_whatever_follows(
    tmp_path: Path, system: BatchSystem, code: int
) -> None:
    run("exit 0", tmp_path)  # leaves the programs there
    (tmp_path / "qsub").symlink_to("scontrol")
    profile = f'PATH={tmp_path}:$PATH\nmodule() {{ echo "$NOWHERE_SET$*" >modules; }}\n'
    (tmp_path / ".bash_profile").write_text(profile)
    (tmp_path / ".bash_logout").write_text('touch left\necho "$NOWHERE_SET"\nfalse\n')
    script = tmp_path / "job.sh"
    script.write_text(job_script(request(), system, Site(modules=("gcc/12",))))
    script.chmod(0o755)
    # started by its first line, from a shell that knows nothing
    env = JOB | {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PBS_O_WORKDIR": str(tmp_path), "CODE": str(code)}
    done = subprocess.run([script], cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (code, b"")
    assert (tmp_path / "modules").read_text() == "load gcc/12\n"
    assert (tmp_path / "left").exists()


def test_option_lines_are_read_by_a_shell_too() -> None:
    words = ["--nodes=2", "-R", "span[ptile=4] rusage[mem=1]", "-p", "-5"]
    assert shlex.split(" ".join(option_lines(words))) == words
