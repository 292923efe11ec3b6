"""A small process beside one that computes: it sleeps until that one ends, and ends it if it has become an orphan.

A thread could not: an item in C code may hold the GIL for ever. The small process is forked off before threads and
large imports, opens no file and shares nearly all its memory.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

LOOK_SECONDS = 1.0
ORPHAN_SECONDS = 10.0
"""So long a process whose parent has died may take to keep what is finished and end by itself."""
_MAX_INHERITED_FILES = 1024
_DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""What a terminal, a launcher or a scheduler sends to all is for the one that computes."""


class Beside:
    """The small process's side; what is written to it comes from :meth:`read`."""

    def __init__(self, *, pid: int, parent: int, patience_seconds: float) -> None:
        self.pid = pid
        self.patience_seconds = patience_seconds
        self._parent = parent
        self._orphan_since = float("inf")

    def settle(self, pipe: int) -> None:
        """Leave the other's session and files, and begin to look whether its parent has died."""
        os.setsid()
        for number in _DEAF_TO:
            signal.signal(number, signal.SIG_IGN)
        os.dup2(pipe, 0)
        os.dup2(2, 1)  # the other files and the launcher's pipes are to close with the one that computes
        os.closerange(3, _MAX_INHERITED_FILES)
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)

    def read(self) -> bytes:
        """Return what was written; nothing once the other has ended."""
        data = os.read(0, 1 << 16)
        if not data:  # its number may soon be another's
            signal.setitimer(signal.ITIMER_REAL, 0)
        return data

    def _look(self, _number: int, _frame: object) -> None:
        if fields_of(self.pid)[1:2] in ([], [str(self._parent)]):
            return
        self._orphan_since = min(self._orphan_since, time.monotonic())
        if time.monotonic() >= self._orphan_since + self.patience_seconds:
            os.kill(self.pid, signal.SIGKILL)


def fork_beside(live: Callable[[Beside], None], *, patience_seconds: float = ORPHAN_SECONDS) -> int:
    """Start a process beside this one that does ``live`` and ends; return the end of the pipe to write to.

    The kernel closes the pipe with this process, whatever ends it. An orphan is killed after ``patience_seconds``.
    """
    readable, writable = os.pipe()
    beside = Beside(pid=os.getpid(), parent=os.getppid(), patience_seconds=patience_seconds)
    if os.fork() == 0:
        os.close(writable)
        try:
            beside.settle(readable)
            live(beside)
        finally:
            os._exit(0)
    os.close(readable)
    return writable


def end_orphan() -> None:
    """Have this process killed if it outlives its parent by ten seconds."""
    pipe = fork_beside(_wait)
    # a process that user code forks off would keep the pipe open
    os.register_at_fork(after_in_child=lambda: os.close(pipe))


def _wait(beside: Beside) -> None:
    while beside.read():
        pass


def fields_of(pid: int) -> list[str]:
    """Return what /proc/<pid>/stat tells from the state on: the state, the parent, ...; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
