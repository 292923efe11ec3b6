"""A result file turned back into journals, so that its study can go on: items done again, added, or kept as they are.

Each worker of the file gets a journal with its items, their times and its account, as it wrote it itself. So a study
that goes on from its file is one that goes on from its work folder, and its next file tells of all attempts.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.claim import failures_frame
from fullrank.dataclass import fields
from fullrank.errors import OutputError, StorageError
from fullrank.journal import Kind, pack
from fullrank.schema import Block, Field, WorkerRow
from fullrank.status import Status
from fullrank.store import ResultFile, block_size
from fullrank.system import System, sync_folder, write_all
from fullrank.worker import file_stem
from fullrank.workfolder import WorkFolder

_MOST_ATTEMPTS = 1_000_000
_UNKNOWN_FAILURE = "what it raised is not known: a file describes its first 1,000 failures"


def fingerprint(file: ResultFile) -> str:
    """Return what tells one state of a study's file from the next."""
    return f"{file.summary.results_sha256} of {len(file.attempts())} attempts"


def restore(file: ResultFile, folder: WorkFolder, *, system: System = os) -> None:
    """Fill the work folder, which holds no study, with the journals and attempts of a result file.

    Whose journals they are is not noted: until the caller has done that they are nobody's. Raises StorageError.
    """
    workers = file.workers()
    _check_numbers(file)
    versions: dict[int, int] = {}
    stems = [file_stem(row.attempt, row.worker) for row in workers]
    writers = [_Appending(folder.journal_of(stem), system) for stem in stems]
    failures = {failure.index: failure for failure in file.failures()}
    described = {
        index: {"exception": found.exception, "traceback": found.traceback, "output": found.output}
        for index, found in failures.items()
    }
    for block in file.blocks(block_size(file)):
        for row in np.unique(block.worker[block.status != Status.MISSING]).tolist():
            if not 0 <= row < len(workers):
                raise OutputError(f"{file.path}: is damaged: an item's worker is row {row} of {len(workers)}")
            rows = np.flatnonzero((block.worker == row) & (block.status != Status.MISSING))
            if row not in versions:
                versions[row] = int(block.code_version[rows[0]])
                writers[row].append(_header(workers[row], n_items=file.n_items, code_version=versions[row]))
            writers[row].append(b"".join(_frames(block, rows, file.fields, described=described)))
    for row, writer in enumerate(writers):
        account = _account(workers[row])
        if row not in versions:
            account = _header(workers[row], n_items=file.n_items, code_version=0) + account
        writer.append(account, sync=True)
    for attempt in file.attempts():
        folder.attempt_log.note_earlier(attempt)
    folder.note_versions(file.versions)
    try:  # before anything says that they are all there
        sync_folder(system, folder.path)
    except OSError as error:
        raise StorageError.of(error, f"{folder.path}: cannot be synced") from error


def _check_numbers(file: ResultFile) -> None:
    """Raise OutputError for attempts or workers that no run has counted: journals are named by them."""
    attempts = [row.attempt for row in file.attempts()] + [row.attempt for row in file.workers()]
    if any(not 1 <= number <= _MOST_ATTEMPTS for number in attempts):
        raise OutputError(f"{file.path}: is damaged: expected attempts numbered 1 to {_MOST_ATTEMPTS:,}")
    places = [(row.attempt, row.worker) for row in file.workers()]
    if any(worker < 0 for _, worker in places) or len(set(places)) < len(places):
        raise OutputError(f"{file.path}: is damaged: expected each worker of an attempt once, numbered from 0")


class _Appending:
    """A journal that is open only while something is appended: a study may have had more workers than descriptors."""

    def __init__(self, path: Path, system: System) -> None:
        self._path = path
        self._system = system

    def append(self, data: bytes, *, sync: bool = False) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            descriptor = self._system.open(self._path, flags, 0o600)
            try:
                write_all(self._system, descriptor, data)
                if sync:
                    self._system.fsync(descriptor)
            finally:
                self._system.close(descriptor)
        except OSError as error:
            raise StorageError.of(error, f"{self._path}: cannot be written") from error


def _header(row: WorkerRow, *, n_items: int, code_version: int) -> bytes:
    header = {name: getattr(row, name) for name in ("attempt", "worker", "host", "pid", "backend", "platform")}
    return pack(Kind.HEADER, 0, meta=json.dumps(header | {"n_items": n_items, "code_version": code_version}).encode())


def _account(row: WorkerRow) -> bytes:
    """Return the frame of a worker's account; nothing for one that was killed before it wrote any."""
    seconds = {f.name: getattr(row, f.name) for f in fields(row) if f.name.endswith("_seconds")}
    known = {name: value for name, value in seconds.items() if not isnan(value)}
    if not known:
        return b""
    account = seconds if "end_wait_seconds" in known else known
    return pack(Kind.ACCOUNT, 0, meta=json.dumps({"n_items": row.n_items, "n_claims": row.n_claims} | account).encode())


def _frames(
    block: Block, rows: NDArray[np.int64], results: Sequence[Field], *, described: Mapping[int, dict[str, str]]
) -> Iterator[bytes]:
    """Yield the frames of some rows of a block."""
    is_ok = block.status[rows] == Status.OK
    yield from _values_frames(block, rows[is_ok], results)
    failed = [
        (
            block.start + row,
            float(block.seconds[row]),
            int(block.status[row]),
            described.get(block.start + row, {"exception": _UNKNOWN_FAILURE}),
        )
        for row in rows[~is_ok].tolist()
    ]
    if failed:
        yield failures_frame(failed)


def _values_frames(block: Block, rows: NDArray[np.int64], results: Sequence[Field]) -> Iterator[bytes]:
    """Yield one frame for all rows whose results have the same lengths."""
    varying = [entry.name for entry in results if entry.varying]

    def lengths(row: int) -> tuple[int, ...]:
        return tuple(int(block.lengths[name][row]) for name in varying)

    by_lengths: list[list[int]] = [rows.tolist()] if len(rows) else []
    if varying:
        by_lengths = [list(group) for _, group in groupby(sorted(rows.tolist(), key=lengths), key=lengths)]
    for alike in by_lengths:
        layout, columns = [], []
        for name, values in _entries(block, np.array(alike), results):
            layout.append([name, values.dtype.str, list(values.shape[1:])])
            columns.append(np.ascontiguousarray(values).tobytes())
        indices = (block.start + np.array(alike)).astype("<i8").tobytes()
        seconds = block.seconds[alike].astype("<f4").tobytes()
        body = b"".join((indices, seconds, *columns))
        yield pack(Kind.VALUES, len(alike), meta=json.dumps(layout).encode(), body=body)


def _entries(
    block: Block, rows: NDArray[np.int64], results: Sequence[Field]
) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield name and values of each result as the function returned it: bools as such, complex numbers whole."""
    parts: dict[str, NDArray[Any]] = {}
    for entry in results:
        values = block.values[entry.name][rows]
        if entry.varying:
            values = values[:, : int(block.lengths[entry.name][rows[0]])]
        if entry.is_bool:
            values = values.view(np.bool_)
        if not entry.part_of:
            yield entry.name, values
        elif entry.part_of not in parts:
            parts[entry.part_of] = values
        else:
            real = parts.pop(entry.part_of)
            whole = np.empty(real.shape, np.result_type(real.dtype, np.complex64))
            whole.real, whole.imag = real, values
            yield entry.part_of, whole
