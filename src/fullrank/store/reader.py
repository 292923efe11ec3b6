"""Reading a result file: its sweep, its results by blocks, its tables."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from fullrank.errors import OutputError
from fullrank.schema import AttemptRow, Block, Failure, Field, Tables, WorkerRow
from fullrank.store.attributes import read_attribute
from fullrank.store.axis import FileAxis, Value, VariableText
from fullrank.store.h5 import damaged, open_old, read_items, reading, scales
from fullrank.store.layout import is_storable, length_name, ranges
from fullrank.store.safety import check_file, is_marked
from fullrank.store.sizes import check_sizes
from fullrank.store.tables import is_bool, read_provenance, read_rows, read_text, read_versions
from fullrank.store.tally import FileSummary
from fullrank.store.texts import TEXTS_DIGEST, texts_sha256


class ResultFile:
    """A result file opened for reading; a context manager, for one thread.

    ``kind``, ``dims``, ``shape``, ``n_items``, ``replicates``, ``axes`` and ``parameters`` are
    those of the sweep.

    Raises:
        OutputError: at opening and from every method: not ours, newer, damaged, or it holds what
            files of ours never do.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path, "be opened"):
            self._file = open_old(path)
        try:
            with reading(path):
                self.objects = check_file(self._file, path)
                self._read_layout()
        except BaseException:
            with suppress(OutputError):  # the damage that was found first is the one to tell of
                self.close()
            raise

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
        with reading(self.path, "be closed"):  # HDF5 does not let go of some structures that are damaged
            self._file.close()

    def _read_layout(self) -> None:
        self._dims: dict[str, tuple[str, ...]] = {}
        status = self._dataset("status")
        self.shape: tuple[int, ...] = tuple(map(int, status.shape))
        self.n_items = self._number("n_items")
        self.dims: tuple[str, ...] = self.dims_of("status")
        self.kind = self._text("sweep")
        self.axis_names = self._names("parameters")
        self.axes = tuple(map(self.scale, self.axis_names))
        self.fields = tuple(self._field(name) for name in self._names("results"))
        check_sizes(self)

    def _dataset(self, name: str) -> h5py.Dataset:
        full_name = f"/{name}"
        if full_name not in self.objects or not isinstance(found := self.objects[full_name], h5py.Dataset):
            raise damaged(self.path, f"there is no dataset /{name}")
        return found

    def _attribute(self, name: str) -> Any:
        with reading(self.path):
            return read_attribute(self.objects["/"], name)

    def _text(self, name: str) -> str:
        if not isinstance(value := self._attribute(name), str):
            raise damaged(self.path, f"expected a text in the attribute {name}, got {value!r}")
        return value

    def _number(self, name: str) -> int:
        if not isinstance(value := self._attribute(name), np.integer):
            raise damaged(self.path, f"expected a number in the attribute {name}, got {value!r}")
        return int(value)

    def _names(self, name: str) -> tuple[str, ...]:
        names = self._attribute(name)
        return () if names is None else tuple(map(str, np.atleast_1d(names)))

    def scale(self, name: str) -> FileAxis:
        """Return an axis, or the scale of another dimension."""
        dataset = self._dataset(name)
        if len(dataset.shape) != 1:
            raise damaged(self.path, f"/{name} has {len(dataset.shape)} dimensions, expected 1")
        units, long_name = self._words_of(dataset)
        return FileAxis(name, units, long_name, dataset, self.path)

    def _field(self, name: str) -> Field:
        dataset = self._dataset(name)
        if not is_storable(dataset.dtype.str):
            raise damaged(self.path, f"/{name} has type {dataset.dtype}, expected numbers")
        inner = tuple(map(int, dataset.shape[len(self.shape) :]))
        varying = "lengths" in dataset.attrs
        if varying and len(inner) != 1:
            raise damaged(self.path, f"/{name} has lengths and {len(inner)} inner dimensions, expected 1")
        with reading(self.path):
            part_of = str(read_attribute(dataset, "part_of", ""))
        return Field(name, dataset.dtype.str, inner, is_bool=is_bool(dataset), varying=varying, part_of=part_of)

    @property
    def title(self) -> str:
        """One line about the study."""
        return self._text("title")

    @property
    def replicates(self) -> int | None:
        """Length of the dimension ``replicate``; None if there is none."""
        return dict(zip(self.dims, self.shape, strict=True)).get("replicate")

    @cached_property
    def summary(self) -> FileSummary:
        """The numbers that stand in the file; :func:`verify` compares them with its content."""
        n_ok, n_failed = self._number("n_ok"), self._number("n_failed")
        with reading(self.path):
            counts = {f.name: int(read_attribute(self._dataset(f.name), "n_nan", 0)) for f in self.fields}
        return FileSummary(
            n_items=self.n_items,
            n_ok=n_ok,
            n_failed=n_failed,
            n_missing=self.n_items - n_ok - n_failed,
            results_sha256=self._text("results_sha256"),
            complete=self._number("complete") == 1,
            n_nan={name: n_nan for name, n_nan in counts.items() if n_nan},
        )

    @cached_property
    def item_dataset_names(self) -> tuple[str, ...]:
        """Names of all datasets with the items' dimensions that this version knows."""
        lengths = [length_name(entry.name) for entry in self.fields if entry.varying]
        results = [entry.name for entry in self.fields]
        return (*results, *lengths, "status", "item_seconds", "worker", "code_version")

    @property
    def texts_sha256(self) -> tuple[str, str]:
        """The digest over the file's texts as it stands in the file, and as it is."""
        with reading(self.path):
            return self._text(TEXTS_DIGEST), texts_sha256(self.objects)

    @cached_property
    def variables(self) -> Mapping[str, VariableText]:
        """What the file says of each result, by name."""
        return {entry.name: self._variable(entry.name) for entry in self.fields}

    def _variable(self, name: str) -> VariableText:
        units, long_name = self._words_of(self._dataset(name))
        return VariableText(units, long_name, self.dims_of(name)[len(self.shape) :])

    def _words_of(self, dataset: h5py.Dataset) -> tuple[str, str]:
        with reading(self.path):
            return str(read_attribute(dataset, "units", "")), str(read_attribute(dataset, "long_name", ""))

    def dims_of(self, name: str) -> tuple[str, ...]:
        """Return the names of a dataset's dimensions, as its scales have them."""
        if name not in self._dims:
            shape = self._dataset(name).shape
            with reading(self.path, f"be read, the dimensions of /{name} are damaged"):
                self._dims[name] = tuple(self._dim(name, number, size=size) for number, size in enumerate(shape))
        return self._dims[name]

    def _dim(self, name: str, number: int, *, size: int) -> str:
        found = scales(self._dataset(name), number)
        if len(found) != 1:
            raise damaged(self.path, f"dimension {number} of /{name} has {len(found)} scales, expected 1")
        scale = self.objects.name_of(found[0])
        if found[0].shape != (size,):
            raise damaged(self.path, f"dimension {number} of /{name} and its scale {scale} differ in length")
        return scale.removeprefix("/")

    def parameters(self, index: int) -> dict[str, Value]:
        """Return an item's parameters by name; IndexError outside 0 … n_items - 1."""
        if not 0 <= index < self.n_items:
            raise IndexError(f"item {index} of {self.n_items}")
        places = dict(zip(self.dims, map(int, np.unravel_index(index, self.shape)), strict=True))
        return {axis.name: axis.value(places.get(axis.name, places.get("item", 0))) for axis in self.axes}

    def array(self, name: str) -> NDArray[Any]:
        """Return a dataset with the items' dimensions, whole; fill values where an item has none."""
        dataset = self._dataset(name)
        return self._items(name, dataset, range(self.n_items)).reshape(dataset.shape)

    def _items(self, name: str, dataset: h5py.Dataset, items: range) -> NDArray[Any]:
        with reading(self.path, f"be read, /{name} is damaged"):
            n_inner = len(dataset.shape) - len(self.shape)
            return read_items(dataset, items.start, n=len(items), n_inner=n_inner)

    def blocks(self, n: int) -> Iterator[Block]:
        """Yield all items in index order, ``n`` at a time; fill values where an item has none."""
        datasets = {name: self._dataset(name) for name in self.item_dataset_names}  # kept: each caches a chunk
        for items in ranges(self.n_items, n):
            arrays = {name: self._items(name, dataset, items) for name, dataset in datasets.items()}
            yield Block(
                items.start,
                status=arrays["status"],
                seconds=arrays["item_seconds"],
                worker=arrays["worker"],
                code_version=arrays["code_version"],
                values={entry.name: arrays[entry.name] for entry in self.fields},
                lengths={f.name: arrays[length_name(f.name)] for f in self.fields if f.varying},
            )

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape of a dataset."""
        return tuple(map(int, self._dataset(name).shape))

    @property
    def item_bytes(self) -> int:
        """Memory that one item takes in a block."""
        datasets = map(self._dataset, self.item_dataset_names)
        return sum(d.dtype.itemsize * math.prod(d.shape[len(self.shape) :]) for d in datasets)

    def failures(self) -> tuple[Failure, ...]:
        """Return the items without a result; beyond the first 1,000 only /status knows of them."""
        with reading(self.path, "be read at /failures"):
            return read_rows(self.objects, "failures", Failure)

    def workers(self) -> tuple[WorkerRow, ...]:
        """Return the workers of all attempts."""
        with reading(self.path, "be read at /workers"):
            return read_rows(self.objects, "workers", WorkerRow)

    def attempts(self) -> tuple[AttemptRow, ...]:
        """Return the attempts."""
        with reading(self.path, "be read at /attempts"):
            return read_rows(self.objects, "attempts", AttemptRow)

    def provenance(self) -> Mapping[str, str | int | float]:
        """Return what ran where."""
        with reading(self.path, "be read at /provenance"):
            return read_provenance(self.objects)

    @property
    def config(self) -> str:
        """The exact text of the config."""
        with reading(self.path, "be read at /config/text"):
            return read_text(self.objects, "text")

    @property
    def identity(self) -> str:
        """Canonical JSON of what makes this study this study."""
        with reading(self.path, "be read at /config/identity"):
            return read_text(self.objects, "identity")

    @property
    def versions(self) -> tuple[str, ...]:
        """The identity by version of the code, the present one last."""
        with reading(self.path, "be read at /config/versions"):
            return read_versions(self.objects) or (self.identity,)

    def tables(self) -> Tables:
        """Return everything that is not one value an item, as the writer takes it."""
        return Tables(
            self.failures(),
            self.workers(),
            self.attempts(),
            self.provenance(),
            self.config,
            self.identity,
            versions if len(versions := self.versions) > 1 else (),
        )


def is_ours(path: Path) -> bool:
    """Whether there is a file and fullrank wrote it to its end, in whatever version.

    Raises:
        OutputError: the file cannot be opened, or not read though it is HDF5.
    """
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with reading(path, "be opened"), open_old(path) as file:
        return is_marked(file["/"])
