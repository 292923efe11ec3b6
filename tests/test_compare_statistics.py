"""What rounds allow to say: against enumeration, published tables, and simulated reports under noise."""

from itertools import product
from math import comb
from pathlib import Path

import noise
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullrank.compare.prediction import predicted_study_seconds
from fullrank.compare.records import Comparison, Measurement, Variant
from fullrank.compare.statistics import (
    default_rounds,
    estimate,
    fewest_rounds,
    median_interval,
    n_among_others,
    n_left_out,
    n_with_baseline,
    rounds_for,
)
from fullrank.compare.verdict import Outcome, judge

METHOD = Path(__file__).parents[1] / "docs" / "method.md"
THIRTEEN = (Variant("serial", 1), *(Variant(b, n) for b in ("threads", "processes", "mpi") for n in (1, 2, 4, 8)))


@pytest.mark.parametrize("n_values", range(1, 13))
@pytest.mark.parametrize("error", [0.05, 0.05 / 3, 0.05 / 12])
def test_interval_misses_the_median_as_rarely_as_all_ways_to_fall_above_or_below_it_say(
    n_values: int, error: float
) -> None:
    n_beyond = n_left_out(n_values, error)
    sides = list(product((-1.0, 1.0), repeat=n_values))  # values on either side of a median of 0, equally likely

    def missed(k: int) -> float:
        ordered = [sorted(pattern) for pattern in sides]
        return sum(values[k] > 0 or values[-1 - k] < 0 for values in ordered) / len(sides)

    if n_beyond is None:
        assert missed(0) > error
    else:
        assert missed(n_beyond) <= error
        assert n_beyond + 1 > (n_values - 1) // 2 or missed(n_beyond + 1) > error


@pytest.mark.parametrize(
    ("n_values", "first", "last", "confidence"),
    [
        (6, 1, 6, 0.969),
        (9, 2, 8, 0.961),
        (10, 2, 9, 0.979),
        (15, 4, 12, 0.965),
        (20, 6, 15, 0.959),
        (30, 10, 21, 0.957),
    ],
)
def test_interval_has_the_ranks_of_published_tables(n_values: int, first: int, last: int, confidence: float) -> None:
    assert median_interval(range(1, n_values + 1)) == (first, last)
    assert 1 - 2 * sum(comb(n_values, k) for k in range(first)) / 2**n_values == pytest.approx(confidence, abs=5e-4)


@given(st.lists(st.floats(0.1, 10), max_size=5))
def test_fewer_than_six_rounds_give_no_interval(values: list[float]) -> None:
    assert estimate(values).interval is None


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=40), st.integers(1, 78))
def test_interval_holds_the_median_of_what_was_measured(values: list[float], n_comparisons: int) -> None:
    found = estimate(values, n_comparisons=n_comparisons)
    assert found.least <= found.median <= found.most


@pytest.mark.parametrize("n_variants", range(2, 30))
def test_rounds_are_the_fewest_that_keep_all_comparisons_within_the_error(n_variants: int) -> None:
    for n_comparisons in (n_with_baseline(n_variants), n_among_others(n_variants)):
        n_rounds = rounds_for(n_comparisons)
        assert 2 * n_comparisons / 2**n_rounds <= 0.05
        assert n_rounds == 6 or 2 * n_comparisons / 2 ** (n_rounds - 1) > 0.05


@pytest.mark.parametrize("n_variants", range(2, 30))
def test_default_rounds_bear_one_that_is_disturbed(n_variants: int) -> None:
    n_rounds = default_rounds(n_variants)
    ratios = [2.0] * (n_rounds - 1) + [0.1]
    assert estimate(ratios, n_comparisons=n_with_baseline(n_variants)).least > 1
    assert n_rounds > fewest_rounds(n_variants)


def simulated(times: noise.Floats) -> Comparison:
    """A comparison in which the runs took ``times``, shape (rounds, variants); start and end have the same noise."""
    measurements = []
    for (round_, variant), seconds in np.ndenumerate(times):
        n_workers = THIRTEEN[variant].n_workers
        busy = n_workers * seconds
        measurements.append(Measurement(variant, round_, 1.2 * seconds, seconds, busy, busy, 0.01, 1.0))
    return Comparison("", "study.toml", 1000, 500, THIRTEEN, tuple(measurements), {}, {}, {}, len(times))


def says_different(comparison: Comparison) -> bool:
    judged = judge(comparison)
    found = [verdict.summary for verdict in judged.verdicts if verdict.summary is not None]
    return (
        any(
            verdict.outcome in (Outcome.PAYS, Outcome.PAYS_LITTLE, Outcome.TAKEN_BACK, Outcome.SLOWER)
            for verdict in judged.verdicts
        )
        or any(summary.speedup.least > 1 or summary.speedup.most < 1 for summary in found[1:])
        or bool(judged.recommendation.separably_slower)
        or judged.recommendation.variant != THIRTEEN[0]
    )


