"""A small process beside one that computes, for what that one cannot do itself while an item in C code holds the GIL.

It sleeps until the other has ended, and kills it in two cases: if it has become an orphan, and if it was asked to stop
and hears nothing. It is forked off before user code is there, opens nothing but /proc, and shares
nearly all its memory.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

LOOK_SECONDS = 1.0
ORPHAN_SECONDS = 10.0
"""So long a process whose parent has died may take to keep what is finished and end by itself."""
DEAF_SECONDS = (10.0, 5.0)
"""So long it may hear nothing once it was asked to stop, and after a second time: as long as workers of `processes`."""
_MAX_INHERITED_FILES = 1024
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_DEAF_TO = (*STOP_SIGNALS, signal.SIGHUP)
"""What a terminal, a launcher or a scheduler sends to all is for the one that computes."""
_SIGNALS = 3
_HIGH_DESCRIPTOR = 512
_HEARD = b"\0"

_ends: list[int] = []
"""The ends to write to: of what this process tells, and of the signals that come in."""


def out_of_reach(fd: int) -> int:
    """Give a descriptor that was just opened a high number.

    Who closes others in bulk begins with the low ones, and what is opened next gets one of those: nothing of ours is
    to be written into a file that took its place.
    """
    for high in range(_HIGH_DESCRIPTOR, 2 * _HIGH_DESCRIPTOR):
        try:
            os.fstat(high)
        except OSError:
            with suppress(OSError):  # beyond what this process may have
                os.dup2(fd, high, inheritable=False)
                os.close(fd)
                return high
            break
    return fd


def tell(data: bytes) -> None:
    """Send something to the process beside this one; nothing if there is none, or no more."""
    with suppress(OSError):  # it was killed: nothing else is lost
        if _ends:
            os.write(_ends[0], data)


@contextmanager
def listening() -> Iterator[None]:
    """Let the process beside this one know, within this context, which signals come in. For the main thread."""
    before = -1
    with suppress(OSError, ValueError):  # user code has closed the pipe
        before = signal.set_wakeup_fd(_ends[1] if _ends else -1, warn_on_full_buffer=False)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            signal.set_wakeup_fd(before)
        tell_heard()  # a tick of the timer that came on the way out is not looked at any more


def tell_heard() -> None:
    """Tell that all signals so far were heard."""
    with suppress(OSError):  # it is far behind
        if _ends:
            os.write(_ends[1], _HEARD)


def forget() -> None:
    """Have nothing to do with the process beside this one any more; it ends."""
    if not _ends:
        return
    with suppress(ValueError):  # in a process forked off by a thread of which Python does not know yet that it is alone
        signal.set_wakeup_fd(-1)
    while _ends:
        with suppress(OSError):  # user code has closed it
            os.close(_ends.pop())


os.register_at_fork(after_in_child=forget)  # what user code forks off would keep the pipes open


class Hearing:
    """Whether a process is deaf, by the bytes it writes: a signal's number at once, a zero when it has heard it.

    >>> hearing = Hearing()
    >>> hearing.take(bytes([signal.SIGALRM]), now=0.0)
    >>> hearing.is_deaf(now=100.0)  # it was not asked to stop
    False
    >>> hearing.take(bytes([signal.SIGINT]), now=100.0)
    >>> hearing.is_deaf(now=109.0), hearing.is_deaf(now=110.0)
    (False, True)
    >>> hearing.take(bytes([signal.SIGINT]), now=102.0)
    >>> hearing.is_deaf(now=105.0)
    True
    >>> hearing.take(bytes([0]), now=105.0)
    >>> hearing.is_deaf(now=1000.0)
    False
    """

    def __init__(self) -> None:
        self._n_asked = 0
        self._unheard_since = float("inf")

    def take(self, data: bytes, *, now: float) -> None:
        """Take what was written since the last time."""
        for number in data:
            if number == _HEARD[0]:
                self._unheard_since = float("inf")
            elif self._n_asked or number in STOP_SIGNALS:  # the timer's are no matter before
                self._n_asked += number in STOP_SIGNALS
                self._unheard_since = min(self._unheard_since, now)

    def is_deaf(self, *, now: float) -> bool:
        """Return whether it was asked to stop and has heard nothing for too long."""
        return self._n_asked > 0 and now >= self._unheard_since + DEAF_SECONDS[self._n_asked > 1]


class Beside:
    """The small process's side; what is written to it comes from :meth:`read`."""

    def __init__(self, *, pid: int, parent: int | None, patience_seconds: float) -> None:
        self.pid = pid
        self.patience_seconds = patience_seconds
        self._parent = parent
        self._orphan_since = float("inf")
        self._kill_at, self._why = float("inf"), ""
        self._hearing = Hearing()

    def settle(self, told: int, signals: int) -> None:
        """Leave the other's session and files, and begin to look."""
        os.setsid()
        for number in _DEAF_TO:
            signal.signal(number, signal.SIG_IGN)
        spare = os.dup(signals)  # it may have a number that is needed
        os.dup2(told, 0)
        os.dup2(2, 1)  # the other files and the launcher's pipes are to close with the one that computes
        os.dup2(spare, _SIGNALS)
        os.set_blocking(_SIGNALS, False)
        os.closerange(_SIGNALS + 1, _MAX_INHERITED_FILES)
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)

    def read(self) -> bytes:
        """Return what was written; nothing once the other has ended."""
        data = os.read(0, 1 << 16)
        if not data:  # its number may soon be another's
            signal.setitimer(signal.ITIMER_REAL, 0)
        return data

    def kill_after(self, seconds: float, why: str) -> None:
        """Kill the other in so many seconds unless it has ended, and say why."""
        self._kill_at, self._why = time.monotonic() + seconds, why

    def _look(self, _number: int, _frame: object) -> None:
        now = time.monotonic()
        if now >= self._kill_at:
            os.write(2, f"fullrank: {self._why}\n".encode())
            os.kill(self.pid, signal.SIGKILL)
        if self._parent is not None and stat_of(self.pid)[1][1:2] not in ([], [str(self._parent)]):
            self._orphan_since = min(self._orphan_since, now)
            if now >= self._orphan_since + self.patience_seconds:
                os.kill(self.pid, signal.SIGKILL)
        with suppress(BlockingIOError):
            self._hearing.take(os.read(_SIGNALS, 1 << 16), now=now)
        if self._hearing.is_deaf(now=now):
            text = f"process {self.pid} was asked to stop and heard nothing, as in C code, and is killed"
            os.write(2, f"fullrank: {text}; what was finished is kept\n".encode())
            os.kill(self.pid, signal.SIGKILL)


