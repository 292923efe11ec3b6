"""From journals to blocks of the result file: records sorted into buckets of the index range, bucket after bucket.

Records come in visiting order and the file is written in index order. Each holder of journals sorts its records into
:class:`~fullrank.buckets.Buckets`; root takes one bucket after the other from all holders and fills one
:class:`~fullrank.schema.Block`. Memory is one bucket, and the blocks of which the writer
has chunks left to filter, whatever the number of items and the lengths of their arrays, which are padded in the block
alone.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass
from fullrank.journal import Frame, Kind
from fullrank.schema import Block, Field
from fullrank.status import Status
from fullrank.survey import VARYING, Key, LayoutCount, Survey, layout_of

BUCKET_BYTES = 16 << 20
APART_BYTES = 4 << 10
"""Values of more bytes stand beside the rows: items that failed have none."""
_N_ROWS_BYTES = 8
_ROWS_AT_ONCE = 1 << 12

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
    def apart(self) -> Mapping[str, Field]:
        """The fields whose values stand beside the rows, each at its own length, by name."""
        return {field.name: field for field in self.fields if field.varying or _n_bytes(field) > APART_BYTES}

    @cached_property
    def row_dtype(self) -> np.dtype[np.void]:
        """One record, packed, without the values that stand apart."""
        columns: list[Any] = [
            ("index", "<i8"),
            ("seconds", "<f4"),
            ("status", "|i1"),
            ("worker", "<i4"),
            ("code_version", "<i2"),
        ]
        inside = [field for field in self.fields if field.name not in self.apart]
        columns += [("value " + field.name, field.dtype, field.shape) for field in inside]
        columns += [("length " + field.name, "<i8") for field in self.fields if field.varying]
        return np.dtype(columns)

    @cached_property
    def bucket_items(self) -> int:
        """Number of indices in a bucket; in the block that is made of it all arrays have the longest one's length."""
        item_bytes = self.row_dtype.itemsize + sum(map(_n_bytes, self.apart.values()))
        return max(1, BUCKET_BYTES // item_bytes)

    @property
    def n_buckets(self) -> int:
        """Number of buckets."""
        return -(-self.n_items // self.bucket_items)


def _n_bytes(field: Field) -> int:
    """Size of one item's value in the file."""
    return math.prod(field.shape) * np.dtype(field.dtype).itemsize


@dataclass(frozen=True)
class Records:
    """What some items left, in any order."""

    rows: Rows
    """Shape (n,), of :attr:`Schema.row_dtype`."""
    apart: Mapping[str, NDArray[Any]]
    """Values of the fields that stand apart, by name: of each row its own, one behind the other, where it has any."""


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


def records_of(frame: Frame, journal: str, schema: Schema) -> Records:
    """Return the records of one VALUES or FAILURES frame of the journal with this file name.

    All items of a frame have arrays of the same length: what stands apart has shape (n, *shape of a value).
    """
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
        return Records(rows, {})
    layout, key = layout_of(frame.meta)
    if key != schema.key:
        rows["status"] = Status.FAILED
        return Records(rows, {})
    rows["status"] = Status.OK
    results = {result.name: result for result in schema.results}
    apart: dict[str, NDArray[Any]] = {}
    offset = 12 * n
    for name, dtype, shape in layout:
        n_values = n * math.prod(shape)
        values = np.frombuffer(frame.body, dtype, n_values, offset).reshape(n, *shape)
        offset += values.nbytes
        for field, part in _parts(values, results[name]):
            if field.varying:
                rows["length " + field.name] = part.shape[1]
            if field.name in schema.apart:
                apart[field.name] = part.astype(field.dtype, copy=False)
            else:
                rows["value " + field.name] = part
    return Records(rows, apart)


def _parts(values: NDArray[Any], result: Result) -> Iterator[tuple[Field, NDArray[Any]]]:
    """Yield the fields of a result, each with its part of the values."""
    converted = values.astype(result.dtype, copy=False)
    parts = (converted.real, converted.imag) if converted.dtype.kind == "c" else (converted,)
    return zip(result.fields, parts, strict=True)


def packed(rows: Sequence[bytes], apart: Iterable[bytes], schema: Schema) -> bytes:
    """Return records as one message: the bytes of the rows, behind them field by field those of what stands apart."""
    n_rows = sum(map(len, rows)) // schema.row_dtype.itemsize
    return b"".join([n_rows.to_bytes(_N_ROWS_BYTES, "little"), *rows, *apart])


def _unpacked(message: bytes, schema: Schema) -> Records:
    """Return the records of a message; the empty one has none."""
    n_rows = int.from_bytes(message[:_N_ROWS_BYTES], "little")
    rows = np.frombuffer(message, schema.row_dtype, n_rows, _N_ROWS_BYTES) if n_rows else np.zeros(0, schema.row_dtype)
    offset = _N_ROWS_BYTES + rows.nbytes
    apart: dict[str, NDArray[Any]] = {}
    for name, field in schema.apart.items():
        n_values = int(_n_values(rows, field).sum())
        values = np.frombuffer(message, field.dtype, n_values, offset) if n_values else np.zeros(0, field.dtype)
        apart[name] = values
        offset += values.nbytes
    return Records(rows, apart)


def _n_values(rows: Rows, field: Field) -> NDArray[np.int64]:
    """Return how many numbers each row has of a field that stands apart."""
    if field.varying:
        return np.asarray(rows["length " + field.name])
    return np.where(rows["status"] == Status.OK, math.prod(field.shape), 0)


def blocks(schema: Schema, buckets: Iterable[Sequence[bytes]]) -> Iterator[Block]:
    """Yield the file's blocks in index order, given for each bucket the message of each holder of records of it."""
    for bucket, parts in enumerate(buckets):
        start = bucket * schema.bucket_items
        stop = min(start + schema.bucket_items, schema.n_items)
        yield _block(schema, start, stop, parts)


def _block(schema: Schema, start: int, stop: int, parts: Sequence[bytes]) -> Block:
    n = stop - start
    rows = np.zeros(n, schema.row_dtype)
    rows["seconds"] = np.nan
    rows["worker"] = rows["code_version"] = -1
    apart = {name: np.zeros((n, *field.shape), field.dtype) for name, field in schema.apart.items()}
    for part in parts:
        _scatter(rows, apart, _unpacked(part, schema), schema=schema, start=start)
    columns = _columns(rows)
    return Block(
        start=start,
        status=columns["status"],
        seconds=columns["seconds"],
        worker=columns["worker"],
        code_version=columns["code_version"],
        values={
            field.name: apart[field.name] if field.name in apart else columns["value " + field.name]
            for field in schema.fields
        },
        lengths={field.name: columns["length " + field.name] for field in schema.fields if field.varying},
    )


def as_bytes(rows: Rows) -> NDArray[np.void]:
    """Return the same rows as numpy moves them fast, which takes the fields of records one by one."""
    return rows.view(f"V{rows.dtype.itemsize}")


def _columns(rows: Rows) -> dict[str, NDArray[Any]]:
    """Return the fields of rows as arrays, by name."""
    names = rows.dtype.names or ()
    columns = {name: np.empty((len(rows), *rows.dtype[name].shape), rows.dtype[name].base) for name in names}
    for first in range(0, len(rows), _ROWS_AT_ONCE):  # all fields of rows that are in the processor's cache
        here = slice(first, first + _ROWS_AT_ONCE)
        for name, column in columns.items():
            column[here] = rows[name][here]
    return columns


def _scatter(placed: Rows, apart: Mapping[str, NDArray[Any]], records: Records, *, schema: Schema, start: int) -> None:
    """Put records in the places of their items, from ``start`` on; of two for one item the later attempt's counts."""
    chosen = _in_order(records.rows, placed["worker"], start=start)
    rows = records.rows if isinstance(chosen, slice) else as_bytes(records.rows)[chosen].view(placed.dtype)
    places = rows["index"] - start
    as_bytes(placed)[places] = as_bytes(rows)
    for name, field in schema.apart.items():
        n_values = _n_values(records.rows, field)
        starts = np.cumsum(n_values) - n_values
        _scatter_arrays(apart[name], places, records.apart[name], starts[chosen], n_values[chosen])


def _in_order(rows: Rows, known: NDArray[np.int32], *, start: int) -> slice | NDArray[np.intp]:
    """Return which rows are put in their places, in this order: all, where none is to be left out or moved.

    ``known`` are the workers, in the file's order, of what stands in the places already.
    """
    chosen: slice | NDArray[np.intp] = slice(None)
    workers = np.ascontiguousarray(rows["worker"])
    if known.max(initial=-1) >= 0:
        later = workers > known[rows["index"] - start]
        if not later.all():
            chosen = np.flatnonzero(later)
            workers = workers[chosen]
    if np.any(workers[1:] < workers[:-1]):
        order = np.argsort(workers, kind="stable")
        chosen = order if isinstance(chosen, slice) else chosen[order]
    return chosen


def _scatter_arrays(
    padded: NDArray[Any],
    places: NDArray[np.int64],
    values: NDArray[Any],
    starts: NDArray[np.int64],
    n_values: NDArray[np.int64],
) -> None:
    """Copy to the begin of each place its ``n_values`` values, of which the first stands at ``starts``."""
    flat = padded.reshape(len(padded), -1)
    for place, start, n in zip(places.tolist(), starts.tolist(), n_values.tolist(), strict=True):
        flat[place, :n] = values[start : start + n]
