"""Each variant's figures: medians over rounds, and ratios to the baseline taken in each round.

A ratio of two measurements of one round is free of what drifts from round to round. What is told of ratios is their
median, never their mean: that of 2 and 1/2 would be 1.25 (P. J. Fleming and J. J. Wallace, CACM 29 (1986) 218).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isnan

from fullrank.compare.records import Comparison, Measurement, Variant
from fullrank.compare.statistics import Estimate, estimate, median_or_nan, n_with_baseline
from fullrank.metrics import communication_efficiency, cores_busy, speedup

Figure = Callable[[Measurement], float]
"""One figure of one measurement."""


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
    around_seconds: float
    """Of the command outside the makespan: launcher, start-up, gathering, file."""
    study_seconds: float
    """Predicted wall time of the whole study; see :func:`predicted_study_seconds`."""
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
    rounds = by_round(comparison)
    return tuple(_summary(comparison, number, rounds) for number in range(len(comparison.variants)))


def by_round(comparison: Comparison) -> tuple[Mapping[int, Measurement], ...]:
    """Return each variant's measurements by the number of their round."""
    found: tuple[dict[int, Measurement], ...] = tuple({} for _ in comparison.variants)
    for measurement in comparison.measurements:
        found[measurement.variant][measurement.round] = measurement
    return found


def paired(
    first: Mapping[int, Measurement], second: Mapping[int, Measurement]
) -> Iterator[tuple[Measurement, Measurement]]:
    """Yield the measurements of two variants in every round that has both."""
    for number in sorted(first.keys() & second.keys()):
        yield first[number], second[number]


def study_figure(comparison: Comparison, variant: Variant) -> Figure:
    """Return the function that predicts the study's wall time from one measurement of ``variant``."""

    def predicted(measurement: Measurement) -> float:
        return predicted_study_seconds(
            measurement, variant.n_workers, n_items=comparison.n_items, n_sampled=comparison.n_sampled
        )

    return predicted


def predicted_study_seconds(measurement: Measurement, n_workers: int, *, n_items: int, n_sampled: int) -> float:
    """Return the wall time that one run of the sample predicts for the whole study, in s.

    What lies around the makespan happens once. Inside it, all but the wait for the last worker grows with the number
    of items; the guided schedule lets that wait last about one item, however many there are. No study is shorter
    than its longest item.
    """
    around = measurement.wall_seconds - measurement.makespan_seconds
    waiting = _waiting_seconds(measurement, n_workers)
    growing = (measurement.makespan_seconds - waiting) * n_items / n_sampled
    return around + max(growing + waiting, measurement.longest_item_seconds)


def _waiting_seconds(measurement: Measurement, n_workers: int) -> float:
    """Return the mean time of a worker after its last item: busiest worker - mean worker, in s."""
    waiting = _busiest(measurement, n_workers) - measurement.compute_seconds / n_workers
    return min(waiting, measurement.makespan_seconds)


def _busiest(measurement: Measurement, n_workers: int) -> float:
    """Return the time inside items of the worker that had most of it, in s."""
    mean_busy = measurement.compute_seconds / n_workers
    return mean_busy / measurement.load_balance if measurement.load_balance > 0 else mean_busy  # NaN is not


def _summary(comparison: Comparison, number: int, rounds: tuple[Mapping[int, Measurement], ...]) -> Summary:
    variant, own = comparison.variants[number], rounds[number]
    n_workers, n_sampled = variant.n_workers, comparison.n_sampled
    n_comparisons = n_with_baseline(len(comparison.variants))
    study, of_baseline = study_figure(comparison, variant), study_figure(comparison, comparison.variants[0])
    pairs = list(paired(rounds[0], own))

    def middle(figure: Figure) -> float:
        return median_or_nan([value for m in own.values() if not isnan(value := figure(m))])

    return Summary(
        variant=variant,
        n_rounds=len(pairs),
        speedup=estimate(
            [speedup(b.makespan_seconds, m.makespan_seconds) for b, m in pairs], n_comparisons=n_comparisons
        ),
        study_gain=estimate([speedup(of_baseline(b), study(m)) for b, m in pairs], n_comparisons=n_comparisons),
        wall_seconds=middle(lambda m: m.wall_seconds),
        makespan_seconds=middle(lambda m: m.makespan_seconds),
        around_seconds=middle(lambda m: m.wall_seconds - m.makespan_seconds),
        study_seconds=middle(study),
        item_seconds=middle(lambda m: m.compute_seconds / n_sampled),
        longest_item_seconds=middle(lambda m: m.longest_item_seconds),
        cpu_seconds=middle(lambda m: m.cpu_seconds),
        cores_busy=middle(lambda m: cores_busy(m.cpu_seconds, m.makespan_seconds)),
        load_balance=middle(lambda m: m.load_balance),
        items_per_second=middle(lambda m: n_sampled / m.makespan_seconds),
        growth_seconds=middle(lambda m: (m.makespan_seconds - _waiting_seconds(m, n_workers)) / n_sampled),
        overhead_share=middle(lambda m: 1 - communication_efficiency([_busiest(m, n_workers)], m.makespan_seconds)),
        others_cores=middle(lambda m: m.others_cores),
    )
