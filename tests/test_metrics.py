"""Formulas of speed against their definitions, brute force and published examples."""

import itertools
import math
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fullrank import metrics
from fullrank.schema import AttemptRow, WorkerRow

NAN = math.nan
seconds = st.floats(0.001, 1e6)
busy_times = st.lists(seconds, min_size=1, max_size=20)


def worker(
    number: int, *, items: int = 5, busy: float, elapsed: float, claim: float = 0.0, cpu: float = 0.0
) -> WorkerRow:
    """A worker with an account; what is not given took no time."""
    return WorkerRow(1, number, "node01", 100, "processes", items, items, 0.2, 0.1, busy, claim, 0.0, elapsed, cpu)


def killed(number: int, *, items: int = 3) -> WorkerRow:
    return WorkerRow(1, number, "node01", 100, "processes", items, 0, NAN, NAN, NAN, NAN, NAN, NAN, NAN)


def test_four_workers_that_need_a_quarter_of_the_serial_time_have_speedup_four_and_efficiency_one() -> None:
    assert metrics.speedup(12.0, 3.0) == 4.0
    assert metrics.parallel_efficiency(12.0, 3.0, n_workers=4) == 1.0


@given(seconds, seconds, st.integers(1, 1000))
def test_parallel_efficiency_is_speedup_per_worker(serial: float, parallel: float, n_workers: int) -> None:
    expected = metrics.speedup(serial, parallel) / n_workers
    assert metrics.parallel_efficiency(serial, parallel, n_workers=n_workers) == pytest.approx(expected)


@given(seconds, st.integers(1, 50))
def test_equally_busy_workers_are_in_perfect_balance(busy: float, n_workers: int) -> None:
    assert metrics.load_balance([busy] * n_workers) == pytest.approx(1.0)


@given(seconds, st.integers(1, 50))
def test_balance_is_one_over_n_if_one_of_n_does_everything(busy: float, n_workers: int) -> None:
    assert metrics.load_balance([busy] + [0.0] * (n_workers - 1)) == pytest.approx(1 / n_workers)


@given(busy_times, st.floats(1.0, 10.0))
def test_busy_share_is_load_balance_times_communication_efficiency(busy: list[float], slack: float) -> None:
    span = slack * max(busy)
    product = metrics.load_balance(busy) * metrics.communication_efficiency(busy, span)
    assert metrics.busy_share(busy, span) == pytest.approx(product)


@given(busy_times, st.floats(1.0, 10.0))
def test_busy_share_is_the_textbook_efficiency_if_items_take_as_long_as_in_the_serial_run(
    busy: list[float], slack: float
) -> None:
    span = slack * max(busy)
    textbook = metrics.parallel_efficiency(math.fsum(busy), span, n_workers=len(busy))
    assert metrics.busy_share(busy, span) == pytest.approx(textbook)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 3))
def test_no_way_of_dealing_out_items_is_shorter_than_the_bound(items: list[int], n_workers: int) -> None:
    def span(owners: tuple[int, ...]) -> int:
        return max(sum(t for t, owner in zip(items, owners, strict=True) if owner == w) for w in range(n_workers))

    shortest = min(map(span, itertools.product(range(n_workers), repeat=len(items))))
    bound = metrics.shortest_makespan(sum(items), max(items), n_workers=n_workers)
    assert bound <= shortest
    assert n_workers > 1 or bound == shortest


def test_two_cores_busy_are_two_cpu_seconds_a_second() -> None:
    assert metrics.cores_busy(20.0, 10.0) == 2.0


def test_nothing_is_known_of_nobody() -> None:
    assert math.isnan(metrics.makespan([]))
    assert math.isnan(metrics.load_balance([NAN]))
    assert math.isnan(metrics.busy_share([], 1.0))
    assert math.isnan(metrics.speedup(1.0, 0.0))
    assert math.isnan(metrics.load_balance([0.0, 0.0]))


