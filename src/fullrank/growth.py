"""Whether a sweep goes on where another one ended: every item of the old one keeps its index, and so its seed.

Index order is C order with the replicate slowest, so that holds for more replicates, for more values at the end of a
grid's first axis, and for more rows of a zip or table. Pure: the old sweep is known by its description alone.
"""

from array import array
from collections.abc import Iterator, Mapping
from typing import Any

from fullrank.axes import Axis, ColumnAxis, LinearAxis, ListAxis, LogAxis, RangeAxis, SweepError, Value
from fullrank.sweep import Sweep

_PIECE = 65_536
"""Values that are compared at a time."""
_TYPECODES = {int: "q", float: "d"}


def why_not_grown(old: Mapping[str, Any], new: Sweep) -> str:
    """Return why ``new`` does not go on where the sweep described as ``old`` ended; "" if it does, or is the same."""
    names = [axis["name"] for axis in old["axes"]]
    if old["kind"] != new.kind or names != [axis.name for axis in new.axes]:
        return "it has other axes"
    n_before, n_now = old["replicates"] or 1, new.replicates or 1
    if n_now < n_before:
        return f"of {n_before} replicates {n_now} would be left"
    for axis, before in zip(new.axes, old["axes"], strict=True):
        if not _begins_with(axis, before):
            return f"the values that axis {axis.name} had are no longer its first ones: items would move"
    growing = [axis.name for axis, was in zip(new.axes, old["axes"], strict=True) if len(axis) > _length(was)]
    if growing and n_before > 1:
        return f"axis {growing[0]} is longer, and each replicate but the first would begin at another item"
    inner = [name for name in growing if new.kind == "grid" and name != names[0]]
    if inner:
        return f"only the first axis, {names[0]}, can grow: more values of {inner[0]} move items"
    return ""


def _length(axis: Mapping[str, Any]) -> int:
    return len(axis["values"]) if "values" in axis else int(axis["num"])


def _begins_with(axis: Axis, old: Mapping[str, Any]) -> bool:
    """Return whether the first values of ``axis`` are those of the axis described as ``old``, to the last bit."""
    n = _length(old)
    if n > len(axis):
        return False
    if n == len(axis) and axis.describe() == old:
        return True
    if old["form"] == "column":
        return _as_column(axis, n).describe() == old
    try:
        before = _rebuilt(old)
    except (SweepError, TypeError, ValueError):  # nothing that a sweep of ours is described as
        return False
    pieces = (range(start, min(start + _PIECE, n)) for start in range(0, n, _PIECE))
    return all(_exact(before.column(piece)) == _exact(axis.column(piece)) for piece in pieces)


def _exact(values: list[Value]) -> list[str]:
    """Return values so that 1 is not 1.0, -0.0 is not 0.0 and NaN is NaN."""
    return list(map(repr, values))


def _as_column(axis: Axis, n: int) -> ColumnAxis:
    """Return the first ``n`` values of an axis as a column of a table."""
    values: Any = axis.column(range(n))
    typecode = _TYPECODES.get(axis.value_type)
    return ColumnAxis(axis.name, values=array(typecode, values) if typecode else values)


def _rebuilt(old: Mapping[str, Any]) -> Axis:
    """Return the axis that was described, of any form but a column, of which only a digest is known."""
    name, form = old["name"], old["form"]
    if form == "list":
        return ListAxis(name, values=list(_parsed(old)))
    if form == "range":
        start, step, num = old["start"], old["step"], old["num"]
        return RangeAxis(name, start=start, stop=start + step * num, step=step)
    kind = LinearAxis if form == "linear" else LogAxis
    return kind(name, start=old["start"], stop=old["stop"], num=old["num"])


def _parsed(old: Mapping[str, Any]) -> Iterator[Value]:
    for value in old["values"]:
        yield float(value) if old["type"] == "float" else value
