"""Ways of running to be left out, for their items have other ends than those of the baseline and no other values."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fullrank.compare.failing import cause
from fullrank.compare.records import Variant
from fullrank.compare.variants import BASELINE
from fullrank.dataclass import dataclass
from fullrank.report.layout import counted
from fullrank.status import Status
from fullrank.store import ResultFile, block_size, differences

LIMIT = "[run] item_time_limit_seconds"
"""As messages call it."""


@dataclass(frozen=True)
class Unlike:
    """A way whose times are not comparable with the others'."""

    variant: Variant
    reason: str


def unlike(first: tuple[Variant, Path], second: tuple[Variant, Path]) -> Unlike | None:
    """Return which of two ways with differing results is to be left out; None if they differ in more than this tells.

    It is the one in which every item fails; or, where they differ only in items that reach the time limit, the one in
    which more of them do. The baseline is never left out.
    """
    ways = sorted((first, second), key=lambda way: way[0] != BASELINE)  # the last one is left out, if it comes to that
    ends = [_statuses(path) for _, path in ways]
    if np.any(ends[0] == Status.OK) and not np.any(ends[1] == Status.OK):
        return Unlike(ways[1][0], _every_item(ways[1][1]))
    if not are_late(first[1], second[1]):
        return None
    if np.count_nonzero(ends[0] == Status.TIMED_OUT) > np.count_nonzero(ends[1] == Status.TIMED_OUT):
        if ways[0][0] == BASELINE:
            return None
        ways.reverse()
        ends.reverse()
    if ways[1][0] == BASELINE:
        return None
    return Unlike(ways[1][0], _late(ways[1][1], ends[1], others=ends[0], in_time=ways[0][0]))


def are_late(first: Path, second: Path) -> bool:
    """Return whether results differ only in items that reach the time limit."""
    return not differences(first, second, ignoring=frozenset({Status.TIMED_OUT}))


def _statuses(path: Path) -> NDArray[np.uint8]:
    with ResultFile(path) as file:
        return np.concatenate([block.status.ravel() for block in file.blocks(block_size(file))])


def _every_item(path: Path) -> str:
    with ResultFile(path) as file:
        failure = file.failures()[0]
    return f"every item fails; item {failure.index}: {cause(failure.traceback, failure.exception)}"


def _late(path: Path, status: NDArray[np.uint8], *, others: NDArray[np.uint8], in_time: Variant) -> str:
    late = (status == Status.TIMED_OUT) & (others != Status.TIMED_OUT)
    n_items = int(np.count_nonzero(status != Status.MISSING))
    with ResultFile(path) as file:
        said = next((f": {row.exception}" for row in file.failures() if row.status == Status.TIMED_OUT), "")
    return (
        f"{int(np.count_nonzero(late)):,} of {counted(n_items, 'item')} reach {LIMIT}, which {in_time} computes in time"
        f"{said}; where workers take turns an item takes longer: raise the limit to compare this way"
    )
