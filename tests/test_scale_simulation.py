"""The simulated claims of many workers: against greedy schedules, and against a loop through every unit of time."""

from collections.abc import Iterator
from functools import partial
from heapq import heapreplace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_modules import imported
from numpy.typing import NDArray

from fullrank.looks import Looks

UNIT_SECONDS = 2.0**-10
"""What the loop below goes on by: all its times are whole numbers of it, which floats add without an error."""

Seconds = NDArray[np.float64]


@pytest.fixture(autouse=True)
def benchmarks_importable() -> Iterator[None]:
    with imported():
        yield


class WholeLooks(Looks):
    """The real law, in whole units."""

    def seconds_to_next(self, now: float) -> float:
        return round(super().seconds_to_next(now) / UNIT_SECONDS) * UNIT_SECONDS


def played(seconds: Seconds, n_workers: int, **costs: Any) -> Any:
    from simulate import Costs, play

    given = 0

    def draw(n: int) -> Seconds:
        nonlocal given
        given += n
        return seconds[given - n : given]

    found = play(draw, len(seconds), n_workers, Costs(**costs))
    assert given == len(seconds)
    return found


def greedy(seconds: Seconds, n_workers: int) -> float:
    """List scheduling (Graham 1966), one item after the other."""
    ends = [0.0] * n_workers
    for item in seconds.tolist():
        heapreplace(ends, ends[0] + item)
    return max(ends)


class Stepped:
    """The same workers, one unit of time after the other; each claim is of one item, as those of long items are."""

    def __init__(self, items: list[int], n_workers: int, *, way: int, service: int, look: int, beside: int) -> None:
        self.items, self.way, self.service, self.look, self.beside = items, way, service, look, beside
        self.is_asked = look > 0
        self.looks = WholeLooks(0.0)
        self.left_of_look = 0
        self.has_found = False
        self.now = 0
        self.set_next_look()
        self.given = self.n_served = self.n_claims = self.makespan = 0
        self.n_served_by_makespan = 0
        self.arriving: list[tuple[int, int]] = []
        self.queue: list[int] = []
        self.serving: int | None = None
        self.left_of_service = 0
        self.coming: list[tuple[int, int, int | None]] = []
        self.left = [0] * n_workers
        for worker in range(n_workers):
            self.ask(worker)

    def ask(self, worker: int) -> None:
        self.n_claims += 1
        if worker == 0 and self.is_asked:
            self.start(worker, self.take())
        else:  # the position is the next one at the time of asking: none overtakes another on its way
            self.arriving.append((self.now + self.way, worker))
            self.coming.append((-1, worker, self.take()))

    def take(self) -> int | None:
        self.given += 1
        return self.items[self.given - 1] if self.given <= len(self.items) else None

    def start(self, worker: int, item: int | None) -> None:
        if item is not None:
            self.left[worker] = item + self.beside

    def run(self) -> "Stepped":
        while self.arriving or self.queue or self.serving is not None or self.coming or any(self.left):
            self.arrive()
            self.step()
        return self

    def arrive(self) -> None:
        """Let all happen that takes no time."""
        self.queue += [worker for moment, worker in self.arriving if moment <= self.now]
        self.arriving = [entry for entry in self.arriving if entry[0] > self.now]
        is_idle = self.serving is None and not self.left_of_look
        self.has_found = self.has_found and not (is_idle and not self.queue)
        if self.is_asked and is_idle and not self.has_found and self.now == self.next_look:
            self.left_of_look, self.has_found = self.look, bool(self.queue)
        may_serve = not self.is_asked or (self.has_found and not self.left_of_look)
        if self.serving is None and self.queue and may_serve:
            self.serving, self.left_of_service = self.queue.pop(0), self.service
        for entry in [entry for entry in self.coming if entry[0] == self.now]:
            self.coming.remove(entry)
            self.start(entry[1], entry[2])

    def set_next_look(self) -> None:
        self.next_look = self.now + round(self.looks.seconds_to_next(self.now * UNIT_SECONDS) / UNIT_SECONDS)

    def step(self) -> None:
        is_serving = self.serving is not None
        is_interrupted = self.is_asked and (is_serving or self.left_of_look > 0)
        self.now += 1
        ended = []
        for worker, left in enumerate(self.left):
            if left and not (worker == 0 and is_interrupted):
                self.left[worker] -= 1
                if left == 1:
                    ended.append(worker)
        if self.left_of_look:
            self.left_of_look -= 1
            if not self.left_of_look and not self.has_found:
                self.set_next_look()
        if is_serving:
            self.n_served += 1
            self.left_of_service -= 1
            if not self.left_of_service:
                self.answer()
        for worker in ended:
            self.makespan, self.n_served_by_makespan = self.now, self.n_served
            self.ask(worker)

    def answer(self) -> None:
        place = next(place for place, entry in enumerate(self.coming) if entry[:2] == (-1, self.serving))
        _, worker, item = self.coming.pop(place)
        self.coming.append((self.now + self.way, worker, item))
        self.serving = None
        self.looks.note_request(self.now * UNIT_SECONDS)
        self.set_next_look()


