"""What a result file tells people: what ran, where, how long, how well, and what came out of it.

:func:`report` reads a file once, by blocks; :func:`text` spells what it found.
"""

import json
import shlex
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from math import fsum, isfinite, isnan, nan
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.metrics import Work, shortest_makespan, spelled_seconds, spelled_share, work
from fullrank.schema import AttemptRow, Block, Failure, Field, WorkerRow
from fullrank.status import Status
from fullrank.store import FileAxis, ResultFile, block_size

N_SLOWEST = 5
N_FAILURES = 10
N_WORKERS_LISTED = 16
"""With more workers the table shows the least, the median and the most of each column."""
N_ELEMENTS_APART = 16
"""Arrays of up to this many elements are summed element by element."""
N_VALUES_LISTED = 6
N_HOSTS_LISTED = 4

Value = int | float | str | bool


@dataclass(frozen=True)
class AxisFacts:
    """A parameter of the study."""

    name: str
    units: str
    n_values: int
    values: tuple[Value, ...]
    """All values if they are few, else the first and the last."""


@dataclass(frozen=True)
class Items:
    """How many items ended how, and how long they took; NaN if none has ended."""

    n_items: int
    n_ok: int
    n_failed: int
    n_timed_out: int
    n_crashed: int
    n_missing: int
    total_seconds: float
    shortest_seconds: float
    longest_seconds: float


@dataclass(frozen=True)
class Statistics:
    """Of the finite values of a result, or of one element of it; None if there are none."""

    label: str
    n_values: int
    sum: int | float | None
    """Integers exactly, floats as if rounded once."""
    mean: float | None
    min: int | float | None
    max: int | float | None


@dataclass(frozen=True)
class ResultFacts:
    """What the ok items returned under one name."""

    name: str
    units: str
    long_name: str
    dtype: str
    shape: tuple[int, ...]
    """Of one item's value."""
    n_nan_items: int
    """Items with a NaN in their value."""
    n_infinite: int
    """Values, not items."""
    statistics: tuple[Statistics, ...]


@dataclass(frozen=True)
class Attempt:
    """One start of the study."""

    row: AttemptRow
    n_items: int
    """Items whose end it recorded."""


@dataclass(frozen=True)
class SlowItem:
    """One of the items that took longest."""

    index: int
    parameters: Mapping[str, Value]
    seconds: float
    status: str


@dataclass(frozen=True)
class FailedItem:
    """An item without a result, and the command that evaluates it again."""

    index: int
    status: str
    parameters: Mapping[str, Value]
    exception: str
    command: str


@dataclass(frozen=True)
class Report:
    """All that :func:`text` says, in numbers; s for times."""

    path: str
    title: str
    function: str
    sweep: tuple[AxisFacts, ...]
    replicates: int | None
    items: Items
    complete: bool
    results_sha256: str
    results: tuple[ResultFacts, ...]
    provenance: Mapping[str, str | int | float]
    attempts: tuple[Attempt, ...]
    attempt: int
    """The last one that did any items: ``hosts``, ``work`` and ``workers`` are of it alone."""
    hosts: Mapping[str, int]
    """Number of workers on each."""
    work: Work
    shortest_makespan_seconds: float
    workers: tuple[WorkerRow, ...]
    slowest: tuple[SlowItem, ...]
    failures: tuple[FailedItem, ...]
    """The first ones."""
    failure_kinds: Mapping[str, int]
    """How often each type of exception occurs among those the file describes."""

    @property
    def n_without_result(self) -> int:
        """Items that failed, timed out or crashed."""
        return self.items.n_failed + self.items.n_timed_out + self.items.n_crashed

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it: NaN is None."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value


# ---- reading ----------------------------------------------------------------------------------


