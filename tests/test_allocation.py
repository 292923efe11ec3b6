"""``fullrank run`` alone inside a job: on all of it.

Slurm's and Grid Engine's environments are recorded ones; the launcher only notes what it is given.
"""

import json
import os
import shlex
import sys
import time
from pathlib import Path

import pytest
from studies import Project

import fullrank
from fullrank.allocation import allocation_from
from fullrank.deadline import STOP_AT_VARIABLE
from fullrank.errors import BackendError
from fullrank.launch import NoMpiexec

pytestmark = pytest.mark.in_process

QUICK = "def f(x):\n    return x / 7\n"
PROGRAM = [sys.executable, "-m", "fullrank", "run", "study.toml"]


def variables(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split())


# Slurm 22.05: a script of sbatch --nodes=3 --ntasks-per-node=2
SLURM = variables(
    "SLURMD_NODENAME=n1 SLURM_CPUS_ON_NODE=2 SLURM_GTIDS=0 SLURM_JOB_CPUS_PER_NODE=2(x3) SLURM_JOB_ID=5 "
    "SLURM_JOB_NODELIST=n[1-3] SLURM_JOB_NUM_NODES=3 SLURM_LOCALID=0 SLURM_NNODES=3 SLURM_NODEID=0 SLURM_NPROCS=6 "
    "SLURM_NTASKS=6 SLURM_NTASKS_PER_NODE=2 SLURM_PROCID=0 SLURM_TASKS_PER_NODE=2(x3)"
)
ONE_NODE = SLURM | variables("SLURM_JOB_NUM_NODES=1 SLURM_NNODES=1 SLURM_NTASKS=2 SLURM_TASKS_PER_NODE=2")
# srun --ntasks=1 --pty bash in such a job
STEP_SHELL = SLURM | variables(
    "SLURM_NTASKS=1 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1 SLURM_CPU_BIND=quiet,mask_cpu:0x1"
)
# a shell of salloc, on the host where that was called
SALLOC = variables("SLURM_JOB_ID=6 SLURM_JOB_NUM_NODES=1 SLURM_NNODES=1 SLURM_NTASKS=2 SLURM_TASKS_PER_NODE=2")
GRID_ENGINE = variables("JOB_ID=1 NHOSTS=3 NSLOTS=6 SGE_TASK_ID=undefined RESTARTED=0")


class Launcher:
    """An mpiexec, and on the PATH an srun, that start nothing: they note what they are given, and tell root's code."""

    def __init__(self, folder: Path) -> None:
        self._noted = folder / "noted"
        self.path = folder / "mpi exec"
        self.code = 0
        (folder / "bin").mkdir()
        self.srun = folder / "bin" / "srun"
        for program in (self.path, self.srun):
            program.write_text(f"#!{sys.executable}\n{NOTES}".replace("NOTED", repr(str(self._noted))))
            program.chmod(0o755)

    @property
    def is_started(self) -> bool:
        return self._noted.exists()

    @property
    def words(self) -> list[str]:
        found: list[str] = json.loads(self._noted.read_text())["words"]
        return [word for word in found if word != "-P"]

    @property
    def environment(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._noted.read_text())["environment"]
        return found


NOTES = """\
import json, os, pathlib, sys
pathlib.Path(NOTED).write_text(json.dumps({"words": sys.argv, "environment": dict(os.environ)}))
print("from root", os.environ["FULLRANK_EXIT_CODE_MARK"] + ":" + os.environ.get("ROOTS_CODE", "0"), sep="\\n")
sys.exit(9)
"""