@pytest.mark.parametrize("n_workers", [1, 3, 16, 100])
def test_claims_that_cost_nothing_make_a_greedy_schedule(n_workers: int) -> None:
    seconds = np.random.default_rng(n_workers).uniform(1.1, 3.0, 300)
    found = played(seconds, n_workers)
    assert found.makespan_seconds == pytest.approx(greedy(seconds, n_workers), rel=1e-12)
    assert found.bound_seconds == pytest.approx(max(seconds.sum() / n_workers, seconds.max()), rel=1e-12)
    assert found.n_claims == 300 + n_workers


@pytest.mark.parametrize("look", [0, 1, 4], ids=["memory answers", "root answers", "root's looks take long"])
@pytest.mark.parametrize(("way", "service"), [(1, 1), (7, 3), (20, 120)])
@pytest.mark.parametrize("n_workers", [2, 5])
def test_costs_of_claims_add_up_as_in_a_loop_through_every_unit_of_time(
    n_workers: int, way: int, service: int, look: int
) -> None:
    items = np.random.default_rng([way, n_workers]).integers(1100, 3000, 24)
    truth = Stepped(items.tolist(), n_workers, way=way, service=service, look=look, beside=11).run()
    found = played(
        items * UNIT_SECONDS,
        n_workers,
        way_seconds=way * UNIT_SECONDS,
        service_seconds=service * UNIT_SECONDS,
        looks=partial(WholeLooks, 0.0) if look else None,
        look_seconds=look * UNIT_SECONDS,
        beside_seconds=11 * UNIT_SECONDS,
    )
    assert found.n_claims == truth.n_claims == 24 + n_workers
    assert found.makespan_seconds == pytest.approx(truth.makespan * UNIT_SECONDS, rel=1e-9)
    assert found.root_load == pytest.approx(truth.n_served_by_makespan / truth.makespan, rel=1e-9)


def test_slow_counter_is_asked_for_more_items_at_a_time() -> None:
    seconds = np.full(20_000, 0.01)
    quick, slow = (played(seconds, 8, service_seconds=service) for service in (1e-6, 1e-3))
    assert slow.n_claims < quick.n_claims / 2
    assert quick.makespan_seconds < slow.makespan_seconds < 1.1 * slow.bound_seconds


def test_bound_and_greedy_makespan_of_the_sleeping_items_are_those_of_every_order() -> None:
    from scale import greedy_seconds, in_order, least_seconds

    seconds = [5.0, 1.0, 2.0, 2.0]
    assert least_seconds(seconds, 2) == 5.0
    for order in ("spread", "longest-first"):
        visited = in_order(seconds, order)
        assert sorted(visited) == sorted(seconds)
        assert greedy_seconds(visited, 2) == greedy(np.array(visited), 2)
    assert greedy_seconds(in_order(seconds, "longest-first"), 2) == least_seconds(seconds, 2)


def test_efficiency_that_is_played_is_the_greedy_one_if_claims_cost_nothing() -> None:
    from scale import Cell, blocks, cells, in_order, played_efficiency
    from simulate import Costs

    assert blocks(np.arange(5.0))(3).tolist() == [0.0, 1.0, 2.0]
    sorted_first = Cell("MPICH", "40 items a rank, costs known", 8)
    assert sorted_first in cells()
    # all but some 40 ms are shorter than a claim of several would be, and go out one by one
    assert played_efficiency(sorted_first, Costs()) == pytest.approx(sorted_first.greedy_efficiency, rel=0.005)
    seconds = in_order([0.5, 0.25], "longest-first")
    assert greedy(np.array(seconds), 2) == 0.5


def test_costs_and_lateness_lower_the_efficiency_that_is_played() -> None:
    from scale import Cell, played_efficiency
    from simulate import Costs

    cell = Cell("MPICH", "40 items a rank, costs known", 4)
    free = played_efficiency(cell, Costs())
    one_by_one = free / 1.1
    assert one_by_one * 1.01 < played_efficiency(cell, Costs(beside_seconds=0.006)) < free * 0.99  # claims grow with it
    assert played_efficiency(cell, Costs(), late_seconds=0.006) == pytest.approx(free / 1.1, rel=0.01)


