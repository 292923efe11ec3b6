"""What rounds of measurements allow to say: medians, their intervals, and how many rounds a statement takes.

Pure arithmetic; the standard library alone.

In each round every variant runs once, *in an order that is drawn anew*. So for two variants that are equally fast each
is as likely as the other to get the better place in a round, whatever disturbs the machine, and the signs of their
differences are throws of a fair coin. Intervals of order statistics rest on this alone (W. J. Conover, Practical
Nonparametric Statistics, 3rd ed., 1999, sections 3.2 and 3.4; T. Hoefler and R. Belli, Scientific Benchmarking of
Parallel Computing Systems, SC'15). docs/method.md has the whole argument, and what simulated noise does to it.
"""

from collections.abc import Sequence
from math import comb, inf, nan
from statistics import median

from fullrank.dataclass import dataclass

CONFIDENCE = 0.95
"""Of all statements of a report together."""
FEWEST_ROUNDS = 6
"""Five cannot give an interval of 95 % for one median."""


@dataclass(frozen=True)
class Estimate:
    """A median over rounds, and where it lies; NaN and None where rounds are missing."""

    median: float
    interval: tuple[float, float] | None
    """None: there are too few rounds for it."""
    n_rounds: int

    @property
    def least(self) -> float:
        """The lower end of the interval, or minus infinity."""
        return self.interval[0] if self.interval else -inf

    @property
    def most(self) -> float:
        """The upper end of the interval, or infinity."""
        return self.interval[1] if self.interval else inf


def estimate(values: Sequence[float], *, n_comparisons: int = 1) -> Estimate:
    """Return the median and an interval that is one of ``n_comparisons`` which hold together (Bonferroni).

    >>> estimate([1.9, 2.0, 2.1, 1.8, 2.0, 2.1, 1.9], n_comparisons=3)
    Estimate(median=2.0, interval=(1.8, 2.1), n_rounds=7)
    >>> estimate([1.9, 2.0, 2.1, 1.8, 2.0, 2.1, 1.9], n_comparisons=12).interval is None
    True
    """
    confidence = 1 - (1 - CONFIDENCE) / n_comparisons
    return Estimate(median_or_nan(values), median_interval(values, confidence), len(values))


def median_or_nan(values: Sequence[float]) -> float:
    """Return the median, NaN of nothing."""
    return median(values) if values else nan


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Return an interval that holds the median with this confidence, whatever the distribution.

    Its ends are values that were measured (order statistics). None if there are too few values for it.

    >>> median_interval(range(9)), median_interval(range(7)), median_interval(range(5))
    ((1, 7), (0, 6), None)
    """
    n_beyond = n_left_out(len(values), 1 - confidence)
    if n_beyond is None:
        return None
    ordered = sorted(values)
    return ordered[n_beyond], ordered[-1 - n_beyond]


def n_left_out(n_values: int, error: float) -> int | None:
    """Return how many values at each end the interval of a median may leave out; None if it needs more values.

    The median lies below the k-th least of n values with the probability of fewer than k heads in n throws of a coin.

    >>> n_left_out(9, 0.05), n_left_out(6, 0.05), n_left_out(5, 0.05)
    (1, 0, None)
    """
    found, n_outside = None, 0
    for n_beyond in range(n_values // 2):
        n_outside += comb(n_values, n_beyond)
        if 2 * n_outside > error * 2**n_values:
            break
        found = n_beyond
    return found


def n_with_baseline(n_variants: int) -> int:
    """Return the number of comparisons with the baseline: the first question, asked of every other variant."""
    return max(1, n_variants - 1)


def n_among_others(n_variants: int) -> int:
    """Return the number of pairs without the baseline: the second question, asked only of those found faster.

    The error of a report stays within 5 % although both questions use it whole. Let f of m variants truly differ from
    the baseline. A false answer to the first question has at most the probability 0.05 (m - f) / m. One to the second
    is asked of the f alone, unless the first was answered falsely: at most 0.05 f (f - 1) / (m (m - 1)), which is not
    above 0.05 f / m (a gatekeeping procedure: A. Dmitrienko, W. W. Offen, P. H. Westfall, Statistics in Medicine 22
    (2003) 2387).
    """
    return max(1, comb(n_variants - 1, 2))


def rounds_for(n_comparisons: int, *, n_left_out_each_end: int = 0) -> int:
    """Return the fewest rounds whose interval is 95 % for all comparisons and leaves out so many at each end.

    >>> [rounds_for(n) for n in (1, 3, 12, 78)], rounds_for(3, n_left_out_each_end=1)
    ([6, 7, 9, 12], 11)
    """
    n_rounds = FEWEST_ROUNDS
    while (found := n_left_out(n_rounds, (1 - CONFIDENCE) / n_comparisons)) is None or found < n_left_out_each_end:
        n_rounds += 1
    return n_rounds


def fewest_rounds(n_variants: int) -> int:
    """Return the fewest rounds after which a variant can be called faster or slower than the baseline.

    >>> [fewest_rounds(n) for n in (2, 4, 13)]
    [6, 7, 9]
    """
    return rounds_for(n_with_baseline(n_variants))


def default_rounds(n_variants: int) -> int:
    """Return a number of rounds of which one may be disturbed, and which can tell the faster ones apart.

    An interval that reaches from the worst round to the best is lost to the first burst of noise: with the fewest
    rounds a difference of 10 % is seen in about 70 % of reports, with these in about 90 % (docs/method.md).

    >>> [default_rounds(n) for n in (2, 4, 5, 13)]
    [9, 11, 11, 13]
    """
    one_spared = rounds_for(n_with_baseline(n_variants), n_left_out_each_end=1)
    return max(one_spared, rounds_for(n_among_others(n_variants)))
