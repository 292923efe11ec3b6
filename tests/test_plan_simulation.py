"""What is predicted from a sample: against schedules that are played item by item."""

import runpy
from heapq import heapreplace
from pathlib import Path

import numpy as np
import pytest

from fullrank.plan.durations import fitted
from fullrank.plan.evenness import uneven_dimensions
from fullrank.plan.predict import forecasts, makespans, refusal
from fullrank.plan.simulate import claim_bounds, falling_claim_bounds, makespan_seconds

COVERAGE = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "plan_coverage.py"))
"""The synthetic studies of docs/plan.md, and the event loop that plays the real claims."""


def greedy(seconds: np.ndarray, n_workers: int) -> float:
    """List scheduling (Graham 1966), one item after the other."""
    ends = [0.0] * n_workers
    for item in seconds.tolist():
        heapreplace(ends, ends[0] + item)
    return max(ends)


def predicted(seconds: np.ndarray, n_workers: int) -> float:
    bounds = claim_bounds(
        len(seconds),
        n_workers=n_workers,
        mean_seconds=float(seconds.mean()),
        variation=float(seconds.std() / seconds.mean()),
    )
    ends = np.concatenate(([0.0], np.cumsum(seconds)))
    return makespan_seconds(np.diff(ends[bounds]), n_workers=n_workers)


@pytest.mark.parametrize("kind", ["uniform", "exponential", "lognormal, sigma 1"])
@pytest.mark.parametrize("n_workers", [2, 16, 300])
def test_grouped_claims_end_when_single_items_do_within_two_percent(kind: str, n_workers: int) -> None:
    seconds = COVERAGE["DURATIONS"][kind](np.random.default_rng(5), 20_000)
    assert predicted(seconds, n_workers) == pytest.approx(greedy(seconds, n_workers), rel=0.02)


def test_few_items_end_exactly_when_a_greedy_schedule_does() -> None:
    seconds = np.random.default_rng(6).exponential(1.0, 200)
    assert predicted(seconds, 16) == pytest.approx(greedy(seconds, 16), rel=1e-12)


@pytest.mark.parametrize("kind", ["uniform", "exponential", "lognormal, sigma 1"])
@pytest.mark.parametrize("n_workers", [2, 16, 300])
def test_grouped_claims_of_falling_items_end_when_single_ones_do(kind: str, n_workers: int) -> None:
    seconds = np.sort(COVERAGE["DURATIONS"][kind](np.random.default_rng(5), 20_000))[::-1]
    ends = np.concatenate(([0.0], np.cumsum(seconds)))
    claims = np.diff(ends[falling_claim_bounds(ends, n_workers=n_workers)])
    assert makespan_seconds(claims, n_workers=n_workers) == pytest.approx(greedy(seconds, n_workers), rel=0.005)


def test_order_by_falling_duration_is_predicted_to_end_near_the_bound() -> None:
    sample = np.random.default_rng(15).exponential(1.0, 400)
    (spread,) = forecasts(sample, n_left=1000, counts=[50])
    (falling,) = forecasts(sample, n_left=1000, counts=[50], longest_first=True)
    assert spread.wall is not None
    assert falling.wall is not None
    assert falling.wall.median < 0.95 * spread.wall.median
    assert falling.wall.median == pytest.approx(falling.bound_seconds, rel=0.03)


def test_event_loop_of_the_coverage_gives_a_greedy_schedule_where_items_are_long() -> None:
    seconds = np.random.default_rng(7).uniform(1.0, 2.0, 300)
    assert COVERAGE["true_makespan"](seconds, 7) == pytest.approx(greedy(seconds, 7), rel=1e-12)


@pytest.mark.parametrize("shape", [-0.5, 0.0, 0.25])
def test_shape_of_a_pareto_tail_is_found(shape: float) -> None:
    exponential = np.random.default_rng(8).standard_exponential(100_000)
    excesses = np.expm1(shape * exponential) / shape if shape else exponential
    assert fitted(excesses).shape == pytest.approx(shape, abs=0.05)


def test_drawn_durations_have_mean_and_upper_quantile_of_what_was_sampled() -> None:
    random = np.random.default_rng(9)
    drawn = fitted(random.exponential(2.0, 50_000)).draw(400_000, random)
    assert drawn.mean() == pytest.approx(2.0, rel=0.03)
    assert np.quantile(drawn, 0.999) == pytest.approx(2.0 * np.log(1000), rel=0.05)


