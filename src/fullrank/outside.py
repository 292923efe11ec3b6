"""A run as another process sees it, from another shell or a login node: by its work folder's files alone.

Running cells tell which items run, journals which have ended and how long they took, and the time of a journal's last
growth when its worker's last item ended. Times that no file tells are unknown.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import chain
from math import isfinite, sqrt
from pathlib import Path

from fullrank.dataclass import dataclass
from fullrank.journal import Frame, Kind, read
from fullrank.progress import remaining_seconds
from fullrank.schema import AttemptRow
from fullrank.survey import Survey
from fullrank.witness import running_index
from fullrank.worker import FLUSH_SECONDS, JOURNAL_SUFFIX, RUNNING_SUFFIX, attempt_stem
from fullrank.workfolder import WorkFolder, numbers_of

RECENT_SECONDS = 60.0
_CERTAIN_SECONDS = 3 * FLUSH_SECONDS
"""What ended reaches the journal within a second, on a shared file system within two: shorter times are unknown."""


@dataclass(frozen=True)
class RunningItem:
    """An item that a worker is in."""

    worker: int
    host: str
    index: int
    seconds: float | None
    """For about how long, which is the time since the worker's last item ended; None if it is short or unknown."""


@dataclass(frozen=True)
class Pace:
    """How fast the running attempt is."""

    backend: str
    n_workers: int
    n_finished: int
    """Items that this attempt has finished."""
    elapsed_seconds: float
    """Since the attempt began."""
    remaining_seconds: tuple[float, float] | None
    """From how long to how long it may still take; None if that is unknown."""

    @property
    def items_per_second(self) -> float | None:
        """Mean of this attempt; None before an item has finished."""
        return self.n_finished / self.elapsed_seconds if self.n_finished and self.elapsed_seconds > 0 else None


@dataclass
class _Times:
    """What is known of the times of items."""

    n_items: int = 0
    n_timed: int = 0
    """Those whose time is known: that of one that crashed is not."""
    sum: float = 0.0
    sum_of_squares: float = 0.0

    def add(self, seconds: Iterable[float]) -> None:
        """Count items in."""
        for value in seconds:
            self.n_items += 1
            if isfinite(value):
                self.n_timed += 1
                self.sum += value
                self.sum_of_squares += value * value

    @property
    def scatter(self) -> float:
        """Standard deviation / mean; 1 while nothing is known."""
        if not self.sum:
            return 1.0
        mean = self.sum / self.n_timed
        return sqrt(max(0.0, self.sum_of_squares / self.n_timed - mean * mean)) / mean


def running_items(
    folder: WorkFolder, survey: Survey, attempts: Iterable[int], *, now: float
) -> tuple[RunningItem, ...]:
    """Return the items that the workers of these attempts are in, those that run longest first.

    ``now`` is the time in s since 1970.
    """
    hosts = {Path(info.path).stem: str(info.header["host"]) for info in survey.journals}
    found = []
    for cell in chain.from_iterable(folder.path.glob(f"{attempt_stem(n)}*{RUNNING_SUFFIX}") for n in attempts):
        index, numbers = running_index(cell), numbers_of(cell)
        if index is not None and numbers is not None:
            seconds = _seconds_since(cell.with_suffix(JOURNAL_SUFFIX), now)
            known = seconds if seconds is not None and seconds >= _CERTAIN_SECONDS else None
            found.append(RunningItem(numbers[1], hosts.get(cell.stem, ""), index, known))
    return tuple(sorted(found, key=lambda item: (-(item.seconds or 0.0), item.worker)))


def _seconds_since(path: Path, now: float) -> float | None:
    try:
        return max(0.0, now - path.stat().st_mtime)
    except OSError:  # the run is ending
        return None


