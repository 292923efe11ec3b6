"""The programs that benchmarks/ measures start, evaluate the same items, and are reported."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmark_modules import imported

pytestmark = pytest.mark.timeout(600)  # a score of programs, one after the other


@pytest.fixture
def bench() -> Iterator[Any]:
    names = ("break_even", "efficiency", "lineup", "programs")
    with imported(*names) as modules:
        yield SimpleNamespace(**dict(zip(names, modules, strict=True)))


@pytest.fixture
def one_round(bench: Any, tmp_path: Path, mpiexec: Path, leaves_nothing_running: None) -> Any:
    """What the command line asks for: a round of few items."""
    return bench.programs.Bench(tmp_path, n_rounds=1, quick=True, tell=print)


@pytest.mark.parametrize(("name", "n_items"), [("heavy", 80), ("equal", 80), ("one-long", 100)])
def test_all_programs_return_the_results_of_the_bare_loop_and_have_a_row(
    bench: Any, one_round: Any, monkeypatch: pytest.MonkeyPatch, name: str, n_items: int
) -> None:
    workloads = [(*entry[:2], n_items, entry[3]) for entry in bench.efficiency._WORKLOADS if entry[0] == name]
    monkeypatch.setattr(bench.efficiency, "_WORKLOADS", workloads)
    raw = bench.efficiency.measure(one_round)
    part = raw[name]
    assert part["n_items"] == n_items // 10
    assert part["restarts"] == []
    assert all(len(starts) == 1 for tried in part["trials"].values() for starts in tried["samples"].values())
    assert all(len(samples) == 1 for samples in part["samples"].values())
    known = bench.lineup.KNOWN if name == "one-long" else ""
    limits = {bench.lineup.SERIAL, bench.lineup.CEILING, bench.lineup.STATIC}
    assert limits | {bench.lineup.MPI + known, bench.lineup.PROCESSES + known} <= part["samples"].keys()
    for package in raw["peers"].keys() - {"python", "mpi4py"}:
        assert any(program.startswith(package) for program in part["samples"]) or name == "one-long"
    rows = bench.efficiency.report(raw).splitlines()
    for program in part["samples"]:
        assert sum(row.startswith(f"| {program} ") for row in rows) == 1
    for pool in part["trials"]:
        assert sum(row.startswith(f"- {pool}: ") for row in rows) == 1


def test_a_program_whose_results_differ_is_refused(bench: Any) -> None:
    with imported("starts", "programs") as (starts, programs):
        agreement = starts.Agreement("heavy")
        agreement.check(7)
        agreement.check(7)
        with pytest.raises(programs.Disagreement, match="heavy: the results differ"):
            agreement.check(8)


def test_peers_that_are_not_installed_are_left_out_and_named(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    asked = bench.programs.Bench(tmp_path, n_rounds=1, quick=True, tell=told.append)
    workload = SimpleNamespace(list=tmp_path / "work.json")
    monkeypatch.setattr(bench.lineup.Lineup, "_fastest", lambda self, name, variants, n_trials: next(iter(variants)))
    lineup = bench.lineup.Lineup(asked, workload, {"python": "3.11.7", "mpire": "2.10.2"})
    lineup.add_process_pools()
    assert {name.partition(",")[0] for name in lineup.programs} == {
        "multiprocessing.Pool",
        "ProcessPoolExecutor",
        "mpire",
    }
    assert told == ["joblib: left out, joblib is not installed; `make bench` does that"]


def tuned(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walls: dict[str, list[float]], *, aside: bool
) -> tuple[Any, list[str]]:
    """Line up schwimmbad on three ranks, whose starts last for ``walls`` by batch; return what came first to last."""
    order: list[str] = []

    def start(_: Any, command: list[str]) -> dict[str, float]:
        batch = command[-1] if command[-1].isdecimal() else "1"
        order.append(batch)
        return {"wall_seconds": walls[batch].pop(0)}

    monkeypatch.setattr(bench.lineup, "peer", start)
    asked = bench.programs.Bench(tmp_path, n_rounds=9, quick=False, tell=lambda text: None)
    lineup = bench.lineup.Lineup(asked, SimpleNamespace(), {"schwimmbad": "0.4.2"})
    lineup._add_schwimmbad(3, tmp_path / "work.json", "", aside=aside)
    return lineup, order


def test_the_variant_that_is_fastest_in_the_median_of_five_turns_takes_part_and_the_default_aside(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walls = {"1": [5.0] * 5, "4": [9.0, 9.0, 3.0, 3.0, 3.0], "12": [1.0, 1.0, 4.0, 4.0, 4.0], "40": [6.0] * 5}
    lineup, order = tuned(bench, tmp_path, monkeypatch, walls, aside=False)
    turns = [order[begin : begin + 4] for begin in range(0, 20, 4)]
    assert all(sorted(turn) == ["1", "12", "4", "40"] for turn in turns)
    assert list(lineup.programs) == ["schwimmbad, 3 ranks, batches of 4", "schwimmbad, 3 ranks, item by item"]
    assert lineup.aside == {"schwimmbad, 3 ranks, item by item"}
    told = lineup.trials["schwimmbad, 3 ranks"]["samples"]["batches of 4"]
    assert told == [{"wall_seconds": seconds} for seconds in (9.0, 9.0, 3.0, 3.0, 3.0)]


def test_a_default_that_is_fastest_stands_aside_from_nothing(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walls = {batch: [float(batch)] * 5 for batch in ("1", "4", "12", "40")}
    lineup, _ = tuned(bench, tmp_path, monkeypatch, walls, aside=False)
    assert list(lineup.programs) == ["schwimmbad, 3 ranks, item by item"]
    assert lineup.aside == set()


def test_where_no_verdict_rests_on_a_peer_its_best_variant_alone_stands_aside(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walls = {batch: [1 / float(batch)] * 2 for batch in ("1", "4", "12", "40")}
    lineup, order = tuned(bench, tmp_path, monkeypatch, walls, aside=True)
    assert len(order) == 8
    assert list(lineup.programs) == ["schwimmbad, 3 ranks, batches of 40"]
    assert lineup.aside == {"schwimmbad, 3 ranks, batches of 40"}


@pytest.mark.parametrize(("seconds", "stands_aside"), [(9.9, False), (10.1, True)])
def test_a_pool_that_takes_twice_as_long_as_the_fastest_on_as_many_ranks_stands_aside(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, *, stands_aside: bool
) -> None:
    slow = "mpipool, 3 ranks, item by item"
    walls = {"schwimmbad_pool.py": 5.0, "mpipool_pool.py": seconds}

    def start(_: Any, command: list[str]) -> dict[str, float]:
        return {"wall_seconds": next(wall for name, wall in walls.items() if any(name in word for word in command))}

    monkeypatch.setattr(bench.lineup, "peer", start)
    asked = bench.programs.Bench(tmp_path, n_rounds=9, quick=False, tell=lambda text: None)
    lineup = bench.lineup.Lineup(asked, SimpleNamespace(), {"schwimmbad": "0.4.2", "mpipool": "2.2.1"})
    items = tmp_path / "work.json"
    lineup._add_mpi_pools(3, items, items, "", aside=False)
    assert list(lineup.programs) == ["schwimmbad, 3 ranks, item by item", slow]
    assert lineup.aside == ({slow} if stands_aside else set())


def test_break_even_is_measured_and_told(bench: Any, one_round: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.break_even, "N_ITEMS", 100)
    monkeypatch.setattr(bench.break_even, "ITEM_US", (20,))
    raw = bench.break_even.measure(one_round)
    assert raw["n_items"] == 10
    assert raw["item_us"] == [200]
    report = bench.break_even.report(raw)
    assert "| **fullrank, mpi, 2 ranks: break-even, µs an item**" in report
    (loop,) = raw["samples"]["bare loop, 200 µs"]  # as the item was to last; it is told as it did
    item_us = 1e6 * loop["loop_seconds"] / 10
    assert all(f"| {way}; {item_us:.0f} µs: fullrank / bare loop" in report for way in bench.break_even.WAYS)