def test_work_adds_up_the_accounts() -> None:
    known = metrics.work(
        [worker(0, busy=6.0, elapsed=10.0, claim=1.0, cpu=5.0), worker(1, busy=8.0, elapsed=9.0, cpu=7.0)]
    )
    assert (known.n_workers, known.n_killed, known.n_items) == (2, 0, 10)
    assert (known.makespan_seconds, known.compute_seconds, known.cores_busy) == (10.0, 14.0, 1.2)
    assert (known.busy_share, known.load_balance, known.communication_efficiency) == (0.7, 7 / 8, 0.8)
    assert (known.claim_share, known.idle_share, known.journal_share) == (0.05, 0.05, 0.0)
    assert known.ready_seconds == pytest.approx(0.3)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=9))
def test_starts_are_as_far_apart_as_the_processes_started(workers: list[tuple[float, float, float]]) -> None:
    rows = []
    for number, (started, startup, imported) in enumerate(workers):
        wait = 1e5 - started - startup - imported  # until the common start
        head = (1, number, "node01", 100 + number, "mpi", 5, 5)
        rows.append(WorkerRow(*head, startup, imported, 1.0, 0.0, 0.0, 2.0, 1.0, start_wait_seconds=wait))
    starts = [started for started, _, _ in workers]
    apart = metrics.work([*rows, killed(9)]).starts_apart_seconds
    assert apart == pytest.approx(max(starts) - min(starts), abs=1e-6)


@given(st.lists(st.tuples(seconds, st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=9))
def test_shares_of_the_time_add_up_to_one(accounts: list[tuple[float, float, float]]) -> None:
    rows = [
        worker(n, busy=t * share, claim=t * (1 - share) * rest, elapsed=t)
        for n, (t, share, rest) in enumerate(accounts)
    ]
    known = metrics.work(rows)
    shares = known.busy_share, known.claim_share, known.journal_share, known.idle_share, known.other_share
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) >= 0


def test_killed_workers_are_counted_and_left_out_of_the_figures() -> None:
    survivor = worker(0, busy=6.0, elapsed=10.0, cpu=5.0)
    known, alone = metrics.work([killed(1), survivor, killed(2)]), metrics.work([survivor])
    assert (known.n_workers, known.n_killed, known.n_items) == (3, 2, 11)
    assert (known.busy_share, known.cores_busy) == (alone.busy_share, alone.cores_busy) == (0.6, 0.5)


@pytest.mark.parametrize("rows", [[], [killed(0)], [killed(0), killed(1)], [worker(0, items=0, busy=0.0, elapsed=0.0)]])
def test_figures_are_unknown_and_no_error_where_there_is_no_account(rows: list[WorkerRow]) -> None:
    known = metrics.work(rows)
    assert known.n_workers == len(rows)
    assert math.isnan(known.busy_share)
    assert math.isnan(known.other_share)
    assert math.isnan(known.cores_busy)


ATTEMPT = AttemptRow(
    1, "", "", "processes", 2, "guided", "spread", "complete", 9.0, gather_seconds=0.5, write_seconds=1
)
EARLY = replace(
    worker(0, busy=3.0, elapsed=4.0, claim=0.25),
    launch_seconds=0.5,
    root_import_seconds=0.0,
    start_wait_seconds=0.125,
    prepare_seconds=0.25,
    encode_seconds=0.375,
    count_seconds=0.125,
    end_wait_seconds=3.0,
    account_seconds=9.625,
)
"""A worker that ended at 4 s, had to wait for 3 s more, and whose account lacks 0.2 s; figures are exact in binary."""
LATE = replace(EARLY, worker=1, compute_seconds=5.0, elapsed_seconds=6.0, end_wait_seconds=1.0)