def pace(
    folder: WorkFolder, survey: Survey, n_items: int | None, *, now: float, n_left: Mapping[int, int] | None = None
) -> Pace | None:
    """Return how fast the latest attempt is; None if the folder does not tell when it began.

    ``n_left`` is given where shards are at work: the items that have no end, by attempt. Then it is of all of them.
    """
    if not n_left:
        return _pace_of(folder, survey, folder.next_attempt() - 1, n_items, now=now)
    each = [_pace_of(folder, survey, attempt, n_items, now=now, n_left=n) for attempt, n in n_left.items()]
    known = [found for found in each if found is not None]
    if not known:
        return None
    left = [found.remaining_seconds for found in known if found.remaining_seconds is not None]
    return Pace(
        known[0].backend,
        sum(found.n_workers for found in known),
        sum(found.n_finished for found in known),
        max(found.elapsed_seconds for found in known),
        (max(least for least, _ in left), max(most for _, most in left)) if len(left) == len(each) else None,
    )


def _pace_of(
    folder: WorkFolder, survey: Survey, attempt: int, n_items: int | None, *, now: float, n_left: int | None = None
) -> Pace | None:
    rows = [row for row in folder.attempt_log.rows() if row.attempt == attempt]
    began = _began(rows)
    if began is None:
        return None
    journals = [Path(info.path) for info in survey.journals if info.header["attempt"] == attempt]
    times, elapsed = _times(journals), max(0.0, now - began)
    growths = [seconds for path in journals if (seconds := _seconds_since(path, now)) is not None]
    if n_left is None:
        n_todo = _n_todo(folder, attempt, n_items, n_before=survey.n_finished - times.n_items)
    else:
        n_todo = n_left + times.n_items
    remaining = None
    if n_todo is not None:
        remaining = remaining_seconds(
            n_todo,
            times.n_items,
            n_workers=max(1, rows[0].n_workers),
            elapsed_seconds=elapsed,
            busy_seconds=times.sum,
            scatter=times.scatter,
            quiet_seconds=min(growths, default=0.0),
        )
    return Pace(rows[0].backend, rows[0].n_workers, times.n_items, elapsed, remaining)


def _began(rows: Iterable[AttemptRow]) -> float | None:
    for row in rows:
        with suppress(ValueError):
            return datetime.fromisoformat(row.started).timestamp()
    return None


def _n_todo(folder: WorkFolder, attempt: int, n_items: int | None, *, n_before: int) -> int | None:
    """Return how many items the attempt has to do; None where that is not known from outside."""
    limit = folder.attempt_log.limit_of(attempt)
    if n_items is None or (limit is not None and n_before):  # which of the earlier items are within the limit?
        return None
    return max(0, (n_items if limit is None else min(n_items, limit)) - n_before)


def _times(journals: Iterable[Path]) -> _Times:
    times = _Times()
    for journal in journals:
        for frame in read(journal):
            if isinstance(frame, Frame) and frame.kind in (Kind.VALUES, Kind.FAILURES):
                column = array("f")
                column.frombytes(frame.body[8 * frame.n_rows : 12 * frame.n_rows])
                times.add(column)
    return times


class Recent:
    """How many items ended in the last minute, as seen by somebody who looks now and then."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def per_second(self, now: float, n_finished: int) -> float | None:
        """Take notice of ``n_finished`` at the time ``now``, in s of any one clock; None in the first minute."""
        if self._seen and n_finished < self._seen[-1][1]:  # another run has begun
            self._seen.clear()
        self._seen.append((now, n_finished))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RECENT_SECONDS:
            self._seen.popleft()
        begun, n_before = self._seen[0]
        return (n_finished - n_before) / (now - begun) if now - begun >= RECENT_SECONDS else None


def size_bytes(folder: WorkFolder) -> int:
    """Return what the study takes on the disk: its result, or partial one, and its work folder."""
    files = chain((folder.output, folder.partial, folder.printed), folder.path.glob("*"))
    return sum(_size(path) for path in files)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # a run has removed it just now
        return 0
