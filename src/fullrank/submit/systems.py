"""What the batch systems call things: options of a job, variables inside it, and how it goes back to the queue."""

from fullrank.dataclass import dataclass
from fullrank.scheduler import SCHEDULERS
from fullrank.submit.words import UNREADABLE

MOST_RESTARTS = 20
"""How often one job goes back to the queue, so that one that never gets on does not for ever."""

LOG = "{name}-{id}.log"
"""Name of a job's log in the folder of the submission."""
ELEMENT_LOG = "{name}-{id}*.log"
"""The same of the elements of an array."""
_STARTS = f"""\
log={LOG}
exec >>"$log" 2>&1
echo "fullrank: start on $(uname -n) at $(date -u +%Y-%m-%dT%H:%M:%SZ)"
"""


@dataclass(frozen=True)
class Options:
    """Options that every job of a system is given, and why."""

    reason: str
    """The comment above them; "" if they explain themselves."""
    lines: tuple[str, ...]
    """As the system writes them, with fields ``{name}``, ``{leave}`` and ``{log}``; in an array also ``{n}``."""


@dataclass(frozen=True)
class Elements:
    """What differs where a job is an array: each element is a job of its own, on one node."""

    options: tuple[Options, ...]
    """Beside those of every job, for which ``{name}`` is as it is there."""
    log: str
    """What tells the log of one element from those of others, as the system's options have it."""
    job_id: str = ""
    """Shell word for the job's number, with the element's."""
    again: str = ""
    """What ``{element}`` is in the lines at the end."""
    name: str = "{name}"
    """The job's name as its option has it, with the fields ``{name}`` and ``{n}``."""
    ranks_per_node: str = ""
    """The option for workers on its node, with a field ``{}``; "": that of other jobs."""


@dataclass(frozen=True)
class BatchSystem:
    """One batch system, as far as a job script and its submission need it."""

    name: str
    title: str
    prefix: str
    """What a line of options in a script begins with."""
    submit_file: str
    """The same for a file."""
    cancel: str
    answer: str
    """Regular expression whose group 1 is the job's number, in what ``submit`` prints."""
    options: tuple[Options, ...]
    elements: Elements
    log: str
    """What tells a job's log from those of others, as the system's options have it."""
    time: str
    """The option of a time limit, with the fields ``{hours:02}``, ``{minutes:02}`` and ``{seconds:02}``."""
    hosts: str = ""
    """Shell words by which an ``mpiexec`` that knows nothing of the system finds the allocation."""
    hosts_for_open_mpi: str = ""
    """The same for Open MPI's, which knows less than MPICH's; "" if it does not."""
    for_mpiexec: str = ""
    """Shell lines that ``mpiexec`` needs."""
    for_site: str = ""
    """Shell lines that a site's own launcher may need."""
    begin: str = ""
    """Shell lines before anything else, with fields ``{name}`` and ``{id}``."""
    end: str = ""
    """Shell lines once ``$status`` is known, with which the job leaves behind them; ``$ended`` is set if somebody ended
    the job. With ``{most}`` and ``{element}``."""
    again: str = ""
    """What ``{element}`` is there."""
    of_ranks: tuple[Options, ...] = ()
    """Options of a job that is no array."""
    job_id: str = ""
    """Shell word for the job's number."""
    ranks_per_node: str = ""
    """The option for it, with a field ``{}``; "" where it is part of another one."""
    unreadable: str = f"{UNREADABLE}'#"
    """Characters that it may change in an option's value in a script, also within double quotes."""
    n_name_most: int = 64
    """Longest name of a job."""
    keeps_number: bool = False
    """Whether whatever goes back to the queue keeps the number of its job."""
    tells_end: bool = False
    """Whether a job is told beforehand that its limit comes."""
    is_tried: bool = True
    """False: checked against the system's documentation only."""

    @property
    def submit(self) -> str:
        """The command that queues a script that it reads on standard input."""
        return next(scheduler.submit for scheduler in SCHEDULERS if scheduler.name == self.name)


SLURM = BatchSystem(
    "slurm",
    "Slurm",
    prefix="#SBATCH",
    submit_file="sbatch FILE",
    cancel="scancel",
    answer=r"^(?:Submitted batch job )?(\d+)(?:$|[ ;])",
    keeps_number=True,
    options=(
        Options("", ("--job-name={name}",)),
        Options("A job that starts again goes on with its log.", ("--output={name}-{log}.log", "--open-mode=append")),
        Options("It may start again, also when a node was lost.", ("--requeue",)),
        Options("Before the limit: let running items end, save, stop.", ("--signal=B:USR1@{leave}",)),
    ),
    of_ranks=(Options("One rank a core; hyper-threads are not cores.", ("--cpus-per-task=1", "--hint=nomultithread")),),
    elements=Elements(
        (
            Options("Hyper-threads are not cores.", ("--hint=nomultithread",)),
            Options("Shards, each on one node; they start as there is room.", ("--array=1-{n}", "--nodes=1")),
        ),
        log="%A-%a",
        # the number alone may be that of the whole array
        again="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID",
    ),
    log="%j",
    again="$SLURM_JOB_ID",
    time="--time={hours:02}:{minutes:02}:{seconds:02}",
    for_mpiexec="""\
# mpiexec starts one helper a node with srun, which would bind it, and so all its ranks, to one core.
export SLURM_CPU_BIND=none SLURM_NTASKS_PER_NODE=1
""",
    for_site="""\
# Without, srun lets the others wait for a rank that was killed.
export SLURM_KILL_BAD_EXIT=1
""",
    end="""\
# Stopped before all items were done, and not by a user: back to the queue.
if [ "$status" -eq 75 ] && [ -z "$ended" ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {most} ]; then
    scontrol requeue "{element}"
fi
""",
    ranks_per_node="--ntasks-per-node={}",
    unreadable=UNREADABLE,  # sbatch keeps the others within double quotes
    tells_end=True,
)

