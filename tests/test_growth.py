"""Which sweeps go on where another ended: those in which every old item keeps its index."""

import json
from array import array
from typing import Any

import pytest

from fullrank.axes import Axis, ColumnAxis, LinearAxis, ListAxis, LogAxis, RangeAxis
from fullrank.growth import why_not_grown
from fullrank.sweep import Sweep


def description(sweep: Sweep) -> Any:
    """What a file tells of a sweep: it went through JSON."""
    return json.loads(json.dumps(sweep.describe()))


def grid(*axes: Axis, replicates: int | None = None) -> Sweep:
    return Sweep("grid", axes, replicates)


def x(n: int) -> RangeAxis:
    return RangeAxis("x", start=3, stop=3 + 2 * n, step=2)


def y(*values: Any) -> ListAxis:
    return ListAxis("y", values=values)


def table(*values: float) -> Sweep:
    return Sweep(
        "table", (ColumnAxis("p", values=array("d", values)), ColumnAxis("q", values=list("abcdefgh")[: len(values)]))
    )


GROWN = {
    "more values at the end of the first axis": (grid(x(4), y(0.5, 0.25)), grid(x(7), y(0.5, 0.25))),
    "more replicates": (grid(x(4), y(0.5), replicates=2), grid(x(4), y(0.5), replicates=5)),
    "replicates where there were none": (grid(x(4), y(0.5)), grid(x(4), y(0.5), replicates=3)),
    "both, where there were none": (grid(x(4)), grid(x(5), replicates=3)),
    "more listed values": (grid(y(1, 2)), grid(y(1, 2, 7))),
    "texts": (grid(y("a", "b")), grid(y("a", "b", "c"))),
    "an inf, which JSON does not have": (grid(y(1.0, float("inf"))), grid(y(1.0, float("inf"), 2.0))),
    "more rows of a table": (table(0.1, 0.2, -0.0), table(0.1, 0.2, -0.0, 0.7)),
    "another form of the same values": (grid(y(0, 1, 2)), grid(RangeAxis("y", start=0, stop=5))),
    "a step that floats hold exactly": (
        grid(LinearAxis("r", start=0, stop=1, num=5)),
        grid(LinearAxis("r", start=0, stop=2, num=9)),
    ),
    "a zip": (
        Sweep("zip", (x(2), y(1.5, 2.5))),
        Sweep("zip", (x(3), y(1.5, 2.5, 3.5))),
    ),
    "nothing at all": (grid(x(4), y(0.5)), grid(x(4), y(0.5))),
    "an inner axis where the outer ones have one value": (grid(x(1), y(1, 2)), grid(x(3), y(1, 2, 3))),
}


@pytest.mark.parametrize("what", GROWN)
def test_every_old_item_keeps_its_index_and_its_parameters(what: str) -> None:
    old, new = GROWN[what]
    assert why_not_grown(description(old), new) == ""
    for index in range(old.n_items):  # the sweep itself, and not its description, says that this is right
        assert list(map(repr, new.parameters(index).values())) == list(map(repr, old.parameters(index).values()))


MOVED = {
    "a value in the middle": (grid(y(1, 2)), grid(y(1, 7, 2)), "no longer its first ones"),
    "a value in front": (grid(x(3)), grid(RangeAxis("x", start=1, stop=9, step=2)), "no longer its first ones"),
    "more values of an inner axis": (grid(x(3), y(1, 2)), grid(x(3), y(1, 2, 3)), "only the first axis, x, can grow"),
    "fewer values": (grid(x(4)), grid(x(3)), "no longer its first ones"),
    "fewer replicates": (grid(x(4), replicates=3), grid(x(4), replicates=2), "of 3 replicates 2 would be left"),
    "a longer axis under replicates": (
        grid(x(4), replicates=2),
        grid(x(5), replicates=2),
        "each replicate but the first",
    ),
    "integers become floats": (grid(y(1, 2)), grid(y(1, 2, 0.5)), "no longer its first ones"),
    "a finer linear axis": (
        grid(LinearAxis("r", start=0, stop=1, num=5)),
        grid(LinearAxis("r", start=0, stop=1, num=9)),
        "no longer its first ones",
    ),
    "the last bit of a log axis": (
        grid(LogAxis("r", start=1, stop=10, num=4)),
        grid(LogAxis("r", start=1, stop=1000, num=10)),
        "no longer its first ones",
    ),
    "another axis": (grid(x(3)), grid(y(1)), "other axes"),
    "axes in another order": (grid(x(3), y(1)), grid(y(1), x(3)), "other axes"),
    "a grid that becomes a zip": (grid(x(2), y(1, 2)), Sweep("zip", (x(2), y(1, 2))), "other axes"),
    "another row of a table": (table(0.1, 0.2), table(0.1, 0.3, 0.4), "no longer its first ones"),
    "a zero with another sign": (table(0.1, 0.0), table(0.1, -0.0, 0.4), "no longer its first ones"),
}


@pytest.mark.parametrize("what", MOVED)
def test_what_would_move_items_is_told(what: str) -> None:
    old, new, told = MOVED[what]
    assert told in why_not_grown(description(old), new)


@pytest.mark.parametrize(
    "axis",
    [
        {"name": "y", "form": "list", "type": "float", "values": ["no number"]},
        {"name": "y", "form": "list", "type": "int", "values": []},
        {"name": "y", "form": "range", "start": 0, "step": 0, "num": 1},
        {"name": "y", "form": "log", "start": 0, "stop": 1, "num": 1},
    ],
)
def test_a_description_from_a_strangers_file_is_no_error(axis: Any) -> None:
    strange = {"kind": "grid", "axes": [axis], "replicates": None}
    assert why_not_grown(strange, grid(y(0.0, 1.0))) != ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (grid(y(1, 2)), grid(y(1, 7, 2))),
        (grid(x(3), y(1, 2)), grid(x(3), y(1, 2, 3))),
        (grid(x(3), y(1, 2, 3)), grid(x(3), y(1, 5, 2, 3))),
        (grid(y(1, 2, 3), x(4)), grid(y(1, 2, 5, 3), x(4))),
        (
            grid(x(2), y(1, 2), LogAxis("r", start=1, stop=8, num=4)),
            grid(x(3), y(1, 2, 3), LogAxis("r", start=1, stop=8, num=4)),
        ),
        (grid(x(4), replicates=2), grid(x(5), replicates=2)),
        (grid(y(0.5, 0.25), replicates=2), grid(y(0.5, 0.125, 0.25), replicates=2)),
        (Sweep("zip", (x(3), y(1, 2, 3))), Sweep("zip", (x(4), y(1, 2, 5, 3)))),
        (grid(LinearAxis("r", start=0, stop=1, num=5)), grid(LinearAxis("r", start=0, stop=1, num=9))),
    ],
)
def test_first_and_last_item_that_would_move_are_named(old: Sweep, new: Sweep) -> None:
    same = [str(new.parameters(index)) == str(old.parameters(index)) for index in range(old.n_items)]
    first, last = same.index(False), old.n_items - 1
    moved = f"item {last} would move" if first == last else f"items {first} to {last} would move"
    assert moved in why_not_grown(description(old), new)
