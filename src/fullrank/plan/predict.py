"""From the durations of a pilot to the wall time of what is left, on any number of workers."""

from collections.abc import Sequence
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass
from fullrank.metrics import shortest_makespan, spelled_seconds
from fullrank.plan.durations import fitted
from fullrank.plan.simulate import claim_bounds, falling_claim_bounds, makespan_seconds

CONFIDENCE = 0.90
N_DRAWS = 200
"""Of the pilot, and of what is left."""
MOST_DRAWN = 200_000
"""Items of one draw; where more are left, those before the last ones are like them and keep all workers busy."""
DRAWN_PER_WORKER = 64
"""So many items each worker meets at least, where more are left than are drawn."""
ENDS = (0.02, 0.98)
"""Quantiles of the draws that are the ends of the interval. Those of 0.05 and 0.95 hold less often than they say, for a
pilot is resampled from itself; these are calibrated (R. Beran, J. Amer. Statist. Assoc. 85 (1990) 715) on synthetic
studies, see docs/plan.md."""
FEWEST_SAMPLED, FEWEST_SCATTERED = 40, 200
"""Items of a pilot: of fewer than 40 the upper quarter is too few for a fit; fewer than 200 do not tell a heavy tail
from a light one (docs/plan.md), which matters where they scatter."""
LITTLE_SCATTER = 0.75
"""Standard deviation / mean; of uniform durations from 0 it is 0.58, of exponential ones 1."""
LARGEST_SHAPE = 0.5
"""Of the fitted tail: from here on durations have no variance, and no sample's mean tells a total (P. Embrechts,
C. Klüppelberg and T. Mikosch, Modelling Extremal Events, 1997, sections 2.2 and 3.4)."""


@dataclass(frozen=True)
class Interval:
    """A median, and the interval that holds with the probability CONFIDENCE."""

    least: float
    median: float
    most: float


@dataclass(frozen=True)
class Forecast:
    """What is left of a study, on so many workers; times in s."""

    n_workers: int
    wall: Interval | None
    """Of the whole command; None: it cannot be predicted."""
    speedup: float
    """One worker's wall time / this one, of the medians; NaN where they cannot be predicted."""
    bound_seconds: float
    """What no order can undercut: max(total / workers, longest item), of the items as the pilot has them."""


def forecasts(
    item_seconds: NDArray[np.float64],
    *,
    n_left: int,
    counts: Sequence[int],
    start_end_seconds: float = 0.0,
    overhead_seconds: float = 0.0,
    longest_first: bool = False,
    seed: int = 1,
    n_draws: int = N_DRAWS,
) -> tuple[Forecast, ...]:
    """Return what ``n_left`` more items take on each number of workers, in the order of ``counts``.

    Args:
        item_seconds: durations in s of the items of a fair sample, shape (n_sampled,).
        n_left: items like them that are left, at least one.
        counts: numbers of workers.
        start_end_seconds: of a command, beside its makespan.
        overhead_seconds: of a worker, beside each item.
        longest_first: whether items go out by falling duration, else in no order.
        seed: of the draws; the same gives the same.
        n_draws: how often the pilot is resampled and the rest is drawn.
    """
    mean_seconds, longest_seconds = float(item_seconds.mean()) + overhead_seconds, float(item_seconds.max())
    bounds = {
        n_workers: shortest_makespan(n_left * mean_seconds, longest_seconds, n_workers=n_workers)
        for n_workers in counts
    }
    if refusal(item_seconds):
        return tuple(Forecast(n_workers, None, nan, bounds[n_workers]) for n_workers in counts)
    drawn = makespans(
        item_seconds + overhead_seconds,
        n_left=n_left,
        counts=sorted({1, *counts}),
        seed=seed,
        n_draws=n_draws,
        longest_first=longest_first,
    )
    serial_seconds = float(np.median(drawn[1])) + start_end_seconds
    walls = {n_workers: _interval(drawn[n_workers] + start_end_seconds) for n_workers in counts}
    return tuple(
        Forecast(n_workers, wall, serial_seconds / wall.median if wall.median else nan, bounds[n_workers])
        for n_workers, wall in walls.items()
    )


def refusal(item_seconds: NDArray[np.float64]) -> str:
    """Return why durations in s, shape (n_sampled,), do not allow a prediction; "" if they do.

    >>> refusal(np.ones(39))
    'it has 39 items with an end, and 40 are needed; give --pilot more time'
    >>> refusal(np.ones(40))
    ''
    """
    is_scattered = float(item_seconds.std()) > LITTLE_SCATTER * float(item_seconds.mean())
    n_needed = FEWEST_SCATTERED if is_scattered else FEWEST_SAMPLED
    if len(item_seconds) < n_needed:
        scatter = " of durations that differ so much" if is_scattered else ""
        return (
            f"it has {len(item_seconds)} items with an end, and {n_needed}{scatter} are needed; give --pilot more time"
        )
    # of durations that hardly differ the tail is the noise of the machine: heavy perhaps, but a small part of the total
    if is_scattered and fitted(item_seconds).shape >= LARGEST_SHAPE:
        return (
            f"a few items take most of the time (the longest seen {spelled_seconds(float(item_seconds.max()))}, the "
            f"median {spelled_seconds(float(np.median(item_seconds)))}), so that the total depends on items longer "
            f"than any it has seen; give --pilot more time, or set run.item_time_limit_seconds"
        )
    return ""


def makespans(
    sample: NDArray[np.float64],
    *,
    n_left: int,
    counts: Sequence[int],
    seed: int,
    n_draws: int,
    longest_first: bool = False,
) -> dict[int, NDArray[np.float64]]:
    """Return ``n_draws`` makespans in s for each number of workers, shape (n_draws,)."""
    generator = np.random.default_rng(seed)
    n_drawn = min(n_left, max(MOST_DRAWN, DRAWN_PER_WORKER * max(counts)))
    mean_seconds = float(sample.mean())
    variation = float(sample.std()) / mean_seconds if mean_seconds > 0 else 0.0
    bounds = {
        n_workers: claim_bounds(n_drawn, n_workers=n_workers, mean_seconds=mean_seconds, variation=variation)
        for n_workers in counts
    }
    found = {n_workers: np.empty(n_draws) for n_workers in counts}
    for number in range(n_draws):
        resampled = sample[generator.integers(0, len(sample), len(sample))]
        drawn = fitted(resampled).draw(n_drawn, generator)
        if longest_first:
            drawn = np.sort(drawn)[::-1]
        ends = np.concatenate(([0.0], np.cumsum(drawn)))
        before_seconds = (n_left - n_drawn) * ends[-1] / n_drawn
        for n_workers in counts:
            makespan = float(ends[-1])
            if n_workers > 1:
                claims = falling_claim_bounds(ends, n_workers=n_workers) if longest_first else bounds[n_workers]
                makespan = makespan_seconds(np.diff(ends[claims]), n_workers=n_workers)
            found[n_workers][number] = before_seconds / n_workers + makespan
    return found


def _interval(seconds: NDArray[np.float64]) -> Interval:
    least, median, most = map(float, np.quantile(seconds, [ENDS[0], 0.5, ENDS[1]]))
    return Interval(least, median, most)


def most_useful_workers(item_seconds: NDArray[np.float64], *, n_left: int) -> float:
    """Return the number of workers beyond which more cannot help: total / longest item; of the pilot's durations in s.

    >>> most_useful_workers(np.array([1.0, 1.0, 4.0]), n_left=100)
    50.0
    """
    longest_seconds = float(item_seconds.max())
    return n_left * float(item_seconds.mean()) / longest_seconds if longest_seconds > 0 else inf
