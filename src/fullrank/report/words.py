"""A report in words."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from math import isnan
from typing import Any

from fullrank.errors import beginning, without_middle
from fullrank.metrics import spelled_seconds, spelled_share
from fullrank.repeat import set_options
from fullrank.report.facts import (
    Attempt,
    AxisFacts,
    Report,
    ResultFacts,
)
from fullrank.report.layout import (
    DrawnLine,
    counted,
    printable,
    shortened,
    shortened_apart,
    spelled_number,
    spelled_parameters,
    table,
    without_empty_columns,
    wrapped,
)
from fullrank.report.prediction import prediction_lines
from fullrank.report.words_of_account import account_section
from fullrank.report.words_of_time import time_section, workers_section
from fullrank.report.words_of_versions import versions_section

N_HOSTS_LISTED = 4
SHORT_SECONDS = 1.0
"""A run that was shorter says little about efficiency."""
N_KINDS_LISTED = 10
"""Of failures."""
N_KIND_CHARACTERS = 40
N_EXCEPTION_CHARACTERS = 300
N_FRAME_LINES = 16
_TRACEBACK_HEADING = "Traceback (most recent call last):\n"


def text(found: Report, *, width: int = 100) -> str:
    """Spell a report as plain text, as far as possible of ``width`` columns; it ends with a line feed.

    Paths and commands stay whole. Texts of the file cannot break lines or steer a terminal.
    """
    parts = ["\n".join(map(printable, section)) for section in sections(found, width=width)]
    return "\n\n".join(part for part in parts if part) + "\n"


def sections(found: Report, *, width: int = 100) -> Iterator[Iterator[str]]:
    """Yield the parts of the text, each as its lines; control characters are still in them."""
    times = (time_section, account_section, workers_section)
    after_attempts = (_prediction, *times)
    for section in (_heading, _facts, _results, versions_section, _attempts, *after_attempts, _slowest, _failures):
        yield section(found, width)


def brief(found: Report, *, width: int = 100) -> str:
    """Spell what came out and in what time: the end of a run. It ends with a line feed."""
    told = (_heading, _results, versions_section, _in_time, _failures)
    parts = ["\n".join(map(printable, section(found, width))) for section in told]
    return "\n\n".join(part for part in parts if part) + "\n"


def _in_time(found: Report, _width: int) -> Iterator[str]:
    known = found.work
    if known.makespan_seconds >= SHORT_SECONDS:
        yield (
            f"{counted(known.n_workers, 'worker')}, {spelled_seconds(known.makespan_seconds)}; "
            f"{spelled_share(known.busy_share)} of that time went into items"
        )


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
    yield f"{counted(items.n_items, 'item')}: {alone}"
    if items.n_missing:
        command = shlex.join(["fullrank", "run", found.config_path, *set_options(found.settings)])
        yield f"This file is partial; go on with: {command}"


def _facts(found: Report, width: int) -> Iterator[str]:
    facts = {
        "File": found.path,
        "Digest": f"{found.results_sha256[:12]}… (SHA-256 of the results)",
        "Function": found.function,
        "Sweep": _sweep(found),
        "Command": found.provenance.get("command", ""),
        "Where": _hosts(found),
        "Processor": _joined(found.provenance, ("cpu_model",), n_cores="usable_cores"),
        "Machines": _mixture(found),
        "Software": _software(found.provenance),
        "Code": _code(found.provenance),
        "Job": _joined(found.provenance, ("scheduler", "job_id"), n_cores=""),
    }
    for name, fact in facts.items():
        if fact:
            room = 10_000 if name in ("File", "Command") else width  # these are copied
            yield from wrapped(f"{name:<11}", str(fact), room)


def _sweep(found: Report) -> str:
    if found.kind == "grid":
        items = " × ".join(f"{_axis(axis)}{_size(axis)}" for axis in found.sweep)
    else:
        n_rows = max(axis.n_values for axis in found.sweep)
        items = f"{counted(n_rows, 'row')} of {', '.join(map(_axis, found.sweep))}"
    if found.replicates is None:
        return items
    return f"{counted(found.replicates, 'replicate')} × {items}"


def _axis(axis: AxisFacts) -> str:
    units = "" if axis.units in ("", "1") else f" {axis.units}"
    between = ", " if len(axis.values) == axis.n_values else " … "
    return f"{axis.name} = {between.join(map(spelled_number, axis.values))}{units}"


def _size(axis: AxisFacts) -> str:
    return "" if len(axis.values) == axis.n_values else f" ({axis.n_values:,} values)"


def _hosts(found: Report) -> str:
    hosts = sorted(found.hosts.items())
    if not hosts:
        return str(found.provenance.get("host", ""))
    if len(hosts) <= N_HOSTS_LISTED:
        return ", ".join(f"{host} ({counted(n, 'worker')})" for host, n in hosts)
    least, most = (choose(found.hosts.values()) for choose in (min, max))
    each = counted(most, "worker") if least == most else f"{least} to {most} workers"
    return f"{len(hosts)} hosts, {hosts[0][0]} … {hosts[-1][0]}, {each} each"


def _mixture(found: Report) -> str:
    """Say where results may differ in their last bits from those of another machine."""
    if len(found.platforms) < 2:
        return ""
    each = "; ".join(f"{name} ({counted(n, 'worker')})" for name, n in sorted(found.platforms.items()))
    return f"mixed, so the last bits of results may depend on where an item ran: {each}"


def _joined(provenance: Mapping[str, Any], names: Sequence[str], *, n_cores: str) -> str:
    parts = [str(provenance[name]) for name in names if name in provenance]
    if n_cores in provenance:
        parts.append(f"{counted(int(provenance[n_cores]), 'usable core')}")
    return ", ".join(parts)


def _software(provenance: Mapping[str, Any]) -> str:
    names = {"fullrank": "fullrank", "python": "Python", "numpy": "numpy", "h5py": "h5py"}
    parts = [f"{name} {provenance[key]}{_gil(provenance, key)}" for key, name in names.items() if key in provenance]
    parts += [str(provenance[key]) for key in ("mpi_library", "libc") if key in provenance]
    return ", ".join(parts)


def _gil(provenance: Mapping[str, Any], key: str) -> str:
    """Return what is to be said of Python's lock where it is not as usual."""
    gil = str(provenance.get("gil", ""))
    if key != "python" or gil in ("", "enabled"):
        return ""
    return " without GIL" if gil == "disabled" else f" ({gil.removeprefix('enabled by ')} switched the GIL on)"


