"""Numbers that stream by, summed up in the cells of a picture: memory depends on the picture alone."""

import numpy as np
from numpy.typing import NDArray


class Cells:
    """Count, mean, spread and extremes of the values that fell into each of ``n`` cells.

    Means and squared deviations are merged block by block; T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for
    computing the sample variance, The American Statistician 37 (1983) 242.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        n = int(np.prod(shape))
        self._shape = shape
        self._counts = np.zeros(n, np.int64)
        self._means = np.zeros(n)
        self._squares = np.zeros(n)
        self._least = np.full(n, np.inf)
        self._greatest = np.full(n, -np.inf)

    def add(self, cells: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Take finite values, each into its cell; both of shape (n,)."""
        n_cells = self._counts.size
        counts = np.bincount(cells, minlength=n_cells)
        touched = np.flatnonzero(counts)
        means = np.bincount(cells, values, minlength=n_cells) / np.maximum(counts, 1)
        squares = np.bincount(cells, (values - means[cells]) ** 2, minlength=n_cells)
        old, new = self._counts[touched], counts[touched]
        both, step = old + new, means[touched] - self._means[touched]
        self._means[touched] += step * new / both
        self._squares[touched] += squares[touched] + step**2 * old * new / both
        self._counts[touched] = both
        np.minimum.at(self._least, cells, values)
        np.maximum.at(self._greatest, cells, values)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many values each cell got."""
        return self._counts.reshape(self._shape)

    @property
    def means(self) -> NDArray[np.float64]:
        """NaN where there is no value, as in the others."""
        return self._known(self._means)

    @property
    def least(self) -> NDArray[np.float64]:
        """The least value of each cell."""
        return self._known(self._least)

    @property
    def greatest(self) -> NDArray[np.float64]:
        """The greatest value of each cell."""
        return self._known(self._greatest)

    @property
    def deviations(self) -> NDArray[np.float64]:
        """Standard deviation of a sample; 0 of a single value."""
        return self._known(np.sqrt(self._squares / np.maximum(self._counts - 1, 1)))

    def _known(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(self._counts > 0, values, np.nan).reshape(self._shape)


class Histogram:
    """How many items took how long: those with a result, and the others."""

    def __init__(self, edges: NDArray[np.float64]) -> None:
        self.edges = edges
        """In s, shape (n_bins + 1,), ascending."""
        self.ok = np.zeros(len(edges) - 1, np.int64)
        self.others = np.zeros(len(edges) - 1, np.int64)

    def add(self, seconds: NDArray[np.float32], is_ok: NDArray[np.bool_]) -> None:
        """Count durations, NaN for items that have none; both of shape (n,)."""
        for counts, chosen in ((self.ok, is_ok), (self.others, ~is_ok)):
            known = seconds[chosen & np.isfinite(seconds)].astype(np.float64)
            # what rounding puts beyond the ends belongs to the bins there
            counts += np.histogram(np.clip(known, self.edges[0], self.edges[-1]), self.edges)[0]


def histogram_edges(shortest: float, longest: float, *, mean: float, n_values: int) -> tuple[NDArray[np.float64], bool]:
    """Return the edges of bins for durations, and whether they are logarithmic: where a few values are far out.

    >>> histogram_edges(1.0, 2.0, mean=1.5, n_values=100)[0].tolist()[::5], histogram_edges(
    ...     0.001, 5.0, mean=0.01, n_values=100)[1]
    ([1.0, 1.5, 2.0], True)
    """
    n_bins = min(60, max(10, round(n_values**0.5)))
    if longest > 4 * mean and longest > 10 * shortest > 0:
        return np.geomspace(shortest, longest, n_bins + 1), True
    if not longest > shortest:
        shortest, longest = 0.5 * shortest, 1.5 * longest or 1.0
    return np.linspace(shortest, longest, n_bins + 1), False


def spans_decades(values: NDArray[np.float64]) -> bool:
    """Whether a logarithmic scale shows values best: the greatest dwarfs the least and most of the others.

    >>> spans_decades(np.geomspace(1, 1e4)), spans_decades(np.linspace(0.001, 10)), spans_decades(np.array([0.0]))
    (True, False, False)
    """
    if not values.size or values.min() <= 0:
        return False
    greatest = values.max()
    return bool(greatest > 100 * values.min() and greatest > 30 * np.quantile(values, 0.25))
