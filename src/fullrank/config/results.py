"""The ``[results]`` of a config: what the user tells about what the function returns."""

from collections.abc import Collection, Mapping

from fullrank.config.validate import Names, Place, Section, Text, convert, got
from fullrank.dataclass import dataclass, field
from fullrank.files import nearest
from fullrank.sweep import Sweep, name_problem


@dataclass(frozen=True)
class ResultInfo:
    """What is told about one result."""

    units: str = ""
    long_name: str = ""
    dims: tuple[str, ...] | None = None
    """Names of the inner dimensions. None: not told."""


@dataclass(frozen=True)
class Results:
    """What is told about the results."""

    names: tuple[str, ...] | None = None
    """Names for the parts of a returned tuple. None: not told."""
    variables: Mapping[str, ResultInfo] = field(default_factory=dict)


class NamesSection(Section):
    """``names`` under ``[results]``."""

    names: Names


class ResultSection(Section):
    """``[results.NAME]``."""

    units: Text = ""
    long_name: Text = ""
    dims: Names | None = None


def read_results(raw: Mapping[str, object], place: Place, *, sweep: Sweep) -> Results:
    """Return what ``raw`` tells about the results; ConfigError."""
    axis_names = [axis.name for axis in sweep.axes]
    names = _names(raw, place, taken=axis_names)
    tables = {name: value for name, value in raw.items() if name != "names"}
    for name, value in tables.items():
        if not isinstance(value, dict):
            hint = nearest(name, ["names"])
            expected = f"expected a table [{place.at(name).key}]"
            raise place.at(name).error(f"{expected}, got {got(value)}{hint}")
        _check_name(name, place.at(name), taken=axis_names)
        if names is not None and name not in names:
            problem = f"expected one of {place.at('names').key} ({', '.join(names)})"
            raise place.at(name).error(f"{problem}{nearest(name, names)}")
    taken = {*axis_names, *tables, *(names or ())}
    variables = {name: _result(tables[name], place.at(name), taken=taken) for name in tables}
    return Results(names=names, variables=variables)


def _names(raw: Mapping[str, object], place: Place, *, taken: Collection[str]) -> tuple[str, ...] | None:
    if "names" not in raw:
        return None
    names = convert({"names": raw["names"]}, NamesSection, place).names
    if not names:
        raise place.at("names").error("expected at least one name, got an empty list")
    return _distinct(names, place.at("names"), taken=taken)


def _result(raw: object, place: Place, *, taken: Collection[str]) -> ResultInfo:
    section = convert(raw, ResultSection, place)
    dims = section.dims
    return ResultInfo(
        units=section.units,
        long_name=section.long_name,
        dims=None if dims is None else _distinct(dims, place.at("dims"), taken=taken),
    )


def _distinct(names: list[str], place: Place, *, taken: Collection[str]) -> tuple[str, ...]:
    for name in names:
        _check_name(name, place, taken=taken)
        if names.count(name) > 1:
            raise place.error(f"expected each name once, got {name!r} twice")
    return tuple(names)


def _check_name(name: str, place: Place, *, taken: Collection[str]) -> None:
    problem = name_problem(name)
    if problem is None and name in taken:
        problem = f"expected another name, {name!r} is an axis or a result"
    if problem is not None:
        raise place.error(problem)
