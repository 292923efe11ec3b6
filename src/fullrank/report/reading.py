"""From a result file to a report: the file is read once, by blocks."""

import json
import shlex
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np

from fullrank.metrics import Account, accounts, shortest_makespan, summed, work
from fullrank.repeat import item_command
from fullrank.report.across_shards import of_shards
from fullrank.report.facts import (
    Attempt,
    AxisFacts,
    FailedItem,
    Items,
    Report,
    ResultFacts,
    SlowItem,
)
from fullrank.report.figures import Tally
from fullrank.report.prediction import prediction
from fullrank.schema import AttemptRow, Block, Failure, Tables, WorkerRow
from fullrank.status import Status
from fullrank.store import FileAxis, ResultFile, block_size
from fullrank.versions import VersionScan

N_SLOWEST = 5
N_FAILURES = 10
N_VALUES_LISTED = 6


def report(path: Path) -> Report:
    """Read what a result file tells, complete or partial.

    Raises:
        OutputError: not ours or damaged.
    """
    with ResultFile(path) as file:
        reading = Reading()
        reading.begin(file, file.tables())
        for block in file.blocks(block_size(file)):
            reading.add(block)
        reading.end()
        return reading.report


class Reading:
    """Makes a report of a file that is read once, by blocks, by whoever reads it."""

    report: Report
    """Of a file that has been read to its end."""

    def begin(self, file: ResultFile, tables: Tables) -> None:
        """Look at the file before its first items."""
        self._file = file
        self._tables = tables
        self._attempt = _measured_attempt(tables.workers)
        self._scan = _Scan(file, [n for n, row in enumerate(tables.workers) if row.attempt == self._attempt])

    def add(self, block: Block) -> None:
        """Look at the next items."""
        self._scan.add(block)

    def end(self) -> None:
        """Put the report together."""
        file, tables, attempt, scan = self._file, self._tables, self._attempt, self._scan
        own = tuple(row for row in tables.workers if row.attempt == attempt)
        failures = sorted(tables.failures, key=lambda failure: failure.index)
        provenance = tables.provenance
        config_path, settings = _config_path(provenance), _settings(provenance)
        attempts = tables.attempts
        each = _accounts(own, attempts)
        together = summed(each)
        known = work(own)
        n_known = known.n_workers - known.n_killed
        self.report = Report(
            path=str(file.path.absolute()),
            title=file.title,
            function=_function(tables.config),
            config_path=config_path,
            kind=file.kind,
            sweep=tuple(_axis_facts(axis) for axis in file.axes),
            replicates=file.replicates,
            items=scan.items(),
            complete=file.summary.complete,
            results_sha256=file.summary.results_sha256,
            results=scan.results(file),
            provenance=provenance,
            attempts=tuple(_attempt(row, tables.workers) for row in attempts),
            attempt=attempt,
            hosts=Counter(row.host for row in own),
            platforms=Counter(row.platform for row in tables.workers if row.platform),
            work=known,
            shortest_makespan_seconds=shortest_makespan(
                known.compute_seconds, scan.longest_of_attempt, n_workers=n_known
            ),
            workers=own,
            accounts=each,
            account=together,
            shares=together.shares(),
            slowest=scan.slowest(file),
            failures=tuple(_failed(failure, config_path, settings) for failure in failures[:N_FAILURES]),
            settings=settings,
            shards=of_shards(attempts, tables.workers),
            prediction=prediction(provenance, attempts, tables.workers),
            versions=scan.versions.found(),
            failure_kinds=dict(Counter(map(_kind, failures)).most_common()),
        )


def _measured_attempt(workers: Sequence[WorkerRow]) -> int:
    return max((row.attempt for row in workers if row.n_items), default=0)


def _accounts(workers: Sequence[WorkerRow], attempts: Sequence[AttemptRow]) -> tuple[Account, ...]:
    """Return the account of each worker of one attempt."""
    own = [row for row in attempts if workers and row.attempt == workers[0].attempt]
    return accounts(workers, own[0]) if own else ()


def _attempt(row: AttemptRow, workers: Sequence[WorkerRow]) -> Attempt:
    return Attempt(row, sum(worker.n_items for worker in workers if worker.attempt == row.attempt))


def _function(config: str) -> str:
    with suppress(tomllib.TOMLDecodeError, KeyError, TypeError):
        return str(tomllib.loads(config)["workload"]["function"])
    return ""


def _axis_facts(axis: FileAxis) -> AxisFacts:
    n = len(axis)
    few = axis.column(range(min(n, N_VALUES_LISTED)))
    values = few if n <= N_VALUES_LISTED else [few[0], axis.value(n - 1)]
    return AxisFacts(axis.name, axis.units, n, tuple(values))


def _failed(failure: Failure, config_path: str, settings: Sequence[str]) -> FailedItem:
    try:
        parameters = dict(json.loads(failure.parameters))
    except ValueError:
        parameters = {}
    command = item_command(config_path, failure.index, settings)
    status = _status_in_words(failure.status)
    return FailedItem(failure.index, status, parameters, failure.exception, failure.traceback, command)


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


def _settings(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """What the command line had set of the config, as recorded."""
    with suppress(ValueError):
        return tuple(shlex.split(str(provenance.get("settings", ""))))
    return ()


class _Scan:
    """What is counted while the items stream by."""

    def __init__(self, file: ResultFile, measured_workers: Sequence[int]) -> None:
        self._measured_workers = measured_workers
        self._counts: Counter[Status] = Counter()
        self._n_timed = 0
        self._total = 0.0
        self._shortest = inf
        self._slowest: list[tuple[float, int, int]] = []
        self._tallies = [Tally(field) for field in file.fields]
        self.versions = VersionScan(file.versions)
        self.longest_of_attempt = 0.0

    def add(self, block: Block) -> None:
        for status in Status:
            self._counts[status] += int(np.count_nonzero(block.status == status))
        self._add_durations(block)
        self.versions.add(block.start, block.status, block.code_version)
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
