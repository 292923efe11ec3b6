"""Reports of files whose numbers are known: from good runs, failed, partial, killed and resumed ones."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fullrank.report.reading
from fullrank.axes import ListAxis, RangeAxis
from fullrank.errors import OutputError
from fullrank.metrics import summed
from fullrank.report import Report, report, text, words_of_account
from fullrank.schema import AttemptRow, Block, Failure, Field, Tables, WorkerRow
from fullrank.status import Status
from fullrank.store import FileWriter
from fullrank.sweep import Sweep

NAN = math.nan
MISSING, OK, FAILED, TIMED_OUT, CRASHED = Status
PROVENANCE = {
    "command": "fullrank run configs/study.toml -n 2",
    "working_folder": "/home/ann/my study",
    "host": "node01",
    "cpu_model": "Some CPU",
    "usable_cores": 8,
    "python": "3.11.7",
    "mpi_library": "MPICH 5.0.2",
    "gil": "enabled",
}
CONFIG = '[workload]\nfunction = "sim.py:energy"\n'


def attempt(number: int = 1, *, killed: bool = False, backend: str = "processes") -> AttemptRow:
    """An attempt of five seconds, or one that never ended."""
    ended, reason, wall = ("", "killed", NAN) if killed else (f"2026-11-23T14:0{number}:05+00:00", "complete", 5.0)
    started = f"2026-11-23T14:0{number}:00+00:00"
    return AttemptRow(number, started, ended, backend, 2, "guided", "spread", reason, wall)


def worker(
    number: int,
    *,
    of: int = 1,
    n_items: int = 6,
    busy: float = 3.0,
    elapsed: float = 4.0,
    cpu: float = 3.0,
    host: str = "node01",
    backend: str = "processes",
) -> WorkerRow:
    """A worker of attempt ``of``."""
    times = (0.25, 0.25, busy, 0.5, 0.25, elapsed, cpu)
    return WorkerRow(of, number, host, 100 + number, backend, n_items, 3, *times)


def killed_worker(number: int, *, of: int = 1, n_items: int = 6) -> WorkerRow:
    return WorkerRow(of, number, "node01", 100 + number, "processes", n_items, 0, *[NAN] * 7)


def failure(index: int, exception: str = "ValueError: math domain error", status: Status = FAILED) -> Failure:
    return Failure(index, status, json.dumps({"x": index}), exception, "Traceback ...", "", 0)


def write(
    path: Path,
    values: Mapping[str, Any],
    *,
    status: Sequence[int] | None = None,
    seconds: Sequence[float] | None = None,
    workers: Sequence[WorkerRow] = (worker(0), worker(1)),
    worker_of_item: Sequence[int] | None = None,
    attempts: Sequence[AttemptRow] = (attempt(),),
    failures: Sequence[Failure] = (),
    provenance: Mapping[str, Any] = PROVENANCE,
    fields: Sequence[Field] | None = None,
    lengths: Mapping[str, Any] | None = None,
    sweep: Sweep | None = None,
) -> Path:
    """Write a file with the given results of each item; what is not given is unremarkable."""
    arrays = {name: np.asarray(array) for name, array in values.items()}
    n = len(status) if status is not None else len(next(iter(arrays.values())))
    codes = np.array([OK] * n if status is None else status, np.int8)
    is_missing = codes == MISSING
    durations = np.array([0.5] * n if seconds is None else seconds, np.float32)
    owners = np.array([0] * n if worker_of_item is None else worker_of_item, np.int32)
    if fields is None:
        fields = [Field(name, array.dtype.str, array.shape[1:]) for name, array in arrays.items()]
    block = Block(
        0,
        codes,
        np.where(is_missing, np.float32(NAN), durations),
        np.where(is_missing, np.int32(-1), owners),
        np.where(is_missing, -1, 0).astype(np.int16),
        arrays,
        {name: np.asarray(array, np.int64) for name, array in (lengths or {}).items()},
    )
    sweep = sweep or Sweep("grid", (RangeAxis("x", start=0, stop=n),))
    with FileWriter(path, sweep=sweep, fields=fields, variables={}, title="A study") as file:
        file.write(block)
        file.finish(Tables(tuple(failures), tuple(workers), tuple(attempts), provenance, CONFIG, "{}"))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.h5"


def statistics(found: Report) -> dict[str, Any]:
    return {part.label: part for result in found.results for part in result.statistics}


# ---- figures of results -----------------------------------------------------------------------

floats = st.floats(allow_nan=False, allow_infinity=False, width=64).filter(lambda x: abs(x) < 1e300)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(floats, min_size=1, max_size=40), st.integers(1, 11))
def test_sums_are_exact_but_for_one_rounding_whatever_the_size_of_blocks(
    tmp_path: Path, values: list[float], n_in_block: int
) -> None:
    path = write(tmp_path / "sum.h5", {"e": values})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fullrank.report.reading, "block_size", lambda _file: n_in_block)
        found = statistics(report(path))["e"]
    exact = sum(map(Fraction, values))
    assert found.sum == float(exact)
    assert (found.min, found.max, found.n_values) == (min(values), max(values), len(values))


def test_small_numbers_survive_between_great_ones_that_cancel(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fullrank.report.reading, "block_size", lambda _file: 1)
    write(path, {"e": [1e100, 1.0, 1e20, 1e-30, -1e100, -1e20, -1e-30]})
    assert statistics(report(path))["e"].sum == 1.0


def test_sum_beyond_the_greatest_float_is_infinite_and_no_error(path: Path) -> None:
    write(path, {"e": [1.7e308, 1.7e308, 1.0]})
    assert statistics(report(path))["e"].sum == math.inf
    assert report(path).to_dict()["results"][0]["statistics"][0]["sum"] is None


def test_integers_are_summed_exactly_beyond_64_bits(path: Path) -> None:
    write(path, {"n": [2**62 + 1] * 7})
    found = statistics(report(path))["n"]
    assert (found.sum, found.min) == (7 * (2**62 + 1), 2**62 + 1)


def test_nan_and_infinite_values_are_counted_and_left_out(path: Path) -> None:
    write(path, {"e": [1.0, NAN, 3.0, math.inf, -math.inf], "v": [[1.0, NAN], [NAN, NAN], [1, 1], [1, 1], [1, 1]]})
    found = report(path)
    e, v = found.results
    assert (e.n_nan_items, e.n_infinite, v.n_nan_items) == (1, 2, 2)
    assert (statistics(found)["e"].sum, statistics(found)["e"].mean, statistics(found)["e"].max) == (4.0, 2.0, 3.0)


def test_items_without_a_result_do_not_count(path: Path) -> None:
    write(path, {"e": [1.0, 100.0, 2.0, 100.0]}, status=[OK, FAILED, OK, MISSING], failures=[failure(1)])
    found = statistics(report(path))["e"]
    assert (found.n_values, found.sum, found.max) == (2, 3.0, 2.0)


def test_short_arrays_are_summed_element_by_element_and_long_ones_as_a_whole(path: Path) -> None:
    counts, image = np.arange(30).reshape(3, 10), np.ones((3, 17))
    write(path, {"counts": counts, "m": np.arange(12.0).reshape(3, 2, 2), "image": image})
    found = statistics(report(path))
    assert [found[f"counts[{k}]"].sum for k in range(10)] == counts.sum(axis=0).tolist()
    assert found["m[1,0]"].sum == 2 + 6 + 10
    assert (found["image"].sum, found["image"].n_values) == (51.0, 51)


def test_padding_of_arrays_that_vary_in_length_does_not_count(path: Path) -> None:
    fields = [Field("v", "<f8", (3,), varying=True)]
    write(path, {"v": [[1.0, 2.0, 9.0], [3.0, 9.0, 9.0], [9.0, 9.0, 9.0]]}, fields=fields, lengths={"v": [2, 1, 0]})
    found = statistics(report(path))["v"]
    assert (found.n_values, found.sum, found.max) == (3, 6.0, 3.0)


def test_a_study_without_any_result_has_a_report(path: Path) -> None:
    write(path, {}, status=[FAILED, FAILED], failures=[failure(0), failure(1)])
    assert report(path).results == ()
    assert "2 items: 2 failed" in text(report(path))


def test_a_result_that_no_item_has_is_shown_as_such(path: Path) -> None:
    write(path, {"v": np.zeros((2, 4)), "w": np.zeros((2, 40))}, status=[MISSING, MISSING], workers=(), attempts=())
    found = statistics(report(path))
    assert {part.sum for part in found.values()} == {None}
    assert "unknown" not in text(report(path))


# ---- items ------------------------------------------------------------------------------------


def test_every_end_is_counted(path: Path) -> None:
    status = [OK] * 5 + [FAILED] * 4 + [TIMED_OUT] * 3 + [CRASHED] * 2 + [MISSING]
    write(path, {"e": np.ones(15)}, status=status)
    items = report(path).items
    assert (items.n_items, items.n_ok, items.n_failed, items.n_timed_out) == (15, 5, 4, 3)
    assert (items.n_crashed, items.n_missing) == (2, 1)
    assert "15 items: 5 ok, 4 failed, 3 timed out, 2 crashed, 1 not done yet" in text(report(path))


@pytest.mark.parametrize("n_in_block", [1, 3, 100])
def test_slowest_items_come_longest_first_with_parameters(
    path: Path, n_in_block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fullrank.report.reading, "block_size", lambda _file: n_in_block)
    axes = RangeAxis("n", start=10, stop=14), ListAxis("name", values=["a", "b"])
    seconds = [1.0, 8.0, 3.0, 2.0, 8.0, 6.0, 0.5, 7.0]
    status = [OK] * 7 + [TIMED_OUT]
    write(path, {"e": np.ones(8)}, seconds=seconds, status=status, sweep=Sweep("grid", axes))
    slowest = report(path).slowest
    assert [item.index for item in slowest] == [1, 4, 7, 5, 2]
    assert (slowest[1].parameters, slowest[1].seconds) == ({"n": 12, "name": "a"}, 8.0)
    assert slowest[2].status == "timed out"
    assert re.search(r"item 7 +7\.00 s +n=13, name=b +timed out", text(report(path)))


def test_first_ten_failures_are_listed_with_the_command_that_repeats_each(path: Path) -> None:
    failures = [failure(index) for index in reversed(range(1, 13))]
    write(path, {"e": np.ones(13)}, status=[OK] + [FAILED] * 12, failures=failures)
    found = report(path)
    assert [item.index for item in found.failures] == list(range(1, 11))
    assert found.failures[0].command == "fullrank run '/home/ann/my study/configs/study.toml' --item 1"
    assert found.failures[0].parameters == {"x": 1}
    lines = text(found).splitlines()
    assert "  item 3 (x=3): ValueError: math domain error" in lines
    assert "    fullrank run '/home/ann/my study/configs/study.toml' --item 3" in lines
    assert "  and 2 more" in lines


def test_kinds_of_failures_are_counted(path: Path) -> None:
    failures = [failure(0), failure(1), failure(2, "lib.Error: no"), failure(3, "process died", CRASHED)]
    write(path, {"e": np.ones(4)}, status=[FAILED] * 3 + [CRASHED], failures=failures)
    assert report(path).failure_kinds == {"ValueError": 2, "lib.Error": 1, "crashed": 1}
    assert "2 × ValueError, 1 × lib.Error, 1 × crashed" in text(report(path))


def test_kinds_of_failures_that_begin_alike_are_told_apart(path: Path) -> None:
    reasons = [f"the result 'velocity' is of a type that no file can hold: {kind}" for kind in ("set", "object")]
    failures = [failure(0, reasons[0]), failure(1, reasons[0]), failure(2, reasons[1])]
    write(path, {"e": np.ones(3)}, status=[FAILED] * 3, failures=failures)
    said = " ".join(text(report(path)).split())
    assert f"2 × {reasons[0]}, 1 × {reasons[1]}" in said


@pytest.mark.parametrize(
    ("provenance", "command"),
    [
        ({"config_path": "/a/b.toml", "command": "x"}, "fullrank run /a/b.toml --item 0"),
        ({"command": "fullrank run /c/d.toml -n 2", "working_folder": "/w"}, "fullrank run /c/d.toml --item 0"),
        ({"command": "fullrank gather"}, "fullrank run CONFIG --item 0"),
        ({"command": "fullrank run 'unbalanced"}, "fullrank run CONFIG --item 0"),
        ({}, "fullrank run CONFIG --item 0"),
    ],
)
def test_config_is_found_where_the_file_tells(path: Path, provenance: dict[str, str], command: str) -> None:
    write(path, {"e": [1.0]}, status=[FAILED], failures=[failure(0)], provenance=provenance)
    assert report(path).failures[0].command == command


# ---- time and workers -------------------------------------------------------------------------


def test_figures_of_a_good_run(path: Path) -> None:
    workers = worker(0, busy=3.0, elapsed=4.0), worker(1, busy=2.0, elapsed=3.5)
    write(path, {"e": np.ones(10)}, workers=workers, worker_of_item=[0] * 6 + [1] * 4)
    found = report(path)
    assert (found.work.makespan_seconds, found.work.busy_share, found.work.cores_busy) == (4.0, 5 / 8, 1.5)
    assert found.shortest_makespan_seconds == 2.5
    assert found.hosts == {"node01": 2}
    shown = text(found)
    assert re.search(r"makespan +4\.00 s", shown)
    assert re.search(r"busy share +62\.5 %", shown)
    assert re.search(r"load balance +83\.3 %", shown)
    assert re.search(r"cores busy +1\.50", shown)


def test_figures_of_a_resumed_run_are_of_the_last_attempt_and_say_so(path: Path) -> None:
    workers = killed_worker(0), killed_worker(1), worker(0, of=2, n_items=3), worker(1, of=2, n_items=1)
    attempts = attempt(1, killed=True), attempt(2)
    owners, seconds = [0, 0, 1, 1, 2, 2, 2, 3], [9.0, 9, 9, 9, 1, 1, 1, 3.5]
    write(path, {"e": np.ones(8)}, workers=workers, attempts=attempts, worker_of_item=owners, seconds=seconds)
    found = report(path)
    assert (found.attempt, found.work.n_items, found.work.n_killed) == (2, 4, 0)
    assert found.shortest_makespan_seconds == 3.5
    assert "Attempt 2 did 4 of the 8 items" in text(found)
    assert [made.n_items for made in found.attempts] == [12, 4]


def test_an_attempt_that_did_nothing_is_not_the_one_that_is_measured(path: Path) -> None:
    workers = worker(0), worker(1), worker(0, of=2, n_items=0, busy=0.0, elapsed=0.0)
    write(path, {"e": np.ones(12)}, workers=workers, attempts=(attempt(1), attempt(2)))
    assert report(path).attempt == 1


def test_workers_that_were_killed_are_said_to_be_left_out(path: Path) -> None:
    write(path, {"e": np.ones(12)}, workers=(worker(0), killed_worker(1)))
    shown = text(report(path))
    assert "1 of 2 workers left no account of the time (killed)" in shown
    assert re.search(r"busy share +75\.0 %", shown)
    assert re.search(r"1 +node01 +6 +- +- +- +- +-", shown)


def test_run_whose_workers_were_all_killed_has_no_figures_and_says_so(path: Path) -> None:
    killed = killed_worker(0), killed_worker(1)
    write(path, {"e": np.ones(3)}, status=[OK, OK, MISSING], workers=killed, attempts=(attempt(killed=True),))
    shown = text(report(path))
    assert "This file is partial; go on with: fullrank run '/home/ann/my study/configs/study.toml'" in shown
    assert "no figures" in shown
    assert "busy share" not in shown


def test_threads_that_wait_for_each_other_are_not_called_efficient(path: Path) -> None:
    threads = [worker(n, busy=4.0, elapsed=4.0, cpu=2.0, backend="threads") for n in range(2)]
    write(path, {"e": np.ones(12)}, workers=threads)
    assert "threads of one Python take turns" in text(report(path))


def test_the_module_that_makes_threads_take_turns_is_named(path: Path) -> None:
    threads = [worker(n, busy=4.0, elapsed=4.0, cpu=2.0, backend="threads") for n in range(2)]
    write(path, {"e": np.ones(12)}, workers=threads, provenance=PROVENANCE | {"gil": "enabled by yaml._yaml"})
    shown = " ".join(text(report(path)).split())
    assert "threads of one Python take turns since yaml._yaml switched the GIL on" in shown
    assert "yaml._yaml switched the GIL on" in shown.partition("Time")[0]


def test_threads_without_a_lock_are_told(path: Path) -> None:
    write(path, {"e": np.ones(12)}, provenance=PROVENANCE | {"gil": "disabled"})
    assert "Python 3.11.7 without GIL" in text(report(path))


def test_items_that_wait_are_not_blamed_on_threads_without_a_lock(path: Path) -> None:
    threads = [worker(n, busy=4.0, elapsed=4.0, cpu=2.0, backend="threads") for n in range(2)]
    write(path, {"e": np.ones(12)}, workers=threads, provenance=PROVENANCE | {"gil": "disabled"})
    assert "take turns" not in text(report(path))
    assert "Inside items a core was busy 50.0 % of the time" in text(report(path))


def test_more_workers_than_cores_are_noted(path: Path) -> None:
    write(path, {"e": np.ones(12)}, provenance=PROVENANCE | {"usable_cores": 1})
    assert "2 workers shared 1 usable core" in text(report(path))


def test_busy_cores_raise_no_remark(path: Path) -> None:
    write(path, {"e": np.ones(12)})
    assert not re.search("shared|take turns|items wait", text(report(path)))


def accounted(row: WorkerRow, *, end_wait: float = 1.0, total: float = 8.0) -> WorkerRow:
    """A worker of the same times as ``row``, with an account; without 1.5 s to gather and write the rest is unknown."""
    return replace(
        row,
        launch_seconds=0.0,
        root_import_seconds=0.0,
        start_wait_seconds=0.25,
        prepare_seconds=0.0,
        encode_seconds=0.25,
        count_seconds=0.0,
        end_wait_seconds=end_wait,
        account_seconds=total,
    )


WRITTEN = replace(attempt(), gather_seconds=1.0, write_seconds=0.5)


def test_account_shows_seconds_and_share_of_every_phase(path: Path) -> None:
    workers = accounted(worker(0, busy=3.0, elapsed=4.0)), accounted(worker(1, busy=2.0, elapsed=3.0), end_wait=2.0)
    write(path, {"e": np.ones(12)}, workers=workers, attempts=[WRITTEN])
    found = report(path)
    assert found.shares["compute"] == 5 / 16
    shown = text(found)
    assert "Core-seconds: 2 workers × 8.00 s = 16.000 s" in shown
    assert re.search(r"start-up +0\.500 +3\.1 %", shown)
    assert re.search(r"items +5\.000 +31\.2 %", shown)
    assert re.search(r"idle +1\.000 +6\.2 %", shown)
    assert re.search(r"closing +2\.000 +12\.5 %", shown)
    assert re.search(r"HDF5 +1\.000 +6\.2 %", shown)
    assert re.search(r"unexplained +1\.500 +9\.4 %", shown)
    assert found.to_dict()["accounts"][1]["idle_seconds"] == 1.0
    assert re.findall("start-up", shown) == ["start-up"]  # the time until a worker is ready has a name of its own
    assert re.search(r"ready after +[0-9]", shown)
    assert found.to_dict()["account"]["total_seconds"] == 16.0


def test_each_worker_has_a_bar_whose_parts_are_in_scale(path: Path) -> None:
    workers = accounted(worker(0, busy=3.0)), accounted(worker(1, busy=1.5), total=6.5), killed_worker(2)
    write(path, {"e": np.ones(12)}, workers=workers, attempts=[WRITTEN])
    bars = re.findall(r"^  worker \d  (.+)$", text(report(path)), re.MULTILINE)
    assert [len(line) for line in bars[:2]] == [64, 52]
    assert [line.count("█") for line in bars[:2]] == [24, 12]
    assert bars[2] == "left no account (killed)"


def test_many_workers_have_the_bars_of_three_of_them(path: Path) -> None:
    workers = [accounted(worker(n, busy=n / 64 * 3)) for n in range(65)]
    write(path, {"e": np.ones(12)}, workers=workers, attempts=[WRITTEN])
    bars = dict(re.findall(r"^  +(least busy|median|busiest)  (\S+)$", text(report(path)), re.MULTILINE))
    assert {name: line.count("█") for name, line in bars.items()} == {"least busy": 0, "median": 12, "busiest": 24}


@pytest.mark.parametrize(
    ("total", "busy"),
    [(0.0, 3.0), (-1.0, 3.0), (8.0, 1e300), (8.0, -1e300), (8.0, math.inf), (math.inf, 3.0), (5e-324, 3.0)],
)
def test_an_account_that_a_damaged_file_holds_has_a_bar_of_the_usual_length(
    path: Path, total: float, busy: float
) -> None:
    write(path, {"e": np.ones(12)}, workers=[accounted(worker(0, busy=busy), total=total)], attempts=[WRITTEN])
    bars = re.findall(r"^  worker 0  (.*)$", text(report(path)), re.MULTILINE)
    assert all(len(line) <= 64 for line in bars)


def test_every_phase_of_an_account_has_a_sign_of_its_own_and_a_name() -> None:
    nothing = summed([])
    assert list(words_of_account.PHASES) == list(nothing.phases())
    assert len({sign for sign, _, _ in words_of_account.PHASES.values()}) == len(words_of_account.PHASES)


def test_file_of_an_earlier_version_shows_what_it_has() -> None:
    found = report(Path(__file__).parent / "data" / "before-the-account.h5")
    shown = text(found)
    assert "Core-seconds" not in shown
    assert re.search(r"the rest +54\.1 %", shown)
    assert found.to_dict()["account"]["total_seconds"] is None


def test_many_workers_are_summarized(path: Path) -> None:
    workers = [worker(n, n_items=n, busy=float(n), elapsed=64.0, host=f"node{n // 8:02}") for n in range(64)]
    write(path, {"e": np.ones(12)}, workers=workers)
    shown = text(report(path))
    assert "8 hosts, node00 … node07, 8 workers each" in shown
    assert re.search(r"least +0 +0\.000 ", shown)
    assert re.search(r"median +32 +31\.500 ", shown)
    assert re.search(r"most +63 +63\.000 ", shown)
    assert len(report(path).workers) == 64


# ---- the whole --------------------------------------------------------------------------------


@pytest.fixture(params=["good", "failures", "partial", "killed", "resumed", "many", "accounted", "bare"])
def sample(request: pytest.FixtureRequest, path: Path) -> Path:
    """A file of each kind."""
    long = failure(1, "ValueError: " + "very " * 50 + "long\nand two lines")
    killed = killed_worker(0), killed_worker(1)
    options: dict[str, dict[str, Any]] = {
        "good": {},
        "failures": {"status": [OK, FAILED, CRASHED], "failures": [long, failure(2, "", CRASHED)]},
        "partial": {"status": [OK, MISSING, MISSING]},
        "killed": {"workers": killed, "attempts": [attempt(killed=True)]},
        "resumed": {"workers": (*killed, worker(0, of=2)), "attempts": [attempt(1, killed=True), attempt(2)]},
        "many": {"workers": [accounted(worker(n)) for n in range(17)], "attempts": [WRITTEN]},
        "accounted": {"workers": [accounted(worker(n)) for n in range(3)], "attempts": [WRITTEN]},
        "bare": {"status": [MISSING] * 3, "workers": (), "attempts": (), "provenance": {}},
    }
    return write(path, {"e": [1.5, NAN, 2.5], "n": [1, 2, 3]}, **options[request.param])


def test_report_can_be_written_as_strict_json(sample: Path) -> None:
    read = json.loads(json.dumps(report(sample).to_dict(), allow_nan=False))
    assert (read["path"], read["items"]["n_items"]) == (str(sample), 3)
    assert len(read["results_sha256"]) == 64


def test_text_has_its_sections_in_order(sample: Path) -> None:
    heads = [line.split(" ")[0] for line in text(report(sample)).splitlines() if line and not line.startswith(" ")]
    order = ["A", "3", "This", "File", "Digest", "Function", "Sweep", "Command", "Where", "Processor", "Software"]
    order += ["Results,", "Attempts", "Time", "Core-seconds:", "Workers,", "Slowest", "Failures:"]
    assert heads == [head for head in order if head in heads]
    assert {"A", "3", "File", "Digest", "Results,"} <= set(heads)


def test_lines_are_no_wider_than_asked_but_for_what_is_copied(sample: Path) -> None:
    for line in text(report(sample), width=100).splitlines():
        assert len(line) <= 100 or line.startswith(("File", "Command", "This file")) or "--item" in line


def test_what_is_said_of_time_fits_a_terminal_of_80_columns(sample: Path) -> None:
    parts = text(report(sample), width=80).split("\n\n")
    of_time = [part for part in parts if part.startswith(("Time", "Core-seconds", "  ", "Workers"))]
    assert max([0, *(len(line) for part in of_time for line in part.splitlines())]) <= 80


def test_explanations_are_wrapped_to_a_narrow_terminal(path: Path) -> None:
    write(path, {"e": np.ones(12)}, provenance=PROVENANCE | {"cpu_model": "many words " * 9})
    wide, narrow = (text(report(path), width=width).split("\n\n") for width in (100, 60))
    for number in (1, 4):  # facts and times
        lines = [line for line in narrow[number].splitlines() if not line.startswith(("File", "Command"))]
        assert max(map(len, lines)) <= 60
        assert narrow[number].split() == wide[number].split()


def test_columns_of_tables_end_below_their_headings(path: Path) -> None:
    write(path, {"short": [1.0, 2.0], "a_longer_name": [-1e9, 1e-9]})
    lines = text(report(path)).splitlines()
    start = lines.index("Results, over the 2 ok items")
    header, *rows = lines[start + 1 : start + 4]
    ends = [[match.end() for match in re.finditer(r"\S+( items)?", line)] for line in (header, *rows)]
    assert ends[1][1:] == ends[2][1:] == ends[0]


def test_texts_of_the_file_cannot_steer_the_terminal(path: Path) -> None:
    provenance = PROVENANCE | {"cpu_model": "evil\x1b[2J\rCPU"}
    bad = failure(1, "Error\x1b]0;title\x07: x\nFile       /fake")
    write(path, {"e": [1.0, 1.0]}, status=[OK, FAILED], failures=[bad], provenance=provenance)
    shown = text(report(path))
    assert re.search(r"[^\n -~…×]", shown) is None
    assert r"evil\x1b[2J CPU" in shown


def test_what_ran_where_and_when_is_told(path: Path) -> None:
    write(path, {"e": np.ones(12)})
    shown = text(report(path))
    assert re.search(r"^Function +sim\.py:energy$", shown, re.MULTILINE)
    assert re.search(r"^Sweep +x = 0 … 11 \(12 values\)$", shown, re.MULTILINE)
    assert re.search(r"^Where +node01 \(2 workers\)$", shown, re.MULTILINE)
    assert re.search(r"^Processor +Some CPU, 8 usable cores$", shown, re.MULTILINE)
    assert re.search(r"^Software +Python 3\.11\.7, MPICH 5\.0\.2$", shown, re.MULTILINE)
    attempt_line = r"1  2026-11-23 14:01:00 UTC  14:01:05  processes +2 +12 +5\.00 s  complete$"
    assert re.search(attempt_line, shown, re.MULTILINE)


def test_rows_of_a_zip_are_not_called_a_grid(path: Path) -> None:
    axes = ListAxis("a", values=[1.5, 2.5, 3.5]), ListAxis("name", values=["u", "v", "w"])
    write(path, {"e": np.ones(6)}, sweep=Sweep("zip", axes, replicates=2))
    assert "2 replicates × 3 rows of a = 1.5, 2.5, 3.5, name = u, v, w" in text(report(path))


def test_file_of_another_program_is_refused(path: Path) -> None:
    path.write_bytes(b"not HDF5")
    with pytest.raises(OutputError):
        report(path)
