"""The ``[workload]`` of a config: which function is called, and with what besides the sweep."""

from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from fullrank.config.validate import FilledText, Place, Section, Table, Text, convert, got
from fullrank.dataclass import dataclass, field
from fullrank.files import missing
from fullrank.sweep import Sweep

Seed = Annotated[int, Meta(ge=0, le=2**63 - 1, description="an integer >= 0 and below 2**63")]


@dataclass(frozen=True)
class ArrayFile:
    """A constant that stands in a ``.npy`` file."""

    path: Path
    """Absolute."""


@dataclass(frozen=True)
class Workload:
    """What is computed for each item, apart from the sweep."""

    function: str
    """As written: ``module:function`` or ``path/to/file.py:function``."""
    folder: Path
    """Absolute folder of the config; paths of functions are relative to it."""
    setup: str | None = None
    """Like ``function``; called once in each worker. None: not told."""
    seed: int | None = None
    """0 <= seed < 2**63. None: not told."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Values as TOML has them, without dates; or :class:`ArrayFile`."""

    @property
    def file(self) -> Path | None:
        """Absolute path of the function's file; None if it stands in a module."""
        return _file(self.function, self.folder)

    @property
    def setup_file(self) -> Path | None:
        """Absolute path of the file of ``setup``; None if that is a module's or not told."""
        return None if self.setup is None else _file(self.setup, self.folder)


class WorkloadSection(Section):
    """``[workload]``."""

    function: Text
    setup: Text | None = None
    seed: Seed | None = None
    constants: Table = msgspec.field(default_factory=dict)


class ArraySection(Section):
    """A constant ``{ npy = "file.npy" }``."""

    npy: FilledText


def read_workload(raw: object, place: Place, *, folder: Path, sweep: Sweep) -> Workload:
    """Return the workload that ``raw`` describes; ConfigError.

    Files have to be there, relative to ``folder``; nothing is imported.
    """
    section = convert(raw, WorkloadSection, place)
    check_function(section.function, place.at("function"), folder=folder)
    if section.setup is not None:
        check_function(section.setup, place.at("setup"), folder=folder)
    _check_names(section, place, axis_names=[axis.name for axis in sweep.axes])
    constants = {
        name: _constant(value, place.at("constants", name), folder=folder) for name, value in section.constants.items()
    }
    return Workload(
        function=section.function,
        folder=folder.absolute(),
        setup=section.setup,
        seed=section.seed,
        constants=constants,
    )


def _file(function: str, folder: Path) -> Path | None:
    where = function.rpartition(":")[0]
    return folder / where if where.endswith(".py") else None


def check_function(function: str, place: Place, *, folder: Path) -> None:
    """Raise ConfigError for what does not name a function; its file has to be there, relative to ``folder``."""
    where, _, name = function.rpartition(":")
    is_file = where.endswith(".py")
    if not _is_dotted(name) or not (is_file or _is_dotted(where)):
        expected = "expected module:function or path/to/file.py:function"
        raise place.error(f"{expected}, got {got(function)}{_with_colon(function)}")
    problem = missing(folder / where, ".py") if is_file else None
    if problem is not None:
        raise place.error(problem)


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _with_colon(function: str) -> str:
    module, _, name = function.rpartition(".")
    likely = name != "py" and _is_dotted(module) and name.isidentifier()
    return f'; did you mean "{module}:{name}"?' if likely else ""


def _check_names(section: WorkloadSection, place: Place, *, axis_names: list[str]) -> None:
    """Each parameter of the function gets its value from one place."""
    for name in section.constants:
        if name in axis_names:
            raise place.at("constants", name).error(f"expected another name, {name!r} is an axis")
    if section.seed is not None and "seed" in {*axis_names, *section.constants}:
        raise place.at("seed").error("expected one source of `seed`, got an axis or a constant of that name as well")


def _constant(value: object, place: Place, *, folder: Path) -> object:
    if isinstance(value, dict) and "npy" in value:
        path = folder / convert(value, ArraySection, place).npy
        problem = missing(path, ".npy")
        if problem is not None:
            raise place.at("npy").error(problem)
        return ArrayFile(path.absolute())
    for here, inner in _inner(value, place):
        if isinstance(inner, date | time):  # a datetime is a date
            raise here.error("expected no date or time, which HDF5 cannot hold; write it as text")
        if isinstance(inner, dict) and "npy" in inner:
            raise here.error("expected { npy } to stand directly under [workload.constants]")
    return value


def _inner(value: object, place: Place) -> Iterator[tuple[Place, object]]:
    """``value`` and all that stands in it, with their places; lists have one place."""
    yield place, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _inner(inner, place.at(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _inner(inner, place)