def report(path: Path) -> Report:
    """Read what a result file tells, complete or partial.

    Raises:
        OutputError: not ours or damaged.
    """
    with ResultFile(path) as file:
        workers = file.workers()
        attempt = _measured_attempt(workers)
        own = tuple(row for row in workers if row.attempt == attempt)
        scan = _Scan(file, [row.attempt == attempt for row in workers])
        for block in file.blocks(block_size(file)):
            scan.add(block)
        failures = sorted(file.failures(), key=lambda failure: failure.index)
        provenance = file.provenance()
        known = work(own)
        n_known = known.n_workers - known.n_killed
        return Report(
            path=str(path.absolute()),
            title=file.title,
            function=_function(file),
            sweep=tuple(_axis_facts(axis) for axis in file.axes),
            replicates=file.replicates,
            items=scan.items(),
            complete=file.summary.complete,
            results_sha256=file.summary.results_sha256,
            results=scan.results(file),
            provenance=provenance,
            attempts=tuple(_attempt(row, workers) for row in file.attempts()),
            attempt=attempt,
            hosts=Counter(row.host for row in own),
            work=known,
            shortest_makespan_seconds=shortest_makespan(
                known.compute_seconds, scan.longest_of_attempt, n_workers=n_known
            ),
            workers=own,
            slowest=scan.slowest(file),
            failures=tuple(_failed(failure, provenance) for failure in failures[:N_FAILURES]),
            failure_kinds=dict(Counter(map(_kind, failures)).most_common()),
        )


def _measured_attempt(workers: Sequence[WorkerRow]) -> int:
    return max((row.attempt for row in workers if row.n_items), default=0)


def _attempt(row: AttemptRow, workers: Sequence[WorkerRow]) -> Attempt:
    return Attempt(row, sum(worker.n_items for worker in workers if worker.attempt == row.attempt))


def _function(file: ResultFile) -> str:
    with suppress(tomllib.TOMLDecodeError, KeyError, TypeError):
        return str(tomllib.loads(file.config)["workload"]["function"])
    return ""


def _axis_facts(axis: FileAxis) -> AxisFacts:
    n = len(axis)
    if n <= N_VALUES_LISTED:
        values = axis.column(range(n))
    else:
        values = [axis.value(0), axis.value(n - 1)]
    return AxisFacts(axis.name, axis.units, n, tuple(values))


def _failed(failure: Failure, provenance: Mapping[str, Any]) -> FailedItem:
    try:
        parameters = dict(json.loads(failure.parameters))
    except ValueError:
        parameters = {}
    command = f"fullrank run {shlex.quote(_config_path(provenance))} --item {failure.index}"
    status = _status_in_words(failure.status)
    return FailedItem(failure.index, status, parameters, failure.exception, command)


def _kind(failure: Failure) -> str:
    return failure.exception.partition(":")[0] or _status_in_words(failure.status)


def _status_in_words(status: int) -> str:
    known = status in set(Status)
    return Status(status).name.lower().replace("_", " ") if known else f"status {status}"


def _config_path(provenance: Mapping[str, Any]) -> str:
    """Where the config was: as recorded, else as the command names it."""
    if "config_path" in provenance:
        return str(provenance["config_path"])
    with suppress(ValueError, StopIteration):
        words = shlex.split(str(provenance.get("command", "")))
        name = next(word for word in words[1:] if word.endswith(".toml"))
        return str(Path(str(provenance.get("working_folder", "")), name))
    return "CONFIG"


