"""What an item leaves in the file, and what is counted and digested while the items stream by."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass, field
from fullrank.schema import Block, Field
from fullrank.status import Status
from fullrank.store.layout import Variable, fill_value, length_name

_LARGE_BYTES = 1 << 16
"""What is digested meanwhile; less takes no longer than to start a thread."""


@dataclass(frozen=True)
class FileSummary:
    """The numbers of a result file; ``n_failed`` counts failed, timed out and crashed items."""

    n_items: int
    n_ok: int
    n_failed: int
    n_missing: int
    results_sha256: str
    complete: bool
    """Every item has an end."""
    n_nan: dict[str, int] = field(default_factory=dict)
    """For each result that has any: number of ok items with a NaN in their value."""


@dataclass(frozen=True)
class Column:
    """A block of one dataset as it stands in the file."""

    name: str
    array: NDArray[Any]
    """Shape (n, *inner shape), C order, little-endian."""
    n_nan: int = 0
    """Ok items with a NaN in their value."""
    has_gaps: bool = False
    """Some cells have no value; they hold the fill value."""


def columns(block: Block, fields: Sequence[Field]) -> Iterator[Column]:
    """Yield the block's part of every dataset with the items' dimensions, fill values in place."""
    is_ok = block.status == Status.OK
    for entry in fields:
        yield _result_column(block, entry, is_ok=is_ok)
        if entry.varying:
            lengths = np.where(is_ok, block.lengths[entry.name], 0)
            yield Column(length_name(entry.name), _stored(lengths, "<i8"))
    yield Column("status", _stored(block.status, "|i1"))
    yield Column("item_seconds", _stored(block.seconds, "<f4"), has_gaps=bool(np.isnan(block.seconds).any()))
    yield Column("worker", _stored(block.worker, "<i4"), has_gaps=bool((block.worker < 0).any()))
    yield Column(
        "code_version",
        _stored(block.code_version, "<i2"),
        has_gaps=bool((block.code_version < 0).any()),
    )


def _result_column(block: Block, entry: Field, *, is_ok: NDArray[np.bool_]) -> Column:
    values = _stored(block.values[entry.name], entry.dtype)
    has_value = is_ok.reshape(-1, *(1 for _ in entry.shape))
    if entry.varying:
        has_value = has_value & (np.arange(entry.shape[0]) < block.lengths[entry.name][:, np.newaxis])
    has_gaps = not has_value.all()
    n_nan = 0
    if values.dtype.kind == "f":
        nan = np.isnan(values)
        if nan.any():
            nan &= has_value
            n_nan = int(np.count_nonzero(nan.any(axis=tuple(range(1, nan.ndim)))))
    if has_gaps:
        values = np.where(has_value, values, fill_value(entry.dtype))
    return Column(entry.name, values, n_nan=n_nan, has_gaps=has_gaps)


def _stored(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    return np.ascontiguousarray(array, dtype=dtype)


class Tally:
    """Counts and digests the columns of a file; each column's blocks come in index order. For one thread.

    A large column is digested by a thread of its own, while its owner has it compressed or reads the next one: neither
    holds the GIL, and cores are free at the end of a run. One is digested at a time, and must not change meanwhile.

    The recipe of ``results_sha256``, byte for byte: for each result's dataset (``<name>_length`` of
    padded results among them) and for ``status``, sorted by name (by code point), one line ::

        name dtype shape sha256

    with single spaces between and a line feed behind it, in UTF-8. ``dtype`` is numpy's (``<f8``,
    ``<i8``, ``|i1``). ``shape`` is the whole dataset's, in decimal, joined by commas (``2000,2``).
    ``sha256`` is the digest, in lower-case hexadecimal, of the dataset's elements in C order,
    little-endian, as they stand in the file: with the fill value where an item has no value.
    ``results_sha256`` is the SHA-256 of all the lines, in lower-case hexadecimal.
    """

    def __init__(self, variables: Sequence[Variable]) -> None:
        self._dtypes = {v.name: (v.dtype, v.inner_shape) for v in variables if v.in_digest}
        self._hashes = {name: hashlib.sha256() for name in self._dtypes}
        self._counts: NDArray[np.int64] = np.zeros(len(Status), np.int64)
        self._n_nan: dict[str, int] = {}
        self._digesting: threading.Thread | None = None
        self.gaps: set[str] = set()
        """Names of the datasets that have cells without a value."""

    def add(self, column: Column) -> None:
        """Take the next block of a dataset."""
        if column.name in self._hashes:
            self._digest_meanwhile(column)
        if column.name == "status":
            self._counts += np.bincount(column.array, minlength=len(Status))
        if column.n_nan:
            self._n_nan[column.name] = self._n_nan.get(column.name, 0) + column.n_nan
        if column.has_gaps:
            self.gaps.add(column.name)

    def _digest_meanwhile(self, column: Column) -> None:
        self._wait()
        update, data = self._hashes[column.name].update, column.array.reshape(-1).view(np.uint8).data
        if data.nbytes > _LARGE_BYTES:
            thread = threading.Thread(target=update, args=(data,), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads can be started
                update(data)
            else:
                self._digesting = thread
        else:
            update(data)

    def _wait(self) -> None:
        if self._digesting is not None:
            self._digesting.join()
            self._digesting = None

    def summary(self, item_shape: tuple[int, ...]) -> FileSummary:
        """Return the numbers of the file whose items have this shape."""
        counts = self._counts.tolist()
        n_missing, n_ok = counts[Status.MISSING], counts[Status.OK]
        return FileSummary(
            n_items=sum(counts),
            n_ok=n_ok,
            n_failed=sum(counts) - n_ok - n_missing,
            n_missing=n_missing,
            results_sha256=self._digest(item_shape),
            complete=n_missing == 0,
            n_nan=dict(self._n_nan),
        )

    def _digest(self, item_shape: tuple[int, ...]) -> str:
        self._wait()
        lines = hashlib.sha256()
        for name in sorted(self._dtypes):
            dtype, inner_shape = self._dtypes[name]
            shape = ",".join(map(str, (*item_shape, *inner_shape)))
            lines.update(f"{name} {dtype} {shape} {self._hashes[name].hexdigest()}\n".encode())
        return lines.hexdigest()
