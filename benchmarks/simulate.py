"""The claims of any number of workers, played event by event: the real schedule, a counter that takes time to answer.

Every worker runs :func:`fullrank.schedule.guided_claims`, which real ones run, with a clock and a counter that are made
up. Events are claims, not items: those of a claim are summed up, so that 10^8 items take some million events.
"""

import gc
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from fullrank.looks import Looks
from fullrank.schedule import Pace, Part, guided_claims

Draw = Callable[[int], NDArray[np.float64]]
"""Durations in s of the next items, as many as are asked for."""
_BLOCK_ITEMS = 1 << 20


@dataclass(frozen=True)
class Costs:
    """What a claim costs, in s."""

    way_seconds: float = 0.0
    """From a worker to the counter; the same back."""
    service_seconds: float = 0.0
    """In which the counter answers one claim and no other."""
    looks: Callable[[], Looks] | None = None
    """Makes what tells when root looks for claims, of which it answers all there are; None: its memory answers."""
    look_seconds: float = 0.0
    """What a look takes of root, be there claims or not."""
    beside_seconds: float = 0.0
    """Of the worker's own, around the items of a claim: journal, tally and all."""


@dataclass(frozen=True)
class Played:
    """What came of one study."""

    n_claims: int
    """Those in vain included, of which each worker has one at its end."""
    makespan_seconds: float
    others_seconds: float
    """Until the last worker but root had ended."""
    bound_seconds: float
    """max(total / workers, longest item), which no schedule beats (R. L. Graham, SIAM J. Appl. Math. 17 (1969) 416)."""
    root_load: float
    """Share of the makespan in which the counter answers."""
    beside_items: float
    """What a worker spends beside its items, to the end of its last one, in parts of the time of its items; mean."""


class _Items:
    """The durations of all items, in the order in which they are given out; drawn as they are needed."""

    def __init__(self, draw: Draw, n_items: int) -> None:
        self._draw, self._n_left = draw, n_items
        self._ends, self._at = np.zeros(1), 0
        self.total_seconds = self.longest_seconds = 0.0

    def take(self, n: int) -> float:
        """Return what the next ``n`` take, in s."""
        seconds = 0.0
        while n:
            if self._at + 1 == len(self._ends):
                self._refill()
            stop = min(self._at + n, len(self._ends) - 1)
            seconds += float(self._ends[stop] - self._ends[self._at])
            n -= stop - self._at
            self._at = stop
        return seconds

    def _refill(self) -> None:
        drawn = self._draw(min(self._n_left, _BLOCK_ITEMS))
        self._n_left -= len(drawn)
        self._ends, self._at = np.concatenate(([0.0], np.cumsum(drawn))), 0
        self.total_seconds += float(self._ends[-1])
        self.longest_seconds = max(self.longest_seconds, float(drawn.max()))


class _Root:
    """The counter and who keeps it: claims are answered one by one, in the order in which they were asked."""

    def __init__(self, items: _Items, n_items: int, costs: Costs) -> None:
        self._items, self._n_items, self._costs = items, n_items, costs
        self._position, self._free_at = 0, 0.0
        self.n_claims = 0
        self._begun = array("d")
        """When it begins each answer, all of which take equally long."""
        self._ahead: deque[tuple[float, float]] = deque()
        """When root begins and ends to look, and to answer those that have asked: it interrupts root's items."""
        self._interrupted_seconds = 0.0
        self._looks = costs.looks() if costs.looks is not None else None
        self.is_asked = self._looks is not None
        """Whether root has to stop computing in order to answer."""
        self._next_look = self._seconds_to_next_look(0.0)

    def _seconds_to_next_look(self, now: float) -> float:
        return self._looks.seconds_to_next(now) if self._looks is not None else 0.0

    def answer(self, now: float, size: int, *, is_own: bool) -> tuple[float, int, float]:
        """Return when a claim asked for at ``now`` is answered, its first position, and what its items take in s."""
        position = self._position
        self._position += size
        self.n_claims += 1
        seconds = self._items.take(max(0, min(size, self._n_items - position)))
        if is_own and self.is_asked:  # it is a sum in its own memory
            return now, position, seconds
        arrival = now + self._costs.way_seconds
        if self._looks is not None and arrival > self._free_at:
            self._look_in_vain_until(arrival)
            self._free_at = self._look()
        begun = max(arrival, self._free_at)
        self._free_at = begun + self._costs.service_seconds
        self._begun.append(begun)
        if self._looks is not None:
            self._ahead.append((begun, self._free_at))
            self._looks.note_request(self._free_at)
            self._next_look = self._free_at + self._seconds_to_next_look(self._free_at)
        return self._free_at + self._costs.way_seconds, position, seconds

    def _look(self) -> float:
        """Return when the next look ends."""
        ended = self._next_look + self._costs.look_seconds
        self._ahead.append((self._next_look, ended))
        return ended

    def _look_in_vain_until(self, moment: float) -> None:
        """Let all looks be that begin before."""
        while self._next_look < moment:
            ended = self._look()
            self._next_look = ended + self._seconds_to_next_look(ended)

    def busy_seconds(self, until: float) -> float:
        """Return for how long the counter has answered before a moment; at the end it answers those who ask in vain."""
        return float(np.clip(until - np.array(self._begun), 0.0, self._costs.service_seconds).sum())

    def interrupted_seconds(self, now: float) -> float:
        """Return for how long root has looked and answered until ``now``; to be called with times that grow."""
        self._look_in_vain_until(now)
        while self._ahead and self._ahead[0][1] <= now:
            begun, ended = self._ahead.popleft()
            self._interrupted_seconds += ended - begun
        under_way = max(0.0, now - self._ahead[0][0]) if self._ahead else 0.0
        return self._interrupted_seconds + under_way


