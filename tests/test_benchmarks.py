"""What benchmarks/ computes from its measurements, and what it keeps of them."""

import doctest
import random
from collections.abc import Iterator
from itertools import pairwise, product
from math import inf
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import h5py
import pytest
from benchmark_modules import BENCHMARKS, imported


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    names = ("bench", "break_even", "efficiency_report", "harness", "lineup", "pages", "rawfile", "studies")
    with imported(*names) as modules:
        yield SimpleNamespace(**dict(zip(names, modules, strict=True)))


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("*.py")))
def test_examples_in_docstrings_are_true(name: str) -> None:
    with imported(name) as (module,):
        assert doctest.testmod(module).failed == 0


def best_makespan(work: list[int], n_workers: int) -> int:
    """Try every way to share the items out."""
    return min(
        max(
            sum(item for item, owner in zip(work, owners, strict=True) if owner == worker)
            for worker in range(n_workers)
        )
        for owners in product(range(n_workers), repeat=len(work))
    )


def longest_first(studies: ModuleType, work: list[int], n_workers: int) -> int:
    return max(map(sum, studies.dealt_out(work, n_workers)))


@pytest.mark.parametrize(("work", "n_workers"), [([3, 3, 2, 2, 2], 2), ([5, 5, 4, 4, 3, 3, 3], 3)])
def test_the_bound_is_reached_by_the_items_that_graham_gave(bench: Any, work: list[int], n_workers: int) -> None:
    ratio = longest_first(bench.studies, work, n_workers) / best_makespan(work, n_workers)
    assert ratio == pytest.approx(bench.studies.longest_first_bound(n_workers), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_longest_first_stays_within_the_bound_of_the_best_of_all_schedules(bench: Any, seed: int) -> None:
    drawn = random.Random(seed)
    n_workers = drawn.choice([2, 3])
    work = [drawn.randint(1, 20) for _ in range(drawn.randint(n_workers, 8))]
    best = best_makespan(work, n_workers)
    assert best <= longest_first(bench.studies, work, n_workers) <= bench.studies.longest_first_bound(n_workers) * best


def test_the_long_item_is_a_tenth_of_all_work_and_comes_last(bench: Any) -> None:
    *short, long = bench.studies.one_long(361, per_second=1_000_000)
    assert set(short) == {8000}
    assert long / (sum(short) + long) == pytest.approx(0.1)


@pytest.mark.parametrize("power", [0.3, 1.0, 2.0])
def test_break_even_of_a_ratio_that_falls_by_a_power_is_where_it_is_one(bench: Any, power: float) -> None:
    durations = [40, 80, 160, 320]
    ratios = [(duration / 100) ** -power for duration in durations]
    assert bench.break_even.crossing(durations, ratios) == pytest.approx(100)


def test_break_even_is_where_the_ratio_falls_below_one_for_good(bench: Any) -> None:
    # 20 * (40 / 20) ** (log 2 / (log 2 + log 2)), whatever was measured before
    assert bench.break_even.crossing([5, 10, 20, 40], [3.0, 0.9, 2.0, 0.5]) == pytest.approx(20 * 2**0.5)


@pytest.mark.parametrize(("ratios", "expected"), [([3.0, 2.0], inf), ([0.9, 1.0], inf), ([0.9, 0.5], 0.0)])
def test_break_even_outside_of_what_was_measured_is_told_as_such(
    bench: Any, ratios: list[float], expected: float
) -> None:
    assert bench.break_even.crossing([10, 40], ratios) == expected


def test_programs_aside_part_no_others_and_are_left_out_once_there_is_an_interval(bench: Any) -> None:
    names = list("abcdef")
    for number in range(6):
        order = bench.harness.drawn_order(names, {"a", "d"}, number, seed=1)
        assert sorted(order) == names
        assert {*order[:2]} == {"a", "d"} or {*order[-2:]} == {"a", "d"}
    assert sorted(bench.harness.drawn_order(names, {"a", "d"}, 6, seed=1)) == ["b", "c", "e", "f"]


def test_any_two_programs_stand_either_way_round_in_half_of_all_rounds(bench: Any) -> None:
    orders = [bench.harness.drawn_order(["a", "b", "c"], (), number, seed=1) for number in range(1000)]
    for one, other in (("a", "b"), ("b", "c"), ("a", "c")):
        n_before = sum(order.index(one) < order.index(other) for order in orders)
        assert 437 <= n_before <= 563  # four standard deviations of 1000 throws of a coin


def test_a_measurement_that_is_repeated_has_other_orders_and_keeps_the_seed_of_its_own(bench: Any) -> None:
    def measured() -> tuple[list[str], Any]:
        ran: list[str] = []
        programs = {name: lambda name=name: ran.append(name) or {"wall_seconds": 1.0} for name in "abcdef"}
        return ran, bench.harness.take_rounds(programs, 5, tell=lambda text: None)

    (ran, raw), (again, _) = measured(), measured()
    assert ran != again  # the same by chance once in 720 ** 5
    assert ran == [name for number in range(5) for name in bench.harness.drawn_order("abcdef", (), number, raw["seed"])]


def test_ratios_are_of_the_same_round_as_far_as_both_took_part(bench: Any) -> None:
    runs = {"long": iter([4.0, 6.0, 8.0, 1.0, 2.0, 3.0, 10.0]), "short": iter([2.0, 2.0, 2.0, 1.0, 1.0, 1.0])}

    def program(name: str) -> Any:
        return lambda: {"wall_seconds": next(runs[name])}

    raw = bench.harness.take_rounds({name: program(name) for name in runs}, 7, tell=lambda text: None, aside={"short"})
    columns = [bench.harness.column(raw["samples"], name, "wall_seconds") for name in ("long", "short")]
    assert bench.harness.paired(*columns) == [2.0, 3.0, 4.0, 1.0, 2.0, 3.0]


def samples_of(walls: dict[str, list[float]]) -> dict[str, Any]:
    return {name: [{"wall_seconds": wall} for wall in of_one] for name, of_one in walls.items()}


def test_the_best_peer_has_the_least_median_ratio_of_those_that_took_part_in_all_rounds(bench: Any) -> None:
    own = {"own": [10.0, 2.0, 6.0]}
    # the median of b is the shorter one, but in a round it is the slower one
    walls = {"a": [10.0, 2.0, 6.0], "b": [11.0, 3.0, 5.5], "aside": [1.0, 1.0], "other": [1.0, 1.0, 1.0, 1.0]}
    samples = samples_of(own | walls)
    assert bench.efficiency_report.best_of(samples, "own", ["a", "b", "aside"]) == "a"
    assert bench.efficiency_report.best_of(samples, "own", ["aside"]) == "aside"
    assert bench.efficiency_report.best_of(samples, "own", []) is None


@pytest.mark.parametrize(
    ("name", "n_ranks"),
    [
        ("mpi4py.futures, 2 ranks, chunks of 12, back-off 0.1 ms", 2),
        ("schwimmbad, 3 ranks, batches of 4, presorted", 3),
        ("fullrank, mpi, 2 ranks", None),
        ("bare scatter and gather, 2 ranks", None),
        ("multiprocessing.Pool, chunks of 1", None),
    ],
)
def test_pools_of_mpi_are_known_by_name(bench: Any, name: str, n_ranks: int | None) -> None:
    assert [n for n in (2, 3) if bench.lineup.is_mpi_peer(name, n)] == ([n_ranks] if n_ranks else [])


def test_pools_of_processes_are_known_by_name(bench: Any) -> None:
    names = ["ProcessPoolExecutor, chunks of 4", "mpire, chunks sized by it", "fullrank, processes, 2 workers"]
    assert [name for name in names if bench.lineup.is_process_pool(name)] == names[:2]


KEPT = {
    "format": 2,
    "machine": {"processor": "Größe™ 9000", "cores": 2},
    "sections": {
        "one": {
            "date": "2026-11-27",
            "raw": {
                "samples": {"b, 2 ranks": [{"wall_seconds": 1.5, "n": 3}, {"wall_seconds": 2.0, "n": 4}], "a": []},
                "restarts": [],
                "heavy": ["h5py", "numpy"],
                "rounds": [{"peaks_mb": {"0": {"rss": 1.0}, "1": {"rss": 2.5}}, "wall_seconds": 20.0}],
                "item_us": [40, 80],
                "shares": [0.25, 1],
                "whole": True,
            },
        }
    },
}


def test_what_is_kept_is_read_back_as_it_was(bench: Any, tmp_path: Path) -> None:
    bench.rawfile.save(tmp_path / "raw.h5", KEPT)
    found = bench.rawfile.load(tmp_path / "raw.h5")
    assert found == KEPT
    assert type(found["sections"]["one"]["raw"]["samples"]["b, 2 ranks"][0]["n"]) is int
    assert [path.name for path in tmp_path.iterdir()] == ["raw.h5"]


def test_programs_keep_their_order(bench: Any, tmp_path: Path) -> None:
    samples = {f"program {number}": [{"wall_seconds": 1.0}] for number in (7, 30, 2, 11, 1, 25, 4, 3, 12, 9)}
    bench.rawfile.save(tmp_path / "raw.h5", {"samples": samples, "restarts": []})
    assert list(bench.rawfile.load(tmp_path / "raw.h5")["samples"]) == list(samples)


def test_other_readers_find_a_program_as_a_table_of_its_rounds(bench: Any, tmp_path: Path) -> None:
    bench.rawfile.save(tmp_path / "raw.h5", KEPT)
    with h5py.File(tmp_path / "raw.h5") as file:
        table = file["sections/one/raw/samples/b, 2 ranks"]
        assert table.dtype.names == ("wall_seconds", "n")
        assert table["wall_seconds"].tolist() == [1.5, 2.0]
        assert file["machine"].attrs["processor"] == "Größe™ 9000"


@pytest.mark.parametrize(
    ("entry", "error", "said"),
    [
        ({"a/b": 1.0}, ValueError, "/part/a/b: expected a name without /"),
        ({"a": None}, TypeError, "/part/a: expected a mapping, a list, a number or a text, got NoneType"),
        ({"a": [1.0, "x"]}, TypeError, "/part/a: expected numbers, got float, str"),
        ({"a": [{"x": 1.0}, {"y": 1.0}]}, ValueError, "/part/a: expected the same values in every row: x"),
    ],
)
def test_what_such_a_file_cannot_hold_is_refused_by_name_and_the_earlier_file_stays(
    bench: Any, tmp_path: Path, entry: dict[str, Any], error: type[Exception], said: str
) -> None:
    bench.rawfile.save(tmp_path / "raw.h5", KEPT)
    with pytest.raises(error, match=said):
        bench.rawfile.save(tmp_path / "raw.h5", {"part": entry})
    assert bench.rawfile.load(tmp_path / "raw.h5") == KEPT
    assert [path.name for path in tmp_path.iterdir()] == ["raw.h5"]


def test_the_report_is_made_of_the_values_that_are_kept(bench: Any) -> None:
    raw = bench.rawfile.load(BENCHMARKS / "raw.h5")
    assert bench.bench.render(raw) + "\n" == (BENCHMARKS / "RESULTS.md").read_text("utf-8")


def test_the_page_of_when_not_to_has_the_figures_that_are_kept(bench: Any) -> None:
    raw = bench.rawfile.load(BENCHMARKS / "raw.h5")
    text = bench.pages.WHEN_NOT.read_text("utf-8")
    assert text.count("written by `make bench`") == 2
    assert bench.pages.written(text, raw["sections"]) == text
    without_figures = "\n".join(line for line in text.splitlines() if not line.startswith("  | "))
    assert bench.pages.written(without_figures, raw["sections"]) == text.rstrip("\n")
    assert bench.pages.written(without_figures, {}) == without_figures


def test_a_pool_that_was_not_installed_has_no_line_on_that_page(bench: Any) -> None:
    sections = bench.rawfile.load(BENCHMARKS / "raw.h5")["sections"]
    for study in ("heavy", "equal"):
        samples = sections["efficiency"]["raw"][study]["samples"]
        for name in [name for name in samples if name.startswith("mpire")]:
            del samples[name]
    del sections["efficiency"]["raw"]["one-long"]
    text = bench.pages.written(bench.pages.WHEN_NOT.read_text("utf-8"), sections)
    assert "| heavy-tailed items | equal items | start and end" in " ".join(text.split()).replace("  ", " ")
    assert "| mpire" not in text
    assert "| joblib" in text


def test_summary_has_every_verdict_of_the_sections_and_no_other() -> None:
    summary, *sections = (BENCHMARKS / "RESULTS.md").read_text("utf-8").split("\n## ")

    def verdicts(text: str) -> list[tuple[str, str]]:
        rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines() if line.startswith("| ")]
        pairs = [pair for row in rows for pair in pairwise(row)]
        return sorted(pair for pair in pairs if pair[1] in ("holds", "DOES NOT HOLD", "not resolved"))

    assert len(verdicts(summary)) > 20
    assert verdicts(summary) == verdicts("\n".join(sections))


def test_raw_values_that_cannot_be_read_are_told_in_a_sentence(bench: Any, tmp_path: Path) -> None:
    damaged = tmp_path / "raw.h5"
    damaged.write_bytes(b"x")
    with pytest.raises(bench.bench.ProgramError, match=r"^raw\.h5: expected the HDF5 file .* delete it to begin anew$"):
        bench.bench._load(damaged)


def test_measurements_of_the_same_machine_are_kept_beside_new_ones(bench: Any) -> None:
    old = {"format": 2, "machine": {"cores": 2}, "sections": {"files": {"date": "1"}, "memory": {"date": "1"}}}
    new = {"format": 2, "machine": {"cores": 2}, "sections": {"memory": {"date": "2"}}}
    assert bench.bench._merged(old, new)["sections"] == {"files": {"date": "1"}, "memory": {"date": "2"}}
