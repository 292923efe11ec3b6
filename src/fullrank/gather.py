"""From journals to blocks of the result file: records sorted into buckets of the index range, bucket after bucket.

Records come in visiting order and the file is written in index order. Each holder of journals sorts its records into
buckets; root takes one bucket after the other from all holders and fills one :class:`~fullrank.schema.Block`. Memory
is one bucket, whatever the number of items.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass
from fullrank.errors import StorageError
from fullrank.journal import Damage, Frame, Kind, read_stream, understanding
from fullrank.schema import Block, Field
from fullrank.status import Status
from fullrank.survey import VARYING, Key, LayoutCount, Survey, key_of

BUCKET_BYTES = 16 << 20
_BUFFER_BYTES = 8 << 20
_CHUNK_ITEMS = 1 << 17
"""Buckets are whole multiples of a chunk of 8-byte numbers, so that few chunks are written in two parts."""

Rows = NDArray[np.void]


@dataclass(frozen=True)
class Result:
    """One result as the function returned it: one field of the file, or two if it is complex."""

    name: str
    dtype: str
    """What all items' values are converted to."""
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Schema:
    """What the result file holds for each item, and how journals map to it."""

    key: Key
    """Layout of the items that have a result; others failed."""
    results: tuple[Result, ...]
    worker_rows: Mapping[str, int]
    """File name of each journal → row of its worker in the file's /workers."""
    code_versions: Mapping[str, int]
    n_items: int
    done_again: frozenset[str] = frozenset()
    """File names of the journals whose failures are left out: their items wait to be done again."""

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The file's result datasets."""
        return tuple(field for result in self.results for field in result.fields)

    @cached_property
    def row_dtype(self) -> np.dtype[np.void]:
        """One record, packed."""
        columns: list[Any] = [
            ("index", "<i8"),
            ("seconds", "<f4"),
            ("status", "|i1"),
            ("worker", "<i4"),
            ("code_version", "<i2"),
        ]
        columns += [("value " + field.name, field.dtype, field.shape) for field in self.fields]
        columns += [("length " + field.name, "<i8") for field in self.fields if field.varying]
        return np.dtype(columns)

    @cached_property
    def bucket_items(self) -> int:
        """Number of indices in a bucket."""
        fitting = max(1, BUCKET_BYTES // self.row_dtype.itemsize)
        return fitting - fitting % _CHUNK_ITEMS if fitting > _CHUNK_ITEMS else fitting

    @property
    def n_buckets(self) -> int:
        """Number of buckets."""
        return -(-self.n_items // self.bucket_items)


def decide_schema(survey: Survey, n_items: int) -> Schema:
    """Return the schema that most items follow; of equally frequent layouts the one with the lowest index."""
    journals = sorted(survey.journals, key=lambda info: (info.header["attempt"], info.header["worker"]))
    names = [Path(info.path).name for info in journals]
    versions = {name: int(info.header["code_version"]) for name, info in zip(names, journals, strict=True)}
    rows = {name: row for row, name in enumerate(names)}
    done_again = frozenset(
        name for info, name in zip(journals, names, strict=True) if info.header["attempt"] <= survey.retried
    )
    if not survey.layouts:
        return Schema((), (), rows, versions, n_items, done_again)
    key, count = min(survey.layouts.items(), key=lambda entry: (-entry[1].n_items, entry[1].lowest_index))
    shapes = dict(key)
    results = tuple(_result(name, shapes[name], count) for name in count.names)
    return Schema(key, results, rows, versions, n_items, done_again)


def _result(name: str, shape: tuple[int, ...], count: LayoutCount) -> Result:
    dtype = np.result_type(*(np.dtype(dtype) for dtype in count.dtypes[name] or {"<f8"}))
    varying = False
    if shape == (VARYING,):
        least, greatest = count.lengths[name]
        shape, varying = (greatest,), least != greatest
    if dtype.kind == "c":
        part = f"<f{dtype.itemsize // 2}"
        fields = tuple(Field(f"{name}_{suffix}", part, shape, varying=varying, part_of=name) for suffix in ("re", "im"))
    else:
        is_bool = dtype.kind == "b"
        stored = "|i1" if is_bool else dtype.newbyteorder("<").str
        fields = (Field(name, stored, shape, is_bool=is_bool, varying=varying),)
    return Result(name, dtype.str, fields)


def rows_of(frame: Frame, journal: str, schema: Schema) -> Rows:
    """Return the records of one VALUES or FAILURES frame of the journal with this file name."""
    rows = np.zeros(frame.n_rows, schema.row_dtype)
    n = frame.n_rows
    rows["index"] = np.frombuffer(frame.body, "<i8", n)
    if n and not 0 <= rows["index"].min() <= rows["index"].max() < schema.n_items:
        raise IndexError(f"an item outside 0 … {schema.n_items - 1}")
    rows["seconds"] = np.frombuffer(frame.body, "<f4", n, 8 * n)
    rows["worker"] = schema.worker_rows[journal]
    rows["code_version"] = schema.code_versions[journal]
    if frame.kind == Kind.FAILURES:
        rows["status"] = np.frombuffer(frame.body, "|i1", n, 12 * n)
        return rows
    layout = json.loads(frame.meta)
    if key_of(layout) != schema.key:
        rows["status"] = Status.FAILED
        return rows
    rows["status"] = Status.OK
    results = {result.name: result for result in schema.results}
    offset = 12 * n
    for name, dtype, shape in layout:
        n_values = n * int(np.prod(shape, dtype=np.int64))
        values = np.frombuffer(frame.body, dtype, n_values, offset).reshape(n, *shape)
        offset += values.nbytes
        _fill(rows, values, results[name])
    return rows


def _fill(rows: Rows, values: NDArray[Any], result: Result) -> None:
    converted = values.astype(result.dtype, copy=False)
    parts = (converted.real, converted.imag) if converted.dtype.kind == "c" else (converted,)
    for field, part in zip(result.fields, parts, strict=True):
        column = rows["value " + field.name]
        if field.varying:
            column[:, : part.shape[1]] = part
            rows["length " + field.name] = part.shape[1]
        else:
            column[...] = part


class Buckets:
    """The records of some journals, sorted into buckets; beyond a few megabytes in a nameless temporary file."""

    def __init__(self, schema: Schema, folder: Path) -> None:
        self._schema = schema
        self._waiting: list[list[bytes]] = [[] for _ in range(schema.n_buckets)]
        self._n_waiting_bytes = 0
        self._extents: list[list[tuple[int, int]]] = [[] for _ in range(schema.n_buckets)]
        self._folder = folder
        self._file: BinaryIO | None = None

    def add_journal(self, stream: BinaryIO, path: Path) -> None:
        """Sort in all records of the journal at ``path``, read from ``stream``."""
        kinds = (Kind.VALUES,) if path.name in self._schema.done_again else (Kind.VALUES, Kind.FAILURES)
        for frame in read_stream(stream, path):
            if not isinstance(frame, Damage) and frame.kind in kinds:
                with understanding(path):
                    rows = rows_of(frame, path.name, self._schema)
                self._add(rows)

    def _add(self, rows: Rows) -> None:
        if self._schema.n_buckets == 1:
            self._put(0, rows)
            return
        bucket_of = rows["index"] // self._schema.bucket_items
        order = np.argsort(bucket_of, kind="stable")
        bounds = np.searchsorted(bucket_of[order], np.arange(self._schema.n_buckets + 1))
        for bucket in np.unique(bucket_of):
            self._put(int(bucket), rows[order[bounds[bucket] : bounds[bucket + 1]]])

    def _put(self, bucket: int, rows: Rows) -> None:
        self._waiting[bucket].append(rows.tobytes())
        self._n_waiting_bytes += rows.nbytes
        if self._n_waiting_bytes > _BUFFER_BYTES and self._schema.n_buckets > 1:
            self._spill()

    def _spill(self) -> None:
        try:
            self._write_out()
        except OSError as error:
            raise StorageError.of(error, f"{self._folder}: records cannot be sorted there") from error

    def _write_out(self) -> None:
        if self._file is None:
            from tempfile import TemporaryFile

            self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115  # lives as long as this object
        for bucket, parts in enumerate(self._waiting):
            data = b"".join(parts)
            if data:
                self._extents[bucket].append((self._file.tell(), len(data)))
                self._file.write(data)
                parts.clear()
        self._n_waiting_bytes = 0

    def take(self, bucket: int) -> bytes:
        """Return the records of one bucket, packed; each bucket can be taken once."""
        parts = self._waiting[bucket]
        self._waiting[bucket] = []
        if self._file is not None:
            self._file.flush()
            spilled = [os.pread(self._file.fileno(), size, start) for start, size in self._extents[bucket]]
            parts = spilled + parts
        return b"".join(parts)

    def close(self) -> None:
        """Free the temporary file."""
        if self._file is not None:
            self._file.close()


def blocks(schema: Schema, buckets: Iterable[Sequence[bytes]]) -> Iterator[Block]:
    """Yield the file's blocks in index order, given for each bucket the records that each holder has of it."""
    for bucket, parts in enumerate(buckets):
        start = bucket * schema.bucket_items
        stop = min(start + schema.bucket_items, schema.n_items)
        yield _block(schema, start, stop, parts)


def _block(schema: Schema, start: int, stop: int, parts: Sequence[bytes]) -> Block:
    n = stop - start
    block = Block(
        start=start,
        status=np.zeros(n, np.int8),
        seconds=np.full(n, np.nan, np.float32),
        worker=np.full(n, -1, np.int32),
        code_version=np.full(n, -1, np.int16),
        values={field.name: np.zeros((n, *field.shape), field.dtype) for field in schema.fields},
        lengths={field.name: np.zeros(n, np.int64) for field in schema.fields if field.varying},
    )
    for part in parts:
        _scatter(block, np.frombuffer(part, schema.row_dtype))
    return block


def _scatter(block: Block, rows: Rows) -> None:
    """Put records in their places; of two for the same item the later attempt's counts."""
    places = rows["index"] - block.start
    later = rows["worker"] > block.worker[places]
    if not later.all():
        rows, places = rows[later], places[later]
    if np.any(np.diff(rows["worker"]) < 0):
        order = np.argsort(rows["worker"], kind="stable")
        rows, places = rows[order], places[order]
    block.status[places] = rows["status"]
    block.seconds[places] = rows["seconds"]
    block.worker[places] = rows["worker"]
    block.code_version[places] = rows["code_version"]
    for name, values in block.values.items():
        np.asarray(values)[places] = rows["value " + name]
    for name, lengths in block.lengths.items():
        lengths[places] = rows["length " + name]
