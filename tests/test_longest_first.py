"""``order = "longest-first"``: what goes first, who gets it, and when the last worker ends."""

import json
from collections.abc import Iterator
from heapq import heapreplace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from studies import INTERPRETERS, Project
from turns import take_turns

from fullrank.costs.first import SHARE, first_items
from fullrank.leading import CostsLeft, Leading, LeadingTodo, deal, packed
from fullrank.schedule import Order, Pace, Todo, empty_bitmap, guided_claims, mark

pytestmark = pytest.mark.in_process

COSTS = st.lists(st.one_of(st.just(0.0), st.floats(0.01, 100.0)), min_size=1, max_size=40)
SMALL = st.lists(st.integers(1, 20), min_size=1, max_size=7)
CODE = """\
def f(x):
    with open("visits", "ab", buffering=0) as file:
        file.write(b"%d\\n" % x)
    return x * x / 7
"""
TAIL = '[run]\norder = "longest-first"\ncost = "cost.py:{}"\nschedule = "{}"'


def todo_of(folder: Path, costs: "list[float]", *, n_workers: int, finished: "set[int]" = frozenset()) -> LeadingTodo:  # type: ignore[assignment]
    """What workers make of a file as root writes it."""
    order = Order.named("spread", len(costs))
    first = first_items(np.array(costs, float), order, n_workers=n_workers)
    path = folder / "items.first"
    path.write_bytes(packed(order, first.indices.tolist(), first.costs.tolist()))
    bitmap = empty_bitmap(len(costs))
    for index in finished:
        mark(bitmap, order.position(index))
    return LeadingTodo(order, bitmap, Leading(str(path), len(first.indices), first.rest_cost))


def guided_makespan(costs: "list[float]", todo: Todo, n_workers: int) -> float:
    """Run guided workers on a clock that only items move on; seconds."""
    return guided_run(costs, todo, n_workers)[1]


def guided_run(
    costs: "list[float]", todo: Todo, n_workers: int, *, overhead_seconds: float = 0.0
) -> "tuple[int, float]":
    """Return the number of claims and the makespan in seconds, on a clock that only items and overhead move on."""
    n_claims, position, now = 0, [0], [0.0] * n_workers

    class Counter:
        def begin(self, size: int) -> None:
            self._answer, position[0] = position[0], position[0] + size

        def result(self) -> int:
            return self._answer

    def work(worker: int) -> Iterator[float]:
        nonlocal n_claims
        pace = Pace()
        claims = guided_claims(
            Counter(), todo.n_items, n_workers=n_workers, pace=pace, clock=lambda: 0.0, part=todo.part
        )
        for claimed in claims:
            seconds = sum(costs[index] for index in todo.indices(claimed))
            now[worker] += seconds + overhead_seconds
            n_claims += 1
            pace.add_items(len(claimed), seconds)
            pace.add_overhead(overhead_seconds)
            yield now[worker]

    take_turns(work, n_workers)
    return n_claims, max(now)


def best_makespan(costs: "list[int]", n_workers: int) -> int:
    """The shortest of all assignments, each tried."""
    return min(
        max(
            sum(cost for cost, owner in zip(costs, owners, strict=True) if owner == worker)
            for worker in range(n_workers)
        )
        for owners in product(range(n_workers), repeat=len(costs))
    )


# --- what goes first


@settings(deadline=None)
@given(COSTS, st.integers(1, 5), st.sets(st.integers(0, 39)))
def test_every_unfinished_item_has_one_position(
    tmp_path_factory: pytest.TempPathFactory, costs: "list[float]", n_workers: int, finished: "set[int]"
) -> None:
    finished = {index for index in finished if index < len(costs)}
    todo = todo_of(tmp_path_factory.mktemp("todo"), costs, n_workers=n_workers, finished=finished)
    indices = todo.indices(range(todo.n_items))
    assert sorted(indices) == sorted(set(range(len(costs))) - finished)
    assert [index for place in range(todo.n_items) for index in todo.indices(range(place, place + 1))] == indices


@given(COSTS, st.integers(1, 5))
def test_items_above_a_thousandth_of_a_share_go_first_by_falling_cost(costs: "list[float]", n_workers: int) -> None:
    first = first_items(np.array(costs), Order.named("spread", len(costs)), n_workers=n_workers)
    limit = sum(costs) / (1000 * n_workers)
    assert SHARE == 1000
    assert sorted(first.indices.tolist()) == [index for index, cost in enumerate(costs) if cost > limit]
    assert first.costs.tolist() == sorted(first.costs.tolist(), reverse=True)
    others = [cost for cost in costs if cost <= limit]
    assert first.rest_cost == pytest.approx(sum(others) / len(others) if others else 0.0, abs=1e-9)


