"""What the items printed: each worker's log, moved to the end of one file beside the output."""

import os
from collections.abc import Iterable
from pathlib import Path

from fullrank.system import System, refused_as, write_all

PRINTED_HEAD = b"=== worker "
"""Before what one worker's items printed."""
_COPY_BYTES = 1 << 20


def move_logs(logs: Iterable[Path], target: Path, system: System = os) -> None:
    """Move logs to the end of ``target``, each under its worker's name; StorageError if that cannot be written.

    A death in the middle leaves one log in both places, and none in neither.
    """
    with refused_as(f"{target}: cannot be written"):
        descriptor = system.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            for log in logs:
                _append(descriptor, log, system)
                system.unlink(log)
        finally:
            system.close(descriptor)


def _append(descriptor: int, log: Path, system: System) -> None:
    write_all(system, descriptor, PRINTED_HEAD + f"{log.stem}\n".encode())
    with log.open("rb") as source:
        while piece := source.read(_COPY_BYTES):
            write_all(system, descriptor, piece)
    system.fsync(descriptor)
