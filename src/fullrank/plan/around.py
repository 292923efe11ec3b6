"""What a command takes beside its items, from the account of one attempt.

Wall time and makespan are of the same attempt: the last command may have found nothing to do, and leaves no attempt.
"""

from collections.abc import Sequence
from math import isnan
from pathlib import Path

from fullrank.dataclass import dataclass
from fullrank.errors import UsageError
from fullrank.metrics import makespan, spelled_seconds
from fullrank.schema import AttemptRow, WorkerRow


@dataclass(frozen=True)
class Around:
    """Times in s, of one attempt."""

    n_workers: int
    start_end_seconds: float
    """Of the command without its makespan: start, gathering, file."""
    overhead_seconds: float
    """Of a worker, beside each of its items, until its last one ends."""


def around(attempts: Sequence[AttemptRow], workers: Sequence[WorkerRow], *, output: Path) -> Around | None:
    """Return the account of the latest attempt that evaluated items and was not killed; None if there is none.

    Raises UsageError if its wall time is less than its makespan: such a file tells nothing of how long a run takes.
    """
    for row in sorted(attempts, key=lambda row: row.attempt, reverse=True):
        own = [worker for worker in workers if worker.attempt == row.attempt and worker.n_items]
        wall_seconds, span = _wall_seconds(row, own), makespan(worker.elapsed_seconds for worker in own)
        if isnan(wall_seconds) or isnan(span):
            continue
        if wall_seconds < span:
            raise UsageError(
                f"{output}: attempt {row.attempt}: expected a wall time of at least the makespan, "
                f"{spelled_seconds(span)}, got {wall_seconds:g} s, so no wall time can be predicted from it; evaluate "
                f"more items with `fullrank run --limit`, and the prediction comes from these"
            )
        return Around(row.n_workers, wall_seconds - span, _overhead_seconds(own))
    return None


def _wall_seconds(attempt: AttemptRow, workers: Sequence[WorkerRow]) -> float:
    """Return how long an attempt took, in s: until it wrote the file, where accounts tell that; NaN if it was killed.

    Of a second attempt in one command the account begins where the first ended, its row with the command.
    """
    accounts = [worker.account_seconds for worker in workers if not isnan(worker.account_seconds)]
    return max(accounts, default=attempt.wall_seconds)


def _overhead_seconds(workers: Sequence[WorkerRow]) -> float:
    known = [row for row in workers if not isnan(row.elapsed_seconds)]
    outside = sum(row.elapsed_seconds - row.compute_seconds for row in known)
    return max(0.0, outside) / max(1, sum(row.n_items for row in known))
