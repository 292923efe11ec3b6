"""How long the items that are left may take, drawn from those of a pilot.

A sample never shows how long the longest of many more items takes, so its upper end is fitted: by a generalised Pareto
distribution, which the excesses over a high threshold follow whatever the items (J. Pickands, Ann. Statist. 3 (1975)
119), with the estimator of probability-weighted moments (J. R. M. Hosking and J. R. Wallis, Technometrics 29 (1987)
339). Below the threshold items are drawn from the sample itself. All is done anew for every resample of the pilot
(B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 6), so that what a small pilot does not
know shows as width.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass

TAIL_SHARE = 0.25
"""Of a sample, at its upper end, that the fit is of."""
FEWEST_IN_TAIL = 20
"""Fewer excesses tell nothing of a shape (Hosking and Wallis begin with 15)."""
STEEPEST, FLATTEST = -1.0, 0.9
"""Bounds of the shape: a uniform distribution ends as with -1; from 1 on there is no mean, and nothing to predict."""

Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Durations:
    """A sample, and the generalised Pareto distribution of its upper end; durations in s."""

    body: Seconds
    """The items up to the threshold, shape (n_body,)."""
    threshold: float
    tail_share: float
    """Probability of an item beyond the threshold; 0 where the sample is too small for a fit, or has no upper end."""
    scale: float
    shape: float

    def draw(self, n_items: int, generator: np.random.Generator) -> Seconds:
        """Return the durations of ``n_items`` items, in s, shape (n_items,), in no order."""
        drawn = self.body[generator.integers(0, len(self.body), n_items)]
        if self.tail_share:
            beyond = np.flatnonzero(generator.random(n_items, dtype=np.float32) < self.tail_share)
            drawn[beyond] = self.threshold + self._excesses(generator.standard_exponential(len(beyond)))
        return drawn

    def _excesses(self, exponential: Seconds) -> Seconds:
        """Return excesses over the threshold from standard exponential numbers, by the inverse of the distribution."""
        if abs(self.shape) < 1e-6:
            return self.scale * exponential
        return self.scale * np.expm1(self.shape * exponential) / self.shape


def fitted(sample: Seconds) -> Durations:
    """Return the distribution that a sample of durations gives, in s, shape (n_sampled,).

    >>> found = fitted(np.arange(1000) / 1000)
    >>> round(found.threshold, 2), abs(found.shape + 1) < 0.1
    (0.75, True)
    """
    ordered = np.sort(sample)
    n_tail = max(ceil(TAIL_SHARE * len(ordered)), FEWEST_IN_TAIL)
    if 2 * n_tail > len(ordered) or ordered[-n_tail - 1] == ordered[-1]:
        return Durations(ordered, float(ordered[-1]), 0.0, 0.0, 0.0)
    threshold = float(ordered[-n_tail - 1])
    scale, shape = _pareto(ordered[-n_tail:] - threshold)
    return Durations(ordered[:-n_tail], threshold, n_tail / len(ordered), scale, shape)


def _pareto(excesses: Seconds) -> tuple[float, float]:
    """Return scale in s and shape of the generalised Pareto distribution of ``excesses``, which are in order.

    With a0 the mean and a1 that of x * (1 - F(x)): shape = 2 - a0 / (a0 - 2 a1), scale = 2 a0 a1 / (a0 - 2 a1)
    (Hosking and Wallis 1987, section 3; their k is minus the shape, and their plotting positions are used).
    """
    n = len(excesses)
    beyond = 1 - (np.arange(1, n + 1) - 0.35) / n
    mean, weighted = float(excesses.mean()), float((excesses * beyond).mean())
    shape = min(max(2 - mean / (mean - 2 * weighted), STEEPEST), FLATTEST) if mean > 2 * weighted else STEEPEST
    return mean * (1 - shape), shape
