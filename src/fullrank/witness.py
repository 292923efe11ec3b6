"""A small process beside each rank of MPI that tells how the rank ended, if the rank cannot.

A rank that is killed, crashes or leaves by ``os._exit`` says nothing, and launchers say at most a signal: MPICH's ends
the other ranks without a word and with exit code 0. The witness sleeps on a pipe that the kernel closes with its
rank, whatever ends it. It is forked before MPI is there, whose library would not survive a fork.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from fullrank import beside
from fullrank.beside import Beside, stat_of
from fullrank.parent import signal_name

Message = tuple[bytes, bytes]
"""Paths of the running cell and of the note."""

_NOTHING: Message = (b"", b"")
_DISMISSED: Message = (b"", b"dismissed")
_LEAVES = b"leaves"
"""In place of the note, of a process that is done; in place of the cell the seconds that it may take."""
SEEN_SUFFIX = ".seen"
"""Of the file beside the note in which witnesses of killed ranks write when they woke, to find out who was first."""
_FIRST_SECONDS = 0.2
_WITHOUT_LAUNCHER_SECONDS = 0.6
_ENDING_SECONDS = 0.02
_AT_ONCE_SECONDS = 0.003
"""A status is there for less than a millisecond where the launcher is quick."""
_MAX_SEEN_BYTES = 1 << 16
_EXITING = 0x4
"""Linux's PF_EXITING, among the flags in /proc/<pid>/stat."""
_FOLLOWS = (signal.SIGKILL, signal.SIGTERM)
"""How launchers end the other ranks once one has died."""
_LAUNCHERS = ("mpiexec", "mpirun", "prterun", "orterun", "srun")
Launcher = tuple[int, str, str]
"""Process id, name, and time of the start, by which it is told from a later process with the same number."""


class Witness:
    """The rank's side."""

    def __init__(self) -> None:
        self.parent = os.getppid()
        """What started the rank; known before MPI is there, in whose start it may be killed."""
        self._note: Path | None = None

    def attend(self, running: Path, *, note: Path) -> None:
        """Tell where the running item stands from now on, and where a death is noted. The first death alone is."""
        self._note = note
        self._send(os.fsencode(running), os.fsencode(note))

    def tell(self, text: str) -> None:
        """Note how this process ends the run: those that the launcher then kills have nothing to add."""
        if self._note is not None:
            leave_note(self._note, text)
        self.dismiss()

    def fail_launch(self) -> NoReturn:
        """End this process, which cannot become a rank, so that its launcher ends the others too.

        MPICH's lets them wait for ever, inside MPI_Init, for one that leaves with an exit code.
        """
        self.dismiss()
        os.kill(os.getpid(), signal.SIGKILL)
        os._exit(2)

    def leave_within(self, seconds: float) -> None:
        """Have this process, which is done, killed if its MPI library has not let it go by then."""
        self._send(b"%g" % seconds, _LEAVES)

    def dismiss(self) -> None:
        """Let the witness end without a word: this process says itself how it ends."""
        self._send(*_DISMISSED)
        beside.forget()

    def _send(self, running: bytes, note: bytes) -> None:
        beside.tell(b"%s\0%s\0" % (running, note))


def call_witness(rank: int, size: int) -> Witness:
    """Start the witness of this process. To be called before threads, MPI and large imports."""
    who = f"rank {rank} of {size} ({os.uname().nodename})"
    # in MPI_Init an orphan may wait, for ever and inside C code, for a rank that was killed together with the launcher
    beside.fork_beside(lambda process: _be_witness(process, who), patience_seconds=0.0)
    return Witness()