@pytest.fixture
def launcher(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    folder = tmp_path_factory.mktemp("mpi")
    found = Launcher(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("FULLRANK_SITE", raising=False)
    monkeypatch.setattr("fullrank.submit.site._OF_MACHINE", folder / "site.toml")
    monkeypatch.setattr("fullrank.allocation.find_mpiexec", lambda: (found.path, "MPICH"))
    return found


def lacks_mpi(monkeypatch: pytest.MonkeyPatch, error: BackendError) -> None:
    def nothing() -> None:
        raise error

    monkeypatch.setattr("fullrank.allocation.find_mpiexec", nothing)


def run(project: Project, environ: dict[str, str], *args: object, expect: int = 0) -> str:
    words = ["run", "study.toml", *map(str, args)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["fullrank", *words])
        done = project.fullrank(*words, env=environ)
    assert done.returncode == expect, done.stderr
    return done.stdout + done.stderr


def backend(project: Project) -> str:
    (found,) = set(project.read("attempts/backend").astype(str))
    return str(found)


@pytest.fixture
def study(project: Project) -> Project:
    return project.write(QUICK)


def test_ranks_are_started_on_all_of_the_job(study: Project, launcher: Launcher) -> None:
    assert run(study, SLURM) == "from root\n"
    assert launcher.words == [str(launcher.path), "-n", "6", *PROGRAM]


def test_exit_code_is_what_root_told_and_not_the_launchers(study: Project, launcher: Launcher) -> None:
    for code in (0, 3, 75):
        run(study, SLURM | {"ROOTS_CODE": str(code)}, expect=code)


def test_fewer_ranks_may_be_asked_for(study: Project, launcher: Launcher) -> None:
    run(study, SLURM, "-n", 4)
    assert launcher.words[1:3] == ["-n", "4"]


@pytest.mark.parametrize("environ", [SLURM, SLURM | {"SLURM_NTASKS": ""}])
def test_more_ranks_than_the_job_has_room_for_are_refused_with_both_numbers(
    study: Project, launcher: Launcher, environ: dict[str, str]
) -> None:
    for words in (["-n", 8], ["-n", 8, "--dry-run"]):
        told = run(study, environ, *words, expect=2)
        assert "-n 8 disagrees with job slurm:5, which has room for 6 ranks on 3 nodes" in told
    assert not launcher.is_started


def test_one_node_is_filled_with_processes(study: Project, launcher: Launcher) -> None:
    told = json.loads(run(study, ONE_NODE, "--dry-run", "--json"))
    assert told["backend"] == "processes"
    assert told["n_workers"] <= 2
    assert "disagrees with job slurm:5, which has room for 2 ranks on 1 node" in run(study, ONE_NODE, "-n", 9, expect=2)
    run(study, ONE_NODE)
    assert study.output.exists()
    assert not launcher.is_started


@pytest.mark.parametrize("name", ["processes", "threads", "serial"])
def test_backend_that_is_asked_for_rules(study: Project, launcher: Launcher, name: str) -> None:
    run(study, SLURM, "-b", name)
    assert backend(study) == name
    assert not launcher.is_started


def test_dry_run_tells_what_would_be_started(study: Project, launcher: Launcher) -> None:
    assert "6 workers of backend mpi" in run(study, SLURM, "--dry-run")
    assert not launcher.is_started


def test_without_mpi_this_node_computes_and_the_idle_ones_are_told(
    study: Project, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks_mpi(monkeypatch, BackendError("backend 'mpi' needs an MPI library: there is none"))
    told = run(study, SLURM)
    assert "2 other nodes stay idle, for nothing starts ranks there: backend 'mpi' needs an MPI library" in told
    assert backend(study) == "processes"
    assert "and for 2 workers on this one" in run(study, SLURM | {"SLURM_CPUS_ON_NODE": "2"}, "-n", 6, expect=2)


@pytest.mark.parametrize(("vendor", "plugin"), [("Open MPI", "pmix"), ("Intel MPI", "pmi2")])
def test_library_without_an_mpiexec_is_started_by_srun(
    study: Project, launcher: Launcher, monkeypatch: pytest.MonkeyPatch, vendor: str, plugin: str
) -> None:
    lacks_mpi(monkeypatch, NoMpiexec(vendor))
    run(study, SLURM | {"PATH": f"{launcher.srun.parent}:{os.environ['PATH']}"})
    program, *options = launcher.words
    assert Path(program).name == "srun"
    assert f"--mpi={plugin}" in options
    assert "--kill-on-bad-exit=1" in options
    assert options[-7:] == ["-n", "6", *PROGRAM]


def site_with(study: Project, words: str) -> dict[str, str]:
    """Have a site profile with this launcher, and return the variable that names it."""
    profile = study.folder / "site.toml"
    profile.write_text(f"launcher = {json.dumps(words)}\n")
    return {"FULLRANK_SITE": str(profile)}


@pytest.mark.parametrize(("words", "count"), [([], []), (["-n", 4], ["-n", "4"])])
def test_launcher_of_the_site_holds(study: Project, launcher: Launcher, words: list[object], count: list[str]) -> None:
    site = site_with(study, f"WIDE=1 {shlex.quote(str(launcher.path))} --fabric 'a b'")
    run(study, SLURM | site, *words)
    assert launcher.words == [str(launcher.path), "--fabric", "a b", *count, *PROGRAM, *map(str, words)]
    assert launcher.environment["WIDE"] == "1"


def test_launcher_that_starts_nothing_is_an_error_and_no_stop(study: Project, launcher: Launcher) -> None:
    told = run(study, SLURM | site_with(study, "srun --mpi=nowhere; exit 1 #"), expect=2)
    assert "srun --mpi=nowhere; exit 1 # started no ranks (exit code 1)" in told
    assert not study.output.exists()


@pytest.mark.parametrize("job", ["PBS_JOBID=7.head PBS_NODEFILE", "LSB_JOBID=7 LSB_DJOB_NUMPROC=4 LSB_DJOB_HOSTFILE"])
def test_hosts_are_named_to_an_mpiexec_that_does_not_know_the_batch_system(
    study: Project, launcher: Launcher, job: str
) -> None:
    hosts = study.folder / "hosts"
    hosts.write_text("a\na\nb\nb\n")
    run(study, {**variables(f"{job}="), job.split()[-1]: str(hosts)})
    assert launcher.words[1:5] == ["--hostfile", str(hosts), "-n", "4"]


def test_hosts_of_grid_engine_are_known_to_mpich_and_named_to_open_mpi(
    study: Project, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = study.folder / "hosts"
    hosts.write_text("n1 2 all.q@n1 UNDEFINED\nn2 4 all.q@n2 UNDEFINED\n")
    job = GRID_ENGINE | {"PE_HOSTFILE": str(hosts)}
    run(study, job)
    assert launcher.words[1:3] == ["-n", "6"]
    monkeypatch.setattr("fullrank.allocation.find_mpiexec", lambda: (launcher.path, "Open MPI"))
    run(study, job)
    assert launcher.words[1:5] == ["--host", "n1:2,n2:4", "-n", "6"]
    run(study, GRID_ENGINE)
    assert launcher.words[1:3] == ["-n", "6"]


def test_shell_that_is_on_no_node_of_its_job_computes_on_them(
    study: Project, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(study, SALLOC)
    assert launcher.words[1:3] == ["-n", "2"]
    lacks_mpi(monkeypatch, BackendError("no MPI library"))
    assert "this is no node of job slurm:6" in run(study, SALLOC, expect=2)
    assert not study.output.exists()


def test_shell_that_srun_gave_on_one_node_computes_there(study: Project, launcher: Launcher) -> None:
    run(study, STEP_SHELL)
    assert backend(study) == "processes"
    assert not launcher.is_started


def started_with(study: Project, launcher: Launcher, environ: dict[str, str], *args: object) -> dict[str, str]:
    run(study, environ, *args)
    return launcher.environment


def test_ranks_inherit_no_launcher_and_are_not_bound_to_one_core(study: Project, launcher: Launcher) -> None:
    stale = variables("PMI_RANK=0 PMI_FD=9 PMIX_RANK=0 HYDI_CONTROL_FD=7 SLURM_PMI_FD=1 SLURM_EXPORT_ENV=NONE")
    chosen = variables("OMPI_MCA_btl_tcp_if_include=ib0 HYDRA_IFACE=ib0")
    found = started_with(study, launcher, SLURM | stale | chosen)
    assert not found.keys() & (stale.keys() - {"SLURM_EXPORT_ENV"} | {"SLURM_PROCID", "SLURM_LOCALID", "SLURM_GTIDS"})
    assert chosen.items() <= found.items()
    assert (found["SLURM_EXPORT_ENV"], found["SLURM_CPU_BIND"]) == ("ALL", "none")
    assert "SLURM_OVERLAP" not in found


def test_shell_that_srun_gave_shares_its_cores_with_what_it_starts(study: Project, launcher: Launcher) -> None:
    site = site_with(study, shlex.quote(str(launcher.path)))
    found = started_with(study, launcher, STEP_SHELL | site, "-b", "mpi")
    assert (found["SLURM_OVERLAP"], found["SLURM_CPU_BIND"]) == ("1", "none")


def stop_seconds(found: dict[str, str]) -> float:
    return float(found[STOP_AT_VARIABLE]) - time.time()


def test_ranks_stop_well_before_the_job_ends(study: Project, launcher: Launcher) -> None:
    def found(left_seconds: int, *args: object) -> float:
        ends = {"SLURM_JOB_END_TIME": str(int(time.time()) + left_seconds)}
        return stop_seconds(started_with(study, launcher, SLURM | ends, *args))

    assert found(7200) == pytest.approx(7200 - 180, abs=30)
    assert found(500) == pytest.approx(400, abs=30)
    assert found(7200, "--stop-after", "3000s") <= 3000


def test_job_whose_limit_comes_before_any_item_has_ended_is_not_to_be_started_again(study: Project) -> None:
    def stopped(left_seconds: int, *, expect: int) -> str:
        job = ONE_NODE | {"SLURM_JOB_END_TIME": str(int(time.time()) + left_seconds)}
        return run(study, job, "-b", "serial", "--stop-after", "1s", expect=expect)  # which is over

    told = "no item has ended before the time limit of job slurm:5, which would get no further"
    assert told in stopped(100, expect=2)
    assert told not in stopped(7200, expect=75)


def test_call_from_python_computes_on_all_of_the_job(
    study: Project, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(study.folder)
    run(study, SLURM, "-b", "serial")
    assert fullrank.run("study.toml") is not None
    assert launcher.words[1:3] == ["-n", "6"]


def nodes_and_ranks(environ: dict[str, str]) -> tuple[int, int]:
    found = allocation_from(environ)
    assert found is not None
    return found.n_nodes, found.n_ranks


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (SLURM, (3, 6)),
        (SLURM | {"SLURM_NTASKS": "", "SLURM_TASKS_PER_NODE": "2(x2),1"}, (3, 5)),
        (SLURM | {"SLURM_NTASKS": "", "SLURM_TASKS_PER_NODE": "2(x2),?"}, (3, 1)),
        (GRID_ENGINE, (3, 6)),
        (variables("PBS_JOBID=7 PBS_NODEFILE=/nowhere/hosts"), (1, 1)),
        (variables("LSB_JOBID=7 LSB_DJOB_NUMPROC=4"), (1, 4)),
    ],
)
def test_nodes_and_ranks_of_a_job_are_known(environ: dict[str, str], expected: tuple[int, int]) -> None:
    assert nodes_and_ranks(environ) == expected


def test_outside_jobs_there_is_no_allocation() -> None:
    assert allocation_from({}) is None