def test_items_of_equal_cost_keep_the_spread_order(tmp_path: Path) -> None:
    todo = todo_of(tmp_path, [3.0] * 50, n_workers=2)
    assert todo.indices(range(50)) == Order.named("spread", 50).indices(range(50))


def test_no_cost_at_all_is_the_spread_order(tmp_path: Path) -> None:
    todo = todo_of(tmp_path, [0.0] * 50, n_workers=2)
    assert todo.part(10, 4) == 10  # all are behind the first ones, of which there are none
    assert todo.indices(range(50)) == Order.named("spread", 50).indices(range(50))


def test_costs_whose_sum_no_float_holds_are_compared_all_the_same() -> None:
    first = first_items(np.array([1e308, 1.7e308, 1.0, 1.5e308]), Order(4), n_workers=2)
    assert first.indices.tolist() == [1, 3, 0]


@given(COSTS, st.integers(0, 30), st.floats(0, 0.01), st.integers(1, 50), st.data())
def test_a_part_of_what_is_left_is_told_by_cost_among_first_items_and_by_number_behind_them(
    costs: "list[float]", n_rest: int, rest_cost: float, n_parts: int, data: st.DataObject
) -> None:
    first = sorted(costs, reverse=True)
    every = [*first, *[rest_cost] * n_rest]
    position = data.draw(st.integers(0, len(every)))
    found = CostsLeft(first, n_rest, rest_cost=rest_cost).part(position, n_parts)
    if position >= len(first):
        assert found == (len(every) - position) // n_parts
        return
    share, rounding = sum(every[position:]) / n_parts, 1e-9 * (1 + sum(every))
    assert sum(every[position : position + found]) <= share + rounding
    assert position + found <= len(first)
    if position + found < len(first):
        assert sum(every[position : position + found + 1]) >= share - rounding


def test_costs_that_are_told_do_not_make_what_has_ended_a_fair_sample(tmp_path: Path) -> None:
    todo = todo_of(tmp_path, [3.0, 2.0, 1.0, 0.5, 0.25], n_workers=2)
    assert not todo.is_fair
    assert Todo(Order.named("spread", 5)).is_fair
    assert not Todo(Order.named("index", 5)).is_fair


def test_a_long_item_goes_out_alone_and_the_short_ones_behind_it_together() -> None:
    left = CostsLeft([360.0, *[9.0] * 360], 0, rest_cost=0.0)
    assert left.part(0, 12) == 0  # a twelfth is 300
    assert left.part(0, 6) == 1 + 26
    assert left.part(1, 6) == 60
    assert left.part(355, 6) == 1
    assert left.part(360, 6) == 0


def test_known_costs_take_few_claims_and_end_together(tmp_path: Path) -> None:
    seconds = [0.32, *[0.008] * 360]
    todo = todo_of(tmp_path, seconds, n_workers=2)
    n_claims, makespan = guided_run(seconds, todo, 2, overhead_seconds=0.75e-3)
    assert n_claims < 60
    assert makespan < (sum(seconds) / 2) * 1.02


def test_a_giant_does_not_keep_its_worker_from_claims_of_many_short_items(tmp_path: Path) -> None:
    seconds = [1.0, *[1e-4] * 20_000]
    todo = todo_of(tmp_path, seconds, n_workers=2)
    n_claims, makespan = guided_run(seconds, todo, 2, overhead_seconds=1e-4)
    assert n_claims < 250  # of 20 ms, 200 items: 100, and some dozen at each worker's begin and end
    assert makespan < (sum(seconds) / 2) * 1.02


# --- how good it is


@settings(deadline=None, max_examples=200)
@given(SMALL, st.integers(1, 3))
def test_guided_makespan_keeps_grahams_bound_for_known_costs(
    tmp_path_factory: pytest.TempPathFactory, costs: "list[int]", n_workers: int
) -> None:
    seconds = [float(cost) for cost in costs]
    todo = todo_of(tmp_path_factory.mktemp("todo"), seconds, n_workers=n_workers)
    best = best_makespan(costs, n_workers)
    assert guided_makespan(seconds, todo, n_workers) <= (4 / 3 - 1 / (3 * n_workers)) * best + 1e-9


