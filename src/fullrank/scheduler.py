"""Batch systems: what their environment variables say about the job this process runs in."""

import re
from collections.abc import Mapping

from fullrank.dataclass import dataclass, field


@dataclass(frozen=True)
class Scheduler:
    """One batch system, told by the variables it sets in a job; "" where it sets none."""

    name: str
    job_id: str
    witness: str = ""
    """A second variable that must be there, where the name of the first is anybody's."""
    task_id: str = ""
    """The element of an array job, where ``job_id`` does not tell elements apart."""
    no_task: str = ""
    """Value of ``task_id`` in a job that is no array."""
    restarts: str = ""
    """How often the job was started again: a count, or a yes."""
    cores_on_node: str = ""
    """Cores the job may use on the node it runs on; where they are those of all its nodes, read only if that is one."""
    n_nodes: str = ""
    end_time: str = ""
    """When the job ends, in s since 1970."""
    n_ranks: str = ""
    """Ranks that the job was given room for, on all its nodes."""
    ranks_of_nodes: str = ""
    """The same by node, ``2(x3),1``: where ranks were not asked for, that alone is set."""
    host_file: str = ""
    """Path of a file that names the node of each rank, one a line."""
    on_node: str = ""
    """Set in a job's processes on its nodes alone; "" where a job has processes nowhere else."""
    submit: str = ""
    """The command that submits a job: where it is found and there is no job, this is a login node."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Our word → variable, of what is worth keeping in a result file."""


SCHEDULERS = (
    Scheduler(
        "slurm",
        job_id="SLURM_JOB_ID",
        restarts="SLURM_RESTART_COUNT",
        cores_on_node="SLURM_CPUS_ON_NODE",
        end_time="SLURM_JOB_END_TIME",
        n_nodes="SLURM_JOB_NUM_NODES",
        n_ranks="SLURM_NTASKS",
        ranks_of_nodes="SLURM_TASKS_PER_NODE",
        on_node="SLURMD_NODENAME",
        submit="sbatch",
        others={
            "job_name": "SLURM_JOB_NAME",
            "job_queue": "SLURM_JOB_PARTITION",
            "job_nodes": "SLURM_JOB_NODELIST",
            "job_n_nodes": "SLURM_JOB_NUM_NODES",
            "job_cluster": "SLURM_CLUSTER_NAME",
            "job_array": "SLURM_ARRAY_JOB_ID",
            "job_array_task": "SLURM_ARRAY_TASK_ID",
        },
    ),
    Scheduler(
        "pbs",
        job_id="PBS_JOBID",
        n_ranks="PBS_NP",
        host_file="PBS_NODEFILE",
        submit="qsub",
        others={"job_name": "PBS_JOBNAME", "job_queue": "PBS_QUEUE"},
    ),
    Scheduler(
        "lsf",
        job_id="LSB_JOBID",
        task_id="LSB_JOBINDEX",
        no_task="0",
        restarts="LSB_RESTART",
        n_ranks="LSB_DJOB_NUMPROC",
        host_file="LSB_DJOB_HOSTFILE",
        submit="bsub",
        others={
            "job_name": "LSB_JOBNAME",
            "job_queue": "LSB_QUEUE",
            "job_nodes": "LSB_MCPU_HOSTS",
            "job_array_task": "LSB_JOBINDEX",
        },
    ),
    Scheduler(
        "sge",
        job_id="JOB_ID",
        witness="SGE_TASK_ID",
        task_id="SGE_TASK_ID",
        no_task="undefined",
        restarts="RESTARTED",
        cores_on_node="NSLOTS",
        n_nodes="NHOSTS",
        n_ranks="NSLOTS",
        submit="qsub",
        others={
            "job_name": "JOB_NAME",
            "job_queue": "QUEUE",
            "job_n_nodes": "NHOSTS",
            "job_array_task": "SGE_TASK_ID",
        },
    ),
)