def _be_witness(process: Beside, who: str) -> None:
    def read() -> bytes:
        data = process.read()
        process.patience_seconds = beside.ORPHAN_SECONDS  # from now on the rank looks itself
        if data.endswith(b"\0%s\0" % _LEAVES):
            process.kill_after(
                float(data.split(b"\0")[-3]), f"{who} is done, but its MPI library does not let it go: it is killed"
            )
        return data

    launcher = _launcher_above(process.pid)
    running, note = message = _last_message(read)
    if message == _DISMISSED or note == _LEAVES:
        return
    seen = time.time()
    status = _status_of(process.pid)  # before anything else is done: the launcher soon takes it away
    is_left = launcher is not None and _has_ended(launcher)
    follows = status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in _FOLLOWS)
    text = f"{who} {_how(status)}, {_where(running)}"
    if launcher is not None and is_left and follows:
        # a launcher outlives the rank whose death makes it end the others: whoever saw that one die speaks first
        time.sleep(_WITHOUT_LAUNCHER_SECONDS)
        text = f"{launcher[1]} (process {launcher[0]}, {os.uname().nodename}) ended first, and the ranks with it"
    elif follows and note:
        # the one that crashed or left is the first; of those that were killed it is the one whose witness woke first
        time.sleep(0.0 if _is_first(Path(os.fsdecode(note) + SEEN_SUFFIX), seen, who) else _FIRST_SECONDS)
    if leave_note(os.fsdecode(note), text) if note else not follows:
        os.write(2, f"fullrank: {text}; the run ends. What was finished is kept, the same command goes on\n".encode())


def _is_first(path: Path, seen: float, who: str) -> bool:
    """Return whether no other witness has, within a moment, written an earlier time into the file at ``path``."""
    with suppress(OSError):
        own = f"{seen:.6f} {who}\n".encode()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(descriptor, own)
        time.sleep(_FIRST_SECONDS)
        return min(os.pread(descriptor, _MAX_SEEN_BYTES, 0).splitlines(keepends=True)) == own
    return True


def _launcher_above(pid: int) -> Launcher | None:
    """Return the launcher of a process: its parent, or that one's, for MPICH's has a helper of its own in between."""
    for _ in range(2):
        _, fields = stat_of(pid)
        if not fields:
            return None
        pid = int(fields[1])
        name, above = stat_of(pid)
        if above and name.startswith(_LAUNCHERS):
            return pid, name, above[19]
    return None


def _has_ended(launcher: Launcher) -> bool:
    """Return whether a launcher has ended, or is about to: its helpers see its sockets close before it has."""
    _, fields = stat_of(launcher[0])
    return not fields or fields[0] in "ZX" or fields[19] != launcher[2] or bool(int(fields[6]) & _EXITING)


def _last_message(read: Callable[[], bytes]) -> Message:
    r"""Return the last whole message before the pipe closed, two empty paths if there was none.

    >>> parts = iter([b"a\0b\0c", b"\0d\0e", b""])
    >>> _last_message(lambda: next(parts))
    (b'c', b'd')
    """
    received = b""
    while data := read():
        received += data
    *paths, _torn = received.split(b"\0")
    n_whole = len(paths) // 2
    return (paths[2 * n_whole - 2], paths[2 * n_whole - 1]) if n_whole else _NOTHING


def _status_of(pid: int) -> int | None:
    """Return the wait status of a process that has just closed its files; None if its parent was quicker."""
    begun = time.monotonic()
    while (waited_seconds := time.monotonic() - begun) < _ENDING_SECONDS:
        _, fields = stat_of(pid)
        if not fields:
            return None
        if fields[0] == "Z":
            return int(fields[49])
        if waited_seconds > _AT_ONCE_SECONDS:
            time.sleep(0.0005)
    return None


def _how(status: int | None) -> str:
    """Return what a wait status says.

    >>> _how(11), _how(40), _how(0), _how(None)
    ('died of SIGSEGV', 'died of SIGRTMIN+6', 'left without a word (exit code 0)', 'died')
    """
    if status is None:
        return "died"
    if os.WIFSIGNALED(status):
        return f"died of {signal_name(os.WTERMSIG(status))}"
    return f"left without a word (exit code {os.WEXITSTATUS(status)})"


def _where(running: bytes) -> str:
    index = running_index(Path(os.fsdecode(running))) if running else None
    return "outside any item" if index is None else f"in item {index}"


def running_index(cell: Path) -> int | None:
    """Return the index of the item that a worker's running cell names; None if no item runs, or nothing tells."""
    try:
        index = int.from_bytes(cell.read_bytes()[:8], "little", signed=True)
    except OSError:
        return None
    return index if index >= 0 else None


def leave_note(path: str | Path, text: str) -> bool:
    """Note a death, unless one is noted there already; return whether this is the first."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError:
        return False
    with suppress(OSError):
        os.write(descriptor, text.encode())
    os.close(descriptor)
    return True