class _Events:
    """What happens next; of two at the same time the one that was known first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _Worker]] = []
        self._n = 0
        self.now = 0.0

    def add(self, moment: float, worker: "_Worker") -> None:
        """Have a worker's event come at a moment."""
        self._n += 1
        heappush(self._heap, (moment, self._n, worker))

    def __iter__(self) -> Iterator["_Worker"]:
        while self._heap:
            self.now, _, worker = heappop(self._heap)
            yield worker


class _Worker:
    """One worker: a counter to its own schedule, which sees nothing else of the others."""

    def __init__(
        self, number: int, n_items: int, n_workers: int, root: _Root, events: _Events, *, part: Part | None
    ) -> None:
        self.is_interrupted = number == 0 and root.is_asked
        """Whether it computes where root answers."""
        self.noted_seconds = 0.0
        """Of root's answering, what its own items have waited for already."""
        self.ended = self.answered_at = 0.0
        self.to_ask = 0
        """What it asks for when the event comes for that."""
        self._number, self._root, self._events = number, root, events
        self._now = self._before = self._busy_seconds = self._next_seconds = 0.0
        self._n_taken = self._position = 0
        self._pace = Pace()
        self._claims = guided_claims(
            self,
            n_items,
            n_workers=n_workers,
            pace=self._pace,
            clock=lambda: self._now,
            part=part,
            is_fair=part is None,
        )

    def begin(self, size: int) -> None:
        """Ask: at once, or, if the worker has waited already, when the others have come so far."""
        if self._now > self._events.now:
            self.to_ask = size
            self._events.add(self._now, self)
        else:
            self.ask(size)

    def ask(self, size: int) -> None:
        """Have root answer."""
        self.to_ask = 0
        answer = self._root.answer(self._events.now, size, is_own=self._number == 0)
        self.answered_at, self._position, self._next_seconds = answer

    def result(self) -> int:
        """Return the position, and let the time pass until it was answered."""
        self._now, self._busy_seconds = max(self._now, self.answered_at), self._next_seconds
        return self._position

    def delay(self, seconds: float) -> None:
        """Let the items of the running claim take longer."""
        self.ended += seconds
        self._busy_seconds += seconds

    def step(self, beside_seconds: float) -> None:
        """Take the next claim, if one is left, and have an event for its end."""
        self._now = self._events.now
        if self._n_taken:
            self._pace.add_items(self._n_taken, self._busy_seconds)
            self._pace.add_overhead(self.ended - self._before - self._busy_seconds)
        claimed = next(self._claims, None)
        if claimed is None:
            return
        self._n_taken, self._before = len(claimed), self.ended
        self.ended = self._now + self._busy_seconds + beside_seconds
        self._events.add(self.ended, self)


def play(draw: Draw, n_items: int, n_workers: int, costs: Costs, *, part: Part | None = None) -> Played:
    """Return what comes of a study; while root looks for claims and answers others its own item waits.

    ``part`` tells equal parts of the work that is left where the workers know what items cost.

    >>> play(lambda n: np.ones(n), 6, 2, Costs()).makespan_seconds
    3.0
    """
    gc.disable()  # hundreds of thousands of workers, none of which goes before the end
    try:
        return _play(draw, n_items, n_workers, costs, part=part)
    finally:
        gc.enable()


def _play(draw: Draw, n_items: int, n_workers: int, costs: Costs, *, part: Part | None) -> Played:
    items, events = _Items(draw, n_items), _Events()
    root = _Root(items, n_items, costs)
    workers = [_Worker(number, n_items, n_workers, root, events, part=part) for number in range(n_workers)]
    for worker in workers:
        events.add(0.0, worker)
    for worker in events:
        interrupted = root.interrupted_seconds(events.now) if worker.is_interrupted else 0.0
        if worker.to_ask:
            worker.ask(worker.to_ask)
        elif worker.answered_at > events.now:
            events.add(worker.answered_at, worker)
        elif interrupted > worker.noted_seconds:
            worker.delay(interrupted - worker.noted_seconds)
            worker.noted_seconds = interrupted
            events.add(worker.ended, worker)
        else:
            worker.step(costs.beside_seconds)
    makespan = max(worker.ended for worker in workers)
    return Played(
        root.n_claims,
        makespan,
        others_seconds=max((worker.ended for worker in workers[1:]), default=makespan),
        bound_seconds=max(items.total_seconds / n_workers, items.longest_seconds),
        root_load=root.busy_seconds(makespan) / makespan,
        beside_items=sum(worker.ended for worker in workers) / items.total_seconds - 1,
    )