def test_all_studies_on_64_ranks_are_judged_and_no_others() -> None:
    from scale import ASKED, STUDIES, cells

    judged = {(cell.title, cell.n_ranks) for cell in cells() if cell.limit is not None}
    assert judged == {(title, 64) for title in STUDIES}
    assert ASKED.value == 0.95


def test_wait_in_which_a_process_was_not_seen_is_refused() -> None:
    from programs import ProgramError
    from waiting import _Watched

    watched = _Watched({7: [(0.0, 1.0), (10.0, 1.0), (12.0, 1.5), (20.0, 1.75), (30.0, 9.0)], 8: [(0.0, 0.0)]})
    assert watched.share(7, 11.0, 21.0) == pytest.approx(100 * 0.25 / 8)
    assert watched.used(7, 11.0, 21.0) == pytest.approx(0.75)
    assert watched.at_wait(1.0, 29.0) == [7]
    for pid, begin in ((7, 19.0), (8, 0.0), (9, 0.0)):
        with pytest.raises(ProgramError, match=f"process {pid}: expected two looks"):
            watched.share(pid, begin, 21.0)


def test_verdict_on_the_timer_needs_every_start_to_say_the_same() -> None:
    from waiting import _tick_name, _tick_rows

    def rows(low: float, high: float) -> list[list[str]]:
        start = {"tick_microseconds": 8.0, "direct_microseconds": (low + high) / 2}
        start |= {"direct_low": low, "direct_high": high}
        others = start | {"direct_low": low / 2, "direct_high": high / 2}
        return _tick_rows("MPICH", {_tick_name("MPICH"): [others, start, others]})

    def verdicts(low: float, high: float) -> list[str]:
        return [row[-1] for row in rows(low, high)]

    assert verdicts(0.0, 20.0) == ["holds", "holds", "", ""]
    assert verdicts(100.0, 390.0) == ["holds", "DOES NOT HOLD", "", ""]
    assert verdicts(900.0, 1000.0) == ["DOES NOT HOLD", "DOES NOT HOLD", "", ""]
    assert verdicts(-1000.0, 1000.0) == ["not resolved", "not resolved", "", ""]
    shares = {row[0]: row[1:3] for row in rows(0.0, 280.0)}
    assert shares["MPICH: root's timer where nobody asks, every 200 ms"] == ["0.07", "0.07 (0.00 to 0.14)"]
    assert shares["MPICH: the same where one claim comes a second, every 14 ms"] == ["0.99", "0.99 (0.00 to 1.98)"]


def test_numbers_of_ranks_that_fill_a_slow_counter_are_not_rounded_to_none() -> None:
    from simulated import _about

    assert [_about(1 / seconds) for seconds in (4e-6, 300e-6, 0.15, 2.0)] == ["250,000", "3,300", "7", "0"]


def test_what_was_played_stands_beside_what_was_measured_where_that_is_kept() -> None:
    from simulated import _real

    kept = {"played": 0.98, "late_milliseconds": 2.5, "played_late": 0.96, "measured": [0.95] * 7}
    told, text, rows = _real(
        {"date": "2026-11-27", "entries": {"MPICH, 4 ranks": kept, "MPICH, 8 ranks": {"played": 1}}}
    )
    assert told == "### Played beside real"
    assert "(2026-11-27; the schedule that is played is that of this section's commit)" in text
    first, second = rows.splitlines()[2:]
    assert [cell.strip() for cell in first.split("|")[1:-1]] == [
        "MPICH, 4 ranks",
        "0.980",
        "2.50",
        "0.960",
        "0.950",
        "0.950 to 0.950",
    ]
    assert [cell.strip() for cell in second.split("|")[2:-1]] == ["1.000", "", "", "", ""]
    assert "no measured ones" in _real({"date": "", "entries": {"MPICH, 8 ranks": {"played": 1}}})[1]


def test_kept_values_of_another_machine_are_not_put_beside_what_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import machine
    import rawfile
    import simulated

    monkeypatch.setattr(simulated, "KEPT", tmp_path / "raw.h5")
    monkeypatch.setattr(machine, "facts", lambda *_: {"processor": "one"})
    assert simulated._kept_scale(None) == {}
    for processor, is_taken in (("one", True), ("another", False)):
        scale = {"date": "2026-11-27", "machine": {"processor": processor, "bound_cores": 2}, "raw": {"samples": {}}}
        rawfile.save(tmp_path / "raw.h5", {"machine": {}, "sections": {"scale": scale}})
        assert bool(simulated._kept_scale(None)) == is_taken
