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
from math import fsum, inf, isfinite, isnan, nan, prod
from pathlib import Path
from statistics import median
from textwrap import wrap
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
N_SUMMED_AT_ONCE = 1 << 16
"""As objects of Python they take 2 MB."""
N_HOSTS_LISTED = 4
SHORT_SECONDS = 0.1
"""Below, nothing is concluded from CPU time: clocks tick in 10 ms."""
WAITING_SHARE = 0.8
"""Items that keep a core busy for less than this are said to wait."""

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
    mean_seconds: float
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
    varying: bool
    """One-dimensional, and the shape is the longest one's."""
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
    config_path: str
    """``CONFIG`` where the file does not tell."""
    kind: str
    """Of the sweep: grid, zip or table."""
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
    """How often each type of exception, or other reason, occurs among those the file describes."""

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
        scan = _Scan(file, [n for n, row in enumerate(workers) if row.attempt == attempt])
        for block in file.blocks(block_size(file)):
            scan.add(block)
        failures = sorted(file.failures(), key=lambda failure: failure.index)
        provenance = file.provenance()
        config_path = _config_path(provenance)
        known = work(own)
        n_known = known.n_workers - known.n_killed
        return Report(
            path=str(path.absolute()),
            title=file.title,
            function=_function(file),
            config_path=config_path,
            kind=file.kind,
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
            failures=tuple(_failed(failure, config_path) for failure in failures[:N_FAILURES]),
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
    few = axis.column(range(min(n, N_VALUES_LISTED)))
    values = few if n <= N_VALUES_LISTED else [few[0], axis.value(n - 1)]
    return AxisFacts(axis.name, axis.units, n, tuple(values))


def _failed(failure: Failure, config_path: str) -> FailedItem:
    try:
        parameters = dict(json.loads(failure.parameters))
    except ValueError:
        parameters = {}
    command = f"fullrank run {shlex.quote(config_path)} --item {failure.index}"
    status = _status_in_words(failure.status)
    return FailedItem(failure.index, status, parameters, failure.exception, command)


def _kind(failure: Failure) -> str:
    if failure.status != Status.FAILED:
        return _status_in_words(failure.status)
    exception = failure.exception.partition("\n")[0]
    name, _, _ = exception.partition(":")
    return name if name.replace(".", "_").isidentifier() else exception or "failed"


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

    def __init__(self, file: ResultFile, measured_workers: Sequence[int]) -> None:
        self._measured_workers = measured_workers
        self._counts: Counter[Status] = Counter()
        self._n_timed = 0
        self._total = 0.0
        self._shortest = inf
        self._slowest: list[tuple[float, int, int]] = []
        self._tallies = [_Tally(field) for field in file.fields]
        self.longest_of_attempt = 0.0

    def add(self, block: Block) -> None:
        for status in Status:
            self._counts[status] += int(np.count_nonzero(block.status == status))
        self._add_durations(block)
        for tally in self._tallies:
            tally.add(block)

    def _add_durations(self, block: Block) -> None:
        seconds = block.seconds.astype(np.float64)
        places = np.flatnonzero(np.isfinite(seconds))
        if not places.size:
            return
        seconds = seconds[places]
        self._n_timed += places.size
        self._total += float(seconds.sum())
        self._shortest = min(self._shortest, float(seconds.min()))
        own = seconds[np.isin(block.worker[places], self._measured_workers)]
        self.longest_of_attempt = max(self.longest_of_attempt, own.max(initial=0.0).item())
        # the few longest first, then in order: sorting all takes ten times as long
        is_long = seconds >= np.partition(seconds, -N_SLOWEST)[-N_SLOWEST] if seconds.size > N_SLOWEST else seconds >= 0
        self._slowest += [
            (-length, block.start + place, status)
            for length, place, status in zip(
                seconds[is_long].tolist(),
                places[is_long].tolist(),
                block.status[places[is_long]].tolist(),
                strict=True,
            )
        ]
        self._slowest = sorted(self._slowest)[:N_SLOWEST]

    def items(self) -> Items:
        """Return the counts."""
        counts = self._counts
        n_timed = self._n_timed
        return Items(
            n_items=counts.total(),
            n_ok=counts[Status.OK],
            n_failed=counts[Status.FAILED],
            n_timed_out=counts[Status.TIMED_OUT],
            n_crashed=counts[Status.CRASHED],
            n_missing=counts[Status.MISSING],
            total_seconds=self._total if n_timed else nan,
            mean_seconds=self._total / n_timed if n_timed else nan,
            shortest_seconds=self._shortest if n_timed else nan,
            longest_seconds=-self._slowest[0][0] if n_timed else nan,
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


class _Tally:
    """Statistics of one result: of each element if they are few, else of all elements together."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._n_elements = n_elements = prod(field.shape)
        self._apart = not field.varying and 0 < n_elements <= N_ELEMENTS_APART
        self._parts = [_Accumulator() for _ in range(n_elements if self._apart else 1)]
        self._n_nan_items = 0
        self._n_infinite = 0

    def add(self, block: Block) -> None:
        """Count the block's ok items."""
        is_ok = block.status == Status.OK
        values = block.values[self._field.name][is_ok]
        values = values.reshape(len(values), self._n_elements)
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
            field.varying,
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
        """Their exact sum is that of all floats so far."""
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
        for start in range(0, values.size, N_SUMMED_AT_ONCE):
            self._add_to_sum(values[start : start + N_SUMMED_AT_ONCE])

    def _add_to_sum(self, values: NDArray[Any]) -> None:
        if values.dtype.kind == "f":
            self._parts = _exact_sum([*self._parts, *values.tolist()])
        else:
            self._sum += sum(values.tolist())  # Python's integers do not overflow

    def statistics(self, label: str) -> Statistics:
        """Return the figures."""
        if not self._n:
            return Statistics(label, 0, None, None, None, None)
        total = fsum(self._parts) if isinstance(self._least, float) else self._sum
        return Statistics(label, self._n, total, total / self._n, self._least, self._greatest)


def _exact_sum(values: Sequence[float]) -> list[float]:
    """Return few floats whose exact sum is that of ``values``, so that more can be added to it."""
    parts: list[float] = []
    try:
        while rest := fsum((*values, *(-part for part in parts))):
            parts.append(rest)
    except (OverflowError, ValueError):  # beyond the largest float
        with np.errstate(all="ignore"):
            return [float(np.sum(values))]
    return parts


# ---- words ------------------------------------------------------------------------------------


def text(found: Report, *, width: int = 100) -> str:
    """Spell a report as plain text, as far as possible of ``width`` columns; it ends with a line feed.

    Paths and commands stay whole. Texts of the file cannot break lines or steer a terminal.
    """
    sections = (_heading, _facts, _results, _attempts, _time, _workers, _slowest, _failures)
    parts = ["\n".join(map(_printable, section(found, width))) for section in sections]
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
        yield f"This file is partial; go on with: fullrank run {shlex.quote(found.config_path)}"


def _facts(found: Report, width: int) -> Iterator[str]:
    facts = {
        "File": found.path,
        "Digest": f"{found.results_sha256[:12]}… (SHA-256 of the results)",
        "Function": found.function,
        "Sweep": _sweep(found),
        "Command": found.provenance.get("command", ""),
        "Where": _hosts(found),
        "Processor": _joined(found.provenance, ("cpu_model",), n_cores="usable_cores"),
        "Software": _software(found.provenance),
        "Code": _code(found.provenance),
        "Job": _joined(found.provenance, ("scheduler", "job_id"), n_cores=""),
    }
    for name, fact in facts.items():
        if fact:
            room = 10_000 if name in ("File", "Command") else width  # these are copied
            yield from _wrapped(f"{name:<11}", str(fact), room)


def _sweep(found: Report) -> str:
    if found.kind == "grid":
        items = " × ".join(f"{_axis(axis)}{_size(axis)}" for axis in found.sweep)
    else:
        n_rows = max(axis.n_values for axis in found.sweep)
        items = f"{_counted(n_rows, 'row')} of {', '.join(map(_axis, found.sweep))}"
    if found.replicates is None:
        return items
    return f"{_counted(found.replicates, 'replicate')} × {items}"


def _axis(axis: AxisFacts) -> str:
    units = "" if axis.units in ("", "1") else f" {axis.units}"
    between = ", " if len(axis.values) == axis.n_values else " … "
    return f"{axis.name} = {between.join(map(_number, axis.values))}{units}"


def _size(axis: AxisFacts) -> str:
    return "" if len(axis.values) == axis.n_values else f" ({axis.n_values:,} values)"


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
    rows = [row for result in found.results for row in _result_rows(result)]
    yield from _table(_without_empty_columns([header, *rows]), left=(0,))


def _result_rows(result: ResultFacts) -> Iterator[tuple[str, ...]]:
    units = "bool" if result.dtype == "bool" else "" if result.units == "1" else result.units
    size = f" ({'up to ' * result.varying}{'×'.join(map(str, result.shape))} values)"
    counts = f"{result.n_nan_items:,}", f"{result.n_infinite:,}" if result.n_infinite else ""
    for part in result.statistics:
        label = part.label + (size if result.shape and part.label == result.name else "")
        figures = (_number(value) for value in (part.mean, part.min, part.max))
        yield label, units, _number(part.sum, n_digits=15), *figures, *counts
        counts = "", ""


def _attempts(found: Report, width: int) -> Iterator[str]:
    if not found.attempts:
        return
    yield "Attempts"
    header = ("", "start", "end", "backend", "workers", "items", "wall time", "ended by")
    yield from _table([header, *map(_attempt_row, found.attempts)], left=(1, 2, 3, 7))


def _attempt_row(attempt: Attempt) -> tuple[str, ...]:
    row = attempt.row
    (day, start, zone), (end_day, end, end_zone) = map(_moment, (row.started, row.ended))
    same_day = (day, zone) == (end_day, end_zone)
    return (
        str(row.attempt),
        " ".join((day, start, zone)).strip(),
        (end if same_day else " ".join((end_day, end, end_zone)).strip()) or "-",
        row.backend,
        f"{row.n_workers:,}",
        f"{attempt.n_items:,}",
        "-" if isnan(row.wall_seconds) else spelled_seconds(row.wall_seconds),
        row.reason or ("" if row.ended else "killed"),
    )


def _moment(iso: str) -> tuple[str, str, str]:
    """Return day, time and zone."""
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return "", iso, ""
    zone = moment.strftime("%z")
    return (moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S"), "UTC" if zone == "+0000" else zone)


def _time(found: Report, width: int) -> Iterator[str]:
    if not found.workers:
        return
    yield "Time"
    for note in _scope_notes(found):
        yield from _wrapped("  ", note, width)
    if found.work.n_killed == found.work.n_workers:
        return
    rows = _figures_of_time(found)
    heads = list(_table([row[:2] for row in rows], left=(0,)))
    for head, (_, _, explanation) in zip(heads, rows, strict=True):
        yield from _wrapped(head.ljust(max(map(len, heads)) + 2), explanation, width)
    for note in _core_notes(found):
        yield from _wrapped("  ", note, width)


def _figures_of_time(found: Report) -> Sequence[tuple[str, str, str]]:
    """Return name, figure and explanation of each."""
    known = found.work
    n_workers = _counted(known.n_workers - known.n_killed, "worker")
    rest = {
        "asking": known.claim_share,
        "writing": known.journal_share,
        "idle at the end": known.idle_share,
        "other": known.other_share,
    }
    return (
        (
            "makespan",
            spelled_seconds(known.makespan_seconds),
            "from the workers' common start to the end of the last item",
        ),
        (
            "at best",
            spelled_seconds(found.shortest_makespan_seconds),
            f"the time of all items / {n_workers}, or the longest item if that is more",
        ),
        (
            "start-up",
            spelled_seconds(known.startup_seconds),
            "before that: Python, your module and its setup; of the slowest worker",
        ),
        (
            "efficiency",
            spelled_share(known.busy_share),
            "of the workers' time went into items; it is speedup / workers if no item takes longer "
            "beside others than alone, which one run cannot tell",
        ),
        (
            "the rest",
            spelled_share(1.0 - known.busy_share),
            ", ".join(f"{name} {spelled_share(share)}" for name, share in rest.items()),
        ),
        (
            "load balance",
            spelled_share(known.load_balance),
            "the mean of the workers' times inside items / the longest",
        ),
        (
            "cores busy",
            "unknown" if isnan(known.cores_busy) else f"{known.cores_busy:.2f}",
            f"CPU time / makespan; there were {n_workers}",
        ),
    )


def _scope_notes(found: Report) -> Iterator[str]:
    """Say what the figures of time are of, where that is not all."""
    known = found.work
    n_others = known.n_workers - known.n_killed
    if len(found.attempts) > 1:
        did = f"{known.n_items:,} of the {_counted(found.items.n_items, 'item')}"
        yield f"Attempt {found.attempt} did {did}; times and workers here are of it alone."
    if not n_others:
        yield "Its workers were killed before they could account for their time: no figures."
    elif known.n_killed:
        killed = f"{known.n_killed:,} of {_counted(known.n_workers, 'worker')}"
        yield f"{killed} left no account of the time (killed); the figures are of the rest."


def _core_notes(found: Report) -> Iterator[str]:
    known = found.work
    if not known.compute_seconds >= SHORT_SECONDS:
        return
    n_cores = found.provenance.get("usable_cores")
    n_here = found.hosts.get(str(found.provenance.get("host", "")), 0)
    if isinstance(n_cores, int) and n_here > n_cores:
        cores = _counted(n_cores, "usable core")
        # the clock of an item runs on while the core is another worker's
        yield f"{n_here:,} workers shared {cores}: the efficiency counts their waiting as work."
    elif known.cpu_seconds < WAITING_SHARE * known.compute_seconds:
        busy = spelled_share(known.cpu_seconds / known.compute_seconds)
        share = f"Inside items a core was busy {busy}"
        if found.workers[0].backend == "threads" and found.provenance.get("gil") != "disabled":
            yield (
                f"{share} of the time: threads of one Python take turns, and the efficiency counts "
                "their waiting as work. Try -b processes."
            )
        else:
            yield f"{share} of the time: items wait, for a disk, a network or a free core."


def _workers(found: Report, width: int) -> Iterator[str]:
    if found.work.n_killed == len(found.workers):
        return
    columns = {
        "items": [float(row.n_items) for row in found.workers],
        "inside items": [row.compute_seconds for row in found.workers],
        "asking": [row.claim_seconds for row in found.workers],
        "writing": [row.journal_seconds for row in found.workers],
        "idle at the end": [found.work.makespan_seconds - row.elapsed_seconds for row in found.workers],
        "CPU": [row.cpu_seconds for row in found.workers],
    }
    yield "Workers, times in s"
    if len(found.workers) > N_WORKERS_LISTED:
        rows = [("", *columns), *_worker_summary(columns)]
        yield from _table(rows, left=(0,))
    else:
        heads = [(str(row.worker), row.host) for row in found.workers]
        spelled = [_column(name, values) for name, values in columns.items()]
        rows = [(*head, *cells) for head, *cells in zip(heads, *spelled, strict=True)]
        yield from _table([("worker", "host", *columns), *rows], left=(1,))


def _worker_summary(columns: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, ...]]:
    ways: dict[str, Callable[[Sequence[float]], float]] = {"least": min, "median": median, "most": max}
    chosen = {
        name: [choose([v for v in values if not isnan(v)] or [nan]) for choose in ways.values()]
        for name, values in columns.items()
    }
    spelled = [_column(name, values) for name, values in chosen.items()]
    yield from zip(ways, *spelled, strict=True)


def _column(name: str, values: Sequence[float]) -> list[str]:
    """Spell numbers below each other, with as many decimals as the greatest deserves."""
    greatest = max((value for value in values if not isnan(value)), default=0.0)
    n_decimals = 0 if name == "items" else 3 if greatest < 100 else 1
    return ["-" if isnan(value) else f"{value:,.{n_decimals}f}" for value in values]


def _slowest(found: Report, width: int) -> Iterator[str]:
    if not found.slowest:
        return
    items = found.items
    numbers = (items.shortest_seconds, items.longest_seconds, items.mean_seconds, items.total_seconds)
    shortest, longest, mean, total = map(spelled_seconds, numbers)
    yield f"Slowest items (all: {shortest} to {longest}, mean {mean}, sum {total})"
    rows = [
        (
            f"item {item.index}",
            spelled_seconds(item.seconds),
            _parameters(item.parameters),
            "" if item.status == "ok" else item.status,
        )
        for item in found.slowest
    ]
    yield from (_shortened(line, width) for line in _table(rows, left=(0, 2, 3)))


def _failures(found: Report, width: int) -> Iterator[str]:
    if not found.failures:
        return
    n = found.n_without_result
    yield f"Failures: {_counted(n, 'item')} without a result; the group failures has tracebacks"
    if len(found.failure_kinds) > 1:
        counted = [f"{n:,} × {_shortened(kind, 40)}" for kind, n in found.failure_kinds.items()]
        kinds = ", ".join(counted[:N_FAILURES])
        yield from _wrapped("  ", kinds, width)
    for item in found.failures:
        status = "" if item.status == "failed" else f" {item.status}"
        head = f"  item {item.index} ({_parameters(item.parameters)}){status}"
        exception = item.exception.partition("\n")[0]
        yield _shortened(f"{head}: {exception}" if exception else head, width)
        yield f"    {item.command}"
    if n > len(found.failures):
        yield f"  and {n - len(found.failures):,} more"


def _table(rows: Sequence[Sequence[str]], *, left: Sequence[int], indent: int = 2) -> Iterator[str]:
    """Align columns, to the right but for those in ``left``."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(size) if number in left else cell.rjust(size)
            for number, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        yield " " * indent + "  ".join(cells).rstrip()


def _without_empty_columns(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Drop columns that have a heading alone."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return list(zip(*columns, strict=True))


def _wrapped(head: str, words: str, width: int) -> Iterator[str]:
    """Yield ``words`` beside ``head``, on as many lines as they need."""
    room = max(20, width - len(head))
    lines = wrap(words, room, break_on_hyphens=False)
    for number, line in enumerate(lines):
        yield (head if number == 0 else " " * len(head)) + line


def _shortened(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def _printable(line: str) -> str:
    return line if line.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _number(value: Value | None, *, n_digits: int = 6) -> str:
    if value is None:
        return "-"
    return f"{value:.{n_digits}g}" if isinstance(value, float) else str(value)


def _parameters(parameters: Mapping[str, Value]) -> str:
    return ", ".join(f"{name}={_number(value)}" for name, value in parameters.items())