@settings(deadline=None, max_examples=300)
@given(st.lists(st.integers(1, 100), min_size=20, max_size=120), st.integers(2, 4))
@example(
    [99, *[50] * 9, *[1] * 20], 3
)  # who has the longest comes back when the short ones are near, and not yet there
def test_claims_of_several_short_items_keep_grahams_bound_too(
    tmp_path_factory: pytest.TempPathFactory, costs: "list[int]", n_workers: int
) -> None:
    seconds = [1e-6 * cost for cost in costs]  # so short that it is the part alone that bounds a claim
    todo = todo_of(tmp_path_factory.mktemp("todo"), seconds, n_workers=n_workers)
    _, makespan = guided_run(seconds, todo, n_workers)
    ends = [0.0] * n_workers
    for each in sorted(seconds, reverse=True):  # one by one, which is no shorter than the best
        heapreplace(ends, ends[0] + each)
    assert makespan <= (4 / 3 - 1 / (3 * n_workers)) * max(ends) * (1 + 1e-9)


@settings(deadline=None, max_examples=200)
@given(SMALL, st.integers(1, 3))
def test_guided_makespan_keeps_grahams_weaker_bound_in_any_order(costs: "list[int]", n_workers: int) -> None:
    seconds = [float(cost) for cost in costs]
    todo = Todo(Order.named("spread", len(costs)))
    best = best_makespan(costs, n_workers)
    assert guided_makespan(seconds, todo, n_workers) <= (2 - 1 / n_workers) * best + 1e-9


@settings(deadline=None, max_examples=200)
@given(SMALL, st.integers(1, 3))
def test_static_shares_keep_grahams_bound_too(costs: "list[int]", n_workers: int) -> None:
    falling = sorted(costs, reverse=True)
    owners, _ = deal([float(cost) for cost in falling], 0, rest_cost=0.0, n_workers=n_workers)
    loads = [0] * n_workers
    for cost, owner in zip(falling, owners, strict=True):
        loads[owner] += cost
    assert max(loads) <= (4 / 3 - 1 / (3 * n_workers)) * best_makespan(costs, n_workers) + 1e-9


@given(st.lists(st.floats(0.5, 50.0), max_size=20), st.integers(0, 500), st.floats(0.001, 0.5), st.integers(1, 6))
def test_rest_evens_out_static_shares(first: "list[float]", n_rest: int, rest_cost: float, n_workers: int) -> None:
    falling = sorted(first, reverse=True)
    owners, bounds = deal(falling, n_rest, rest_cost=rest_cost, n_workers=n_workers)
    assert (bounds[0], bounds[-1], list(bounds)) == (0, n_rest, sorted(bounds))
    loads = [sum(c for c, owner in zip(falling, owners, strict=True) if owner == w) for w in range(n_workers)]
    ends = [load + rest_cost * (bounds[w + 1] - bounds[w]) for w, load in enumerate(loads)]
    level = max(ends)
    for worker in range(n_workers):  # whoever ends earlier than the last got nothing more that would have helped
        if bounds[worker + 1] > bounds[worker]:
            assert ends[worker] <= min(ends) + 2 * rest_cost + 1e-9
    assert level <= max([*loads, min(ends) + 2 * rest_cost]) + 1e-9


@settings(deadline=None)
@given(COSTS, st.integers(1, 5))
def test_static_shares_are_all_items_once(
    tmp_path_factory: pytest.TempPathFactory, costs: "list[float]", n_workers: int
) -> None:
    todo = todo_of(tmp_path_factory.mktemp("todo"), costs, n_workers=n_workers)
    dealt = [p for number in range(n_workers) for share in todo.shares(n_workers, number) for p in share]
    assert sorted(dealt) == list(range(len(costs)))


# --- runs


def write(project: Project, name: str = "falling", schedule: str = "guided", grid: str = "x = { range = 30 }") -> None:
    project.write(CODE, grid=grid, tail=TAIL.format(name, schedule))
    (project.folder / "cost.py").write_text(
        "import numpy\n"
        "def falling(x):\n    return 1000 - x\n"
        "def rising(x):\n    return numpy.float32(x)\n"
        "def raises(x):\n    return 1 / abs(x - 5)\n"
        "def text(x):\n    return '3' if x == 5 else 3\n"
        "def nothing(x):\n    return float('nan') if x == 5 else 3\n"
        "def negative(x):\n    return -1 if x == 5 else 3\n"
        "def of_other(x, z):\n    return 3\n"
    )


@pytest.mark.parametrize("backend", ["serial", "threads", "processes", INTERPRETERS, "mpi"])
def test_costliest_items_are_begun_first_and_results_are_the_same(project: Project, backend: str) -> None:
    write(project)
    done = project.run("-b", backend, *([] if backend == "serial" else ["-n", 2]))
    assert "costs of 30 items by cost.py:falling in " in done.stderr
    visits, worker = project.visits(), project.read("worker")
    assert sorted(visits) == list(range(30))
    for number in set(worker.tolist()):  # workers may wait for a core, and then note late what they began
        own = [index for index in visits if worker[index] == number]
        assert own == sorted(own)
    assert project.read("f").tolist() == [x * x / 7 for x in range(30)]
    assert project.read("attempts/order").tolist() == ["longest-first"]


