"""``run --dry-run``: what a run would do, without a worker and without a byte written."""

from collections.abc import Iterator, Mapping
from os import W_OK, access
from pathlib import Path
from typing import Any

from fullrank.choices import Choices
from fullrank.dataclass import dataclass
from fullrank.report.facts import plain
from fullrank.report.layout import counted, printable, spelled_number, spelled_parameters, table, wrapped
from fullrank.room import free_bytes, needed_bytes, spelled_bytes
from fullrank.study import Study
from fullrank.sweep import Sweep, Value
from fullrank.there import There, look

_HEAD_COLUMNS = 12
_REPLICATE = "replicate"


@dataclass(frozen=True)
class AxisPreview:
    """One axis of the sweep."""

    name: str
    n_values: int
    first: Value
    last: Value
    units: str


@dataclass(frozen=True)
class Preview:
    """What a run would do."""

    title: str
    function: str
    call: tuple[str, ...]
    """Names of what the function is called with."""
    settings: tuple[str, ...]
    n_items: int
    n_todo: int
    """Items that this run would evaluate, at most."""
    axes: tuple[AxisPreview, ...]
    dims: Mapping[str, int]
    """Dimensions of a result in the file, with their lengths."""
    first: Mapping[str, Value]
    """Parameters of item 0."""
    last: Mapping[str, Value]
    backend: str
    n_workers: int
    schedule: str
    order: str
    cost: str | None
    """Where the order is ``longest-first``: what tells an item's cost."""
    output: str
    there: There
    needed_bytes: int
    free_bytes: int | None
    refusal: str
    """Why the run would not begin; "" if nothing is known that is against it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON can hold it."""
        found: dict[str, Any] = plain(self)
        return found

    def text(self, *, width: int = 100) -> str:
        """Spell it for a person; it ends with a line feed."""
        return "\n".join(printable(line) for line in self._lines(width)) + "\n"

    def _lines(self, width: int) -> Iterator[str]:
        yield self.title
        todo = "all" if self.n_todo == self.n_items else f"{self.n_todo:,} of them" if self.n_todo else "nothing"
        yield f"{counted(self.n_items, 'item')}, {todo} to do. A dry run: nothing is started, nothing written"
        yield ""
        header = ("axis", "values", "first", "last", "unit")
        rows = [
            (axis.name, f"{axis.n_values:,}", spelled_number(axis.first), spelled_number(axis.last), axis.units)
            for axis in self.axes
        ]
        yield from table([header, *rows], left=(0, 4), has_head=True)
        yield ""
        for head, words in self._facts():
            for part in words.split("\n"):
                yield from wrapped(head.ljust(_HEAD_COLUMNS), part, width, cuts_words=False)
                head = ""

    def _facts(self) -> Iterator[tuple[str, str]]:
        shape = " × ".join(f"{name} {length:,}" for name, length in self.dims.items())
        by_cost = f" by {self.cost}" if self.order == "longest-first" else ""
        options = f"schedule {self.schedule}, order {self.order}{by_cost}"
        yield "Function", f"{self.function}, called with {', '.join(self.call) or 'nothing'}"
        if self.settings:
            yield "Set here", "\n".join(self.settings)
        yield "In the file", f"results have the dimensions {shape}"
        yield "First item", f"0: {spelled_parameters(self.first)}"
        yield "Last item", f"{self.n_items - 1}: {spelled_parameters(self.last)}"
        yield "Workers", f"{counted(self.n_workers, 'worker')} of backend {self.backend}; {options}"
        yield "Output", self.output
        yield "Found there", self._found()
        yield "Disk", self._disk()
        if self.refusal:
            yield "Refused", self.refusal

    def _found(self) -> str:
        there = self.there
        failed = f", {there.n_failed:,} of them failed" if there.n_failed else ""
        held = f"\nAnother run is at work there: {there.holder}" if there.holder else ""
        if there.refusal:
            return f"{'results of another study' if there.changes else 'what stops the run, see below'}{held}"
        if there.is_moved_aside:
            return f"earlier results, which are moved aside{held}"
        if there.is_complete:
            return f"the complete result{failed}{held}"
        found = "no result to keep" if there.changes else "nothing"
        if there.n_finished:
            found = f"{counted(there.n_finished, 'finished item')}{failed}{_kept(there)}"
        since = "".join(f"\n- {change}" for change in there.changes)
        return f"{found}{'; the study has changed since:' if since else ''}{since}{held}"

    def _disk(self) -> str:
        free = "what is free is not known" if self.free_bytes is None else f"{spelled_bytes(self.free_bytes)} are free"
        if not self.n_todo:
            return free
        logs = ", logs" if self.there.printed_bytes else ""
        assumed = "as large as those that are there" if self.there.is_measured else "of one number an item"
        return (
            f"about {spelled_bytes(self.needed_bytes)} for journals{logs} and file, if results are {assumed} "
            f"and do not compress; {free}"
        )


