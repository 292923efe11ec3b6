"""Room on the disk: what a run is going to write, and what is free."""

import os
from collections.abc import Iterable
from pathlib import Path

from fullrank.errors import StorageError
from fullrank.gather import BUCKET_BYTES
from fullrank.survey import Survey

_HEAD_BYTES = 12
"""Of a record in a journal: index and duration."""
_SORTED_HEAD_BYTES = 19
"""Of a record in a bucket: index, duration, status, worker and version of the code."""
_FILE_HEAD_BYTES = 4
"""Of an item in the file: its duration. Status, worker and version of the code compress to next to nothing."""
_FIXED_BYTES = 64 << 10
"""A result file without items, and the notes beside the journals."""
ONE_FLOAT = _HEAD_BYTES + 8
"""Bytes of a record, as long as no item has told what the function returns."""


def needed_bytes(n_items: int, n_left: int, *, record_bytes: float = ONE_FLOAT, printed_bytes: float = 0.0) -> int:
    """Return what is still to be written by a study of which ``n_left`` items are left.

    Journals and logs of these items; the records sorted by index, unless they fit in memory; and the file, whose
    results are counted as if they could not be compressed. ``record_bytes`` is what one item takes in a journal,
    ``printed_bytes`` what it takes in its worker's log.

    >>> needed_bytes(1000, 1000), needed_bytes(10_000_000, 0)
    (97536, 390065536)
    """
    values_bytes = max(1.0, record_bytes - _HEAD_BYTES)
    sorted_bytes = n_items * (values_bytes + _SORTED_HEAD_BYTES)
    if sorted_bytes <= BUCKET_BYTES:
        sorted_bytes = 0
    file_bytes = n_items * (values_bytes + _FILE_HEAD_BYTES)
    return round(n_left * (record_bytes + printed_bytes) + sorted_bytes + file_bytes) + _FIXED_BYTES


def spelled_bytes(n_bytes: float) -> str:
    """Spell a size.

    >>> [spelled_bytes(n) for n in (0, 999, 97_536, 3_900_000_000)]
    ['0 bytes', '999 bytes', '97.5 kB', '3.9 GB']
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes:.0f} bytes"


def record_bytes(survey: Survey) -> float:
    """Return what an item takes in a journal, on average."""
    return survey.n_bytes / survey.n_finished if survey.n_finished else ONE_FLOAT


def printed_bytes(log_bytes: int, survey: Survey) -> float:
    """Return what an item printed, on average, if all logs have ``log_bytes``."""
    return log_bytes / survey.n_finished if survey.n_finished else 0.0


def still_needed(journals: Iterable[Path], n_items: int, *, log_bytes: int = 0) -> int:
    """Return :func:`needed_bytes` of a study of ``n_items`` items with these journals, and logs of so many bytes."""
    survey = Survey()
    for journal in journals:
        survey.add_journal(journal)
    return needed_bytes(
        n_items,
        max(0, n_items - survey.n_finished),
        record_bytes=record_bytes(survey),
        printed_bytes=printed_bytes(log_bytes, survey),
    )


def free_bytes(folder: Path) -> int | None:
    """Return what this user can still write there, None if the file system does not tell; quotas are not seen."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None


def require_room(folder: Path, needed: int) -> None:
    """Raise StorageError if ``needed`` bytes have no room in ``folder``."""
    free = free_bytes(folder)
    if free is not None and free < needed:
        raise StorageError(
            f"{folder}: about {needed:,} bytes are needed there (journals and result), {free:,} are free; "
            f"make room, or choose another place with -o"
        )


def with_need(error: StorageError, folder: Path, *, needed: int) -> StorageError:
    """Return the error of a full disk with what it takes to go on."""
    free = free_bytes(folder)
    there = f", {free:,} are free" if free is not None else ""
    return type(error)(
        f"{error}; about {needed:,} more bytes are needed there{there}. Make room (or ask for a larger quota) and run "
        f"the same command again: nothing that is finished is lost"
    )
