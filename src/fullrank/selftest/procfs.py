"""What Linux tells of a run's processes: which are left, which is which rank, what memory they share."""

import os
import re
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_RANK = re.compile(rb"(?:^|\0)(?:PMI_RANK|OMPI_COMM_WORLD_RANK)=(\d+)(?:\0|$)")
_SHARED = re.compile(r"(/dev/shm/\S+)$", re.MULTILINE)


def marked(mark: str) -> dict[int, bytes]:
    """Return pid and environment of the living processes that were started with ``mark`` in their environment.

    Sessions and process groups do not tell: launchers make their own.
    """
    found = {}
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is another user's
            environment = (folder / "environ").read_bytes()
            if mark.encode() in environment:
                found[int(folder.name)] = environment
    return found


def ranks(processes: dict[int, bytes]) -> dict[int, int]:
    """Return the pid of each rank among marked processes: a rank's own children have its number too."""
    found: dict[int, int] = {}
    for pid, environment in processes.items():
        number = _RANK.search(environment)
        if number is None:
            continue
        parent = _parent(pid)
        inherited = _RANK.search(processes.get(parent, b""))
        if inherited is None:
            found[int(number[1])] = pid
    return found


def _parent(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command(pid: int) -> str:
    """Return the command line of a process; "" if it has ended."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def shared_memory(pids: Iterable[int]) -> set[Path]:
    """Return the files of POSIX shared memory that these processes have mapped."""
    found: set[Path] = set()
    for pid in pids:
        with suppress(OSError):
            found.update(map(Path, _SHARED.findall((_PROC / str(pid) / "maps").read_text())))
    return found


def kill(pids: Iterable[int]) -> None:
    """End processes at once."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
