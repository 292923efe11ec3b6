"""Whether the items of a pilot are spread evenly over each dimension of the sweep.

The first positions of the ``spread`` order are even over the items' numbers, more than random ones, and so over the
outer dimension. Over an inner one they may not be: its length can resonate with the stride.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

CRITICAL_AT_ONE_PERCENT = 1.628
"""Over the square root of the sample's size: what the Kolmogorov-Smirnov distance of one random sample in a hundred
exceeds (N. Smirnov, Ann. Math. Statist. 19 (1948) 279); of fewer where values are discrete."""


def uneven_dimensions(indices: NDArray[np.int64], dims: Sequence[str], shape: Sequence[int]) -> tuple[str, ...]:
    """Return the dimensions over which items of these ``indices`` are less even than 99 of 100 random samples.

    ``indices`` has the shape (n_sampled,); ``shape`` is that of the sweep, of which they are C-order numbers.

    >>> uneven_dimensions(np.arange(0, 10_000, 100), ("row", "column"), (100, 100))
    ('column',)
    """
    places = np.unravel_index(indices, tuple(shape))
    limit = CRITICAL_AT_ONE_PERCENT / sqrt(len(indices))
    return tuple(
        dim for dim, place, length in zip(dims, places, shape, strict=True) if _distance(place, length) > limit
    )


def _distance(places: NDArray[np.int64], length: int) -> float:
    """Return the greatest difference between the sample's distribution function and the uniform one."""
    values, counts = np.unique(places, return_counts=True)
    shares = np.cumsum(counts) / len(places)
    at_values = np.abs(shares - (values + 1) / length).max()
    before_values = np.abs(np.concatenate(([0.0], shares[:-1])) - values / length).max()
    return float(max(at_values, before_values))
