"""Which items a worker takes next: orders of visiting and sizes of claims.

Pure arithmetic on numbers that are passed in; the real run, the simulator and the tests use the same functions.
"""

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from math import gcd, sqrt
from typing import Protocol

from fullrank.residues import Multiples

GOLDEN_RATIO = (1 + 5**0.5) / 2
TARGET_CLAIM_SECONDS = 0.020
"""Wanted duration of a claim: long against the claim itself, short against what a kill may cost."""
OVERHEADS_PER_TARGET = 200
"""A claim's items should take this many times as long as all that surrounds them: half a percent is lost."""
WAITS_PER_TARGET = 20
"""The same for the wait for the counter alone, whatever the number of items."""
MOST_ITEMS_FOR_OVERHEAD = 1000
"""In a claim of more items most of what surrounds them is spent on each, and a longer claim saves nothing of it."""
MOST_ITEMS = 1 << 17
"""Of a claim, whose items a worker holds in memory."""
LONGEST_TARGET_SECONDS = 1.0
"""Wanted duration of a claim where the counter is very slow: workers should still end together."""
LEAST_PARTS, MOST_PARTS = 3, 8
"""Into how many claims a worker's share of what is left is divided: with three of them one that works at a third of the
others' pace still ends about when they do; more than eight cost claims and gain nothing."""
LEAST_WAITS = 2
"""A claim should take so many times as long as was waited for it, at the end too: each makes others wait longer."""
MOST_GROWTH = 8
"""Of a claim that took less time than that; the mean it goes by is of few items. Others double at most."""
N_LAST_CLAIMS = 31
"""By whose medians a claim's wait and overhead are known."""
LEAST_CLAIMS = 3
"""Before any is made ahead, of which it cannot be told how long it was waited for: one accident is no rule."""
N_LAST_GROUPS = 4
"""Whose mean duration is taken for that of the next items, if those before are known to cost more."""

Part = Callable[[int, int], int]
"""From a position and a number of parts to how many items from there on cost at most such a part of what is left."""


class Counter(Protocol):
    """The only mutable state workers share: a number that is fetched and added to, atomically."""

    def begin(self, size: int) -> None:
        """Ask for the next ``size`` positions."""

    def result(self) -> int:
        """Return the first position of what was asked for, waiting for it where need be."""


def spread_stride(n_items: int) -> int:
    """Return a stride near ``n_items`` / golden ratio that is coprime to ``n_items``.

    Multiples of the golden ratio modulo 1 fall into the largest gap of those before (three-gap theorem:
    V. T. Sós, 1958), so any run of positions is a fair sample of the sweep.

    >>> spread_stride(10), spread_stride(1)
    (7, 1)
    """
    nearest = round(n_items / GOLDEN_RATIO)
    for distance in range(n_items):
        for stride in (nearest - distance, nearest + distance):
            if stride > 0 and gcd(stride, n_items) == 1:
                return stride
    return 1


class Order:
    """The order in which the items of a sweep are visited: position p is item ``p * stride % n_items``."""

    def __init__(self, n_items: int, stride: int = 1) -> None:
        self.n_items = n_items
        self.stride = stride
        self._inverse = pow(stride, -1, n_items) if n_items > 1 else 0
        self._multiples = Multiples(stride, n_items) if stride > 1 else None

    @classmethod
    def named(cls, name: str, n_items: int) -> "Order":
        """Return the order that the config calls ``name``: ``spread`` or ``index``."""
        return cls(n_items, spread_stride(n_items) if name == "spread" else 1)

    def indices(self, positions: range) -> list[int]:
        """Return the item index at each of ``positions``."""
        return list(positions) if self._multiples is None else self._multiples.residues(positions)

    def position(self, index: int) -> int:
        """Return the position at which item ``index`` is visited."""
        return index * self._inverse % self.n_items


