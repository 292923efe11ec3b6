"""From journals to the result file at its final name: absent, the previous one, or complete and verified."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from fullrank.account import Closing, Phases
from fullrank.buckets import Buckets
from fullrank.config import Config
from fullrank.crew import Crew, shipped_streams
from fullrank.dataclass import dataclass, fields, replace
from fullrank.errors import OutputError
from fullrank.gather import Schema, blocks, decide_schema
from fullrank.schema import AttemptRow, Block, Failure, Tables, WorkerRow
from fullrank.status import Status
from fullrank.store import FileSummary, FileWriter, Onlooker, ResultFile, is_ours, verify
from fullrank.survey import JournalInfo, Survey
from fullrank.system import System, discard, sync_folder

MAX_FAILURES_DESCRIBED = 1000
_SHIP_WHOLE_BYTES = 16 << 20
"""Journals of all ranks together that root may hold in memory instead of having them sorted by the ranks."""
_UNKNOWN = float("nan")


@dataclass(frozen=True)
class Commit:
    """What goes into the file besides the items."""

    config: Config
    identity: str
    versions: tuple[str, ...]
    """The same by version of the code."""
    attempts: tuple[AttemptRow, ...]
    interrupted: tuple[tuple[int, int], ...]
    """Attempt and index of each item that was running when a worker died."""
    provenance: Mapping[str, str | int | float]
    closings: Mapping[int, Closing]
    """How the account of each attempt was closed that had an end."""
    goes_on: int | None = None
    """The attempt whose workers wait for the file: its account is closed when the account is written."""


def write_file(
    crew: Crew,
    survey: Survey,
    *,
    commit: Commit,
    temporary: Path,
    renew_lock: Callable[[], object] = lambda: None,
    onlooker: Onlooker | None = None,
    system: System = os,
) -> tuple[Schema, FileSummary]:
    """Gather all records and write them to ``temporary``, whole and verified; return what the file looks like.

    ``renew_lock`` is called for each block that is written; ``onlooker`` sees the file while it is verified.
    Raises OutputError or StorageError; then nothing is left of the temporary file.
    """
    sweep = commit.config.sweep
    phases = Phases(perf_counter(), ("gather", "write"))
    schema = decide_schema(survey, sweep.n_items)
    _check_names(schema, frozenset(sweep.dims) | {axis.name for axis in sweep.axes})
    noted = _Noted(_attempts_of_workers(survey, schema), commit.interrupted)
    phases.close("gather", perf_counter())
    try:
        with FileWriter(
            temporary,
            sweep=sweep,
            fields=schema.fields,
            variables=commit.config.results.variables,
            title=commit.config.title,
            system=system,
        ) as writer:
            phases.close("write", perf_counter())
            for block in blocks(schema, _buckets(crew, survey, schema, temporary.parent)):
                phases.close("gather", perf_counter())
                noted.note(block)
                writer.write(block)
                phases.close("write", perf_counter())
                renew_lock()
            failures = _failures(crew, schema, noted.failed, commit.config)
            phases.close("gather", perf_counter())
            closings = _closed_now(commit, phases)
            tables = Tables(
                failures=failures,
                workers=_worker_rows(survey, schema, closings),
                attempts=tuple(noted.completed(_closed(row, closings)) for row in commit.attempts),
                provenance=commit.provenance,
                config=commit.config.text,
                identity=commit.identity,
                versions=commit.versions,
            )
            writer.finish(tables)
        return schema, verify(temporary, onlooker)
    except BaseException:
        discard(system, temporary)
        raise


def _closed_now(commit: Commit, phases: Phases) -> Mapping[int, Closing]:
    """Return the closings, of the attempt that goes on with what it took to gather and write."""
    closings = dict(commit.closings)
    if commit.goes_on in closings:
        before = closings[commit.goes_on]
        closings[commit.goes_on] = replace(
            before,
            noted=perf_counter(),
            gather_seconds=before.gather_seconds + phases.seconds["gather"],
            write_seconds=before.write_seconds + phases.seconds["write"],
        )
    return closings


def _closed(row: AttemptRow, closings: Mapping[int, Closing]) -> AttemptRow:
    closing = closings.get(row.attempt)
    if closing is None:
        return row
    return replace(row, gather_seconds=closing.gather_seconds, write_seconds=closing.write_seconds)


def _check_names(schema: Schema, taken: frozenset[str]) -> None:
    """Refuse fields whose derived names (``_re``, ``_im``, ``_length``) are there already."""
    names = [field.name for field in schema.fields]
    names += [f"{field.name}_length" for field in schema.fields if field.varying]
    for name in names:
        if name in taken or names.count(name) > 1:
            raise OutputError(f"two datasets of the file would be called '{name}'; rename a result of the function")


def _buckets(crew: Crew, survey: Survey, schema: Schema, folder: Path) -> Iterator[Sequence[bytes]]:
    """Yield, for each bucket, what each holder has of it."""
    if crew.size > 1 and survey.n_bytes <= _SHIP_WHOLE_BYTES:
        own = Buckets(schema, folder)
        for stream, path in shipped_streams(crew.call("ship")):
            own.add_journal(stream, path)
        for bucket in range(schema.n_buckets):
            yield [own.take(bucket)]
        own.close()
        return
    crew.call("sort", schema, str(folder))
    for bucket in range(schema.n_buckets):
        yield crew.call("take", bucket)
    crew.call("release")


class _Noted:
    """What is remembered of the blocks while they go by."""

    def __init__(self, attempt_of_worker: Sequence[int], interrupted: Sequence[tuple[int, int]]) -> None:
        self._attempt_of_worker = attempt_of_worker
        self._interrupted = interrupted
        self._done_again: dict[int, list[float]] = {}
        self.failed: list[tuple[int, int, int]] = []
        """Index, status and worker of the first failures."""

    def note(self, block: Block) -> None:
        """Look at the next block."""
        room = MAX_FAILURES_DESCRIBED - len(self.failed)
        if room:
            for row in (block.status > Status.OK).nonzero()[0][:room].tolist():
                self.failed.append((block.start + row, int(block.status[row]), int(block.worker[row])))
        for attempt, index in self._interrupted:
            row = index - block.start
            is_here = 0 <= row < len(block.status) and block.status[row]
            if is_here and self._attempt_of_worker[block.worker[row]] > attempt:
                self._done_again.setdefault(attempt, []).append(float(block.seconds[row]))

    def completed(self, attempt: AttemptRow) -> AttemptRow:
        """Return the attempt with what its workers' deaths cost."""
        seconds = self._done_again.get(attempt.attempt, [])
        return replace(
            attempt,
            n_done_again=attempt.n_done_again + len(seconds),
            done_again_seconds=attempt.done_again_seconds + sum(seconds),
        )


