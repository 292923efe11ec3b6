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
    array: "ArrayVariables | None" = None


@dataclass(frozen=True)
class ArrayVariables:
    """The variables that tell an element of an array job which one it is; "" where a batch system sets none."""

    index: str
    no_index: str = ""
    """Value of ``index`` in a job that is no array."""
    first: str = ""
    last: str = ""
    step: str = ""


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
        array=ArrayVariables(
            "SLURM_ARRAY_TASK_ID",
            first="SLURM_ARRAY_TASK_MIN",
            last="SLURM_ARRAY_TASK_MAX",
            step="SLURM_ARRAY_TASK_STEP",
        ),
    ),
    Scheduler(
        "pbs",
        job_id="PBS_JOBID",
        n_ranks="PBS_NP",
        host_file="PBS_NODEFILE",
        submit="qsub",
        others={"job_name": "PBS_JOBNAME", "job_queue": "PBS_QUEUE"},
        array=ArrayVariables("PBS_ARRAY_INDEX"),
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
        # it tells the last element and the step, but not the first one
        array=ArrayVariables("LSB_JOBINDEX", no_index="0"),
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
        array=ArrayVariables(
            "SGE_TASK_ID",
            no_index="undefined",
            first="SGE_TASK_FIRST",
            last="SGE_TASK_LAST",
            step="SGE_TASK_STEPSIZE",
        ),
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


@dataclass(frozen=True)
class Place:
    """Which element of an array job this is."""

    scheduler: str
    number: int
    """The element's index, or its place among all from 1 on."""
    size: int | None
    """How many elements there are; None where nothing says so."""


def place_in_array(environ: Mapping[str, str], *, counts_from_one: bool = True) -> Place | None:
    """Return which element of an array job this process belongs to; None in a job that is no array, and in none.

    With ``counts_from_one`` it is the place among all elements, else the index as the batch system has it.

    >>> slurm = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "14"}
    >>> slurm |= {"SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_MAX": "18", "SLURM_ARRAY_TASK_STEP": "2"}
    >>> place_in_array(slurm)
    Place(scheduler='slurm', number=3, size=5)
    """
    for scheduler in SCHEDULERS:
        names = scheduler.array
        if names is None or not environ.get(scheduler.job_id) or not environ.get(scheduler.witness or names.index):
            continue
        index = environ.get(names.index, "")
        if index == names.no_index or not index.isdecimal():
            continue
        first, last = environ.get(names.first, ""), environ.get(names.last, "")
        step = _positive(environ.get(names.step, "")) or 1
        if not counts_from_one or not (first.isdecimal() and last.isdecimal()):
            return Place(scheduler.name, int(index), None)
        return Place(scheduler.name, (int(index) - int(first)) // step + 1, (int(last) - int(first)) // step + 1)
    return None


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
