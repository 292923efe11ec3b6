"""The ``[sweep]`` of a config, from TOML values to a :class:`fullrank.sweep.Sweep`."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, get_args

from msgspec import Meta

from fullrank.axes import Axis, LinearAxis, ListAxis, LogAxis, RangeAxis, SweepError
from fullrank.config.validate import (
    Count,
    FilledText,
    Float,
    Place,
    Section,
    Table,
    Text,
    choice,
    convert,
    got,
)
from fullrank.config.wording import Wording
from fullrank.files import missing
from fullrank.sweep import N_ITEMS_MAX, Kind, Sweep

KINDS: tuple[Kind, ...] = get_args(Kind)
Integers = Annotated[int | list[int], Meta(description="an integer or a list of integers as for Python's range")]
Values = Annotated[list[Any], Meta(description="a list of values")]


class SweepSection(Section):
    """``[sweep]``."""

    grid: Table | None = None
    zip: Table | None = None
    table: Table | None = None
    replicates: Count | None = None


class TableSection(Section):
    """``[sweep.table]``."""

    path: FilledText


class SpacedSection(Section):
    """An axis by its ends."""

    start: Float
    stop: Float
    num: Count
    scale: Text = "linear"
    units: Text = ""
    long_name: Text = ""


class RangeSection(Section):
    """An axis of integers."""

    range: Integers
    units: Text = ""
    long_name: Text = ""


class ValuesSection(Section):
    """An axis by its values, with units."""

    values: Values
    units: Text = ""
    long_name: Text = ""


def read_sweep(raw: object, place: Place, *, folder: Path) -> Sweep:
    """Return the sweep that ``raw`` describes; tables are relative to ``folder``. ConfigError."""
    section = convert(raw, SweepSection, place)
    given = [kind for kind in KINDS if getattr(section, kind) is not None]
    if len(given) != 1:
        came = " and ".join(f"[{place.at(kind).key}]" for kind in given) or "none"
        expected = ", ".join(f"[{place.at(kind).key}]" for kind in KINDS)
        raise place.error(f"expected exactly one of {expected}, got {came}")
    kind = given[0]
    raw_axes: dict[str, Any] = getattr(section, kind)
    if kind == "table":
        axes = _table(raw_axes, place.at(kind), folder=folder)
    else:
        axes = tuple(_axis(name, raw_axes[name], place=place.at(kind, name)) for name in raw_axes)
    with _placed(place):
        sweep = Sweep(kind, axes, replicates=section.replicates)
    if sweep.n_items > N_ITEMS_MAX:
        raise place.error(
            f"expected at most 2**32 = {N_ITEMS_MAX:,} items, got {sweep.n_items:,}: each process remembers one bit of "
            f"every item; split the sweep into several studies, or let one item do the work of many"
        )
    return sweep


@contextmanager
def _placed(place: Place) -> Iterator[None]:
    """Put the place of the axis or the sweep before what is wrong with it."""
    try:
        yield
    except SweepError as error:
        raise place.at(*error.keys).error(error.problem) from None


def _table(raw: dict[str, Any], place: Place, *, folder: Path) -> tuple[Axis, ...]:
    path = folder / convert(raw, TableSection, place).path
    problem = missing(path, ".csv", ".tsv", ".dat", ".txt", ".jsonl", ".ndjson")
    if problem is not None:
        raise place.at("path").error(problem)
    from fullrank.tables import read_table

    return read_table(path)


def _axis(name: str, raw: object, *, place: Place) -> Axis:
    with _placed(place):
        if isinstance(raw, list):
            return ListAxis(name, values=raw)
        if not isinstance(raw, dict):
            raise place.error(_no_axis(name, raw, place.wording))
        if "step" in raw:
            raise place.at("step").error(_instead_of_step(raw))
        if "values" in raw:
            values = convert(raw, ValuesSection, place)
            return ListAxis(name, values=values.values, units=values.units, long_name=values.long_name)
        if "range" in raw:
            return _range(name, convert(raw, RangeSection, place))
        return _spaced(name, convert(raw, SpacedSection, place), place=place)


def _spaced(name: str, raw: SpacedSection, *, place: Place) -> Axis:
    scale = choice(raw.scale, place.at("scale"), options=("linear", "log"))
    axis = LogAxis if scale == "log" else LinearAxis
    return axis(
        name,
        start=raw.start,
        stop=raw.stop,
        num=raw.num,
        units=raw.units,
        long_name=raw.long_name,
    )


def _range(name: str, raw: RangeSection) -> Axis:
    start, step = 0, 1
    match raw.range:
        case int(stop) | [stop]:
            pass
        case [start, stop]:
            pass
        case [start, stop, step]:
            pass
        case other:
            problem = f"expected N, [start, stop] or [start, stop, step], got {len(other)} integers"
            raise SweepError(problem, "range")
    return RangeAxis(name, start=start, stop=stop, step=step, units=raw.units, long_name=raw.long_name)


def _no_axis(name: str, raw: object, wording: Wording) -> str:
    if name == "replicates":
        return "expected an axis; `replicates` stands under [sweep], before [sweep.grid]"
    return (
        "expected a list, { start, stop, num }, { range } or { values }, "
        f"got {got(raw)}; what never changes {wording.constants_cure}"
    )


def _instead_of_step(raw: dict[str, Any]) -> str:
    """What to write for an axis with a ``step``, worked out where its numbers allow it."""
    start, stop, step = (raw.get(key) for key in ("start", "stop", "step"))
    integers = "{ range = [start, stop, step] } as in Python (stop is left out)"
    floats = "{ start, stop, num }"
    if all(type(number) is int for number in (start, stop, step)):
        integers = f"{{ range = [{start}, {stop}, {step}] }} as in Python (stop is left out)"
    if n := _n_steps(start, stop, step):
        last = start + n * step  # type: ignore[operator]  # _n_steps saw that they are numbers
        floats = f"{{ start = {start}, stop = {last:.12g}, num = {n + 1} }}"
    return f"an axis has no step; write {floats} for floats or {integers} for integers"


def _n_steps(start: object, stop: object, step: object) -> int:
    """Number of whole steps from start to stop; 0 if that makes no sense."""
    numbers = (start, stop, step)
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers) or not step:
        return 0
    try:
        n_steps = (float(stop) - float(start)) / float(step)  # type: ignore[arg-type]
    except OverflowError:
        return 0
    return int(n_steps + 1e-9) if isfinite(n_steps) and 0 < n_steps < 2**53 else 0
