"""Claims of many workers, and runs of them that are simulated: nobody is idle for long, nothing is lost."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from turns import take_turns

from fullrank.schedule import Order, Pace, Todo, guided_claims


@dataclass
class SharedPosition:
    """What all simulated workers fetch from and add to."""

    position: int = 0
    n_claims: int = 0
    sizes: list[int] = field(default_factory=list)

    def fetch_and_add(self, size: int) -> int:
        start = self.position
        self.position += size
        self.n_claims += 1
        self.sizes.append(size)
        return start


@dataclass
class LazyCounter:
    """One worker's counter; what it asks for takes effect at once or when it is waited for, as MPI may have it."""

    shared: SharedPosition
    at_once: Callable[[], bool]
    _asked: int = 0
    _answer: int | None = None

    def begin(self, size: int) -> None:
        self._asked = size
        self._answer = self.shared.fetch_and_add(size) if self.at_once() else None

    def result(self) -> int:
        return self.shared.fetch_and_add(self._asked) if self._answer is None else self._answer


@settings(deadline=None, max_examples=150)
@given(n_items=st.integers(0, 5000), n_workers=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_guided_claims_hand_out_every_position_once_however_workers_interleave(
    n_items: int, n_workers: int, seed: int
) -> None:
    generator = random.Random(seed)
    shared = SharedPosition()
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += generator.choice([1e-7, 1e-5, 1e-2])
        return now

    def worker() -> Iterator[range]:
        pace = Pace()
        counter = LazyCounter(shared, lambda: generator.random() < 0.5)
        for claimed in guided_claims(counter, n_items, n_workers=n_workers, pace=pace, clock=clock):
            pace.add_items(len(claimed), len(claimed) * generator.choice([1e-7, 1e-4, 1e-2]))
            yield claimed

    workers = [worker() for _ in range(n_workers)]
    handed_out: list[int] = []
    while workers:
        chosen = generator.choice(workers)
        claimed = next(chosen, None)
        if claimed is None:
            workers.remove(chosen)
        else:
            handed_out += claimed
    assert sorted(handed_out) == list(range(n_items))


def test_a_stopped_counter_ends_the_claims_of_a_worker_that_is_under_way() -> None:
    shared = SharedPosition()
    claims = guided_claims(
        LazyCounter(shared, lambda: True), 1000, n_workers=1, pace=Pace(), clock=iter(range(1000)).__next__
    )
    assert next(claims) == range(1)
    shared.position = 2**62
    assert list(claims) == []


# --- a run, simulated


@dataclass
class Simulated:
    """Outcome of a simulated run."""

    balance: float
    n_claims: int
    sizes: list[int]


def simulate(
    cost: Sequence[float],
    *,
    n_workers: int,
    order: Order,
    claim_seconds: float,
    accident: tuple[int, float] | None = None,
) -> Simulated:
    """Run guided workers against a clock that only items and claims move on; seconds.

    With an ``accident`` worker 0 waits so much longer for one of its claims: for its first (0), say.
    """
    shared = SharedPosition()
    now = [0.0] * n_workers

    @dataclass
    class Counter:
        worker: int
        asked: int = 0
        ready: float = 0.0
        n_claims: int = 0

        def begin(self, size: int) -> None:
            self.asked = shared.fetch_and_add(size)
            self.ready = now[self.worker] + claim_seconds
            if accident is not None and (self.worker, self.n_claims) == (0, accident[0]):
                self.ready += accident[1]
            self.n_claims += 1

        def result(self) -> int:
            now[self.worker] = max(now[self.worker], self.ready)
            return self.asked

    def work(worker: int) -> Iterator[float]:
        pace = Pace()
        claims = guided_claims(
            Counter(worker),
            len(cost),
            n_workers=n_workers,
            pace=pace,
            clock=lambda: now[worker],
            is_fair=Todo(order).is_fair,
        )
        for claimed in claims:
            seconds = sum(cost[index] for index in order.indices(claimed))
            now[worker] += seconds
            pace.add_items(len(claimed), seconds)
            yield now[worker]

    take_turns(work, n_workers)
    return Simulated(sum(cost) / n_workers / max(now), shared.n_claims, shared.sizes)


def test_uneven_rows_keep_eight_workers_busy_to_the_end() -> None:
    rows = [1e-3 * (1 + 80 * max(0.0, 1 - abs(row - 300) / 120)) for row in range(600)]
    run = simulate(rows, n_workers=8, order=Order.named("spread", 600), claim_seconds=45e-6)
    ideal = sum(rows) / 8
    assert run.balance > ideal / (ideal + max(rows))  # nobody ends later than by the longest item (Graham, 1969)


@pytest.mark.parametrize("n_workers", [1, 2, 3, 8, 50])
def test_claims_of_equal_items_are_about_a_third_of_a_share_of_what_is_left_when_they_begin(n_workers: int) -> None:
    n_items = 20_000
    claims: list[range] = []

    def work(worker: int) -> Iterator[float]:
        pace, now = Pace(), 0.0
        counter = LazyCounter(shared, lambda: True)
        for claimed in guided_claims(counter, n_items, n_workers=n_workers, pace=pace, clock=lambda: 0.0):
            claims.append(claimed)
            pace.add_items(len(claimed), 1e-9 * len(claimed))  # so short that nothing else bounds a claim
            now += len(claimed)
            yield now

    shared = SharedPosition()
    take_turns(work, n_workers)
    assert sorted(index for claimed in claims for index in claimed) == list(range(n_items))
    late = [claimed for claimed in claims if len(claimed) > 1 and claimed.start > n_items / 2]  # at first they double
    thirds = sorted(len(claimed) * 3 * n_workers / (n_items - claimed.start) for claimed in late)
    assert 0.7 < thirds[len(thirds) // 2] <= 1.0  # by what was left a claim before it would be half as much again
    assert thirds[-1] < 2.0  # where others took large claims meanwhile


def test_a_million_tiny_items_go_out_in_some_hundred_claims() -> None:
    run = simulate([2e-6] * 1_000_000, n_workers=8, order=Order(1_000_000), claim_seconds=45e-6)
    assert run.balance > 0.97
    assert run.n_claims < 1000


def test_the_last_claims_are_of_one_item_each() -> None:
    run = simulate([1e-4] * 20_000, n_workers=4, order=Order(20_000), claim_seconds=45e-6)
    assert set(run.sizes[-9:]) == {1}


def test_where_the_counter_is_slow_a_claim_takes_twice_as_long_as_was_waited_for_it() -> None:
    run = simulate([1e-2] * 20_000, n_workers=8, order=Order.named("spread", 20_000), claim_seconds=0.25)
    sizes = sorted(run.sizes)
    assert sizes[:16] == [1] * 8 + [8] * 8
    assert sizes[16] >= 49  # 0.5 s, less a rounding
    assert run.balance > 25 / 26  # of 25 s each: three waits, then claims are under way ahead, and the last one's items
    assert run.n_claims < 8 * (25 + 16)  # claims of 1 s at most


@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_one_long_wait_of_one_worker_keeps_nobody_busy_at_the_end(number: int) -> None:
    order = Order.named("spread", 50_000)
    run = simulate([1e-2] * 50_000, n_workers=50, order=order, claim_seconds=50e-6, accident=(number, 1.0))
    assert run.balance > 0.98  # of 10 s each


@pytest.mark.parametrize("claim_seconds", [0.02, 0.1])
def test_items_that_become_long_at_the_end_are_not_taken_in_large_claims(claim_seconds: float) -> None:
    cost = [1e-3] * 49_000 + [1.0] * 1000
    run = simulate(cost, n_workers=50, order=Order.named("index", 50_000), claim_seconds=claim_seconds)
    assert run.balance > 0.9


def test_workers_whose_items_are_shorter_than_a_claim_do_not_wait_for_claims() -> None:
    run = simulate([1e-5] * 1_000_000, n_workers=2, order=Order(1_000_000), claim_seconds=2e-3)
    assert run.balance > 0.95
