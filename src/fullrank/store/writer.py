"""Writing a result file: blocks of items in index order, then the tables."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from fullrank.errors import FullrankError, OutputError
from fullrank.schema import Block, Field, Tables
from fullrank.store.attributes import write_attributes
from fullrank.store.chunks import ChunkStream, Filters, is_filtered
from fullrank.store.create import create_datasets
from fullrank.store.h5 import open_new, write_items
from fullrank.store.layout import (
    BOOL_FLAGS,
    FORMAT,
    FORMAT_VERSION,
    VariableInfo,
    chunk_bytes,
    item_variables,
)
from fullrank.store.objects import Objects
from fullrank.store.sink import Sink
from fullrank.store.tables import clean, write_tables
from fullrank.store.tally import FileSummary, Tally, columns
from fullrank.store.texts import TEXTS_DIGEST, texts_sha256
from fullrank.system import System, discard

if TYPE_CHECKING:
    from fullrank.sweep import Sweep


class FileWriter:
    """Writes one result file; a context manager.

    Holds some ten chunks that are not filtered yet, with the blocks of which they are parts, and
    an unfinished chunk of each dataset in memory. Until :meth:`finish` has returned the file is not
    marked as ours. Leaving the context without it removes the file, so ``path`` is a temporary name
    that the caller renames. For one thread.

    Args:
        path: the temporary name; a file of this name is replaced.
        sweep: gives dimensions and axis values.
        fields: the results, in the order of the file.
        variables: units, long name and inner dimensions of results, by name; any may be missing.
        title: one line about the study.
        system: what the file is written through.

    Raises:
        OutputError: from every method: a result's name or type cannot be stored, or the file
            cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        sweep: "Sweep",
        fields: Sequence[Field],
        variables: Mapping[str, VariableInfo],
        title: str,
        system: System = os,
    ) -> None:
        self._path = path
        self._system = system
        self._sweep = sweep
        self._fields = tuple(fields)
        self._title = title
        axis_names = [axis.name for axis in sweep.axes]
        self._variables = item_variables(self._fields, variables, axis_names=axis_names)
        self._tally = Tally(self._variables)
        self._next_index = 0
        self._file: h5py.File | None = None
        self._datasets: dict[str, h5py.Dataset] = {}
        self._filters = Filters()
        self._streams: dict[str, ChunkStream] = {}
        """Of the large datasets."""
        try:
            self._sink = Sink(path, system)
        except OSError as error:
            raise OutputError.of(error, f"{path}: cannot be created") from error
        try:
            with self._writing():
                self._file = open_new(self._sink, chunk_bytes=chunk_bytes(len(self._variables)))
                self._datasets = create_datasets(self._file, sweep, variables=self._variables, filters=self._filters)
                self._streams = {
                    name: ChunkStream(dataset, self._filters)
                    for name, dataset in self._datasets.items()
                    if is_filtered(dataset)
                }
        except BaseException:
            self._discard()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._discard()

    def write(self, block: Block) -> None:
        """Write the next items; blocks follow each other without gaps, from index 0, and do not change any more.

        Raises:
            FullrankError: the block is not the next one.
        """
        stop = block.start + len(block.status)
        if block.start != self._next_index or stop > self._sweep.n_items:
            raise FullrankError(
                f"{self._path}: expected a block from item {self._next_index} on of "
                f"{self._sweep.n_items}, got {block.start} to {stop - 1}"
            )
        with self._writing():
            for column in columns(block, self._fields):
                self._tally.add(column)
                if column.name in self._streams:
                    self._streams[column.name].write(column.array)
                else:
                    write_items(self._datasets[column.name], block.start, column.array)
        self._next_index = stop

    def finish(self, tables: Tables) -> FileSummary:
        """Write tables and root attributes, bring everything to the disk and close the file.

        Raises:
            FullrankError: not all items were written.
        """
        if self._file is None or self._next_index != self._sweep.n_items:
            raise FullrankError(
                f"{self._path}: {self._next_index} of {self._sweep.n_items} items were written, "
                "or the file is finished already"
            )
        summary = self._tally.summary(self._sweep.shape)
        with self._writing():
            self._filters.finish()
            self._mark_gaps(summary)
            write_tables(self._file, tables)
            root = self._file["/"]
            write_attributes(root, self._root_attributes(summary))
            write_attributes(root, {TEXTS_DIGEST: texts_sha256(Objects.below(root))})
            self._close()
            self._sink.check()
            self._sink.sync()
        self._sink.close()
        return summary

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn a failure to write into OutputError."""
        try:
            try:
                yield
            finally:
                self._sink.check()  # what HDF5 raises after this failed follows from it
        except OSError as error:
            raise OutputError.of(error, f"{self._path}: cannot be written") from error

    def _close(self) -> None:
        file, self._file = self._file, None
        try:
            self._filters.close()
        finally:  # a second Ctrl-C comes while threads are waited for
            self._streams.clear()
            self._datasets.clear()
            if file is not None:
                file.close()

    def _discard(self) -> None:
        """Remove the file, unless it is finished."""
        if not self._sink.closed:
            self._sink.give_up()
            with suppress(OSError, RuntimeError):
                self._close()
            self._sink.close()
            discard(self._system, self._path)

    def _mark_gaps(self, summary: FileSummary) -> None:
        """Give ``_FillValue`` to datasets with gaps alone: in xarray it makes floats of ints."""
        for variable in self._variables:
            attributes: dict[str, Any] = {}
            if variable.name in self._tally.gaps:
                attributes["_FillValue"] = np.dtype(variable.dtype).type(variable.fill)
            elif variable.flags == BOOL_FLAGS:
                # Not where values are missing: xarray takes the gaps of a "bool" for true.
                attributes["dtype"] = "bool"
            if variable.name in summary.n_nan:
                attributes["n_nan"] = summary.n_nan[variable.name]
            write_attributes(self._datasets[variable.name], attributes)

    def _root_attributes(self, summary: FileSummary) -> dict[str, Any]:
        sweep = self._sweep
        attributes: dict[str, Any] = {
            "title": clean(self._title),
            "format": FORMAT,
            "format_version": np.int32(FORMAT_VERSION),
            "complete": np.int32(summary.complete),
            "n_items": np.int64(summary.n_items),
            "n_ok": np.int64(summary.n_ok),
            "n_failed": np.int64(summary.n_failed),
            "results_sha256": summary.results_sha256,
            "sweep": sweep.kind,
            "parameters": [axis.name for axis in sweep.axes],
        }
        if self._fields:
            attributes["results"] = [entry.name for entry in self._fields]
        return attributes | self._plot_hints()

    def _plot_hints(self) -> dict[str, Any]:
        """Say what silx and h5web plot at once; for them texts are no coordinates."""
        texts = {axis.name for axis in self._sweep.axes if axis.value_type is str}
        names = [entry.name for entry in self._fields] or ["status"]
        shown = [variable for variable in self._variables if variable.name in names]
        signal = next((variable for variable in shown if not variable.inner_shape), shown[0])
        dims = [*self._sweep.dims, *signal.inner_dims]
        axes = ["." if name in texts else name for name in dims]
        return {"NX_class": "NXdata", "signal": signal.name, "axes": axes}