@pytest.mark.parametrize("backend", ["threads", "processes", "mpi"])
def test_static_schedule_evaluates_every_item_once(project: Project, backend: str) -> None:
    write(project, schedule="static")
    project.run("-b", backend, "-n", 2)
    assert sorted(project.visits()) == list(range(30))
    assert project.read("worker").tolist() == [0, 1, 1, 0] * 7 + [0, 1]  # of 1000, 999, 998, ... always the lesser sum


def test_sample_is_that_of_the_spread_order_and_the_rest_goes_by_cost(project: Project) -> None:
    write(project, "rising")
    project.run("-b", "serial", "--limit", 4)
    spread = Order.named("spread", 30).indices(range(4))
    assert project.visits() == spread
    project.run("-b", "serial")
    assert project.visits()[4:] == [x for x in range(29, -1, -1) if x not in spread]


def test_stopped_run_goes_on_by_another_cost(project: Project) -> None:
    write(project)
    project.run("-b", "serial", "--limit", 4)
    project.run("-b", "serial", "--set", "run.cost=cost.py:rising", "-n", 1)
    assert sorted(project.visits()) == list(range(30))
    assert project.read("f").tolist() == [x * x / 7 for x in range(30)]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("raises", "ZeroDivisionError: division by zero"),
        ("text", "expected a finite number >= 0, got str '3'"),
        ("nothing", "expected a finite number >= 0, got float nan"),
        ("negative", "expected a finite number >= 0, got int -1"),
    ],
)
def test_cost_that_is_none_is_refused_with_its_item(project: Project, name: str, told: str) -> None:
    write(project, name)
    done = project.run("-b", "serial", expect=2)
    assert f"study.toml: run.cost: cost.py:{name} of item 5 (x=5)" in done.stderr
    assert told in done.stderr
    assert "fullrank/" not in done.stderr
    assert project.visits() == []


def test_cost_that_takes_what_nothing_gives_is_refused(project: Project) -> None:
    write(project, "of_other")
    assert "cost.py:of_other: nothing gives its parameter 'z'" in project.run("-b", "serial", expect=2).stderr


def test_earlier_result_tells_costs_by_the_values_of_parameters(project: Project) -> None:
    project.write(
        "import time\ndef f(x, y):\n    time.sleep(0.02 * (x == 3))\n    return x", grid="y = [1, 2]\nx = [1, 2, 3]"
    )
    project.run("-b", "serial", "-o", "earlier.h5")
    code = CODE.replace("f(x)", "f(x, y)").replace("% x", "% (10 * x + y)")
    tail = '[run]\norder = "longest-first"\ncost = "earlier.h5"'
    project.write(code, grid="x = [9, 1, 3]\ny = [2, 7]", tail=tail)
    done = project.run("-b", "serial")
    assert "by earlier.h5, which has 2 of them; the others are taken to cost the median; in" in done.stderr
    assert project.visits()[0] == 32


@pytest.mark.parametrize("grid", ["x = [7, 8]", "z = [1]"])
def test_earlier_result_that_tells_nothing_is_refused(project: Project, grid: str) -> None:
    project.write("def f(x):\n    return x", grid="x = [1, 2]").run("-b", "serial", "-o", "earlier.h5")
    name = grid[0]
    tail = '[run]\norder = "longest-first"\ncost = "earlier.h5"'
    done = project.write(f"def f({name}):\n    return {name}", grid=grid, tail=tail).run("-b", "serial", expect=2)
    assert "earlier.h5: run.cost: expected" in done.stderr


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        ('order = "longest-first"', "run.cost: missing, expected"),
        ('cost = "cost.py:f"', 'run.cost: expected order = "longest-first" beside it'),
        ('order = "longest-first"\ncost = "cost"', "run.cost: expected module:function"),
        ('order = "longest-first"\ncost = "none.h5"', "run.cost: there is no file"),
    ],
)
def test_order_and_cost_need_each_other(project: Project, tail: str, told: str) -> None:
    assert told in project.write(CODE, tail=f"[run]\n{tail}").run(expect=2).stderr


def test_dry_run_and_report_tell_the_order(project: Project) -> None:
    write(project)
    assert "order longest-first by cost.py:falling" in project.run("--dry-run").stdout
    assert json.loads(project.run("--dry-run", "--json").stdout)["cost"] == "cost.py:falling"
    project.run("-b", "serial")
    assert (
        "Order longest-first: it began with the items that cost most."
        in project.fullrank("report", project.output).stdout
    )