def preview(study: Study, choices: Choices, *, begins_later: bool = False) -> Preview:
    """Return what the run would do. Reads what earlier runs left, and changes nothing.

    Who is at work there now is no reason against a run that ``begins_later``.
    """
    sweep, run = study.config.sweep, study.config.run
    there = look(study, choices)
    folder = _nearest_folder(choices.output)
    n_todo = _n_todo(sweep.n_items, there, choices)
    needed = 0
    if n_todo:
        needed = needed_bytes(sweep.n_items, n_todo, record_bytes=there.item_bytes, printed_bytes=there.printed_bytes)
    free = free_bytes(folder)
    return Preview(
        title=study.config.title,
        function=study.function.written,
        call=tuple(_called_with(study)),
        settings=study.config.settings,
        n_items=sweep.n_items,
        n_todo=n_todo,
        axes=tuple(_axes(sweep)),
        dims=dict(zip(sweep.dims, sweep.shape, strict=True)),
        first=_parameters(sweep, 0),
        last=_parameters(sweep, sweep.n_items - 1),
        backend=choices.backend,
        n_workers=choices.n_workers,
        schedule=run.schedule,
        order="spread" if choices.among(sweep.n_items) is not None else run.order,
        cost=run.cost if choices.among(sweep.n_items) is None else None,
        output=str(choices.output),
        there=there,
        needed_bytes=needed,
        free_bytes=free,
        refusal=there.refusal or ("" if begins_later else held(there)) or _no_room(folder, needed, free),
    )


def _n_todo(n_items: int, there: There, choices: Choices) -> int:
    if there.is_complete:
        return 0
    n_left = n_items - there.n_finished + there.n_again
    n_most = choices.among(n_items)
    return n_left if n_most is None else min(n_left, len(n_most))


def _kept(there: There) -> str:
    """Return what becomes of the finished items."""
    if not there.n_again:
        return ", which are kept" if there.n_finished > 1 else ", which is kept"
    are = "is" if there.n_again == 1 else "are"
    others = ", and the others are kept" if there.n_again < there.n_finished else ""
    return f"; {there.n_again:,} failed {are} evaluated again{others}"


def _called_with(study: Study) -> Iterator[str]:
    job = study.job(backend="serial", n_workers=1, work_folder=Path())
    yield from job.axis_names
    for name, value in study.config.workload.constants.items():
        if name in {parameter.name for parameter in study.parameters}:
            yield f"{name}={spelled_number(value)}" if isinstance(value, int | float | str) else name


def _axes(sweep: Sweep) -> Iterator[AxisPreview]:
    if sweep.replicates is not None:
        yield AxisPreview(_REPLICATE, sweep.replicates, 0, sweep.replicates - 1, "")
    for axis in sweep.axes:
        first, last = axis.column([0, len(axis) - 1])
        yield AxisPreview(axis.name, len(axis), first, last, "" if axis.units == "1" else axis.units)


def _parameters(sweep: Sweep, index: int) -> dict[str, Value]:
    if sweep.replicates is None:
        return sweep.parameters(index)
    return {_REPLICATE: index * sweep.replicates // sweep.n_items, **sweep.parameters(index)}


def _nearest_folder(output: Path) -> Path:
    """Return the folder in which the output's folder is, or would be made."""
    return next(folder for folder in output.parents if folder.is_dir())


def held(there: There) -> str:
    """Return why a run would not begin now, for another one is at work there; "" if none is."""
    return f"another run writes here: {there.holder}. Wait for its end" if there.holder else ""


def _no_room(folder: Path, needed: int, free: int | None) -> str:
    if not access(folder, W_OK):
        return f"{folder}: the output folder cannot be written; choose another place with -o"
    if free is not None and needed > free:
        return f"{folder}: the disk has too little room; make room, or choose another place with -o"
    return ""
