"""Writing a result file: blocks of items in index order, then the tables."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from fullrank.errors import FullrankError, OutputError
from fullrank.schema import Block, Field, Tables
from fullrank.store.h5 import (
    TEXT,
    create,
    create_scale,
    fill_by_ranges,
    open_new,
    write_items,
)
from fullrank.store.layout import (
    BOOL_FLAGS,
    FORMAT,
    FORMAT_VERSION,
    Variable,
    VariableInfo,
    chunk_bytes,
    flag_attributes,
    item_variables,
)
from fullrank.store.sink import Sink
from fullrank.store.tables import clean, write_tables
from fullrank.store.tally import FileSummary, Tally, columns
from fullrank.store.texts import TEXTS_DIGEST, texts_sha256

if TYPE_CHECKING:
    from fullrank.axes import Axis
    from fullrank.sweep import Sweep

_AXIS_DTYPES: dict[type, Any] = {
    bool: np.dtype("|i1"),
    int: np.dtype("<i8"),
    float: np.dtype("<f8"),
    str: TEXT,
}


class FileWriter:
    """Writes one result file; a context manager.

    Holds one block, and one unfinished chunk of each dataset, in memory. Until :meth:`finish` has
    returned the file is not marked as ours. Leaving the context without it removes the file, so
    ``path`` is a temporary name that the caller renames. For one thread.

    Args:
        path: the temporary name; a file of this name is replaced.
        sweep: gives dimensions and axis values.
        fields: the results, in the order of the file.
        variables: units, long name and inner dimensions of results, by name; any may be missing.
        title: one line about the study.

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
    ) -> None:
        self._path = path
        self._sweep = sweep
        self._fields = tuple(fields)
        self._title = title
        axis_names = [axis.name for axis in sweep.axes]
        self._variables = item_variables(self._fields, variables, axis_names=axis_names)
        self._tally = Tally(self._variables)
        self._next_index = 0
        self._file: h5py.File | None = None
        self._datasets: dict[str, h5py.Dataset] = {}
        self._chunk_bytes = chunk_bytes(len(self._variables))
        try:
            self._sink = Sink(path)
        except OSError as error:
            raise OutputError(f"{path}: cannot be created: {error.strerror}") from error
        try:
            with self._writing():
                self._file = open_new(self._sink, chunk_bytes=self._chunk_bytes)
                self._create_all(self._file)
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
        """Write the next items; blocks follow each other without gaps, from index 0.

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
            self._mark_gaps(summary)
            write_tables(self._file, tables)
            self._file.attrs.update(self._root_attributes(summary))
            self._file.attrs[TEXTS_DIGEST] = texts_sha256(self._file)
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
            raise OutputError(
                f"{self._path}: cannot be written: {error.strerror or error}; make room and run "
                "the same command again"
            ) from error

    def _close(self) -> None:
        file, self._file = self._file, None
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
            self._path.unlink(missing_ok=True)

    def _create_all(self, file: h5py.File) -> None:
        scales = self._create_dimensions(file)
        item_dims = self._sweep.dims
        by_item = [axis.name for axis in self._sweep.axes if axis.name not in item_dims]
        for axis in self._sweep.axes:
            if axis.name in by_item:
                self._create_parameter(file, axis).dims[0].attach_scale(scales["item"])
        for variable in self._variables:
            dataset = self._create_variable(file, variable, coordinates=by_item)
            for dim, name in enumerate((*item_dims, *variable.inner_dims)):
                dataset.dims[dim].attach_scale(scales[name])
            self._datasets[variable.name] = dataset

    def _create_dimensions(self, file: h5py.File) -> dict[str, h5py.Dataset]:
        """Create the scale of every dimension: the axis' values, else 0 … size - 1."""
        axes = {axis.name: axis for axis in self._sweep.axes}
        scales: dict[str, h5py.Dataset] = {}
        for name, size in zip(self._sweep.dims, self._sweep.shape, strict=True):
            scales[name] = (
                _axis_scale(file, axes[name]) if name in axes else _counting_scale(file, name, size)
            )
        for variable in self._variables:
            for name, size in zip(variable.inner_dims, variable.inner_shape, strict=True):
                if name not in scales:
                    scales[name] = _counting_scale(file, name, size)
        return scales

    def _create_parameter(self, file: h5py.File, axis: "Axis") -> h5py.Dataset:
        dtype = _AXIS_DTYPES[axis.value_type]
        dataset = create(
            file, axis.name, shape=(len(axis),), dtype=dtype, attributes=_axis_attributes(axis)
        )
        fill_by_ranges(dataset, axis.column)
        return dataset

    def _create_variable(
        self, file: h5py.File, variable: Variable, *, coordinates: Sequence[str]
    ) -> h5py.Dataset:
        attributes: dict[str, Any] = {
            "units": variable.units,
            "long_name": clean(variable.long_name),
        }
        if variable.flags:
            attributes |= flag_attributes(variable.flags, variable.dtype)
        if coordinates:
            attributes["coordinates"] = " ".join(coordinates)
        if variable.lengths:
            attributes["lengths"] = variable.lengths
        return create(
            file,
            variable.name,
            shape=(*self._sweep.shape, *variable.inner_shape),
            dtype=np.dtype(variable.dtype),
            attributes=attributes,
            chunk_bytes=self._chunk_bytes,
            fill=variable.fill,
        )

    def _mark_gaps(self, summary: FileSummary) -> None:
        """Give ``_FillValue`` to datasets with gaps alone: in xarray it makes floats of ints."""
        for variable in self._variables:
            attributes = self._datasets[variable.name].attrs
            if variable.name in self._tally.gaps:
                attributes["_FillValue"] = np.dtype(variable.dtype).type(variable.fill)
            elif variable.flags == BOOL_FLAGS:
                # Not where values are missing: xarray takes the gaps of a "bool" for true.
                attributes["dtype"] = "bool"
            if variable.name in summary.n_nan:
                attributes["n_nan"] = summary.n_nan[variable.name]

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
        signal = next(
            (v for v in self._variables if not v.inner_shape and not v.lengths), self._variables[0]
        )
        dims = [*self._sweep.dims, *signal.inner_dims]
        axes = ["." if name in texts else name for name in dims]
        return {"NX_class": "NXdata", "signal": signal.name, "axes": axes}


def _axis_attributes(axis: "Axis") -> dict[str, Any]:
    attributes = {"units": axis.units or "1", "long_name": clean(axis.long_name) or axis.name}
    if axis.value_type is bool:
        attributes |= {**flag_attributes(BOOL_FLAGS, "|i1"), "dtype": "bool"}
    return attributes


def _axis_scale(file: h5py.File, axis: "Axis") -> h5py.Dataset:
    return create_scale(
        file,
        axis.name,
        size=len(axis),
        dtype=_AXIS_DTYPES[axis.value_type],
        attributes=_axis_attributes(axis),
        values=axis.column,
    )


def _counting_scale(file: h5py.File, name: str, size: int) -> h5py.Dataset:
    return create_scale(
        file,
        name,
        size=size,
        dtype=np.dtype("<i8"),
        attributes={"units": "1", "long_name": f"position along {name}"},
        values=lambda positions: positions,
    )
