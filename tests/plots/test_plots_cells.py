"""Sums of a stream, against numpy on the whole array."""

import numpy as np
import pytest

from fullrank.plots.cells import Cells, Histogram, histogram_edges


def filled(cells_of: np.ndarray, values: np.ndarray, *, shape: tuple[int, ...], n_in_block: int) -> Cells:
    cells = Cells(shape)
    for start in range(0, len(values), n_in_block):
        cells.add(cells_of[start : start + n_in_block], values[start : start + n_in_block])
    return cells


@pytest.mark.parametrize("n_in_block", [777, 1_000_000])
def test_envelope_of_a_million_values_is_that_of_the_whole_array(n_in_block: int) -> None:
    values = np.random.default_rng(1).standard_normal(1_000_000).cumsum()
    cells = filled(np.arange(1_000_000) // 500, values, shape=(2000,), n_in_block=n_in_block)
    whole = values.reshape(2000, 500)
    assert (cells.least == whole.min(axis=1)).all()
    assert (cells.greatest == whole.max(axis=1)).all()
    np.testing.assert_allclose(cells.means, whole.mean(axis=1), rtol=1e-12)


def test_spread_far_from_zero_is_exact() -> None:
    values = 1e9 + np.random.default_rng(2).standard_normal(30_000)
    cells = filled(np.arange(30_000) % 10, values, shape=(2, 5), n_in_block=997)
    expected = [[values[row * 5 + column :: 10].std(ddof=1) for column in range(5)] for row in range(2)]
    np.testing.assert_allclose(cells.deviations, expected, rtol=1e-6)


def test_cell_without_a_value_is_a_gap() -> None:
    cells = filled(np.array([0, 2]), np.array([1.0, 3.0]), shape=(3,), n_in_block=1)
    for found in (cells.means, cells.least, cells.greatest):
        np.testing.assert_array_equal(found, [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(cells.deviations, [0.0, np.nan, 0.0])


def test_histogram_counts_every_item_once_and_failed_ones_apart() -> None:
    rng = np.random.default_rng(3)
    seconds = rng.lognormal(0, 2, 10_000).astype(np.float32)
    is_ok = rng.random(10_000) < 0.9
    edges, is_log = histogram_edges(
        float(seconds.min()), float(seconds.max()), mean=float(seconds.mean()), n_values=10_000
    )
    histogram = Histogram(edges)
    for start in range(0, 10_000, 512):
        histogram.add(seconds[start : start + 512], is_ok[start : start + 512])
    assert is_log
    assert (histogram.ok.sum(), histogram.others.sum()) == (is_ok.sum(), (~is_ok).sum())
    inner = np.histogram(seconds[is_ok].astype(np.float64), edges)[0]
    assert (histogram.ok[1:-1] == inner[1:-1]).all()


@pytest.mark.parametrize("seconds", [0.0, 1e-7, 5.0])
def test_items_of_equal_length_have_a_histogram(seconds: float) -> None:
    edges, is_log = histogram_edges(seconds, seconds, mean=seconds, n_values=3)
    histogram = Histogram(edges)
    histogram.add(np.array([seconds, seconds, np.nan], np.float32), np.array([True, True, False]))
    assert not is_log
    assert (np.diff(edges) > 0).all()
    assert (histogram.ok.sum(), histogram.others.sum()) == (2, 0)