def test_draws_go_beyond_the_longest_item_that_was_seen() -> None:
    random = np.random.default_rng(10)
    sample = random.exponential(1.0, 100)
    assert fitted(sample).draw(100_000, random).max() > sample.max()


def test_equal_items_take_their_rounds_without_any_width() -> None:
    (found,) = forecasts(np.full(50, 2.0), n_left=95, counts=[10], start_end_seconds=3.0)
    assert found.wall is not None
    assert (found.wall.least, found.wall.median, found.wall.most) == pytest.approx((23.0, 23.0, 23.0))
    assert found.speedup == pytest.approx((95 * 2 + 3) / 23)
    assert found.bound_seconds == pytest.approx(19.0)


def test_time_beside_items_is_added_to_each() -> None:
    (found,) = forecasts(np.full(50, 2.0), n_left=100, counts=[10], overhead_seconds=0.5)
    assert found.wall is not None
    assert found.wall.median == pytest.approx(25.0)


def test_wall_times_are_above_their_bounds_and_fall_with_workers() -> None:
    sample = np.random.default_rng(14).uniform(0.5, 1.5, 200)
    few, many = forecasts(sample, n_left=800, counts=[4, 16])
    assert few.wall is not None
    assert many.wall is not None
    assert many.wall.most < few.wall.least
    for found in (few, many):
        assert found.bound_seconds < found.wall.median
        assert found.bound_seconds == pytest.approx(sample.mean() * 800 / found.n_workers)


def test_bound_is_the_longest_item_where_workers_abound() -> None:
    sample = np.concatenate([np.ones(59), [30.0]])
    (found,) = forecasts(sample, n_left=100, counts=[100])
    assert found.bound_seconds == 30.0


def test_more_items_than_are_drawn_take_longer_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = np.random.default_rng(11).uniform(0.5, 1.5, 400)
    whole = makespans(sample, n_left=40_000, counts=[8], seed=1, n_draws=20)[8]
    monkeypatch.setattr("fullrank.plan.predict.MOST_DRAWN", 4000)
    part = makespans(sample, n_left=40_000, counts=[8], seed=2, n_draws=20)[8]
    assert np.median(part) == pytest.approx(np.median(whole), rel=0.03)


@pytest.mark.parametrize("kind", ["constant", "uniform", "exponential", "lognormal, sigma 1"])
def test_interval_covers_the_true_makespan_in_most_studies(kind: str) -> None:
    for cell in COVERAGE["cells"](kind, 200, 600, 20, workers=(4, 16)):
        assert cell.n_predicted >= 16, cell
        assert cell.coverage >= 0.8, cell


def test_interval_of_constant_and_uniform_durations_is_narrow() -> None:
    for kind in ("constant", "uniform"):
        for cell in COVERAGE["cells"](kind, 400, 2000, 10, workers=(16,)):
            assert cell.width <= 0.15, cell


def test_durations_without_a_mean_are_refused() -> None:
    for number in range(10):
        sample = 1 + np.random.default_rng(number).pareto(0.9, 1000)
        assert "a few items take most of the time" in refusal(sample)
        (found,) = forecasts(sample, n_left=100, counts=[4], n_draws=2)
        assert found.wall is None


def test_sample_of_a_random_choice_is_even_and_one_of_a_single_column_is_not() -> None:
    dims, shape = ("row", "column"), (400, 50)
    drawn = np.random.default_rng(12).choice(20_000, 300, replace=False)
    assert uneven_dimensions(np.sort(drawn), dims, shape) == ()
    assert uneven_dimensions(np.arange(0, 20_000, 50), dims, shape) == ("column",)
    assert uneven_dimensions(np.arange(300), dims, shape) == ("row",)


def test_random_samples_are_called_uneven_in_at_most_one_of_a_hundred() -> None:
    random = np.random.default_rng(13)
    uneven = sum(bool(uneven_dimensions(random.integers(0, 10**6, 200), ("x",), (10**6,))) for _ in range(2000))
    assert uneven <= 2000 * 0.01 + 3 * (2000 * 0.01) ** 0.5
