"""How a result is shown: over which of its dimensions, as lines, as an image, or as points."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass, replace
from fullrank.plots.cells import spans_decades
from fullrank.plots.labels import axis_label, plain, result_label
from fullrank.report.facts import Value
from fullrank.report.layout import spelled_number
from fullrank.schema import Field
from fullrank.store import FileAxis, ResultFile

N_LINES = 6
"""As many as there are colours."""
N_ALONG_LINE = 3000
"""Points along a line that is as wide as the page; more fall on the same dots of a printer."""
N_ALONG_IMAGE = 500
N_POINTS = 4000
N_PARAMETERS = 3
"""Parameters of a zip or a table over which points are shown."""
N_READ_AT_ONCE = 1 << 16
TALL = 4
"""An image that would be so many times as tall as wide is laid on its side."""


@dataclass(frozen=True)
class Side:
    """One side of a picture: a dimension of a result, cut into ``n_cells`` cells of ``n_each`` positions."""

    dim: str
    label: str
    size: int
    n_each: int
    values: NDArray[np.float64]
    """At the middle of each cell; 0, 1, 2 … for texts, and for numbers that neither rise nor fall throughout."""
    texts: tuple[str, ...] = ()
    """What stands for each cell instead, if the values are no numbers on a scale."""
    is_log: bool = False

    @property
    def n_cells(self) -> int:
        """Number of cells along this side; the last one may be cut short."""
        return -(-self.size // self.n_each)


@dataclass(frozen=True)
class View:
    """How one result is shown."""

    field: Field
    label: str
    kind: Literal["lines", "image", "points"]
    x: Side
    y: Side | None
    """Of an image its height; of lines what tells them apart; None for a single line and for points."""
    dims: tuple[str, ...]
    """Of the result's dataset."""
    fixed: Mapping[str, int]
    """Positions on the dimensions that are not shown; but for ``replicate``, of which all are."""
    remarks: tuple[str, ...] = ()
    parameters: tuple[Side, ...] = ()
    """Of points: their places, for each parameter that they are shown over."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells: along y, along x."""
        return (1 if self.y is None else self.y.n_cells, self.x.n_cells)

    @property
    def has_replicates(self) -> bool:
        """Several values of one cell are repetitions of the same item."""
        return "replicate" in self.dims