def test_account_names_every_second_between_the_start_and_the_writing_of_the_account() -> None:
    early, late = metrics.accounts([EARLY, LATE], ATTEMPT)
    assert (early.startup_seconds, early.import_seconds, early.start_wait_seconds) == (0.7, 0.1, 0.125)
    assert (early.prepare_seconds, early.compute_seconds, early.encode_seconds) == (0.25, 3.0, 0.375)
    assert (early.claim_seconds, early.journal_seconds) == (0.375, 0.0)
    assert (early.idle_seconds, early.close_seconds) == (2.0, 1.0)
    assert (late.idle_seconds, late.close_seconds) == (0.0, 1.0)
    assert (early.gather_seconds, early.write_seconds) == (0.5, 1.0)
    assert early.unexplained_seconds == pytest.approx(0.2)


def test_import_by_root_is_import_and_no_start_up() -> None:
    (account,) = metrics.accounts([replace(EARLY, launch_seconds=0.0, root_import_seconds=0.15)], ATTEMPT)
    assert (account.startup_seconds, account.import_seconds) == (pytest.approx(0.05), 0.25)


@given(st.lists(st.floats(0.001, 1e4), min_size=13, max_size=13), st.integers(1, 5))
def test_phases_of_an_account_add_up_to_its_total_and_shares_to_one(numbers: list[float], n_workers: int) -> None:
    names = [name for name in WorkerRow.__dataclass_fields__ if name.endswith("_seconds")]
    row = replace(EARLY, **dict(zip(names[2:], numbers, strict=True)), startup_seconds=2e4, import_seconds=0.0)
    together = metrics.summed(metrics.accounts([row] * n_workers, ATTEMPT))
    assert together.total_seconds == pytest.approx(n_workers * row.account_seconds)
    assert math.fsum(together.phases().values()) == pytest.approx(together.total_seconds, abs=1e-6)
    assert math.fsum(together.shares().values()) == pytest.approx(1.0)


def test_workers_without_an_account_do_not_count_in_the_sum() -> None:
    parts = metrics.accounts([EARLY, killed(1), worker(2, busy=3.0, elapsed=4.0)], ATTEMPT)
    assert [math.isnan(part.total_seconds) for part in parts] == [False, True, True]
    assert metrics.summed(parts) == parts[0]
    assert math.isnan(metrics.summed(parts[1:]).total_seconds)
    assert all(math.isnan(share) for share in metrics.summed([]).shares().values())


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (0.0, "0 s"),
        (1e-9, "< 1 µs"),
        (1.5e-6, "1.50 µs"),
        (0.000_999_9, "1.00 ms"),
        (0.0932, "93.2 ms"),
        (0.9999, "1.00 s"),
        (9.999, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (723.4, "12 min 3 s"),
        (3599.6, "1 h"),
        (86400 + 7200, "1 d 2 h"),
        (NAN, "unknown"),
    ],
)
def test_durations_are_spelled_as_people_say_them(value: float, spelled: str) -> None:
    assert metrics.spelled_seconds(value) == spelled


UNITS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


@given(st.floats(1e-6, 1e9))
def test_spelled_durations_are_true_to_one_unit_of_the_last_place(value: float) -> None:
    parts = re.findall(r"([\d.]+) (\S+)", metrics.spelled_seconds(value))
    read = sum(float(number) * UNITS[unit] for number, unit in parts)
    assert read == pytest.approx(value, rel=0.05 if value > 60 else 0.006)


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_spelled_ranges_contain_the_range(one: float, other: float) -> None:
    least, most = sorted((one, other))
    assume(most > 0)
    spelled = metrics.spelled_range(least, most)
    *numbers, unit = re.findall(r"[\d.]+|[a-z]+$", spelled)
    limits = [float(number) * UNITS[unit] for number in numbers]
    assert max(limits) >= most * (1 - 1e-12)
    assert spelled.startswith("less than") or min(limits) <= least


def test_range_of_one_value_is_one_number() -> None:
    assert metrics.spelled_range(45.0, 45.0) == "about 45 s"


def test_shares_are_percents() -> None:
    assert metrics.spelled_share(0.98149) == "98.1 %"
    assert metrics.spelled_share(NAN) == "unknown"
