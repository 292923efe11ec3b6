"""What pictures need of a result file, read once, by blocks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass
from fullrank.plots.cells import Cells, Histogram, histogram_edges
from fullrank.plots.views import Side, View, view_of
from fullrank.report.facts import Report
from fullrank.schema import Block
from fullrank.status import Status
from fullrank.store import ResultFile, block_size

N_RESULTS = 6
"""Results that are drawn; the text tells of all."""
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Picture:
    """A result, summed up in the cells in which it is shown."""

    view: View
    cells: Cells


@dataclass(frozen=True)
class Pictures:
    """All that a figure of a result file draws, beside the report's own numbers."""

    results: tuple[Picture, ...]
    n_results: int
    """Of the file, with those that are not drawn."""
    replicates: int | None
    histogram: Histogram | None
    """None if no item has ended."""
    histogram_is_log: bool


def pictures(found: Report) -> Pictures:
    """Read what the figure of a reported file draws; memory does not grow with the number of items.

    Raises:
        OutputError: the file is damaged, or no longer there.
    """
    items = found.items
    n_timed = items.n_items - items.n_missing
    histogram, is_log = None, False
    if items.longest_seconds >= 0:  # not NaN
        edges, is_log = histogram_edges(
            items.shortest_seconds, items.longest_seconds, mean=items.mean_seconds, n_values=n_timed
        )
        histogram = Histogram(edges)
    with ResultFile(Path(found.path)) as file:
        views = [view_of(file, field) for field in file.fields[:N_RESULTS]]
        results = tuple(Picture(view, Cells(view.shape)) for view in views)
        for block in file.blocks(block_size(file)):
            if histogram is not None:
                histogram.add(block.seconds, block.status == Status.OK)
            for picture in results:
                _add(picture, block, file.shape)
        return Pictures(results, len(file.fields), file.replicates, histogram, is_log)


def _add(picture: Picture, block: Block, shape: Sequence[int]) -> None:
    """Sort the block's values of one result into the cells of its picture."""
    view = picture.view
    values = block.values[view.field.name]
    n_outer = len(shape)
    outer_dims, inner_dims = view.dims[:n_outer], view.dims[n_outer:]
    positions = dict(zip(outer_dims, _outer_positions(block, shape), strict=True))
    is_shown = block.status == Status.OK
    for dim in outer_dims:
        if dim in view.fixed:
            is_shown &= positions[dim] == view.fixed[dim]
    chosen = np.flatnonzero(is_shown)
    values = values[chosen][(slice(None), *(view.fixed.get(dim, slice(None)) for dim in inner_dims))]
    free = [dim for dim in inner_dims if dim not in view.fixed]
    # each position as an array that spreads over the shape of the values: items first, then free dimensions
    column = (len(chosen), *[1] * len(free))
    spread = {dim: positions[dim][chosen].reshape(column) for dim in outer_dims}
    for place, dim in enumerate(free, 1):
        spread[dim] = np.arange(values.shape[place]).reshape([-1 if k == place else 1 for k in range(values.ndim)])
    is_value = np.isfinite(values)
    if view.field.varying and free:
        is_value &= spread[free[0]] < block.lengths[view.field.name][chosen].reshape(column)
    if view.kind == "points":
        is_value &= spread["item"] % view.x.n_each == 0
    cells = np.broadcast_to(_cells(view, spread), values.shape)
    picture.cells.add(cells[is_value], values[is_value].astype(np.float64))


def _outer_positions(block: Block, shape: Sequence[int]) -> Sequence[Index]:
    return np.unravel_index(np.arange(block.start, block.start + len(block.status)), tuple(shape))


def _cells(view: View, spread: dict[str, Index]) -> Index:
    along_x = _along(view.x, spread)
    return along_x if view.y is None else _along(view.y, spread) * view.x.n_cells + along_x


def _along(side: Side, spread: dict[str, Index]) -> Index:
    return spread[side.dim] // side.n_each