def view_of(file: ResultFile, field: Field) -> View:
    """Choose how a result is shown."""
    variable = file.variables[field.name]
    label = result_label(field.name, variable.long_name, variable.units)
    dims = (*file.dims, *variable.dims)
    sizes = dict(zip(dims, (*file.shape, *field.shape), strict=True))
    long = [dim for dim in dims if dim != "replicate" and sizes[dim] > 1]
    if "item" in long and len(long) == 1 and len(file.axes) > 1:
        return _points(file, field, label, dims)
    shown = sorted(sorted(long, key=lambda dim: -sizes[dim])[:2], key=dims.index)
    if not shown:
        shown = [next((dim for dim in dims if dim != "replicate"), dims[0])]
    fixed = {dim: sizes[dim] // 2 for dim in dims if dim not in (*shown, "replicate")}
    view = _lines_or_image(file, field, label, dims, shown, sizes)
    return replace(view, fixed=fixed, remarks=tuple(_remarks(file, fixed, sizes)))


def _lines_or_image(
    file: ResultFile,
    field: Field,
    label: str,
    dims: tuple[str, ...],
    shown: Sequence[str],
    sizes: Mapping[str, int],
) -> View:
    if len(shown) == 1:
        return View(field, label, "lines", _side(file, shown[0], N_ALONG_LINE), None, dims, {})
    few, many = sorted(shown, key=lambda dim: sizes[dim])
    if sizes[few] <= N_LINES:
        keys = _as_texts(file, _side(file, few, N_LINES))
        return View(field, label, "lines", _side(file, many, N_ALONG_LINE), keys, dims, {})
    y, x = reversed(shown) if sizes[shown[0]] > TALL * sizes[shown[1]] else shown
    sides = [_steady(file, _side(file, dim, N_ALONG_IMAGE)) for dim in (x, y)]
    return View(field, label, "image", sides[0], sides[1], dims, {})


def _remarks(file: ResultFile, fixed: Mapping[str, int], sizes: Mapping[str, int]) -> list[str]:
    """Say at which values of the dimensions that are not shown the picture is taken."""
    return [f"{plain(dim)} = {_value(file, dim, fixed[dim])}" for dim in fixed if sizes[dim] > 1]


def _value(file: ResultFile, dim: str, position: int) -> str:
    return plain(spelled_number(_axis(file, dim).value(position)))


def _points(file: ResultFile, field: Field, label: str, dims: tuple[str, ...]) -> View:
    """Show each item, or every n-th, over the first parameters: rows of a table have no order of their own."""
    size = file.shape[-1]
    n_each = -(-size // N_POINTS)
    x = Side("item", "item", size, n_each, np.arange(0.0, size, n_each))
    chosen = file.axes[:N_PARAMETERS]
    places = tuple(_places(axis, n_each) for axis in chosen)
    fixed = dict.fromkeys((dim for dim in dims if dim not in ("item", "replicate")), 0)
    return View(field, label, "points", x, None, dims, fixed, parameters=places)


def _places(axis: FileAxis, n_each: int) -> Side:
    """Return the places of the items shown on one parameter."""
    column = [value for start, chunk in _chunks(axis) for value in chunk[-start % n_each :: n_each]]
    label = axis_label(axis.name, axis.long_name, axis.units)
    if isinstance(column[0], str | bool):
        texts = tuple(dict.fromkeys(map(str, column)))
        numbers = dict(zip(texts, range(len(texts)), strict=True))
        values = np.array([numbers[str(value)] for value in column], np.float64)
        return Side(axis.name, label, len(axis), n_each, values, tuple(map(plain, texts)))
    values = np.array(column, np.float64)
    return Side(axis.name, label, len(axis), n_each, values, is_log=spans_decades(values))


def _axis(file: ResultFile, dim: str) -> FileAxis:
    """Return the values along a dimension: of the one parameter of a zip or table, the parameter's."""
    return file.axes[0] if dim == "item" and len(file.axes) == 1 else file.scale(dim)


def _chunks(axis: FileAxis) -> Iterator[tuple[int, list[Value]]]:
    """Yield the axis piece by piece, each with the position at which it starts."""
    for start in range(0, len(axis), N_READ_AT_ONCE):
        yield start, axis.column(range(start, min(start + N_READ_AT_ONCE, len(axis))))


def _side(file: ResultFile, dim: str, n_max: int) -> Side:
    """Read the values along a dimension, at the middle of each cell."""
    axis = _axis(file, dim)
    n_each = -(-len(axis) // n_max)
    side = Side(dim, axis_label(axis.name, axis.long_name, axis.units), len(axis), n_each, np.empty(0))
    if isinstance(axis.value(0), str | bool):
        return _as_texts(file, side)
    values = _middles(axis, n_each)
    side = replace(side, values=values, is_log=_is_geometric(values[: len(axis) // n_each]))
    return _steady(file, side) if n_each > 1 else side


def _middles(axis: FileAxis, n_each: int) -> NDArray[np.float64]:
    """Return the mean of the first and the last value of each cell."""
    starts = np.arange(0, len(axis), n_each)
    ends = np.minimum(starts + n_each, len(axis)) - 1
    first, last = np.empty((2, len(starts)))
    for start, column in _chunks(axis):
        values = np.array(column, np.float64)
        for positions, kept in ((starts, first), (ends, last)):
            here = np.flatnonzero((positions >= start) & (positions < start + len(values)))
            kept[here] = values[positions[here] - start]
    return 0.5 * (first + last)


def _steady(file: ResultFile, side: Side) -> Side:
    """Return a side whose values rise or fall throughout: others have no place on a scale, and count as texts."""
    steps = np.diff(side.values)
    return side if (steps > 0).all() or (steps < 0).all() else _as_texts(file, side)


def _as_texts(file: ResultFile, side: Side) -> Side:
    axis = _axis(file, side.dim)
    texts = tuple(plain(spelled_number(axis.value(position))) for position in range(0, side.size, side.n_each))
    return replace(side, values=np.arange(float(len(texts))), texts=texts, is_log=False)


def _is_geometric(values: NDArray[np.float64]) -> bool:
    """Whether values are in geometric progression, or nearly, over more than a factor of ten."""
    if len(values) < 3 or values.min() <= 0 or values.max() < 10 * values.min():
        return False
    steps = np.diff(np.log(values))
    return bool(np.ptp(steps) <= 0.01 * abs(steps).max())
