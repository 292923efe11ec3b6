"""Whether a sweep goes on where another one ended: every item of the old one keeps its index, and so its seed.

Index order is C order with the replicate slowest, so that holds for more replicates, for more values at the end of a
grid's first axis, and for more rows of a zip or table. Pure: the old sweep is known by its description alone.
"""

from array import array
from collections.abc import Iterator, Mapping
from math import prod
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
    lengths = [_length(axis) for axis in old["axes"]]
    inside = [prod(lengths[place + 1 :]) if new.kind == "grid" else 1 for place in range(len(lengths))]
    n_items = n_before * (prod(lengths) if new.kind == "grid" else lengths[0])
    for axis, before, n_inside in zip(new.axes, old["axes"], inside, strict=True):
        if (n_same := _n_same(axis, before)) is not None:
            told = f"the values that axis {axis.name} had are no longer its first ones"
            return f"{told}: {_moved(n_same * n_inside, n_items)}"
    growing = [place for place, axis in enumerate(new.axes) if len(axis) > lengths[place]]
    if growing and n_before > 1:
        told = f"axis {names[growing[0]]} is longer, and each replicate but the first would begin at another item"
        return f"{told}: {_moved(n_items // n_before, n_items)}"
    inner = growing[-1:] if new.kind == "grid" else []
    if inner and inner[0] > 0 and inside[inner[0] - 1] < n_items:
        moved = _moved(inside[inner[0] - 1], n_items)
        return f"only the first axis, {names[0]}, can grow: with more values of {names[inner[0]]} {moved}"
    return ""


def _moved(first: int, n_items: int) -> str:
    if first < 0:  # the old values are known by their digest alone
        return "items would move"
    return f"item {first} would move" if first == n_items - 1 else f"items {first} to {n_items - 1} would move"


def _length(axis: Mapping[str, Any]) -> int:
    return len(axis["values"]) if "values" in axis else int(axis["num"])


def _n_same(axis: Axis, old: Mapping[str, Any]) -> int | None:
    """Return how many first values of ``axis`` are those of the axis described as ``old``, to the last bit.

    None if all are; -1 if some are not and the old ones are known by their digest alone.
    """
    n = _length(old)
    if n == len(axis) and axis.describe() == old:
        return None
    if old["form"] == "column":
        return None if n <= len(axis) and _as_column(axis, n).describe() == old else -1
    try:
        before = _rebuilt(old)
    except (SweepError, TypeError, ValueError):  # nothing that a sweep of ours is described as
        return -1
    n_both = min(n, len(axis))
    for start in range(0, n_both, _PIECE):
        piece = range(start, min(start + _PIECE, n_both))
        for place, was, now in zip(piece, _exact(before.column(piece)), _exact(axis.column(piece)), strict=True):
            if was != now:
                return place
    return None if n_both == n else n_both


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
