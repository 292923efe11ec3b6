"""What launchers say of a process. The environments are those of real ones, recorded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fullrank.launcher import launcher_from, stripped_environment, thread_limits

SOURCE = Path(__file__).resolve().parents[1] / "src"


def variables(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split())


# MPICH 5.0: mpiexec -n 2
HYDRA = variables(
    "GFORTRAN_UNBUFFERED_PRECONNECTED=y HYDI_CONTROL_FD=7 MPI_LOCALNRANKS=2 MPI_LOCALRANKID=1 "
    "PMI_FD=11 PMI_HOSTNAME=vm PMI_RANK=1 PMI_SIZE=2"
)
# MPICH 5.0: mpiexec.gforker -n 2
GFORKER = variables("MPI_APPNUM=0 MPI_UNIVERSE_SIZE=-1 PMI_DEBUG=0 PMI_FD=12 PMI_RANK=1 PMI_SIZE=2")
# Open MPI 5.0: mpiexec -n 2
OPEN_MPI = variables(
    "OMPI_ARGV=x OMPI_COMMAND=x OMPI_COMM_WORLD_LOCAL_RANK=1 OMPI_COMM_WORLD_LOCAL_SIZE=2 "
    "OMPI_COMM_WORLD_NODE_RANK=1 OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 "
    "OMPI_FILE_LOCATION=x OMPI_MCA_num_procs=2 OMPI_NUM_APP_CTX=1 OMPI_TOOL_NAME=mpiexec "
    "OMPI_UNIVERSE_SIZE=2 OMPI_VERSION=5.0.11 OMPI_WORLD_LOCAL_SIZE=2 OMPI_WORLD_SIZE=2 "
    "PMIX_HOSTNAME=vm PMIX_NAMESPACE=prterun-vm-8156@1 PMIX_RANK=1 PMIX_SECURITY_MODE=native "
    "PMIX_VERSION=5.0.11rc1 PRTE_LAUNCHED=1 PRTE_SHARED_FS=FALSE"
)
# Slurm 22.05: a script of sbatch -n 4 -N 2
BATCH_SHELL = variables(
    "SLURMD_NODENAME=n1 SLURM_CPUS_ON_NODE=2 SLURM_GTIDS=0 SLURM_JOBID=1 "
    "SLURM_JOB_CPUS_PER_NODE=2(x2) SLURM_JOB_ID=1 SLURM_JOB_NODELIST=n[1-2] "
    "SLURM_JOB_NUM_NODES=2 SLURM_LOCALID=0 SLURM_NNODES=2 SLURM_NODEID=0 SLURM_NODELIST=n[1-2] "
    "SLURM_NPROCS=4 SLURM_NTASKS=4 SLURM_PROCID=0 SLURM_TASKS_PER_NODE=2(x2) SLURM_TASK_PID=113"
)
# salloc -n 2, the shell it starts
SALLOC_SHELL = variables("SLURM_JOB_ID=6 SLURM_NNODES=1 SLURM_NPROCS=2 SLURM_NTASKS=2")
# srun --mpi=none in that script
SRUN = BATCH_SHELL | variables(
    "SLURMD_NODENAME=n2 SLURM_DISTRIBUTION=block SLURM_GTIDS=2,3 SLURM_NODEID=1 SLURM_PROCID=2 "
    "SLURM_STEPID=0 SLURM_STEP_ID=0 SLURM_STEP_LAUNCHER_PORT=38243 SLURM_STEP_NODELIST=n[1-2] "
    "SLURM_STEP_NUM_NODES=2 SLURM_STEP_NUM_TASKS=4 SLURM_STEP_TASKS_PER_NODE=2(x2)"
)
SRUN_PMI2 = SRUN | variables("PMI_FD=11 PMI_JOBID=1.1 PMI_RANK=2 PMI_SIZE=4 SLURM_MPI_TYPE=pmi2")
SRUN_PMIX = SRUN | variables(
    "PMIX_NAMESPACE=slurm.pmix.1.2 PMIX_RANK=2 SLURM_MPI_TYPE=pmix "
    "SLURM_PMIXP_ABORT_AGENT_PORT=33689 SLURM_PMIX_MAPPING_SERV=(vector,(0,2,2))"
)
# srun -n 1 --pty bash, without and with an MPI plug-in
ONE_TASK = variables("SLURM_NTASKS=1 SLURM_PROCID=0 SLURM_GTIDS=0 SLURM_STEP_NUM_TASKS=1")
SRUN_SHELL = SRUN | ONE_TASK
SRUN_SHELL_PMI2 = SRUN_PMI2 | ONE_TASK | variables("PMI_RANK=0 PMI_SIZE=1")
SRUN_SHELL_PMIX = SRUN_PMIX | ONE_TASK | variables("PMIX_RANK=0")
# sbatch from such a shell: the step of the shell is inherited, the script is no part of it
BATCH_SHELL_FROM_A_STEP = BATCH_SHELL | variables(
    "SLURM_JOB_ID=2 SLURM_NTASKS=2 SLURM_STEPID=7 SLURM_STEP_ID=7 SLURM_STEP_NUM_TASKS=1"
)
# mpiexec in the script: hydra started a helper on each node with srun, here the second one's rank
HYDRA_IN_SLURM = SRUN | variables(
    "MPI_LOCALNRANKS=2 MPI_LOCALRANKID=1 PMI_FD=5 PMI_HOSTNAME=n2 PMI_RANK=3 PMI_SIZE=4 "
    "SLURM_EXTERNAL_LAUNCHER=1 SLURM_NTASKS=2 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2"
)
OPEN_MPI_IN_SLURM = BATCH_SHELL | variables("OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=4 PMIX_RANK=3 PRTE_LAUNCHED=1")
# on the other nodes, where Open MPI's daemon is a task of an srun step, one on each node
OPEN_MPI_IN_A_STEP = OPEN_MPI_IN_SLURM | SRUN | variables("SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=1")

LAUNCHED = {
    "hydra": (HYDRA, "MPICH's mpiexec", 1, 2),
    "gforker": (GFORKER, "a PMI launcher", 1, 2),
    "openmpi": (OPEN_MPI, "Open MPI's mpiexec", 1, 2),
    "srun": (SRUN, "srun", 2, 4),
    "srun-pmi2": (SRUN_PMI2, "srun", 2, 4),
    "srun-pmix": (SRUN_PMIX, "srun", 2, 4),
    "hydra-in-slurm": (HYDRA_IN_SLURM, "MPICH's mpiexec", 3, 4),
    "openmpi-in-slurm": (OPEN_MPI_IN_SLURM, "Open MPI's mpiexec", 3, 4),
    "openmpi-in-step": (OPEN_MPI_IN_A_STEP, "Open MPI's mpiexec", 3, 4),
}
NOT_LAUNCHED = {
    "laptop": {},
    "batch shell": BATCH_SHELL,
    "salloc": SALLOC_SHELL,
    "srun shell": SRUN_SHELL,
    "srun shell with pmi2": SRUN_SHELL_PMI2,
    "srun shell with pmix": SRUN_SHELL_PMIX,
    "batch shell from a step": BATCH_SHELL_FROM_A_STEP,
}


@pytest.mark.parametrize(("environ", "name", "rank", "size"), list(LAUNCHED.values()), ids=list(LAUNCHED))
def test_a_rank_knows_its_launcher(environ: dict[str, str], name: str, rank: int, size: int) -> None:
    launched = launcher_from(environ)
    assert launched is not None
    assert (launched.name, launched.rank, launched.size) == (name, rank, size)


@pytest.mark.parametrize("environ", list(NOT_LAUNCHED.values()), ids=list(NOT_LAUNCHED))
def test_a_shell_is_no_rank(environ: dict[str, str]) -> None:
    assert launcher_from(environ) is None


@pytest.mark.parametrize("shell", [BATCH_SHELL, SRUN_SHELL, SRUN_SHELL_PMI2])
def test_mpiexec_in_a_shell_of_slurm_is_the_launcher(shell: dict[str, str]) -> None:
    launched = launcher_from(shell | HYDRA)
    assert launched is not None
    assert (launched.name, launched.rank, launched.size) == ("MPICH's mpiexec", 1, 2)


def test_mpiexec_of_one_is_a_launch() -> None:
    one = variables("PMI_RANK=0 PMI_SIZE=1 MPI_LOCALRANKID=0")
    for shell in ({}, SRUN_SHELL_PMI2):
        launched = launcher_from(shell | one)
        assert launched is not None
        assert launched.size == 1


@pytest.mark.parametrize(
    "text",
    ["PMI_RANK=0", "PMI_RANK=x PMI_SIZE=2", "PMI_RANK=-1 PMI_SIZE=2", "PMI_RANK=2 PMI_SIZE=2"],
)
def test_variables_that_make_no_sense_are_no_launcher(text: str) -> None:
    assert launcher_from(variables(text)) is None


def test_a_launch_is_told_in_words() -> None:
    assert repr(launcher_from(SRUN)) == "rank 2 of 4 under srun"


@pytest.mark.parametrize("environ", [row[0] for row in LAUNCHED.values()], ids=list(LAUNCHED))
def test_a_child_is_no_rank_of_its_parents_launcher(environ: dict[str, str]) -> None:
    child = stripped_environment(environ)
    assert launcher_from(child) is None
    left = ("PMI", "PMIX", "OMPI", "PRTE", "HYDRA", "HYDI", "MPI_LOCAL", "SLURM_STEP")
    assert not [name for name in child if name.startswith(left)]


def test_a_child_keeps_the_rest_of_the_environment() -> None:
    user = variables("HOME=/home/user PATH=/bin OMP_NUM_THREADS=4 MPICH_ASYNC_PROGRESS=1 PMIND=1 SLURM_JOB_ID=1")
    allowed = variables("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
    assert stripped_environment({**user, **allowed, **OPEN_MPI}) == {**user, **allowed}


def test_a_worker_gets_one_thread_for_each_library_and_a_fixed_hash() -> None:
    limits = thread_limits({})
    assert limits.pop("PYTHONHASHSEED") == "0"
    assert set(limits.values()) == {"1"}
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"} <= limits.keys()


def test_what_the_user_set_is_not_touched() -> None:
    user = {"OMP_NUM_THREADS": "4", "PYTHONHASHSEED": "random"}
    assert not thread_limits(user).keys() & user.keys()


def test_an_empty_variable_is_not_set() -> None:
    assert thread_limits({"OMP_NUM_THREADS": ""})["OMP_NUM_THREADS"] == "1"


def test_this_module_loads_no_other() -> None:
    script = (
        "import sys; import fullrank; package = set(sys.modules)\n"
        "import fullrank.launcher; print(*sorted(set(sys.modules) - package))"
    )
    answer = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == ["fullrank.launcher"]


def test_real_ranks_know_themselves(run_mpi, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    script = tmp_path / "rank.py"
    script.write_text(
        "import os, sys; from fullrank.launcher import launcher_from\n"
        "launched = launcher_from(os.environ)\n"
        "sys.stdout.write(f'{launched.rank}/{launched.size}\\n')\n"
    )
    done = run_mpi(3, sys.executable, script, env={"PYTHONPATH": str(SOURCE)})
    assert sorted(done.stdout.split()) == ["0/3", "1/3", "2/3"]
