"""Who holds a lock, and whether that process can still be there."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from fullrank.dataclass import asdict, dataclass
from fullrank.scheduler import job_from

ProcessStart = Callable[[int], str | None]


class Verdict(Enum):
    """What is known of the process that holds a lock."""

    GONE = "gone"
    ALIVE = "alive"
    """On this host; it may hang, but it is there."""
    UNKNOWN = "unknown"
    """On another host, or out of sight: only its signs of life can tell."""


@dataclass(frozen=True)
class Owner:
    """The process that holds a lock, as it stands in the file."""

    host: str
    pid: int
    process_start: str
    """Tells the process from a later one of the same pid; "" where the system does not say."""
    started: str
    """When it took the lock, ISO 8601."""
    token: str
    """Random: no two locks are alike."""
    job: str = ""
    """Its job in the batch system."""
    n_restarts: int = 0
    """Of that job, before this start."""
    machine: str = ""
    """The installation, which tells two hosts of one name apart."""
    boot: str = ""
    """Changes when the machine is started again."""
    pid_namespace: str = ""
    """Of a container: pids of another one mean nothing here."""

    def to_json(self) -> str:
        """Return the text of a lock file."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        return f"pid {self.pid} on {self.host}{job}, since {self.started}"


def owner_from(text: str) -> Owner | None:
    """Return the owner a lock file names; None for one that is being written or is damaged."""
    try:
        return Owner(**json.loads(text))
    except (ValueError, TypeError):
        return None


def this_process() -> Owner:
    """Return this process as an owner, with a token of its own."""
    job = job_from(os.environ)
    return Owner(
        host=os.uname().nodename,
        pid=os.getpid(),
        process_start=process_start(os.getpid()) or "",
        started=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        token=os.urandom(8).hex(),
        job=job.job_id if job and job.is_here else "",  # elsewhere it may outlive the job
        n_restarts=job.n_restarts if job else 0,
        machine=_line(Path("/etc/machine-id")),
        boot=_line(Path("/proc/sys/kernel/random/boot_id")),
        pid_namespace=_link(Path("/proc/self/ns/pid")),
    )


def _line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def process_start(pid: int) -> str | None:
    """Return when process ``pid`` of this host started, "" if that is unknown, None if it is gone.

    A zombie is gone: nobody has asked for its exit status yet, which is all that is left of it.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:  # another user's process; /proc may hide it
        pass
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # the second field, the command's name in brackets, may hold spaces and brackets
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else fields[18]


def judge(owner: Owner, me: Owner, process_start: ProcessStart) -> Verdict:
    """Return what ``me`` can know of ``owner`` without waiting for signs of life."""
    if owner.job and owner.job == me.job and owner.n_restarts < me.n_restarts:
        return Verdict.GONE  # the batch system ended it before it started the job again
    if (owner.host, owner.machine) != (me.host, me.machine):
        return Verdict.UNKNOWN
    if owner.boot != me.boot:
        return Verdict.GONE
    if owner.pid_namespace != me.pid_namespace:
        return Verdict.UNKNOWN
    start = process_start(owner.pid)
    is_there = start is not None and (not owner.process_start or start in ("", owner.process_start))
    return Verdict.ALIVE if is_there else Verdict.GONE