class _Scan:
    """What is counted while the items stream by."""

    def __init__(self, file: ResultFile, is_measured: Sequence[bool]) -> None:
        # one more row, for an item without a worker, whose row is -1
        self._is_measured = np.array([*is_measured, False])
        self._counts: NDArray[np.int64] = np.zeros(len(Status), np.int64)
        self._total = _Accumulator()
        self._slowest: list[tuple[float, int, int]] = []
        self._tallies = [_Tally(field) for field in file.fields]
        self.longest_of_attempt = nan

    def add(self, block: Block) -> None:
        self._counts += np.bincount(block.status, minlength=len(Status))
        self._add_durations(block)
        for tally in self._tallies:
            tally.add(block)

    def _add_durations(self, block: Block) -> None:
        seconds = block.seconds.astype(np.float64)
        self._total.add(seconds[np.isfinite(seconds)])
        own = seconds[self._is_measured[block.worker] & np.isfinite(seconds)]
        if own.size:
            self.longest_of_attempt = float(np.fmax(self.longest_of_attempt, own.max()))
        shortest_first = np.argsort(np.where(np.isfinite(seconds), seconds, -1.0), kind="stable")
        for place in shortest_first[-N_SLOWEST:].tolist():
            if isfinite(seconds[place]):
                entry = (-float(seconds[place]), block.start + place, int(block.status[place]))
                self._slowest.append(entry)
        self._slowest = sorted(self._slowest)[:N_SLOWEST]

    def items(self) -> Items:
        """Return the counts."""
        counts = self._counts.tolist()
        seconds = self._total.statistics("")
        return Items(
            n_items=sum(counts),
            n_ok=counts[Status.OK],
            n_failed=counts[Status.FAILED],
            n_timed_out=counts[Status.TIMED_OUT],
            n_crashed=counts[Status.CRASHED],
            n_missing=counts[Status.MISSING],
            total_seconds=_or_nan(seconds.sum),
            shortest_seconds=_or_nan(seconds.min),
            longest_seconds=_or_nan(seconds.max),
        )

    def results(self, file: ResultFile) -> tuple[ResultFacts, ...]:
        """Return what is known of the values."""
        return tuple(tally.facts(file) for tally in self._tallies)

    def slowest(self, file: ResultFile) -> tuple[SlowItem, ...]:
        """Return the items that took longest, the longest first."""
        return tuple(
            SlowItem(index, file.parameters(index), -seconds, _status_in_words(status))
            for seconds, index, status in self._slowest
        )


def _or_nan(value: float | None) -> float:
    return nan if value is None else value


class _Tally:
    """Statistics of one result: of each element if they are few, else of all elements together."""

    def __init__(self, field: Field) -> None:
        self._field = field
        n_elements = int(np.prod(field.shape, dtype=np.int64))
        self._apart = not field.varying and 0 < n_elements <= N_ELEMENTS_APART
        self._parts = [_Accumulator() for _ in range(n_elements if self._apart else 1)]
        self._n_nan_items = 0
        self._n_infinite = 0

    def add(self, block: Block) -> None:
        """Count the block's ok items."""
        is_ok = block.status == Status.OK
        values = block.values[self._field.name][is_ok]
        values = values.reshape(len(values), -1)
        is_value = np.ones(values.shape, np.bool_)
        if self._field.varying:
            lengths = block.lengths[self._field.name][is_ok]
            is_value = np.arange(values.shape[1]) < lengths[:, np.newaxis]
        if values.dtype.kind == "f":
            self._n_nan_items += int(np.count_nonzero((np.isnan(values) & is_value).any(axis=1)))
            self._n_infinite += int(np.count_nonzero(np.isinf(values) & is_value))
            is_value &= np.isfinite(values)
        if self._apart:
            for element, part in enumerate(self._parts):
                part.add(values[is_value[:, element], element])
        else:
            self._parts[0].add(values[is_value])

    def facts(self, file: ResultFile) -> ResultFacts:
        """Return what was counted."""
        field, variable = self._field, file.variables[self._field.name]
        labels = _labels(field) if self._apart else [field.name]
        return ResultFacts(
            field.name,
            variable.units,
            variable.long_name,
            "bool" if field.is_bool else field.dtype,
            field.shape,
            self._n_nan_items,
            self._n_infinite,
            tuple(part.statistics(s) for part, s in zip(self._parts, labels, strict=True)),
        )


def _labels(field: Field) -> list[str]:
    if not field.shape:
        return [field.name]
    return [f"{field.name}[{','.join(map(str, at))}]" for at in np.ndindex(*field.shape)]


class _Accumulator:
    """Sum, least and greatest of finite numbers that come in blocks."""

    def __init__(self) -> None:
        self._n = 0
        self._sum = 0
        self._parts: list[float] = []
        """The floats' sum so far and what rounding it left over."""
        self._least: Any = None
        self._greatest: Any = None

    def add(self, values: NDArray[Any]) -> None:
        """Take the next ones, shape (n,)."""
        if not values.size:
            return
        self._n += values.size
        least, greatest = values.min().item(), values.max().item()
        self._least = least if self._least is None else min(self._least, least)
        self._greatest = greatest if self._greatest is None else max(self._greatest, greatest)
        if values.dtype.kind == "f":
            self._parts = _rounded_sum([*self._parts, *values.tolist()])
        else:
            self._sum += sum(values.tolist())  # Python's integers do not overflow

    def statistics(self, label: str) -> Statistics:
        """Return the figures."""
        if not self._n:
            return Statistics(label, 0, None, None, None, None)
        total = fsum(self._parts) if self._parts else self._sum
        return Statistics(label, self._n, total, total / self._n, self._least, self._greatest)


