"""Workers that give no sign of life: stopped, in C code that keeps the GIL, or on a node that is gone.

A worker's keeper touches the file of its running cell whenever it syncs the journal. Silence is told, and nothing is
killed for it: C code may be silent for an hour and then return.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fullrank.journal import Frame, read
from fullrank.witness import running_index
from fullrank.worker import JOURNAL_SUFFIX, RUNNING_SUFFIX, SYNC_SECONDS, attempt_stem
from fullrank.workfolder import numbers_of

SILENT_SECONDS = 6 * SYNC_SECONDS


def silent_workers(work_folder: Path, attempt: int, *, now: float) -> Iterator[str]:
    """Yield a sentence for each worker that is in an item and has given no sign of life for half a minute.

    ``now`` is the time in s since 1970. One ``stat`` a worker; a worker without an item has perhaps just ended.
    """
    for cell in sorted(work_folder.glob(f"{attempt_stem(attempt)}*{RUNNING_SUFFIX}")):
        try:
            seconds = now - cell.stat().st_mtime
        except OSError:  # the run is ending
            continue
        index = running_index(cell) if seconds >= SILENT_SECONDS else None
        numbers = numbers_of(cell)
        if index is not None and numbers is not None:
            yield f"{_name(cell.with_suffix(JOURNAL_SUFFIX), numbers[1])}: silent for {seconds:.0f} s, in item {index}"


def _name(journal: Path, number: int) -> str:
    """Return ``rank 3, node07``, as the journal's header has it."""
    try:
        header: dict[str, Any] = next((frame.json() for frame in read(journal) if isinstance(frame, Frame)), {})
    except OSError:
        header = {}
    kind = "rank" if header.get("backend") == "mpi" else "worker"
    return f"{kind} {number}, {header.get('host', 'host unknown')}"
