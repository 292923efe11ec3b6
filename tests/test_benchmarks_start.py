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
    assert all(len(samples) == 1 for samples in part["samples"].values())
    known = bench.lineup.KNOWN if name == "one-long" else ""
    limits = {bench.lineup.SERIAL, bench.lineup.CEILING, bench.lineup.STATIC}
    assert limits | {bench.lineup.MPI + known, bench.lineup.PROCESSES + known} <= part["samples"].keys()
    for package in raw["peers"].keys() - {"python", "mpi4py"}:
        assert any(program.startswith(package) for program in part["samples"]) or name == "one-long"
    rows = bench.efficiency.report(raw).splitlines()
    for program in part["samples"]:
        assert sum(row.startswith(f"| {program} ") for row in rows) == 1


def test_a_program_whose_results_differ_is_refused(bench: Any) -> None:
    with imported("starts", "programs") as (starts, programs):
        agreement = starts.Agreement("heavy")
        agreement.check(7)
        agreement.check(7)
        with pytest.raises(programs.ProgramError, match="heavy: the results differ"):
            agreement.check(8)


def test_peers_that_are_not_installed_are_left_out_and_named(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    asked = bench.programs.Bench(tmp_path, n_rounds=1, quick=True, tell=told.append)
    workload = SimpleNamespace(list=tmp_path / "work.json")
    monkeypatch.setattr(bench.lineup.Lineup, "_fastest", lambda *_: 4)
    lineup = bench.lineup.Lineup(asked, workload, {"python": "3.11.7", "mpire": "2.10.2"})
    lineup.add_other_pools(workload.list)
    assert {name.partition(",")[0] for name in lineup.programs} == {
        "multiprocessing.Pool",
        "ProcessPoolExecutor",
        "mpire",
    }
    assert told == ["joblib: left out, joblib is not installed; `make bench` does that"]


def test_break_even_is_measured_and_told(bench: Any, one_round: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.break_even, "N_ITEMS", 100)
    monkeypatch.setattr(bench.break_even, "ITEM_US", (20,))
    raw = bench.break_even.measure(one_round)
    assert raw["n_items"] == 10
    assert raw["item_us"] == [200]
    report = bench.break_even.report(raw)
    assert "| **fullrank, mpi, 2 ranks: break-even, µs an item**" in report
    assert all(f"| {way}; 200 µs: fullrank / bare loop" in report for way in bench.break_even.WAYS)
