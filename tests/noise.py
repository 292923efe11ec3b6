"""Noise as machines make it, for simulated comparisons; run as a program it prints the tables of docs/method.md.

One row is a report, one column a run of a command, in the order in which they were run. Noise multiplies: values are
logarithms. What it is made of: slow drift over the whole comparison (other tenants, warming up), an autocorrelated
part, heavy tails in every run, and bursts that last some runs and take 10 to 100 %.
"""

from collections.abc import Callable, Sequence
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.compare.statistics import default_rounds, estimate, fewest_rounds, n_left_out, n_with_baseline

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, int]], Floats]

AUTOCORRELATION = 0.9
BURST_CHANCE = 0.03
"""That a burst begins with a run; on average it lasts four."""
GAINS = (2.0, 1.2, 1.1, 1.05)
N_REPORTS = 1000


def drifting(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """A trend of some 15 % and a wave of some 5 % over the comparison."""
    n_reports, n_runs = shape
    time = np.arange(n_runs) / n_runs
    trend = random.normal(0, 0.15, (n_reports, 1)) * time
    phase = random.uniform(0.5, 3, (n_reports, 1)) * time + random.uniform(0, 1, (n_reports, 1))
    return trend + random.normal(0, 0.05, (n_reports, 1)) * np.sin(2 * np.pi * phase)


def autocorrelated(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """What is left of a run's noise in the next one; 3.4 % standard deviation in all."""
    steps = random.normal(0, 0.015, shape)
    steps[:, 0] /= (1 - AUTOCORRELATION**2) ** 0.5
    for run in range(1, shape[1]):
        steps[:, run] += AUTOCORRELATION * steps[:, run - 1]
    return steps


def heavy_tailed(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Student's t with three degrees of freedom, 1.4 % standard deviation."""
    return 0.008 * random.standard_t(3, shape)


def bursts(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Slower by a factor of 1.1 to 2 for some consecutive runs."""
    found = np.zeros(shape)
    n_left, size = np.zeros(shape[0], np.int64), np.zeros(shape[0])
    for run in range(shape[1]):
        begins = (n_left == 0) & (random.uniform(size=shape[0]) < BURST_CHANCE)
        n_left = np.where(begins, random.geometric(0.25, shape[0]), n_left)
        size = np.where(begins, np.log(random.uniform(1.1, 2, shape[0])), size)
        found[:, run] = np.where(n_left > 0, size, 0)
        n_left = np.maximum(n_left - 1, 0)
    return found


def realistic(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """All of these."""
    kinds: Sequence[Noise] = (drifting, autocorrelated, heavy_tailed, bursts)
    return sum((kind(random, shape) for kind in kinds), np.zeros(shape))


def warming_up(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """A quiet machine that gets slower by 10 % while all is measured."""
    return 0.10 * np.arange(shape[1]) / shape[1] + random.normal(0, 0.001, shape)


NOISES: dict[str, Noise] = {
    "realistic": realistic,
    "drifting": drifting,
    "autocorrelated": autocorrelated,
    "heavy-tailed": heavy_tailed,
    "bursts": bursts,
    "warming up": warming_up,
}


def drawn(random: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """The place of every variant in every round, drawn anew; shape (reports, rounds, variants)."""
    return np.argsort(random.uniform(size=shape), axis=2)


def rotated(_random: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """A B C, B C A, C A B."""
    rounds, variants = np.arange(shape[1])[:, np.newaxis], np.arange(shape[2])[np.newaxis]
    return np.broadcast_to((variants - rounds) % shape[2], shape)


def fixed(_random: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """A B C in every round."""
    return np.broadcast_to(np.arange(shape[2]), shape)


def factors(
    *,
    n_variants: int,
    n_rounds: int,
    seed: int,
    noise: Noise = realistic,
    order: Any = drawn,
    n_reports: int = N_REPORTS,
) -> Floats:
    """How much longer each run takes than without noise; shape (reports, rounds, variants)."""
    random = np.random.default_rng(seed)
    shape = (n_reports, n_rounds, n_variants)
    runs = noise(random, (n_reports, n_rounds * n_variants)).reshape(shape)
    return np.exp(np.take_along_axis(runs, order(random, shape), axis=2))


def said(times: Floats, *, variant: int) -> NDArray[np.int64]:
    """What each report says of this variant and the first one: 1 faster, -1 slower, 0 neither; shape (reports,)."""
    n_comparisons = n_with_baseline(times.shape[2])
    ratios = (times[:, :, 0] / times[:, :, variant]).tolist()
    estimates = [estimate(report, n_comparisons=n_comparisons) for report in ratios]
    return np.array([(found.least > 1) - (found.most < 1) for found in estimates])


def share_with_an_error(times: Floats) -> float:
    """The share of reports that call any variant different; all are equal."""
    return float(np.any([said(times, variant=variant) for variant in range(1, times.shape[2])], axis=0).mean())


def power(gain: float, *, n_variants: int, n_rounds: int, seed: int = 7) -> float:
    """The share of reports that see that the last variant is faster by this factor."""
    times = factors(n_variants=n_variants, n_rounds=n_rounds, seed=seed)
    times[:, :, -1] /= gain
    return float((said(times, variant=n_variants - 1) == 1).mean())


def bound(n_variants: int, n_rounds: int) -> float:
    """The most that the share of reports with an error can be: throws of a coin, for every comparison."""
    n_comparisons = n_variants - 1
    n_beyond = n_left_out(n_rounds, 0.05 / n_comparisons)
    assert n_beyond is not None
    return 2 * n_comparisons * sum(comb(n_rounds, k) for k in range(n_beyond + 1)) / 2**n_rounds


def power_rows() -> list[list[str]]:
    rows = []
    for n_variants in (2, 4, 13):
        for n_rounds in (fewest_rounds(n_variants), default_rounds(n_variants), 20):
            error = share_with_an_error(factors(n_variants=n_variants, n_rounds=n_rounds, seed=1))
            found = [power(gain, n_variants=n_variants, n_rounds=n_rounds) for gain in GAINS]
            shares = [f"{100 * bound(n_variants, n_rounds):.1f} %", f"{100 * error:.1f} %"]
            rows.append([str(n_variants), str(n_rounds), *shares, *(f"{100 * p:.0f} %" for p in found)])
    return rows


def order_rows() -> list[list[str]]:
    rows = []
    for name, noise in NOISES.items():
        shares = [
            share_with_an_error(factors(n_variants=13, n_rounds=13, seed=3, noise=noise, order=order))
            for order in (drawn, rotated, fixed)
        ]
        rows.append([name, *(f"{100 * share:.1f} %" for share in shares)])
    return rows


if __name__ == "__main__":
    for rows in (power_rows(), order_rows()):
        print("\n".join("| " + " | ".join(row) + " |" for row in rows), end="\n\n")