def empty_bitmap(n_items: int) -> bytearray:
    """Return a bitmap of visiting positions in which nothing is finished; one bit an item."""
    return bytearray((n_items + 7) // 8)


def mark(bitmap: bytearray, position: int) -> None:
    """Mark the item at a visiting ``position`` as finished."""
    bitmap[position >> 3] |= 1 << (position & 7)


_UNSET_BITS = [tuple(bit for bit in range(8) if not byte >> bit & 1) for byte in range(256)]
_BLOCK_BYTES, _PIECE_BYTES = 512, 16
"""Of the bitmap: unset bits before each block are known, those before a piece of one are counted."""


def _n_set(piece: bytes) -> int:
    return int.from_bytes(piece, "little").bit_count()


class Todo:
    """The items still to do, in visiting order: a select on the bitmap of those that are finished.

    Only those at the visiting positions ``among`` are to do, if it is given: a range of step 1. Memory is the bitmap
    and 1/64 of it for the directory, whatever is finished.

    >>> todo = Todo(Order(10, 7), bytes([0b11, 0]), among=range(4))
    >>> todo.n_items, todo.n_unfinished, todo.indices(range(2))
    (2, 8, [4, 1])
    """

    def __init__(self, order: Order, finished: bytes | bytearray | None = None, *, among: range | None = None) -> None:
        self._order = order
        self.finished = bytes(finished) if finished is not None and any(finished) else None
        self.n_unfinished = order.n_items
        """Of the whole sweep, whatever the limit."""
        if self.finished is not None:
            self._unset_before = self._directory(self.finished)
            self.n_unfinished = self._unset_before.pop()
        self.part: Part | None = None
        """Where costs are known: how many of the next items make up a part of what is left."""
        self._n_before, self.n_items = 0, self.n_unfinished
        if among is not None:
            self._n_before = self._n_unfinished_among(among.start)
            self.n_items = self._n_unfinished_among(among.stop) - self._n_before

    @property
    def is_fair(self) -> bool:
        """Whether items that have ended tell what others take: by a stride any run of positions is a sample of all.

        Not where costs are known: those that go first cost most, or so somebody says.
        """
        return self._order.stride > 1 and self.part is None

    def _directory(self, bitmap: bytes) -> "array[int]":
        """Return the number of unset bits before each block, and their total as the last entry."""
        before = array("q", [0])
        for start in range(0, len(bitmap), _BLOCK_BYTES):
            block = bitmap[start : start + _BLOCK_BYTES]
            n_bits = min(8 * len(block), self._order.n_items - 8 * start)
            before.append(before[-1] + n_bits - _n_set(block))
        return before

    def _n_unfinished_among(self, n_positions: int) -> int:
        """Return how many of the first visiting positions are not finished."""
        n_positions = min(n_positions, self._order.n_items)
        if self.finished is None:
            return n_positions
        n_bytes, n_bits = divmod(n_positions, 8)
        n_finished = _n_set(self.finished[:n_bytes])
        if n_bits:
            n_finished += (self.finished[n_bytes] & ((1 << n_bits) - 1)).bit_count()
        return n_positions - n_finished

    def indices(self, positions: range) -> list[int]:
        """Return the item index at each of ``positions``, which count the items to do alone."""
        if self._n_before:
            positions = range(positions.start + self._n_before, positions.stop + self._n_before)
        if self.finished is None:
            return self._order.indices(positions)
        start, to_skip = self._place(positions.start)
        found: list[int] = []
        wanted = to_skip + len(positions)
        for offset in range(start, len(self.finished)):
            found.extend(8 * offset + bit for bit in _UNSET_BITS[self.finished[offset]])
            if len(found) >= wanted:
                break
        stride, n_items = self._order.stride, self._order.n_items
        return [visit * stride % n_items for visit in found[to_skip:wanted]]

    def _place(self, n_before: int) -> tuple[int, int]:
        """Return a byte of the bitmap near the unset bit that ``n_before`` come before, and how many from there on."""
        assert self.finished is not None
        block = bisect_right(self._unset_before, n_before) - 1
        n_before -= self._unset_before[block]
        for offset in range(block * _BLOCK_BYTES, len(self.finished), _PIECE_BYTES):
            n_unset = 8 * _PIECE_BYTES - _n_set(self.finished[offset : offset + _PIECE_BYTES])
            if n_unset > n_before:
                break
            n_before -= n_unset
        return offset, n_before

    def shares(self, n_workers: int, number: int) -> Iterator[range]:
        """Yield the positions of worker ``number`` when all are dealt out beforehand."""
        yield block_range(self.n_items, n_workers, number)


def block_range(n_items: int, size: int, rank: int) -> range:
    """Return the positions of worker ``rank`` of ``size`` when all are dealt out beforehand.

    >>> block_range(n_items=10, size=4, rank=1)
    range(3, 6)
    """
    each, extra = divmod(n_items, size)
    start = rank * each + min(rank, extra)
    return range(start, start + each + (rank < extra))


def part_of(n_left: int, *, n_workers: int, variation: float) -> int:
    """Return how many of ``n_left`` items of unknown costs a claim may take, so that the workers end together.

    The more durations differ the more may a claim take longer than others of its size, and the more must be left then
    to even it out. ``variation`` is their standard deviation / mean; the number of parts is x of S. F. Hummel, E.
    Schonberg and L. E. Flynn, Factoring: a method for scheduling parallel loops, Commun. ACM 35 (1992) 90, between
    :data:`LEAST_PARTS` and :data:`MOST_PARTS`.

    >>> part_of(600, n_workers=2, variation=0.0), part_of(600, n_workers=2, variation=30.0)
    (100, 47)
    """
    b = n_workers / (2 * sqrt(n_left)) * variation
    x = 2 + b * b + b * sqrt(b * b + 4)
    return int(n_left / (n_workers * min(max(LEAST_PARTS, x), MOST_PARTS)))


def claim_size(
    part: int,
    *,
    mean_seconds: float,
    last_size: int,
    overhead_seconds: float = 0.0,
    wait_seconds: float = 0.0,
    is_fair: bool = True,
) -> int:
    """Return how many positions a worker should claim next: one at least, and ``part`` at most but for a slow counter.

    ``mean_seconds`` is its mean item so far, ``overhead_seconds`` the median time a claim of its took beyond its items,
    ``wait_seconds`` what it waited for the counter of that. As in OpenMP's ``guided`` the tail tapers, here by time:
    long items go out one by one.

    A claim that takes little more time than was waited for it is soon waited for again. So where the counter is slow
    sizes grow faster to begin with, and at the end they stop to shrink at what takes twice as long as the wait, in the
    mean. That is more than ``part`` then, and only done if ``is_fair``: else the items to come may take far longer.

    >>> claim_size(10**5, mean_seconds=1e-6, last_size=4000)
    8000
    >>> claim_size(100, mean_seconds=8e-3, last_size=1)
    2
    >>> claim_size(3, mean_seconds=8e-3, last_size=80, wait_seconds=0.2)
    50
    """

    def n_items(seconds: float) -> float:
        return min(seconds, LONGEST_TARGET_SECONDS) / mean_seconds

    limit = min(2 * last_size, part, MOST_ITEMS)
    if mean_seconds > 0:
        wanted = n_items(max(TARGET_CLAIM_SECONDS, WAITS_PER_TARGET * wait_seconds))
        wanted = max(wanted, min(n_items(OVERHEADS_PER_TARGET * overhead_seconds), MOST_ITEMS_FOR_OVERHEAD))
        most = max(part, last_size) if is_fair else part
        least = min(n_items(LEAST_WAITS * wait_seconds), MOST_GROWTH * last_size, most, MOST_ITEMS)
        limit = int(max(least, min(limit, wanted)))
    return max(1, limit)


class Pace:
    """What one worker has seen so far: its items' durations, and what its claims cost."""

    def __init__(self) -> None:
        self.n_items = 0
        self.busy_seconds = 0.0
        self._last_groups: deque[tuple[int, float]] = deque(maxlen=N_LAST_GROUPS)
        self._n_groups = 0
        self._sum_of_squares = 0.0
        self._claim_seconds: deque[float] = deque(maxlen=N_LAST_CLAIMS)
        self._overhead_seconds: deque[float] = deque(maxlen=N_LAST_CLAIMS)

    def add_items(self, n_items: int, seconds: float) -> None:
        """Count a group of ``n_items`` that took ``seconds`` in all."""
        if n_items:
            self.n_items += n_items
            self._last_groups.append((n_items, seconds))
            self._n_groups += 1
            self._sum_of_squares += seconds * seconds / n_items
        self.busy_seconds += seconds

    def add_claim(self, seconds: float) -> None:
        """Remember how long the counter's answer to one claim was waited for."""
        self._claim_seconds.append(seconds)

    def add_overhead(self, seconds: float) -> None:
        """Remember how long one claim took beyond its items: the counter, the journal and everything between."""
        self._overhead_seconds.append(seconds)

    @property
    def mean_seconds(self) -> float:
        """Mean duration of an item in s; 0 before the first."""
        return self.busy_seconds / self.n_items if self.n_items else 0.0

    @property
    def last_mean_seconds(self) -> float:
        """:attr:`mean_seconds` of the last few groups, for items whose durations fall."""
        n_items = sum(n for n, _ in self._last_groups)
        return sum(seconds for _, seconds in self._last_groups) / n_items if n_items else 0.0

    @property
    def variation(self) -> float:
        """Standard deviation / mean of the items' durations, by the means of groups; 0 before two of them.

        The mean square between groups estimates the variance of one item, whatever their sizes (R. A. Fisher's analysis
        of variance): no item's own duration need be looked at. What makes a group slow as a whole counts as scatter.
        """
        if self._n_groups < 2 or self.busy_seconds <= 0:
            return 0.0
        between = self._sum_of_squares - self.busy_seconds**2 / self.n_items
        return sqrt(max(0.0, between) / (self._n_groups - 1)) / self.mean_seconds

    @property
    def knows_wait(self) -> bool:
        """Whether so many claims were waited for that one accident among them is no rule."""
        return len(self._claim_seconds) >= LEAST_CLAIMS

    @property
    def claim_seconds(self) -> float:
        """Median wait for the counter in s; 0 before the first."""
        return _median(self._claim_seconds)

    @property
    def overhead_seconds(self) -> float:
        """Median of what a claim takes beyond its items in s; 0 before the first."""
        return _median(self._overhead_seconds)


def _median(durations: Iterable[float]) -> float:
    """Return the median, of an even number the smaller one of the two: one accident among the first is no rule.

    It is :func:`statistics.median_low`, whose module each rank would have to import.
    """
    ordered = sorted(durations)
    return ordered[(len(ordered) - 1) // 2] if ordered else 0.0


def guided_claims(
    counter: Counter,
    n_items: int,
    *,
    n_workers: int,
    pace: Pace,
    clock: Callable[[], float],
    part: Part | None = None,
    is_fair: bool = True,
) -> Iterator[range]:
    """Yield the ranges of positions that one worker claims from ``counter`` until none is left.

    ``part`` and ``is_fair`` are those of :class:`Todo`; ``part`` for items of known and falling costs. While items are
    shorter than a claim the next claim is under way during the current one; else claiming ahead would only take items
    from workers that are free earlier.
    """

    def mean_seconds() -> float:
        return pace.mean_seconds if part is None else pace.last_mean_seconds

    def next_size(stop: int, expected: int, last_size: int) -> int:
        if part is None:
            limit = part_of(max(1, n_items - expected), n_workers=n_workers, variation=pace.variation)
        else:  # the claim may begin anywhere from the last one's end on; the sooner, the more its items cost
            limit = min(part(position, LEAST_PARTS * n_workers) for position in (stop, expected))
        return claim_size(
            limit,
            mean_seconds=mean_seconds(),
            last_size=last_size,
            overhead_seconds=pace.overhead_seconds,
            wait_seconds=pace.claim_seconds,
            is_fair=is_fair,
        )

    size, ahead = 1, False
    before: int | None = None
    while True:
        asked = clock()
        if not ahead:
            counter.begin(size)
        start = counter.result()
        if not ahead:
            pace.add_claim(clock() - asked)
        if start >= n_items:
            return
        claimed = range(start, min(start + size, n_items))
        # where the next claim will begin: all workers go on meanwhile as they did since the last one
        advance = 0 if before is None else start - before
        expected, before = min(max(claimed.stop, start + advance), n_items), start
        ahead = 0 < mean_seconds() < pace.claim_seconds and pace.knows_wait
        if ahead:
            size = next_size(claimed.stop, expected, size)
            counter.begin(size)
        yield claimed
        if not ahead:
            size = next_size(claimed.stop, expected, size)


def static_claims(positions: range, *, pace: Pace) -> Iterator[range]:
    """Yield a worker's own block in pieces of about the target duration, so that each piece can be journalled."""
    start, size = positions.start, 1
    while start < positions.stop:
        stop = min(start + size, positions.stop)
        yield range(start, stop)
        start = stop
        size = claim_size(
            MOST_ITEMS, mean_seconds=pace.mean_seconds, last_size=size, overhead_seconds=pace.overhead_seconds
        )
