"""The order ``longest-first``: the items that cost most go out first, by falling cost, then the rest spread.

What is left for the end is then so short that no worker ends late. Workers know the first items from a file that root
wrote; of the others each is cheaper than a thousandth of a worker's share and needs no place of its own.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from heapq import heapify, heapreplace
from itertools import accumulate
from pathlib import Path

from fullrank.dataclass import dataclass
from fullrank.schedule import Order, Todo, block_range, empty_bitmap, mark

_NUMBER_BYTES = 8


@dataclass(frozen=True)
class Leading:
    """The items that go first, as every worker is told of them."""

    path: str
    """Of the file with their indices, their costs, and the bitmap of their visiting positions."""
    n_first: int
    rest_cost: float
    """Mean cost of the other items, in the unit of the costs."""


def packed(order: Order, indices: Sequence[int], costs: Sequence[float]) -> bytes:
    """Return what the file of :class:`Leading` holds, for items sorted by falling cost."""
    bitmap = empty_bitmap(order.n_items)
    for index in indices:
        mark(bitmap, order.position(index))
    return array("q", indices).tobytes() + array("d", costs).tobytes() + bytes(bitmap)


class LeadingTodo(Todo):
    """The items still to do: those that go first, by falling cost, then the others in visiting order.

    ``finished`` is the bitmap of the ``spread`` order, as it is without ``leading``. Raises OSError if the file of
    ``leading`` cannot be read.
    """

    def __init__(self, order: Order, finished: bytes | bytearray | None, leading: Leading) -> None:
        super().__init__(order, finished)
        data, n_bytes = Path(leading.path).read_bytes(), _NUMBER_BYTES * leading.n_first
        self._first, self._costs = array("q", data[:n_bytes]), array("d", data[n_bytes : 2 * n_bytes])
        bitmap = data[2 * n_bytes :]
        if self.finished is not None:
            self._leave_out(order, self.finished)
            bitmap = _union(bitmap, self.finished)
        self._rest = Todo(order, bitmap)
        self._rest_cost = leading.rest_cost
        self.part = CostsLeft(self._costs, self._rest.n_items, rest_cost=self._rest_cost).part

    def _leave_out(self, order: Order, finished: bytes) -> None:
        """Drop first items that are finished."""
        positions = map(order.position, self._first)
        is_left = [not finished[position >> 3] >> (position & 7) & 1 for position in positions]
        self._first = array("q", (index for index, left in zip(self._first, is_left, strict=True) if left))
        self._costs = array("d", (cost for cost, left in zip(self._costs, is_left, strict=True) if left))

    def indices(self, positions: range) -> list[int]:
        """Return the item index at each of ``positions``, which count the unfinished items alone."""
        n_first = len(self._first)
        found = self._first[positions.start : positions.stop].tolist()
        if positions.stop > n_first:
            found += self._rest.indices(range(max(positions.start, n_first) - n_first, positions.stop - n_first))
        return found

    def shares(self, n_workers: int, number: int) -> Iterator[range]:
        """Yield the positions of one worker: each first item that it is dealt, then its block of the rest."""
        n_first = len(self._first)
        owners, bounds = deal(self._costs, self._rest.n_items, rest_cost=self._rest_cost, n_workers=n_workers)
        yield from (range(position, position + 1) for position in range(n_first) if owners[position] == number)
        yield range(n_first + bounds[number], n_first + bounds[number + 1])


class CostsLeft:
    """What is left to do from a position on: first items of falling ``costs``, then ``n_rest`` of ``rest_cost`` each.

    >>> left = CostsLeft([6.0, 2.0, 2.0, 2.0], 4, rest_cost=1.0)
    >>> left.part(0, 4), left.part(1, 2), left.part(4, 2)
    (0, 2, 2)
    """

    def __init__(self, costs: Sequence[float], n_rest: int, *, rest_cost: float) -> None:
        largest = max(costs, default=0.0) or 1.0  # in units of it no sum is beyond what a float holds
        self._before = array("d", accumulate((cost / largest for cost in costs), initial=0.0))
        self._total = self._before[-1] + n_rest * (rest_cost / largest)
        self._n_items = len(costs) + n_rest

    def part(self, position: int, n_parts: int) -> int:
        """Return how many items from ``position`` on cost at most one of ``n_parts`` equal parts of what is left.

        They are all among the first items, or all behind them, where items count and not costs. 0 if the next one alone
        costs more.
        """
        if position >= len(self._before) - 1:
            return (self._n_items - position) // n_parts
        before = self._before[position]
        until = before + (self._total - before) / n_parts
        return bisect_right(self._before, until, lo=position) - 1 - position


def _union(one: bytes, other: bytes) -> bytes:
    joined = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return joined.to_bytes(len(one), "little")


def deal(
    costs: Sequence[float], n_rest: int, *, rest_cost: float, n_workers: int
) -> tuple["array[int]", tuple[int, ...]]:
    """Return the worker of each item of falling ``costs``, and where the workers' blocks of the rest begin and end.

    Each item goes to whoever has least so far (R. L. Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl.
    Math. 17 (1969) 416), and the rest, items of ``rest_cost`` each, evens out what that leaves.

    >>> deal([5.0, 3.0, 3.0], 3, rest_cost=1.0, n_workers=2)
    (array('q', [0, 1, 1]), (0, 2, 3))
    """
    loads = [(0.0, worker) for worker in range(n_workers)]
    heapify(loads)
    owners = array("q")
    for cost in costs:
        load, worker = loads[0]
        owners.append(worker)
        heapreplace(loads, (load + cost, worker))
    if rest_cost <= 0:
        blocks = [block_range(n_rest, n_workers, worker) for worker in range(n_workers)]
        return owners, (0, *(block.stop for block in blocks))
    level = _level([load for load, _ in loads], n_rest * rest_cost)
    wanted = [max(0.0, level - load) / rest_cost for load, _ in sorted(loads, key=lambda each: each[1])]
    total = sum(wanted) or 1.0
    bounds = [0, *(round(n_rest * until / total) for until in accumulate(wanted))]
    return owners, (*bounds[:-1], n_rest)


def _level(loads: Sequence[float], amount: float) -> float:
    """Return the load that all below it are filled up to by ``amount``.

    >>> _level([5.0, 1.0, 2.0], 3.0)
    3.0
    """
    below = 0.0
    ordered = sorted(loads)
    for n_below, load in enumerate(ordered):
        if n_below and n_below * load - below >= amount:
            return (below + amount) / n_below
        below += load
    return (below + amount) / len(ordered)