def _journals_by_row(survey: Survey, schema: Schema) -> list[JournalInfo]:
    journals = {Path(info.path).name: info for info in survey.journals}
    return [journals[name] for name in sorted(schema.worker_rows, key=schema.worker_rows.__getitem__)]


def _attempts_of_workers(survey: Survey, schema: Schema) -> list[int]:
    return [info.header["attempt"] for info in _journals_by_row(survey, schema)]


def _worker_rows(survey: Survey, schema: Schema, closings: Mapping[int, Closing]) -> tuple[WorkerRow, ...]:
    return tuple(_worker_row(info, closings.get(info.header["attempt"])) for info in _journals_by_row(survey, schema))


def _worker_row(info: JournalInfo, closing: Closing | None) -> WorkerRow:
    header, account = info.header, info.account or {}
    seconds = {
        entry.name: account.get(entry.name, _UNKNOWN) for entry in fields(WorkerRow) if entry.name.endswith("_seconds")
    }
    if "end_wait_seconds" not in account:  # it was not closed before, in an earlier result file
        end_wait_seconds = after_seconds = _UNKNOWN
        if closing is not None:
            end_wait_seconds = closing.of_worker(header["worker"]) - account.get("ended", _UNKNOWN)
            after_seconds = closing.after_seconds
        seconds["end_wait_seconds"] = end_wait_seconds
        seconds["account_seconds"] += end_wait_seconds + after_seconds
    return WorkerRow(
        attempt=header["attempt"],
        worker=header["worker"],
        host=header["host"],
        pid=header["pid"],
        platform=header.get("platform", ""),
        backend=header["backend"],
        n_items=info.n_items,
        n_claims=account.get("n_claims", 0),
        **seconds,
    )


def _failures(
    crew: Crew, schema: Schema, failed: Sequence[tuple[int, int, int]], config: Config
) -> tuple[Failure, ...]:
    if not failed:
        return ()
    indices = frozenset(index for index, _, _ in failed)
    known: dict[tuple[int, int], dict[str, Any]] = {}
    for part in crew.call("describe", indices, schema.key):
        for index, _, journal, description in part:
            known[index, schema.worker_rows[journal]] = description
    return tuple(
        Failure(
            index=index,
            status=status,
            parameters=json.dumps(config.sweep.parameters(index)),
            exception=known.get((index, worker), {}).get("exception", ""),
            traceback=known.get((index, worker), {}).get("traceback", ""),
            output=known.get((index, worker), {}).get("output", ""),
            worker=worker,
        )
        for index, status, worker in failed
    )


def is_partial_of(path: Path, identity: str | None) -> bool:
    """Return whether ``path`` is a partial file of this study, whose place a fuller one may take; None: of any."""
    try:
        if not is_ours(path):
            return False
        with ResultFile(path) as file:
            return not file.summary.complete and identity in (None, file.identity)
    except OutputError:  # damaged: somebody may still want to look at it
        return False


def check_partial(path: Path, identity: str) -> None:
    """Raise OutputError if a file that is no partial one of this study stands where one is to go."""
    if path.exists() and not is_partial_of(path, identity):
        raise OutputError(f"{path}: is there and is no partial result of this study; move it away first")


def put_in_place(temporary: Path, final: Path, system: System = os) -> None:
    """Give a verified file its final name; it is there whole, also after the loss of the node."""
    try:
        system.replace(temporary, final)
        sync_folder(system, final.parent)
    except OSError as error:
        raise OutputError.of(error, f"{final}: cannot be written") from error
