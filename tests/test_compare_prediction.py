"""The predicted time of a whole study, against schedules of equal items that are played through by hand."""

from math import ceil

import pytest
from comparisons import LAPTOP, SERIAL, Way, comparison

from fullrank.compare.prediction import predicted_study_seconds, usable_by
from fullrank.compare.records import Comparison, Measurement, Variant
from fullrank.compare.verdict import judge

ITEM_SECONDS = 0.5


def run_of_equal_items(n_items: int, n_workers: int, n_cores: int) -> Measurement:
    """Items that compute, one after the other to each worker; workers that have one share the cores evenly."""
    now, busy = 0.0, [0.0] * n_workers
    for begun in range(0, n_items, n_workers):
        n_active = min(n_workers, n_items - begun)
        lasts = ITEM_SECONDS * max(1.0, n_active / n_cores)
        now += lasts
        busy[:n_active] = [seconds + lasts for seconds in busy[:n_active]]
    return Measurement(
        0, 0, now, now, n_items * ITEM_SECONDS, sum(busy), ITEM_SECONDS, sum(busy) / n_workers / max(busy)
    )


@pytest.mark.parametrize(
    ("n_workers", "n_cores"), [(2, 2), (4, 2), (8, 2), (3, 2), (2, 1), (4, 4), (8, 4), (1, 1), (5, 4)]
)
@pytest.mark.parametrize("n_sampled", [5, 7, 8, 9, 30])
def test_no_study_of_items_that_compute_is_predicted_to_end_before_any_schedule_could(
    n_workers: int, n_cores: int, n_sampled: int
) -> None:
    sample = run_of_equal_items(n_sampled, n_workers, n_cores)
    found = predicted_study_seconds(sample, n_workers, n_items=90, n_sampled=n_sampled, n_cores=n_cores)
    assert found >= 90 * ITEM_SECONDS / min(n_workers, n_cores) - 1e-9
    assert found <= 90 * ITEM_SECONDS / min(n_workers, n_cores) + sample.makespan_seconds


def test_prediction_for_more_workers_than_cores_is_that_of_busy_cores() -> None:
    sample = run_of_equal_items(7, 4, 2)
    assert sample.makespan_seconds == pytest.approx(1.75)
    assert predicted_study_seconds(sample, 4, n_items=90, n_sampled=7, n_cores=2) == pytest.approx(22.5)


def test_threads_that_take_turns_have_one_core() -> None:
    sample = run_of_equal_items(5, 2, 1)
    n_cores = usable_by(sample, "threads", gil="enabled", n_cores=2)
    assert predicted_study_seconds(sample, 2, n_items=90, n_sampled=5, n_cores=n_cores) == pytest.approx(45.0)
    assert usable_by(sample, "threads", gil="disabled", n_cores=2) == 2
    assert usable_by(sample, "processes", gil="enabled", n_cores=2) == 2


def test_items_that_wait_are_predicted_as_without_a_bound() -> None:
    # eight sleep at once on two cores, nine items: two sleeps, the second of one worker alone
    sample = Measurement(0, 0, 1.0, 1.0, 0.01, 4.5, 0.5, 4.5 / 8 / 1.0)
    bounded = predicted_study_seconds(sample, 8, n_items=90, n_sampled=9, n_cores=2)
    assert bounded == predicted_study_seconds(sample, 8, n_items=90, n_sampled=9)
    assert bounded < 90 * 0.5 / 2


@pytest.mark.parametrize("n_sampled", [5, 6, 7, 9, 10, 11, 13])
def test_four_workers_on_two_cores_are_not_preferred_to_two(n_sampled: int) -> None:
    def way(n_workers: int) -> Way:
        run = run_of_equal_items(n_sampled, n_workers, 2)
        return Way(
            run.makespan_seconds,
            cores_busy=run.cpu_seconds / run.makespan_seconds,
            balance=run.load_balance,
            compute=run.compute_seconds,
            longest=ITEM_SECONDS * ceil(n_workers / 2),
        )

    two, four = Variant("processes", 2), Variant("processes", 4)
    ways = {SERIAL: Way(n_sampled * ITEM_SECONDS), two: way(2), four: way(4)}
    found: Comparison = comparison(ways, n_items=90, n_sampled=n_sampled, noise=0.001, machine=LAPTOP)
    assert judge(found).recommendation.variant == two
