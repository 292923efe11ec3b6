"""The guided schedule played with drawn durations: when the last of P workers ends.

Claims have the sizes that :func:`fullrank.schedule.claim_size` gives; while many items are left they are grouped, for
what a worker takes then is evened out by all that follows.
"""

from heapq import heapify, heapreplace

import numpy as np
from numpy.typing import NDArray

from fullrank.schedule import claim_size, part_of

GROUPS_PER_WORKER = 16
"""A group is at most this part of what is left for one worker: so many still even it out."""
FALLING_GROUPS_PER_WORKER = 4
"""The same where the longest items have gone before."""


def claim_bounds(n_items: int, *, n_workers: int, mean_seconds: float, variation: float) -> NDArray[np.int64]:
    """Return where the claims of ``n_items`` positions begin and the last one ends, shape (n_claims + 1,).

    ``mean_seconds`` is that of an item, and ``variation`` their standard deviation / mean.

    >>> claim_bounds(20, n_workers=2, mean_seconds=1.0, variation=0.0).tolist() == list(range(21))
    True
    """
    bounds = [0]
    position, size = 0, n_items
    while position < n_items:
        n_left = n_items - position
        part = part_of(n_left, n_workers=n_workers, variation=variation)
        size = claim_size(part, mean_seconds=mean_seconds, last_size=size)
        position += max(size, n_left // (GROUPS_PER_WORKER * n_workers))
        bounds.append(min(position, n_items))
    return np.array(bounds)


def falling_claim_bounds(ends: NDArray[np.float64], *, n_workers: int) -> NDArray[np.int64]:
    """Return the same for items that go out by falling duration, and end at ``ends`` in s on one worker.

    ``ends`` has the shape (n_items + 1,) and begins with 0. Groups are of equal parts of the time that is left, not of
    the items: whoever has one item that is longer than such a part has nothing else.

    >>> falling_claim_bounds(np.array([0.0, 5.0, 8.0, 9.0]), n_workers=2).tolist()
    [0, 1, 2, 3]
    """
    n_parts = FALLING_GROUPS_PER_WORKER * n_workers
    n_groups = int(n_parts * np.log(len(ends))) + 1
    until = ends[-1] * (1 - (1 - 1 / n_parts) ** np.arange(1, n_groups + 1))
    bounds = np.searchsorted(ends, until)
    return np.unique(np.concatenate(([0, 1], bounds, np.arange(bounds[-1], len(ends)))))


def makespan_seconds(claim_seconds: NDArray[np.float64], *, n_workers: int) -> float:
    """Return when the last worker ends, in s after the common start, if whoever is free takes the next claim.

    >>> makespan_seconds(np.array([3.0, 1.0, 1.0, 2.0]), n_workers=2)
    4.0
    """
    first, others = claim_seconds[:n_workers], claim_seconds[n_workers:]
    ends: list[float] = first.tolist()
    latest = max(ends)
    heapify(ends)
    for seconds in others.tolist():
        end = ends[0] + seconds
        if end > latest:
            latest = end
        heapreplace(ends, end)
    return latest
