"""What the batch systems call things: options of a job, variables inside it, and how it goes back to the queue."""

from fullrank.dataclass import dataclass
from fullrank.scheduler import SCHEDULERS

MOST_RESTARTS = 20
"""How often one job goes back to the queue, so that one that never gets on does not for ever."""

LOG = "{name}-{id}.log"
"""Name of a job's log in the folder of the submission."""
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
    """As the system writes them, with fields ``{name}`` and ``{leave}``."""


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
    """Shell lines once ``$status`` is known; ``$ended`` is set if somebody ended the job. With ``{most}``."""
    job_id: str = ""
    """Shell word for the job's number."""
    ranks_per_node: str = ""
    """The option for it, with a field ``{}``; "" where it is part of another one."""
    n_name_most: int = 64
    """Longest name of a job."""
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
    answer=r"Submitted batch job (\d+)",
    options=(
        Options("", ("--job-name={name}",)),
        Options("A job that starts again goes on with its log.", ("--output={name}-%j.log", "--open-mode=append")),
        Options("It may start again, also when a node was lost.", ("--requeue",)),
        Options("Before the limit: let running items end, save, stop.", ("--signal=B:USR1@{leave}",)),
        Options("One rank a core; hyper-threads are not cores.", ("--cpus-per-task=1", "--hint=nomultithread")),
    ),
    time="--time={hours:02}:{minutes:02}:{seconds:02}",
    for_mpiexec="""\
# mpiexec starts one helper a node with srun, which would bind it, and so all its ranks, to one core.
export SLURM_CPU_BIND=none
""",
    for_site="""\
# Without, srun lets the others wait for a rank that was killed.
export SLURM_KILL_BAD_EXIT=1
""",
    end="""\
# Stopped before all items were done, and not by a user: back to the queue.
if [ "$status" -eq 75 ] && [ -z "$ended" ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {most} ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
""",
    ranks_per_node="--ntasks-per-node={}",
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
exit "$status"
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
    answer=r"Your job (\d+)",
    options=(
        Options("", ("-N {name}", "-S /bin/bash", "-cwd")),
        Options("A job that starts again goes on with its log.", ("-j y", "-o {name}-$JOB_ID.log")),
        Options("It may start again when a node was lost.", ("-r y",)),
    ),
    time="-l h_rt={hours:02}:{minutes:02}:{seconds:02}",
    hosts='-n "$NSLOTS"',
    # the wheel of Open MPI is built without Grid Engine's part, and would see but one host
    hosts_for_open_mpi='--host "$(awk \'{ print $1 ":" $2 }\' "$PE_HOSTFILE" | paste -s -d , -)" -n "$NSLOTS"',
    end="""\
# Stopped before all items were done, and not by a user: the same job anew. Leaving with 99 would start this one again,
# but not before all its hosts have cleaned up after it, for which Grid Engine may wait for ever.
restarts=${{FULLRANK_RESTARTS:-0}}
if [ "$status" -eq 75 ] && [ -z "$ended" ] && [ "$restarts" -lt {most} ]; then
    PATH=$PATH:${{SGE_O_PATH:-}} qsub -v FULLRANK_RESTARTS=$((restarts + 1)) "$JOB_SCRIPT" ||
        echo "submit it again, and it goes on"
fi
exit "$status"
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
        Options("", ("-J {name}",)),
        Options("A job that starts again goes on with its log.", ("-o {name}-%J.log",)),
        Options("It may start again when a node was lost, and does if it leaves with 75.", ("-r", '-Q "75"')),
    ),
    time="-W {hours}:{minutes:02}",
    hosts='--hostfile "$LSB_DJOB_HOSTFILE" -n "$LSB_DJOB_NUMPROC"',
    begin=f"""\
# LSF itself would keep what is printed until the end.
{_STARTS}""",
    end="""\
# Stopped before all items were done: 75 brings it back to the queue, unless a user has ended it.
if [ "$status" -eq 75 ] && {{ [ -n "$ended" ] || [ "$(grep -c '^fullrank: start on ' "$log")" -gt {most} ]; }}; then
    exit 1
fi
exit "$status"
""",
    job_id="$LSB_JOBID",
    ranks_per_node='-R "span[ptile={}]"',
    is_tried=False,
)

SYSTEMS = {system.name: system for system in (SLURM, PBS, SGE, LSF)}
