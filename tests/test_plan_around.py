"""What a command takes beside its items, of attempts that are made up."""

from math import nan
from pathlib import Path

import pytest

from fullrank.errors import UsageError
from fullrank.plan.around import Around, around
from fullrank.schema import AttemptRow, WorkerRow

OUTPUT = Path("results/study.h5")


def attempt(number: int, *, wall: float, n_workers: int = 2) -> AttemptRow:
    return AttemptRow(number, "", "", "processes", n_workers, "guided", "spread", "complete", wall)


def worker(of: int, *, elapsed: float, busy: float, n_items: int = 10, account: float = nan) -> WorkerRow:
    times = (0.2, 0.1, busy, 0.0, 0.0, elapsed, busy)
    return WorkerRow(of, 0, "node01", 100, "processes", n_items, 3, *times, account_seconds=account)


def test_wall_time_and_makespan_are_of_the_same_attempt() -> None:
    attempts = [attempt(1, wall=110.0, n_workers=8), attempt(2, wall=0.5)]
    workers = [worker(1, elapsed=100.0, busy=90.0), worker(1, elapsed=108.0, busy=98.0)]
    assert around(attempts, workers, output=OUTPUT) == Around(8, 2.0, pytest.approx(1.0))


def test_latest_attempt_that_evaluated_items_counts() -> None:
    attempts = [attempt(1, wall=110.0), attempt(2, wall=13.0), attempt(3, wall=0.5)]
    workers = [worker(1, elapsed=100.0, busy=90.0), worker(2, elapsed=10.0, busy=5.0)]
    workers.append(worker(3, elapsed=0.1, busy=0.0, n_items=0))
    assert around(attempts, workers, output=OUTPUT) == Around(2, 3.0, pytest.approx(0.5))


def test_attempt_that_was_killed_tells_nothing() -> None:
    attempts = [attempt(1, wall=12.0), attempt(2, wall=nan)]
    killed = worker(2, elapsed=nan, busy=nan)
    assert around(attempts, [worker(1, elapsed=10.0, busy=5.0), killed], output=OUTPUT) == Around(2, 2.0, 0.5)
    assert around(attempts[1:], [killed], output=OUTPUT) is None


def test_writing_of_the_file_counts_where_the_account_tells_it() -> None:
    found = around([attempt(1, wall=12.0)], [worker(1, elapsed=10.0, busy=5.0, account=14.0)], output=OUTPUT)
    assert found == Around(2, 4.0, 0.5)


def test_second_attempt_of_one_command_is_not_given_the_time_of_the_first() -> None:
    workers = [worker(1, elapsed=50.0, busy=50.0, account=52.0), worker(2, elapsed=10.0, busy=5.0, account=11.0)]
    found = around([attempt(1, wall=51.0), attempt(2, wall=62.0)], workers, output=OUTPUT)
    assert found == Around(2, 1.0, 0.5)


def test_wall_time_less_than_the_makespan_is_refused() -> None:
    with pytest.raises(UsageError, match=r"study\.h5: attempt 1: expected a wall time of at least the makespan, 10"):
        around([attempt(1, wall=3.0)], [worker(1, elapsed=10.0, busy=5.0)], output=OUTPUT)