def fork_beside(
    live: Callable[[Beside], None], *, patience_seconds: float = ORPHAN_SECONDS, may_be_orphan: bool = False
) -> int:
    """Start a process beside this one that does ``live`` and ends; return its process id.

    The kernel closes the pipes to it with this process, whatever ends it. Unless this process may be an orphan, as one
    that goes on when its user logs out, it is killed ``patience_seconds`` after its parent has died.
    """
    told, telling = os.pipe()
    signals, signalling = os.pipe()
    os.set_blocking(signalling, False)
    _ends[:] = map(out_of_reach, (telling, signalling))
    parent = None if may_be_orphan else os.getppid()
    beside = Beside(pid=os.getpid(), parent=parent, patience_seconds=patience_seconds)
    pid = os.fork()
    if pid == 0:
        try:
            beside.settle(told, signals)
            live(beside)
        finally:
            os._exit(0)
    os.close(told)
    os.close(signals)
    return pid


@contextmanager
def accompanied(*, may_be_orphan: bool) -> Iterator[None]:
    """Have a process beside this one that does nothing but look, within this context."""
    pid = fork_beside(_wait, may_be_orphan=may_be_orphan)
    try:
        yield
    finally:
        forget()
        with suppress(ChildProcessError):  # user code has waited for all children
            os.waitpid(pid, 0)


def _wait(beside: Beside) -> None:
    while beside.read():
        pass


def stat_of(pid: int) -> tuple[str, list[str]]:
    """Return what /proc/<pid>/stat tells: the name, and state, parent, ...; nothing of one that is gone."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:  # noqa: PTH123  # a help page needs no pathlib
            head, _, tail = file.read().rpartition(")")
    except OSError:
        return "", []
    return head.partition("(")[2], tail.split()