def test_at_most_5_percent_of_1000_reports_on_13_equal_variants_say_that_anything_differs() -> None:
    reports = noise.factors(n_variants=13, n_rounds=default_rounds(13), seed=20261126)
    n_wrong = sum(says_different(simulated(times)) for times in reports)
    assert 10 <= n_wrong <= 50  # the exact bound is 4.1 %; none at all would mean that nothing is ever seen


def test_of_12_equal_variants_that_pay_hardly_any_report_calls_one_slower_than_another() -> None:
    reports = noise.factors(n_variants=13, n_rounds=default_rounds(13), seed=5, n_reports=300)
    reports[:, :, 0] *= 3.0
    judged = [judge(simulated(times)).recommendation for times in reports]
    assert sum(bool(found.separably_slower) for found in judged) <= 15
    assert all(found.variant is not None and found.variant.backend == "threads" for found in judged)


@pytest.mark.parametrize("kind", noise.NOISES)
@pytest.mark.parametrize("n_variants", [2, 4, 13])
def test_error_of_a_report_is_that_of_coins_under_each_kind_of_noise(kind: str, n_variants: int) -> None:
    n_rounds = fewest_rounds(n_variants)
    bound = noise.bound(n_variants, n_rounds)
    times = noise.factors(n_variants=n_variants, n_rounds=n_rounds, seed=2, noise=noise.NOISES[kind])
    assert bound <= 0.05
    deviation = (bound * (1 - bound) / noise.N_REPORTS) ** 0.5  # of the share in so many reports
    assert noise.share_with_an_error(times) <= bound + 3 * deviation


def test_an_order_that_is_not_drawn_anew_in_every_round_errs_under_drift() -> None:
    """Why rounds must not be rotated: A runs just before B in nearly all of them."""
    times = noise.factors(n_variants=13, n_rounds=13, seed=3, noise=noise.drifting, order=noise.rotated)
    assert noise.share_with_an_error(times) > 0.2


def test_twofold_gain_is_seen_in_nearly_every_report() -> None:
    for n_variants in (2, 4, 13):
        assert noise.power(2.0, n_variants=n_variants, n_rounds=default_rounds(n_variants)) >= 0.99


def documented_rows(first: str) -> list[list[str]]:
    """The rows of the table in docs/method.md whose first heading is this."""
    lines = METHOD.read_text("utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} "))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def percent(cells: list[str]) -> list[float]:
    return [float(cell.removesuffix(" %")) for cell in cells if cell.endswith("%")]


@pytest.mark.parametrize(("first", "rows", "n_errors"), [("ways", noise.power_rows, 2), ("noise", noise.order_rows, 1)])
def test_tables_of_the_method_are_what_simulations_give(first: str, rows: object, n_errors: int) -> None:
    """The first ``n_errors`` columns are bound and share of the reports that err as they are made here."""
    documented = documented_rows(first)
    assert callable(rows)
    for told, found in zip(documented, rows(), strict=True):
        # another numpy may draw other numbers; of errors 1.5 points are two standard deviations of 1,000 reports
        assert percent(told)[:n_errors] == pytest.approx(percent(found)[:n_errors], abs=1.5)
        assert percent(told)[n_errors:] == pytest.approx(percent(found)[n_errors:], abs=4.0)


def test_prediction_for_a_sample_of_all_items_is_the_command_that_was_measured() -> None:
    measurement = Measurement(0, 0, 5.0, 4.0, 8.0, 7.0, 1.0, 0.9)
    assert predicted_study_seconds(measurement, 2, n_items=10, n_sampled=10) == pytest.approx(5.0)


def test_prediction_scales_the_makespan_but_neither_start_up_nor_the_wait_at_the_end() -> None:
    # two workers, 3.0 s and 4.0 s inside items, the first waits 1 s for the other: half a second in the mean
    measurement = Measurement(0, 0, 5.0, 4.0, 7.0, 7.0, 1.0, 3.5 / 4.0)
    assert predicted_study_seconds(measurement, 2, n_items=100, n_sampled=10) == pytest.approx(1.0 + 35.0 + 0.5)


def test_no_study_is_predicted_to_be_shorter_than_its_longest_item() -> None:
    measurement = Measurement(0, 0, 2.0, 1.0, 1.0, 1.0, 30.0, 1.0)
    assert predicted_study_seconds(measurement, 4, n_items=4, n_sampled=2) == pytest.approx(1.0 + 30.0)
