"""From a study's TOML file to a frozen, validated configuration; every error names file and key."""

from collections.abc import Sequence
from os.path import expanduser
from pathlib import Path
from sys import float_info
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from fullrank.config.cost import check_cost
from fullrank.config.results import ResultInfo, Results, read_results
from fullrank.config.settings import Setting, apply, read_setting
from fullrank.config.sweep_section import read_sweep
from fullrank.config.toml_file import parse_toml, read_toml
from fullrank.config.validate import (
    Count,
    FilledText,
    Flag,
    Place,
    Section,
    Table,
    Text,
    check_values,
    choice,
    convert,
)
from fullrank.config.wording import ARGUMENTS, OF_FILE, OPTIONS, Wording
from fullrank.config.workload import ArrayFile, Workload, read_workload
from fullrank.dataclass import dataclass
from fullrank.sweep import Sweep

__all__ = [
    "ARGUMENTS",
    "OPTIONS",
    "ArrayFile",
    "Config",
    "ResultInfo",
    "Results",
    "RunOptions",
    "Wording",
    "Workload",
    "load",
    "parse",
]

OrderName = Literal["spread", "index", "longest-first"]
Seconds = Annotated[float, Meta(gt=0, le=float_info.max, description="a number of seconds > 0")]


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; no part of what it is."""

    schedule: Literal["guided", "static"] = "guided"
    order: OrderName = "spread"
    cost: str | None = None
    """Of an item, where the order is ``longest-first``: a function like that of the workload, or an earlier result."""
    item_time_limit_seconds: float | None = None
    """Finite and > 0. None: no limit."""
    isolate: bool = False
    """Whether each worker evaluates its items in a child process."""
    item_memory_limit_bytes: int | None = None
    """Of that process, >= 1. None: no limit."""
    max_failures: int | None = None
    """>= 1. None: the default rule."""
    on_error: Literal["record", "stop"] = "record"

    @property
    def n_failures_that_stop(self) -> int | None:
        """How many failed items stop the run; None: the default rule."""
        return 1 if self.on_error == "stop" else self.max_failures


@dataclass(frozen=True)
class Config:
    """A validated study."""

    path: Path
    """Absolute."""
    title: str
    text: str
    """The file's text, to the character; a byte order mark is no part of it."""
    workload: Workload
    sweep: Sweep
    results: Results
    run: RunOptions
    output: Path | None
    """As written with ~ expanded, relative to the working directory. None: not told."""
    settings: tuple[str, ...] = ()
    """``KEY=VALUE`` of keys that the command line has set: they hold instead of the text's."""
    is_unwritten: bool = False
    """Whether the text is to be written to ``path`` once a run of it has begun."""
    wording: Wording = OF_FILE
    """How messages name what is in it."""


class FileSection(Section):
    """The whole file."""

    workload: Table
    sweep: Table
    title: FilledText | None = None
    results: Table = field(default_factory=dict)
    run: Table = field(default_factory=dict)
    output: Table = field(default_factory=dict)


class RunSection(Section):
    """``[run]``."""

    schedule: Text = "guided"
    order: Text = "spread"
    cost: FilledText | None = None
    item_time_limit_seconds: Seconds | None = None
    isolate: Flag = False
    item_memory_limit_bytes: Count | None = None
    max_failures: Count | None = None
    on_error: Text = "record"


class OutputSection(Section):
    """``[output]``."""

    path: FilledText | None = None


def load(path: Path, settings: Sequence[str] = ()) -> Config:
    """Read and check a study; ConfigError says ``FILE: key: expected …, got …``.

    ``settings``, each ``KEY=VALUE``, hold instead of what the file says. The files that the config names are there when
    this returns; no user code is imported.
    """
    told = [read_setting(setting) for setting in settings]
    text, raw = read_toml(path)
    return _checked(path, text, raw, told, wording=OF_FILE)


def parse(text: str, path: Path, settings: Sequence[str] = (), *, wording: Wording = OF_FILE) -> Config:
    """Check the text of a study as :func:`load` does, as if it stood in ``path``, whose folder is there."""
    told = [read_setting(setting) for setting in settings]
    return _checked(path, text, parse_toml(text, path), told, wording=wording)


def _checked(path: Path, text: str, raw: dict[str, Any], told: Sequence[Setting], *, wording: Wording) -> Config:
    place = Place(path, settings=tuple(setting.keys for setting in told), wording=wording)
    apply(told, raw, place)
    check_values(raw, place)
    file = convert(raw, FileSection, place)
    sweep = read_sweep(file.sweep, place.at("sweep"), folder=path.parent)
    return Config(
        path=path.absolute(),
        title=file.title or path.stem,
        text=text,
        workload=read_workload(file.workload, place.at("workload"), folder=path.parent, sweep=sweep),
        sweep=sweep,
        results=read_results(file.results, place.at("results"), sweep=sweep),
        run=_run(file.run, place.at("run"), folder=path.parent),
        output=_output(file.output, place.at("output")),
        settings=tuple(setting.written for setting in told),
        wording=wording,
    )


def _run(raw: dict[str, Any], place: Place, *, folder: Path) -> RunOptions:
    section = convert(raw, RunSection, place)
    if section.item_memory_limit_bytes is not None and not section.isolate:
        raise place.at("item_memory_limit_bytes").error("expected isolate = true beside it: a limit is for a process")
    if section.on_error == "stop" and section.max_failures is not None:
        raise place.at("max_failures").error('expected none beside on_error = "stop", which stops at the first failure')
    order: OrderName = choice(section.order, place.at("order"), options=("spread", "index", "longest-first"))
    check_cost(section.cost, place.at("cost"), order=order, folder=folder)
    return RunOptions(
        schedule=choice(section.schedule, place.at("schedule"), options=("guided", "static")),
        order=order,
        cost=section.cost,
        item_time_limit_seconds=section.item_time_limit_seconds,
        isolate=section.isolate,
        item_memory_limit_bytes=section.item_memory_limit_bytes,
        max_failures=section.max_failures,
        on_error=choice(section.on_error, place.at("on_error"), options=("record", "stop")),
    )


def _output(raw: dict[str, Any], place: Place) -> Path | None:
    path = convert(raw, OutputSection, place).path
    # Path.expanduser() raises where there is no home.
    return None if path is None else Path(expanduser(path))  # noqa: PTH111
