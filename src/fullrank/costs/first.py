"""Which items are to go first: those that are too long to be left for the end."""

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass
from fullrank.schedule import Order

SHARE = 1000
"""An item that costs more than this part of a worker's share has a place of its own: whoever meets a shorter one last
ends by a thousandth late."""
MOST_FIRST = 1_000_000
"""Of items with a place of their own, which each worker holds in memory: 24 bytes an item."""


@dataclass(frozen=True)
class First:
    """The items that go first."""

    indices: NDArray[np.int64]
    """By falling cost, shape (n_first,); those of equal cost in visiting order."""
    costs: NDArray[np.float64]
    """Of these, shape (n_first,)."""
    rest_cost: float
    """Mean of the others."""


def first_items(costs: NDArray[np.float64], order: Order, *, n_workers: int) -> First:
    """Return the items that go first, given the ``costs`` of all, finite and >= 0, shape (n_items,).

    >>> first_items(np.array([1.0, 9.0, 0.0, 4.0]), Order(4), n_workers=2).indices.tolist()
    [1, 3, 0]
    """
    top = float(costs.max())
    total = (
        float((costs / top).sum()) if top > 0 else 0.0
    )  # in units of the largest: no sum is beyond what a float holds
    found = np.flatnonzero(costs > total / (SHARE * n_workers) * top)
    if len(found) > MOST_FIRST:
        found = found[np.argpartition(costs[found], -MOST_FIRST)[-MOST_FIRST:]]
    positions = [order.position(index) for index in found.tolist()]
    indices = found[np.lexsort((np.array(positions), -costs[found]))]
    n_rest = len(costs) - len(indices)
    rest = total - float((costs[indices] / top).sum()) if n_rest and top > 0 else 0.0
    return First(indices, costs[indices], max(0.0, rest) / n_rest * top if n_rest else 0.0)