def _code(provenance: Mapping[str, Any]) -> str:
    if "git_commit" not in provenance:
        return ""
    dirty = ", with changes that are not committed" if provenance.get("git_dirty") else ""
    return f"git commit {str(provenance['git_commit'])[:12]}{dirty}"


def _results(found: Report, width: int) -> Iterator[str]:
    if not found.results:
        return
    yield f"Results, over the {counted(found.items.n_ok, 'ok item')}"
    header = ("", "unit", "sum", "mean", "least", "greatest", "NaN items", "infinities")
    rows = [row for result in found.results for row in _result_rows(result)]
    yield from table(without_empty_columns([header, *rows]), left=(0,), has_head=True)


def _result_rows(result: ResultFacts) -> Iterator[tuple[str, ...]]:
    units = "bool" if result.dtype == "bool" else "" if result.units == "1" else result.units
    size = f" ({'up to ' * result.varying}{'×'.join(map(str, result.shape))} values)"
    counts = f"{result.n_nan_items:,}", f"{result.n_infinite:,}" if result.n_infinite else ""
    for part in result.statistics:
        label = part.label + (size if result.shape and part.label == result.name else "")
        figures = (spelled_number(value) for value in (part.mean, part.min, part.max))
        yield label, units, spelled_number(part.sum, n_digits=15), *figures, *counts
        counts = "", ""


def _attempts(found: Report, width: int) -> Iterator[str]:
    if not found.attempts:
        return
    yield "Attempts"
    header = ("", "start", "end", "backend", "workers", "items", "wall time", "ended by")
    yield from table([header, *map(_attempt_row, found.attempts)], left=(1, 2, 3, 7), has_head=True)
    for sentence in (*_by_cost(found), *_done_again(found)):
        yield from wrapped("  ", sentence, width)


def _prediction(found: Report, width: int) -> Iterator[str]:
    yield from prediction_lines(found.prediction, width)


def _by_cost(found: Report) -> Iterator[str]:
    """Say which attempts did not go evenly through the study."""
    numbers = [str(attempt.row.attempt) for attempt in found.attempts if attempt.row.order == "longest-first"]
    if numbers:
        which = "it" if len(found.attempts) == 1 else f"attempt {', '.join(numbers)}"
        yield f"Order longest-first: {which} began with the items that cost most."


def _done_again(found: Report) -> Iterator[str]:
    """Say what deaths cost."""
    rows = [attempt.row for attempt in found.attempts if attempt.row.n_done_again]
    if rows:
        n_items, seconds = sum(row.n_done_again for row in rows), sum(row.done_again_seconds for row in rows)
        yield (
            f"{counted(n_items, 'item')} ran when workers died and {'was' if n_items == 1 else 'were'} "
            f"done again, which took {spelled_seconds(seconds)}."
        )


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
        (row.reason or ("" if row.ended else "killed")) + (f", shard {row.shard}" if row.shard else ""),
    )


def _moment(iso: str) -> tuple[str, str, str]:
    """Return day, time and zone."""
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return "", iso, ""
    zone = moment.strftime("%z")
    return (moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S"), "UTC" if zone == "+0000" else zone)


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
            spelled_parameters(item.parameters),
            "" if item.status == "ok" else item.status,
        )
        for item in found.slowest
    ]
    yield from (shortened(line, width) for line in table(rows, left=(0, 2, 3)))


def _failures(found: Report, width: int) -> Iterator[str]:
    if not found.failures:
        return
    n = found.n_without_result
    yield f"Failures: {counted(n, 'item')} without a result; the commands below repeat them, with traceback"
    if 1 < len(found.failure_kinds) < n:
        numbers = list(found.failure_kinds.items())[:N_KINDS_LISTED]
        names = shortened_apart([kind for kind, _ in numbers], N_KIND_CHARACTERS)
        kinds = ", ".join(f"{n:,} × {name}" for name, (_, n) in zip(names, numbers, strict=True))
        yield from wrapped("  ", kinds, width)
    for item in found.failures:
        status = "" if item.status == "failed" else f" {item.status}"
        head = f"  item {item.index} ({spelled_parameters(item.parameters)}){status}"
        exception = beginning(item.exception.partition("\n")[0], N_EXCEPTION_CHARACTERS)
        yield from wrapped("  ", f"{head.strip()}: {exception}" if exception else head.strip(), width)
        if item is found.failures[0]:
            yield from map(DrawnLine, _frames(item.traceback))
        yield f"    {item.command}"
    if n > len(found.failures):
        yield f"  and {n - len(found.failures):,} more"


def _frames(traceback: str) -> Iterator[str]:
    """Yield where the exception was raised: the lines of its traceback, without heading and exception."""
    lines = traceback.rpartition(_TRACEBACK_HEADING)[2].splitlines()
    frames = list(takewhile(lambda line: line.startswith("  "), lines))
    yield from (f"  {beginning(line, N_EXCEPTION_CHARACTERS)}" for line in without_middle(frames, N_FRAME_LINES))
