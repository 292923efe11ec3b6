"""EP, the "embarrassingly parallel" kernel of the NAS Parallel Benchmarks.

D. Bailey et al., The NAS Parallel Benchmarks, NASA Ames Research Center, report RNR-94-007 (1994),
chapter 2. All pairs come from one long stream of random numbers, x -> a x mod 2^46, and a batch
finds its own place in that stream, so any batch can be computed anywhere.

The classes of the benchmark differ in the number of batches alone: 2^8 for S, 2^9 for W, 2^12 for
A, 2^14 for B, 2^16 for C.
"""

from math import log, sqrt
from typing import TypedDict

SEED = 271_828_183
MULTIPLIER = 5**13
MODULUS = 2**46
N_PAIRS = 2**16
"""Pairs of uniform numbers in a batch; about pi/4 of them are accepted."""


class GaussianSums(TypedDict):
    """What one batch adds to the benchmark's sums; all without unit."""

    sx: float
    """Sum of X."""
    sy: float
    """Sum of Y."""
    sx_abs: float
    """Sum of abs(X)."""
    sy_abs: float
    """Sum of abs(Y)."""
    counts: list[int]
    """Accepted pairs with l <= max(abs(X), abs(Y)) < l + 1, for l = 0 ... 9."""


def first_state(batch: int) -> int:
    """Return the state of the generator before the first number of a batch.

    >>> first_state(0)
    271828183
    """
    n_drawn_before = batch * 2 * N_PAIRS
    return SEED * pow(MULTIPLIER, n_drawn_before, MODULUS) % MODULUS


def gaussian_pairs(batch: int) -> GaussianSums:
    """Sum a batch of pairs (X, Y) of independent normal numbers, made by the polar method.

    Args:
        batch: number of the batch, from 0.
    """
    state = first_state(batch)
    multiplier, mask = MULTIPLIER, MODULUS - 1
    to_unit = 2 / MODULUS
    sx = sy = sx_abs = sy_abs = 0.0
    counts = [0] * 10
    for _ in range(N_PAIRS):
        # The state has 46 bits and a double 53: both coordinates are exact. The state is odd,
        # so a coordinate is never 0 and neither is t.
        state = state * multiplier & mask
        x = state * to_unit - 1.0
        state = state * multiplier & mask
        y = state * to_unit - 1.0
        t = x * x + y * y
        if t <= 1.0:
            factor = sqrt(-2.0 * log(t) / t)
            x *= factor
            y *= factor
            sx += x
            sy += y
            x = abs(x)
            y = abs(y)
            sx_abs += x
            sy_abs += y
            counts[int(x if x > y else y)] += 1
    return {"sx": sx, "sy": sy, "sx_abs": sx_abs, "sy_abs": sy_abs, "counts": counts}
