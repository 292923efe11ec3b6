"""A result file as numpy arrays: ``fullrank.open_result(path)``."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass
from fullrank.errors import OutputError
from fullrank.parts import ByName, parts_by_result, unknown
from fullrank.schema import Failure
from fullrank.status import Status
from fullrank.store import FileAxis, ResultFile
from fullrank.versions import CodeVersion, versions_of

if TYPE_CHECKING:
    import pandas
    import xarray

Value = int | float | str | bool


@dataclass(frozen=True)
class FailedItem:
    """An item that has no result, and why."""

    index: int
    parameters: dict[str, Value]
    status: Status
    """FAILED, TIMED_OUT or CRASHED."""
    exception: str
    """``ZeroDivisionError: float division by zero``."""
    traceback: str
    output: str
    """The last of what the item printed."""


def open_result(path: str | os.PathLike[str]) -> "Result":
    """Open a result file, complete or partial.

    Raises:
        OutputError: there is none, or it is not a result file of fullrank, newer than this version, or damaged.
    """
    return Result(Path(path))


class Result:
    """A result file opened for reading, for one thread.

    Nothing but the file's layout is read before it is asked for, and no array is kept: ``result["energy"]`` reads
    the file each time. The file stays open until :meth:`close`, the end of a ``with`` block, or the end of the
    object; a run that meanwhile replaces it does not change what is read here. What was read before, and everything
    that is no array, stays usable after that.

    S stands for the items' dimensions, ``dims`` of lengths ``shape``: those of a grid's axes, else ``item``, and before
    them ``replicate`` if the study has replicates. An item's index is its place in C order:
    ``result["energy"].ravel()[index]`` for a number.

    Raises:
        OutputError: at opening and from everything that reads: not ours, newer, or damaged.
        ValueError: from everything that reads, once it is closed.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path.absolute()
        self._file: ResultFile | None = ResultFile(path)
        try:
            self._read_layout(self._file)
        except BaseException:
            self.close()
            raise

    def _read_layout(self, file: ResultFile) -> None:
        summary = file.summary
        self.title: str = file.title
        self.dims: tuple[str, ...] = file.dims
        self.shape: tuple[int, ...] = file.shape
        self.n_items: int = summary.n_items
        self.n_ok: int = summary.n_ok
        self.n_failed: int = summary.n_failed
        """Number of items that failed, timed out or crashed."""
        self.n_missing: int = summary.n_missing
        """Number of items that have no end yet: the file is partial."""
        self.complete: bool = summary.complete
        self._fields = {entry.name: entry for entry in file.fields}
        self._parts = parts_by_result(file.fields)
        """Datasets of each result by its name: one, or the real and the imaginary part."""
        self.axes: Mapping[str, NDArray[Any]] = ByName("axis", file.axis_names, self._axis)
        """Values of each parameter: along its own dimension in a grid, else along ``item``.

        float64, int64, bool, or texts as an object array of str.
        """
        varying = [name for name, parts in self._parts.items() if self._fields[parts[0]].varying]
        self.lengths: Mapping[str, NDArray[np.int64]] = ByName("result of varying length", varying, self._lengths)
        """Length of each item's array, shape S, for results of varying length; 0 without a value."""
        self.units: Mapping[str, str] = {axis.name: axis.units for axis in file.axes} | {
            name: file.variables[parts[0]].units for name, parts in self._parts.items()
        }
        """Unit of each axis and each result, "1" for pure numbers and texts."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; harmless if it is closed."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    @property
    def is_open(self) -> bool:
        """Whether it can still be read."""
        return self._file is not None

    @property
    def _open(self) -> ResultFile:
        if self._file is None:
            raise ValueError(f"{self.path}: the result is closed; open it again with fullrank.open_result")
        return self._file

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the results."""
        return tuple(self._parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a result, shape S + shape of one value, in the type that the function returned.

        Only where :attr:`ok` is true has an item a value. Elsewhere, and behind the end of arrays of varying length,
        stands what stands in the file: NaN in floats and complex numbers, the fill value of docs/format.md in
        integers; bools are False there.

        Raises:
            KeyError: there is no such result.
        """
        parts = [self._open.array(part) for part in self._datasets(name)]
        if len(parts) == 2:
            joined = np.empty(parts[0].shape, self.dtype_of(name))
            joined.real, joined.imag = parts
            return joined
        return parts[0] == 1 if self._fields[name].is_bool else parts[0]

    def _datasets(self, name: str) -> tuple[str, ...]:
        if name not in self._parts:
            raise unknown("result", name, self.names)
        return self._parts[name]

    def dtype_of(self, name: str) -> np.dtype[Any]:
        """Return the type of a result's elements; KeyError if there is no such result."""
        parts = self._datasets(name)
        entry = self._fields[parts[0]]
        if len(parts) == 2:
            return np.result_type(entry.dtype, np.complex64)
        return np.dtype(bool if entry.is_bool else entry.dtype)

    def item_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of one item's value, () for a number; KeyError if there is no such result."""
        return self._fields[self._datasets(name)[0]].shape

    def dims_of(self, name: str) -> tuple[str, ...]:
        """Return the names of all dimensions of a result; KeyError if there is no such result."""
        return self._open.dims_of(self._datasets(name)[0])

    @property
    def status(self) -> NDArray[np.int8]:
        """How each item ended, shape S; codes of :class:`fullrank.status.Status`: 1 ok, 0 missing."""
        return self._open.array("status")

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Whether each item has a value, shape S."""
        return np.equal(self.status, Status.OK)

    @property
    def item_seconds(self) -> NDArray[np.float32]:
        """Duration of each item in s, shape S; NaN where missing."""
        return self._open.array("item_seconds")

    @property
    def code_version(self) -> NDArray[np.int16]:
        """Version of the code that made each item, shape S: 0 is the first; -1 where missing."""
        return self._open.array("code_version")

    @property
    def code_versions(self) -> tuple[CodeVersion, ...]:
        """What each version of the code made, and in what it differs from the one before; () if there is one alone."""
        return versions_of(self._open)

    def parameters(self, index: int) -> dict[str, Value]:
        """Return an item's parameters by name; IndexError outside 0 … n_items - 1."""
        return self._open.parameters(index)

    @property
    def failures(self) -> tuple[FailedItem, ...]:
        """The items that failed, timed out or crashed, by index; of more than 1,000 the first 1,000."""
        return tuple(map(self._failed_item, self._open.failures()))

    @property
    def config(self) -> str:
        """The study's config, exactly as it was read."""
        return self._open.config

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """What ran where: versions, hosts, command line."""
        return self._open.provenance()

    def to_xarray(self) -> "xarray.Dataset":
        """Return the file as xarray opens it: values are read when they are used, until the dataset is closed.

        Gaps are NaN, integers with gaps floats; a complex result is two variables, ``<result>_re`` and ``<result>_im``.

        Raises:
            ImportError: xarray, or what it reads HDF5 with, is not installed; the message has the command.
        """
        from fullrank.frames import to_xarray

        return to_xarray(self)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return one row an item, indexed by ``item``: parameters, results, ``status`` as a word, ``item_seconds``.

        An array result has one column an element: ``spin_0``, ``spin_1``; ``field_0_0``, ``field_0_1``. Gaps are NaN in
        floats and complex numbers, NA in integers and bools, whose columns are nullable where there are gaps.

        Raises:
            ImportError: pandas is not installed; the message has the command.
            UsageError: it would have more than 5,000 columns, or two of one name.
        """
        from fullrank.frames import to_pandas

        return to_pandas(self)

    def __repr__(self) -> str:
        from fullrank.frames import described

        return described(self)

    def _axis(self, name: str) -> NDArray[Any]:
        return _values(self._open.scale(name))

    def _lengths(self, name: str) -> NDArray[np.int64]:
        return self._open.array(f"{self._parts[name][0]}_length")

    def _failed_item(self, row: Failure) -> FailedItem:
        try:
            parameters, status = self.parameters(row.index), Status(row.status)
        except (IndexError, ValueError) as error:
            raise OutputError(f"{self.path}: damaged: /failures: {error}; take another copy") from error
        return FailedItem(row.index, parameters, status, row.exception, row.traceback, row.output)


def _values(axis: FileAxis) -> NDArray[Any]:
    values = axis.column(range(len(axis)))
    return np.array(values, object if isinstance(values[0], str) else None)
