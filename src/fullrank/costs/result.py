"""Costs that an earlier result tells: the seconds of its items, which are found by the values of their parameters."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass
from fullrank.errors import UsageError
from fullrank.report.layout import counted
from fullrank.store import ResultFile
from fullrank.sweep import Sweep, Value

_BLOCK_ITEMS = 65_536


@dataclass(frozen=True)
class Found:
    """What an earlier result tells of a sweep's items."""

    seconds: NDArray[np.float64]
    """Of each item, shape (n_items,); the median of those that were found where it was not."""
    n_found: int


def costs_by_result(path: Path, sweep: Sweep) -> Found:
    """Return how long the items of ``sweep`` took in an earlier result, of replicates the mean.

    Raises UsageError if it has other axes or none of the items, and OutputError if it cannot be read.
    """
    with ResultFile(path) as file:
        ours = sorted(axis.name for axis in sweep.axes)
        if sorted(file.axis_names) != ours:
            raise UsageError(
                f"{path}: run.cost: expected a result with this study's axes, {', '.join(ours)}; "
                f"it has {', '.join(file.axis_names)}"
            )
        both_grids = file.kind == sweep.kind == "grid"
        seconds = _of_grid(file, sweep) if both_grids else _of_rows(file, sweep)
    is_found = np.isfinite(seconds)
    n_found = int(is_found.sum())
    if not n_found:
        raise UsageError(
            f"{path}: run.cost: expected items with the parameters of this study, which has "
            f"{counted(sweep.n_items, 'item')}; none of them is in it"
        )
    if n_found < sweep.n_items:
        seconds[~is_found] = np.median(seconds[is_found])
    return Found(seconds, n_found)


def _mean_of_replicates(file: ResultFile) -> NDArray[np.float64]:
    """Return the seconds of each set of parameters, NaN where no item has an end; the dimensions but ``replicate``."""
    seconds: NDArray[np.float64] = file.array("item_seconds")
    if file.replicates is None:
        return seconds
    is_known = np.isfinite(seconds)
    n_known = is_known.sum(axis=0)
    total = np.where(is_known, seconds, 0.0).sum(axis=0)
    return np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan)


def _of_grid(file: ResultFile, sweep: Sweep) -> NDArray[np.float64]:
    """Look each axis up by itself: of ten million items of a grid no table is made."""
    seconds = _mean_of_replicates(file)
    dims = [dim for dim in file.dims if dim != "replicate"]
    seconds = seconds.transpose([dims.index(axis.name) for axis in sweep.axes])
    by_name = {axis.name: axis for axis in file.axes}
    for number, axis in enumerate(sweep.axes):
        old = by_name[axis.name]
        place = {value: position for position, value in enumerate(old.column(range(len(old))))}
        places = np.array([place.get(value, -1) for value in axis.column(range(len(axis)))])
        seconds = np.take(seconds, places, axis=number)  # -1 takes the last one
        if (places < 0).any():
            seconds[(slice(None),) * number + (places < 0,)] = np.nan
    return np.tile(seconds.ravel(), sweep.replicates or 1)


def _of_rows(file: ResultFile, sweep: Sweep) -> NDArray[np.float64]:
    known: dict[tuple[Value, ...], float] = {}
    names = [axis.name for axis in sweep.axes]
    for row, seconds in zip(_rows(file, names), _mean_of_replicates(file).ravel().tolist(), strict=True):
        if seconds == seconds:  # no NaN
            known[row] = seconds
    found = np.empty(sweep.n_items)
    for start in range(0, sweep.n_items, _BLOCK_ITEMS):
        indices = range(start, min(start + _BLOCK_ITEMS, sweep.n_items))
        rows = zip(*sweep.columns(indices), strict=True)
        found[start : indices.stop] = [known.get(row, np.nan) for row in rows]
    return found


def _rows(file: ResultFile, names: list[str]) -> Iterator[tuple[Value, ...]]:
    """Yield the values of the axes ``names`` of each set of parameters, in index order."""
    columns = {axis.name: axis.column(range(len(axis))) for axis in file.axes}
    if file.kind != "grid":
        yield from zip(*(columns[name] for name in names), strict=True)
        return
    dims = [dim for dim in file.dims if dim != "replicate"]
    order = [dims.index(name) for name in names]
    yield from (tuple(values[place] for place in order) for values in product(*(columns[dim] for dim in dims)))
