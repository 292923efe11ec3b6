"""Each variant's figures: medians over rounds, and ratios to the baseline taken in each round.

A ratio of two measurements of one round is free of what drifts from round to round. What is told of ratios is their
median, never their mean: that of 2 and 1/2 would be 1.25 (P. J. Fleming and J. J. Wallace, CACM 29 (1986) 218).
"""

from collections.abc import Callable, Mapping
from math import isnan, nan

from fullrank.compare.prediction import (
    busiest_seconds,
    comparable_study_seconds,
    growing_seconds,
    predicted_study_seconds,
    usable_by,
)
from fullrank.compare.records import Comparison, Measurement, Variant
from fullrank.compare.statistics import Estimate, estimate, median_or_nan, n_with_baseline
from fullrank.compare.variants import n_cores
from fullrank.dataclass import dataclass
from fullrank.metrics import communication_efficiency, cores_busy

Figure = Callable[[Measurement], float]
"""One figure of one measurement."""
ByRound = Mapping[int, float]
"""One figure of one variant, by the number of the round."""


@dataclass(frozen=True)
class Summary:
    """What the rounds say of one variant; times in s, medians, NaN if it was never measured."""

    variant: Variant
    n_rounds: int
    speedup: Estimate
    """Makespan of the baseline / makespan of this variant, both of the same round (textbook speedup)."""
    study_gain: Estimate
    """The same of the predicted wall times of the whole study."""
    wall_seconds: float
    """Of the whole command."""
    makespan_seconds: float
    start_end_seconds: float
    """Start and end: the command without its makespan, that is launcher, start, gathering, file."""
    study_seconds: float
    """Predicted wall time of the whole study; see :mod:`fullrank.compare.prediction`."""
    item_seconds: float
    """Mean time inside an item."""
    longest_item_seconds: float
    cpu_seconds: float
    cores_busy: float
    load_balance: float
    items_per_second: float
    growth_seconds: float
    """What one more item adds to the makespan."""
    overhead_share: float
    """Of the busiest worker's time outside items: claims, journal, the loop (POP: 1 - communication efficiency)."""
    others_cores: float
    """Cores that other programs kept busy meanwhile."""


def summaries(comparison: Comparison) -> tuple[Summary, ...]:
    """Return the figures of each variant, in the comparison's order; the first is the baseline."""
    measured: tuple[list[Measurement], ...] = tuple([] for _ in comparison.variants)
    for measurement in comparison.measurements:
        measured[measurement.variant].append(measurement)
    makespans, studies = by_round(comparison, _makespan_seconds), study_seconds(comparison)
    n_comparisons = n_with_baseline(len(comparison.variants))
    return tuple(
        _summary(
            variant,
            measured[number],
            comparison,
            speedup=estimate(ratios(makespans[0], makespans[number]), n_comparisons=n_comparisons),
            study_gain=estimate(ratios(studies[0], studies[number]), n_comparisons=n_comparisons),
            study_seconds=median_or_nan(list(studies[number].values())),
        )
        for number, variant in enumerate(comparison.variants)
    )


def by_round(comparison: Comparison, figure: Figure) -> tuple[ByRound, ...]:
    """Return one figure of every measurement, by variant and round."""
    found: tuple[dict[int, float], ...] = tuple({} for _ in comparison.variants)
    for measurement in comparison.measurements:
        found[measurement.variant][measurement.round] = figure(measurement)
    return found


def study_seconds(comparison: Comparison, *, with_wait: bool = True) -> tuple[ByRound, ...]:
    """Return the wall time that every measurement predicts for the whole study, by variant and round, in s.

    Those of two ways are compared without the wait at the end of a sample.
    """
    predict = predicted_study_seconds if with_wait else comparable_study_seconds

    def predicted(measurement: Measurement) -> float:
        return predict(
            measurement,
            comparison.variants[measurement.variant].n_workers,
            n_items=comparison.n_items,
            n_sampled=comparison.n_sampled,
            n_cores=_n_cores(comparison, measurement),
        )

    return by_round(comparison, predicted)


def ratios(dividends: ByRound, divisors: ByRound) -> list[float]:
    """Return the ratio of every round that has both."""
    both = sorted(dividends.keys() & divisors.keys())
    return [dividends[number] / divisors[number] for number in both if divisors[number]]


def _n_cores(comparison: Comparison, measurement: Measurement) -> int | None:
    machine, variant = comparison.machine, comparison.variants[measurement.variant]
    return usable_by(
        measurement, variant.backend, gil=str(machine.get("gil", "enabled")), n_cores=n_cores(machine, variant)
    )


def _summary(
    variant: Variant,
    measured: list[Measurement],
    comparison: Comparison,
    *,
    speedup: Estimate,
    study_gain: Estimate,
    study_seconds: float,
) -> Summary:
    n_workers, n_sampled = variant.n_workers, comparison.n_sampled

    def growth(m: Measurement) -> float:
        return growing_seconds(m, n_workers, n_cores=_n_cores(comparison, m)) / n_sampled

    def middle(figure: Figure) -> float:
        return median_or_nan([value for m in measured if not isnan(value := figure(m))])

    return Summary(
        variant=variant,
        n_rounds=len(measured),
        speedup=speedup,
        study_gain=study_gain,
        wall_seconds=middle(lambda m: m.wall_seconds),
        makespan_seconds=middle(_makespan_seconds),
        start_end_seconds=middle(lambda m: m.wall_seconds - m.makespan_seconds),
        study_seconds=study_seconds,
        item_seconds=middle(lambda m: m.compute_seconds / n_sampled),
        longest_item_seconds=middle(lambda m: m.longest_item_seconds),
        cpu_seconds=middle(lambda m: m.cpu_seconds),
        cores_busy=middle(lambda m: cores_busy(m.cpu_seconds, m.makespan_seconds)),
        load_balance=middle(lambda m: m.load_balance),
        items_per_second=middle(lambda m: n_sampled / m.makespan_seconds if m.makespan_seconds else nan),
        growth_seconds=middle(growth),
        overhead_share=middle(
            lambda m: 1 - communication_efficiency([busiest_seconds(m, n_workers)], m.makespan_seconds)
        ),
        others_cores=middle(lambda m: m.others_cores),
    )


def _makespan_seconds(measurement: Measurement) -> float:
    return measurement.makespan_seconds