def _rounded_sum(values: Sequence[float]) -> list[float]:
    """Return the sum, and its rounding error if there is one: math.fsum over blocks of any number."""
    try:
        total = fsum(values)
    except (OverflowError, ValueError):  # beyond the largest float
        with np.errstate(all="ignore"):
            return [float(np.sum(values))]
    return [total, fsum([*values, -total])] if isfinite(total) else [total]


# ---- words ------------------------------------------------------------------------------------


def text(found: Report, *, width: int = 100) -> str:
    """Spell a report as plain text of about ``width`` columns; it ends with a line feed."""
    sections = (
        _heading,
        _facts,
        _results,
        _attempts,
        _time,
        _workers,
        _slowest,
        _failures,
    )
    parts = ["\n".join(section(found, width)) for section in sections]
    return "\n\n".join(part for part in parts if part) + "\n"


def _heading(found: Report, width: int) -> Iterator[str]:
    yield found.title
    items = found.items
    states = {
        "ok": items.n_ok,
        "failed": items.n_failed,
        "timed out": items.n_timed_out,
        "crashed": items.n_crashed,
        "not done yet": items.n_missing,
    }
    parts = [f"{n:,} {state}" for state, n in states.items() if n]
    alone = f"all {next(iter(states))}" if items.n_ok == items.n_items else ", ".join(parts)
    yield f"{_counted(items.n_items, 'item')}: {alone}"
    if items.n_missing:
        yield "This file is partial; the command that made it goes on where it stopped."


def _facts(found: Report, width: int) -> Iterator[str]:
    facts = {
        "File": found.path,
        "Results": f"{found.results_sha256[:12]} (start of their SHA-256: equal results, equal digits)",
        "Function": found.function,
        "Sweep": " × ".join(_sweep(found)),
        "Command": found.provenance.get("command", ""),
        "Where": _hosts(found),
        "Processor": _joined(found.provenance, ("cpu_model",), n_cores="usable_cores"),
        "Software": _software(found.provenance),
        "Code": _code(found.provenance),
        "Job": _joined(found.provenance, ("scheduler", "job_id"), n_cores=""),
    }
    rows = [(name, str(fact)) for name, fact in facts.items() if fact]
    yield from _table(rows, left=(0, 1), indent=0)


def _sweep(found: Report) -> Iterator[str]:
    if found.replicates is not None:
        yield _counted(found.replicates, "replicate")
    for axis in found.sweep:
        units = "" if axis.units in ("", "1") else f" {axis.units}"
        shown = [_number(value) for value in axis.values]
        if axis.n_values > len(shown):
            yield f"{axis.name} = {shown[0]} … {shown[1]}{units} ({axis.n_values:,} values)"
        else:
            yield f"{axis.name} = {', '.join(shown)}{units}"


def _hosts(found: Report) -> str:
    hosts = sorted(found.hosts.items())
    if not hosts:
        return str(found.provenance.get("host", ""))
    if len(hosts) <= N_HOSTS_LISTED:
        return ", ".join(f"{host} ({_counted(n, 'worker')})" for host, n in hosts)
    least, most = (choose(found.hosts.values()) for choose in (min, max))
    each = _counted(most, "worker") if least == most else f"{least} to {most} workers"
    return f"{len(hosts)} hosts, {hosts[0][0]} … {hosts[-1][0]}, {each} each"


def _joined(provenance: Mapping[str, Any], names: Sequence[str], *, n_cores: str) -> str:
    parts = [str(provenance[name]) for name in names if name in provenance]
    if n_cores in provenance:
        parts.append(f"{_counted(int(provenance[n_cores]), 'usable core')}")
    return ", ".join(parts)


def _software(provenance: Mapping[str, Any]) -> str:
    names = {"fullrank": "fullrank", "python": "Python", "numpy": "numpy", "h5py": "h5py"}
    parts = [f"{name} {provenance[key]}" for key, name in names.items() if key in provenance]
    parts += [str(provenance[key]) for key in ("mpi_library", "libc") if key in provenance]
    return ", ".join(parts)