PBS = BatchSystem(
    "pbs",
    "PBS",
    prefix="#PBS",
    submit_file="qsub FILE",
    cancel="qdel",
    answer=r"^\s*(\d+(?:\[\])?)(?:\.\S*)?\s*$",
    options=(
        Options("", ("-N {name}",)),
        Options("What is said before the log is open.", ("-j oe",)),
        Options("It may start again when a node was lost.", ("-r y",)),
    ),
    elements=Elements(
        (Options("Shards, each on one node; they start as there is room.", ("-J 1-{n}",)),),
        log="",
        job_id="${PBS_JOBID%%.*}",  # it has the element in it
    ),
    log="",
    time="-l walltime={hours:02}:{minutes:02}:{seconds:02}",
    hosts='--hostfile "$PBS_NODEFILE" -n "$(wc -l <"$PBS_NODEFILE")"',
    begin=f"""\
# PBS starts a job in the home folder. A job that starts again goes on with its log.
cd "$PBS_O_WORKDIR"
{_STARTS}""",
    end="""\
# PBS lets no job put itself back to the queue.
if [ "$status" -eq 75 ] && [ -z "$ended" ]; then
    echo "stopped before all items were done; submit it again, and it goes on"
fi
""",
    job_id="${PBS_JOBID%%.*}",
    n_name_most=15,
    is_tried=False,
)

SGE = BatchSystem(
    "sge",
    "Grid Engine",
    prefix="#$",
    submit_file="qsub FILE",
    cancel="qdel",
    answer=r"^(?:.*Your job(?:-array)? )?(\d+)(?:$|[ .(])",
    options=(
        Options("", ("-N {name}", "-S /bin/bash", "-cwd")),
        Options("A job that starts again goes on with its log.", ("-j y", "-o {name}-{log}.log")),
        Options("It may start again when a node was lost.", ("-r y",)),
    ),
    elements=Elements(
        (Options("Shards, each on one node; they start as there is room.", ("-t 1-{n}",)),),
        log="$JOB_ID-$TASK_ID",
        again='-t "$SGE_TASK_ID" ',
    ),
    log="$JOB_ID",
    time="-l h_rt={hours:02}:{minutes:02}:{seconds:02}",
    hosts='-n "$NSLOTS"',
    # the wheel of Open MPI is built without Grid Engine's part, and would see but one host
    hosts_for_open_mpi='--host "$(awk \'{ print $1 ":" $2 }\' "$PE_HOSTFILE" | paste -s -d , -)" -n "$NSLOTS"',
    end="""\
# Stopped before all items were done, and not by a user: the same job anew. Leaving with 99 would start this one again,
# but not before all its hosts have cleaned up after it, for which Grid Engine may wait for ever.
restarts=${{FULLRANK_RESTARTS:-0}}
if [ "$status" -eq 75 ] && [ -z "$ended" ] && [ "$restarts" -lt {most} ]; then
    PATH=$PATH:${{SGE_O_PATH:-}} qsub {element}-v FULLRANK_RESTARTS=$((restarts + 1)) "$JOB_SCRIPT" ||
        echo "submit it again, and it goes on"
fi
""",
)

LSF = BatchSystem(
    "lsf",
    "LSF",
    prefix="#BSUB",
    submit_file="bsub < FILE",
    cancel="bkill",
    answer=r"Job <(\d+)> is submitted",
    options=(
        Options("", ("-J {named}",)),
        Options("A job that starts again goes on with its log.", ("-o {name}-{log}.log",)),
        Options("It may start again when a node was lost, and does if it leaves with 75.", ("-r", '-Q "75"')),
    ),
    elements=Elements(
        (Options("Each shard on one node; they start as there is room.", ('-R "span[hosts=1]"',)),),
        log="%J-%I",
        job_id="$LSB_JOBID-$LSB_JOBINDEX",
        name='"{name}[1-{n}]"',
        ranks_per_node="-n {}",
    ),
    log="%J",
    time="-W {hours}:{minutes:02}",
    hosts='--hostfile "$LSB_DJOB_HOSTFILE" -n "$LSB_DJOB_NUMPROC"',
    begin=f"""\
# LSF itself would keep what is printed until the end.
{_STARTS}""",
    end="""\
# Stopped before all items were done: 75 brings it back to the queue, unless a user has ended it.
if [ "$status" -eq 75 ] && {{ [ -n "$ended" ] || [ "$(grep -c '^fullrank: start on ' "$log")" -gt {most} ]; }}; then
    status=1
fi
""",
    job_id="$LSB_JOBID",
    ranks_per_node='-R "span[ptile={}]"',
    is_tried=False,
)

SYSTEMS = {system.name: system for system in (SLURM, PBS, SGE, LSF)}
