"""Is a result file whole, and true to its own numbers?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import asdict
from fullrank.schema import Block, Tables
from fullrank.status import Status
from fullrank.store.contents import Contents, read_contents
from fullrank.store.h5 import damaged, reading
from fullrank.store.layout import RANGE_ITEMS, Variable, item_variables, ranges
from fullrank.store.reader import ResultFile
from fullrank.store.tally import Column, FileSummary, Tally, columns

BLOCK_BYTES = 8 << 20


class Onlooker(Protocol):
    """Who sees a file go by while it is verified, for which it is read whole anyway.

    What it has seen is true once the file is verified. What it raises is taken for the file's fault.
    """

    def begin(self, file: ResultFile, tables: Tables) -> None:
        """Look at the file before its first items."""

    def add(self, block: Block) -> None:
        """Look at the next items."""

    def end(self) -> None:
        """Look at what is left to see while the file is open."""


def verify(path: Path, onlooker: Onlooker | None = None) -> FileSummary:
    """Read all results, tables and texts of a file, by blocks, and compare them with what the file says of itself.

    Counts, shapes, dimensions, fill values, tables, checksums of chunks, texts and
    ``results_sha256``. A partial file that says so is right: look at the summary's ``complete``.

    Raises:
        OutputError: not ours, or damaged; the message names the dataset or the attribute.
    """
    with ResultFile(path) as file, reading(path):
        return _verified(file, onlooker)


def examine(path: Path) -> tuple[FileSummary, Contents]:
    """Verify a file, and read all else that stands in it: a writer need not do that with what it wrote itself.

    Raises:
        OutputError: as :func:`verify`, or an attribute is neither a number nor a text.
    """
    with ResultFile(path) as file, reading(path):
        return _verified(file), read_contents(file)


def _verified(file: ResultFile, onlooker: Onlooker | None = None) -> FileSummary:
    variables = item_variables(file.fields, file.variables, axis_names=file.axis_names)
    _check_dims(file, variables)
    _compare(file.path, found=_read_items(file, variables, onlooker), stated=file.summary)
    _check_texts(file)
    return file.summary


def block_size(file: ResultFile) -> int:
    """Return the number of items of a block of about 8 MiB."""
    return max(1, BLOCK_BYTES // max(1, file.item_bytes))


def _check_dims(file: ResultFile, variables: Sequence[Variable]) -> None:
    """Check the dimensions' names, order and sizes, and that those without an axis count from 0."""
    names: set[str] = set()
    for variable in variables:
        dims = file.dims_of(variable.name)
        if dims[: len(file.dims)] != file.dims:
            raise damaged(file.path, f"/{variable.name} has dimensions {dims}, not {file.dims}")
        names.update(dims)
    for axis in file.axes:
        for positions in ranges(len(axis), RANGE_ITEMS):
            axis.check(positions)
    for name in sorted(names - {*file.axis_names}):
        scale = file.scale(name)
        for positions in ranges(len(scale), RANGE_ITEMS):
            if scale.column(positions) != list(positions):
                raise damaged(file.path, f"/{name} does not count from 0")


def _check_texts(file: ResultFile) -> None:
    stated, found = file.texts_sha256
    if stated != found:
        raise damaged(file.path, f"texts_sha256 is stated as {stated} and found to be {found}")


def _read_items(file: ResultFile, variables: Sequence[Variable], onlooker: Onlooker | None) -> FileSummary:
    """Read the tables and all items; return what they add up to."""
    tables = file.tables()
    if onlooker is not None:
        onlooker.begin(file, tables)
    indices = np.array([failure.index for failure in tables.failures], np.int64)
    codes = np.array([failure.status for failure in tables.failures], np.int64)
    if ((indices < 0) | (indices >= file.n_items)).any():
        raise damaged(file.path, f"/failures names an item outside 0 … {file.n_items - 1}")
    tally = Tally(variables)
    for block in file.blocks(block_size(file)):
        _check_status(file.path, block, indices, codes=codes)
        if block.worker.max() >= len(tables.workers):
            raise damaged(file.path, f"/worker names row {block.worker.max()} of /workers")
        if ((block.status != Status.MISSING) & (block.worker < 0)).any():
            raise damaged(file.path, "/worker names no row of /workers for an item that has an end")
        for column in columns(block, file.fields):
            _check_gaps(file.path, block, column)
            tally.add(column)
        if onlooker is not None:
            onlooker.add(block)
    if onlooker is not None:
        onlooker.end()
    return tally.summary(file.shape)


def _check_status(path: Path, block: Block, indices: NDArray[np.int64], *, codes: NDArray[np.int64]) -> None:
    """Check that codes are known ones, and those of ``indices`` what /failures says."""
    if block.status.min() < min(Status) or block.status.max() > max(Status):
        raise damaged(path, f"/status has a code outside 0 … {int(max(Status))}")
    places = indices - block.start
    is_here = (places >= 0) & (places < len(block.status))
    if (block.status[places[is_here]] != codes[is_here]).any():
        raise damaged(path, "/failures and /status tell different ends of an item")


def _check_gaps(path: Path, block: Block, column: Column) -> None:
    """Check that a result's dataset holds the fill value wherever an item has no value."""
    stored = block.values.get(column.name)
    if stored is None or not column.has_gaps:
        return
    same = stored.reshape(-1).view(np.uint8) == column.array.reshape(-1).view(np.uint8)
    if not same.all():
        raise damaged(path, f"/{column.name} has values where items have none")


def _compare(path: Path, *, found: FileSummary, stated: FileSummary) -> None:
    for name, value in asdict(found).items():
        if value != getattr(stated, name):
            what = f"{name} is stated as {getattr(stated, name)} and found to be {value}"
            raise damaged(path, what)