def _code(provenance: Mapping[str, Any]) -> str:
    if "git_commit" not in provenance:
        return ""
    dirty = ", with changes that are not committed" if provenance.get("git_dirty") else ""
    return f"git commit {str(provenance['git_commit'])[:12]}{dirty}"


def _results(found: Report, width: int) -> Iterator[str]:
    if not found.results:
        return
    yield f"Results, over the {_counted(found.items.n_ok, 'ok item')}"
    header = ("", "unit", "sum", "mean", "least", "greatest", "NaN items", "infinities")
    rows = [header, *(row for result in found.results for row in _result_rows(result))]
    has_infinities = any(result.n_infinite for result in found.results)
    n_columns = len(header) if has_infinities else len(header) - 1
    yield from _table([row[:n_columns] for row in rows], left=(0, 1))


def _result_rows(result: ResultFacts) -> Iterator[tuple[str, ...]]:
    units = "" if result.units == "1" else result.units
    size = "×".join(map(str, result.shape)) if len(result.statistics) == 1 else ""
    for number, part in enumerate(result.statistics):
        yield (
            f"{part.label} ({size} values)" if size else part.label,
            units,
            _number(part.sum, n_digits=15),
            _number(part.mean),
            _number(part.min),
            _number(part.max),
            f"{result.n_nan_items:,}" if number == 0 else "",
            f"{result.n_infinite:,}" if number == 0 else "",
        )


def _attempts(found: Report, width: int) -> Iterator[str]:
    if not found.attempts:
        return
    yield "Attempts"
    header = ("", "start", "end", "backend", "workers", "items", "wall time", "ended by")
    yield from _table([header, *map(_attempt_row, found.attempts)], left=(1, 2, 3, 7))


def _attempt_row(attempt: Attempt) -> tuple[str, ...]:
    row = attempt.row
    start, end = _moment(row.started), _moment(row.ended)
    return (
        str(row.attempt),
        start,
        end.removeprefix(start[:11]) or "-",  # the day once is enough
        row.backend,
        f"{row.n_workers:,}",
        f"{attempt.n_items:,}",
        "-" if isnan(row.wall_seconds) else spelled_seconds(row.wall_seconds),
        row.reason or ("" if row.ended else "killed"),
    )


def _moment(iso: str) -> str:
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    offset = moment.strftime("%z")
    zone = " UTC" if offset == "+0000" else f" {offset}" if offset else ""
    return moment.strftime("%Y-%m-%d %H:%M:%S") + zone


def _time(found: Report, width: int) -> Iterator[str]:
    if not found.workers:
        return
    known = found.work
    yield "Time" if len(found.attempts) < 2 else f"Time, of attempt {found.attempt} alone"
    yield from _wrapped(_time_notes(found), width)
    if known.n_killed < known.n_workers:
        yield from _table(_time_rows(found), left=(0, 2))
        yield from _wrapped(_core_notes(found), width)


def _time_rows(found: Report) -> list[tuple[str, str, str]]:
    known = found.work
    rest = {
        "asking for items": known.claim_share,
        "writing the journal": known.journal_share,
        "idle at the end": known.idle_share,
        "other": known.other_share,
    }
    spelled = ", ".join(f"{spelled_share(share)} {name}" for name, share in rest.items())
    return [
        (
            "makespan",
            spelled_seconds(known.makespan_seconds),
            "from the common start to the end of the last item",
        ),
        (
            "at best",
            spelled_seconds(found.shortest_makespan_seconds),
            "the items' time / workers, or the longest item if that is more",
        ),
        (
            "start-up",
            spelled_seconds(known.startup_seconds),
            "before that: Python and your module, on the slowest worker",
        ),
        ("inside items", spelled_share(known.busy_share), f"of the workers' time; {spelled}"),
        (
            "load balance",
            spelled_share(known.load_balance),
            "mean / longest time of a worker inside items",
        ),
        ("cores busy", f"{known.cores_busy:.2f}", f"CPU time / makespan, of {known.n_workers}"),
    ]
