"""What the job gives that this process runs in, and what starts ranks on all of it."""

import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fullrank.dataclass import dataclass
from fullrank.errors import BackendError
from fullrank.launch import NoMpiexec, Starter, find_mpiexec, mpiexec_starter
from fullrank.scheduler import Job, job_from


@dataclass(frozen=True)
class Allocation:
    """Nodes of a batch system, and room for ranks on them."""

    job: Job
    n_nodes: int
    n_ranks: int
    """Room for so many, on all nodes."""

    @property
    def goes_beyond_here(self) -> bool:
        """Whether there is room for ranks that this process cannot give by processes of its own."""
        return not self.job.is_here or (self.n_nodes > 1 and self.n_ranks > 1)

    def __str__(self) -> str:
        """Return the job and what it has: ``slurm:5, which has room for 6 ranks on 3 nodes``."""
        ranks = "1 rank" if self.n_ranks == 1 else f"{self.n_ranks} ranks"
        nodes = "1 node" if self.n_nodes == 1 else f"{self.n_nodes} nodes"
        return f"{self.job.job_id}, which has room for {ranks} on {nodes}"


def allocation_from(environ: Mapping[str, str]) -> Allocation | None:
    """Return what the job of this process gives; None outside batch systems."""
    job = job_from(environ)
    if job is None:
        return None
    hosts: list[str] = []
    if job.host_file:
        with suppress(OSError):
            hosts = Path(job.host_file).read_text(errors="replace").split()
    return Allocation(job, job.n_nodes or len(set(hosts)) or 1, job.n_ranks or len(hosts) or 1)


def find_starter(environ: Mapping[str, str], allocation: Allocation | None) -> Starter:
    """Return what starts ranks here: in a job the site's launcher, the mpiexec that fits, or srun; else that mpiexec.

    Raises BackendError, with the cure, where there is neither, and ConfigError if the site's profile is wrong.
    """
    if allocation is None:
        return mpiexec_starter()
    from fullrank.submit.site import read_site
    from fullrank.submit.starting import by_srun

    scheduler, words = allocation.job.scheduler, read_site(environ).launcher
    variables, n_ranks = _variables(allocation, environ), allocation.n_ranks
    if words is not None:
        # as in a job script it is a line of the shell
        shell = ("bash", "-c", f'{words} "$@"', "fullrank")
        return Starter(shell, variables=variables, name=words, n_ranks=n_ranks, knows_how_many=True)
    try:
        mpiexec, vendor = find_mpiexec()
    except NoMpiexec as error:
        if scheduler != "slurm" or shutil.which("srun", path=environ.get("PATH", "")) is None:
            raise
        return Starter(tuple(shlex.split(by_srun(error.vendor).words)), error.vendor, variables, n_ranks=n_ranks)
    if scheduler == "slurm":  # it has srun start one helper a node, which would be bound, and so all ranks, to one core
        variables |= {"SLURM_CPU_BIND": "none", "SLURM_NTASKS_PER_NODE": "1"}
    return Starter((str(mpiexec), *_hosts(allocation.job, vendor, environ)), vendor, variables, n_ranks=n_ranks)


def _hosts(job: Job, vendor: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the options by which an mpiexec that knows nothing of the batch system finds the job's nodes."""
    if job.host_file:
        return "--hostfile", job.host_file
    if job.scheduler != "sge" or vendor != "Open MPI":
        return ()
    try:  # lines of host, number of slots, queue, processors
        rows = [line.split() for line in Path(environ["PE_HOSTFILE"]).read_text(errors="replace").splitlines()]
        return "--host", ",".join(f"{host}:{n_slots}" for host, n_slots, *_ in rows)
    except (KeyError, OSError, ValueError):
        return ()


def _variables(allocation: Allocation, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what launchers need in a job: they start ranks, or a helper on each node, with the system's command."""
    if allocation.job.scheduler != "slurm":
        return {}
    found = {
        "SLURM_EXPORT_ENV": "ALL",  # ranks are told by variables; after sbatch --export=NONE they would not reach them
        "SLURM_KILL_BAD_EXIT": "1",  # else srun lets the others wait for a rank that was killed
    }
    if "SLURM_STEP_ID" in environ:  # a shell that srun gave holds the cores for which srun would wait, and is bound
        found |= {"SLURM_OVERLAP": "1", "SLURM_CPU_BIND": "none"}
    if allocation.n_ranks == 1 < allocation.n_nodes and (nodes := environ.get("SLURM_STEP_NODELIST")):
        # some variables of such a shell are the job's, others those of its own node, of which launchers make nonsense
        found |= {"SLURM_NODELIST": nodes, "SLURM_JOB_NODELIST": nodes, "SLURM_NNODES": "1", "SLURM_JOB_NUM_NODES": "1"}
    return found


def others_idle(allocation: Allocation, error: BackendError) -> str:
    """Return what is told where nothing starts ranks on the nodes of a job, and this node computes alone.

    Raises BackendError if this is none of its nodes.
    """
    reason = "; ".join(str(error).splitlines())
    if not allocation.job.is_here:
        raise BackendError(f"this is no node of job {allocation}, and nothing starts ranks there: {reason}")
    n_others = allocation.n_nodes - 1
    nodes = "1 other node stays" if n_others == 1 else f"{n_others} other nodes stay"
    return f"{nodes} idle, for nothing starts ranks there: {reason}"