@dataclass(frozen=True)
class Job:
    """The job of a batch system that this process runs in."""

    scheduler: str
    job_id: str
    """Tells the elements of an array job apart."""
    n_restarts: int
    """How often the job was started again, as far as the batch system says so."""
    n_cores: int | None
    """Cores it may use on this node; None where nothing says so."""
    ends_at: float | None
    """Time (of time.time()) at which it ends; None where nothing says so."""
    others: Mapping[str, str]
    """Name, queue, nodes ..., by our own words; never the whole environment."""
    n_ranks: int | None = None
    """Ranks it has room for, on all its nodes; None where nothing says so."""
    n_nodes: int | None = None
    """None where no variable says so."""
    host_file: str = ""
    """Path of a file that names the node of each rank, one a line; "" where there is none."""
    is_here: bool = True
    """Whether this process is on a node of the job: that of an interactive allocation may be on a login node."""

    def is_restart_of(self, job_id: str, n_restarts: int) -> bool:
        """Whether this is a later start of the job with that id, whose earlier start is over."""
        return self.job_id == job_id and self.n_restarts > n_restarts


def job_from(environ: Mapping[str, str]) -> Job | None:
    """Return the job that ``environ`` belongs to, None outside batch systems."""
    for scheduler in SCHEDULERS:
        if environ.get(scheduler.job_id) and environ.get(scheduler.witness or scheduler.job_id):
            return _job_of(scheduler, environ)
    return None


def _job_of(scheduler: Scheduler, environ: Mapping[str, str]) -> Job:
    task = environ.get(scheduler.task_id, scheduler.no_task)
    suffix = "" if task == scheduler.no_task else f"[{task}]"
    others = {word: environ[name] for word, name in scheduler.others.items() if environ.get(name)}
    if not suffix and scheduler.task_id:
        others.pop("job_array_task", None)
    return Job(
        scheduler=scheduler.name,
        job_id=f"{scheduler.name}:{environ[scheduler.job_id]}{suffix}",
        n_restarts=_n_restarts(environ.get(scheduler.restarts, "")),
        n_cores=_n_cores(scheduler, environ),
        ends_at=_time(environ.get(scheduler.end_time, "")),
        others=others,
        n_ranks=_positive(environ.get(scheduler.n_ranks, "")) or _sum(environ.get(scheduler.ranks_of_nodes, "")),
        n_nodes=_positive(environ.get(scheduler.n_nodes, "")),
        host_file=environ.get(scheduler.host_file, ""),
        is_here=not scheduler.on_node or scheduler.on_node in environ,
    )


def submit_command_of_login_node(environ: Mapping[str, str]) -> str:
    """Return the command that submits jobs from here, "" inside a job and where there is no batch system.

    Long computations belong into a job where others work on the same login node.
    """
    if job_from(environ) is not None:
        return ""
    from shutil import which

    commands = dict.fromkeys(scheduler.submit for scheduler in SCHEDULERS)
    return next((command for command in commands if which(command, path=environ.get("PATH", ""))), "")


def _n_restarts(text: str) -> int:
    return int(text) if text.isdecimal() else int(text == "Y")


def _time(text: str) -> float | None:
    return float(text) if text.isdecimal() and int(text) > 0 else None


def _n_cores(scheduler: Scheduler, environ: Mapping[str, str]) -> int | None:
    is_of_node = scheduler.cores_on_node != scheduler.n_ranks or environ.get(scheduler.n_nodes) == "1"
    return _positive(environ.get(scheduler.cores_on_node, "")) if is_of_node else None


def _sum(text: str) -> int | None:
    """Return the sum of Slurm's list of numbers; None if it is no such list.

    >>> _sum("2(x3),1"), _sum("")
    (7, None)
    """
    parts = [re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part) for part in text.split(",")]
    return sum(int(part[1]) * int(part[2] or 1) for part in parts if part) if all(parts) else None


def _positive(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) >= 1 else None
