"""What is done with h5py: create a dataset, write and read a range of items, tell an error."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5ds, h5i, h5p, h5s, h5t
from numpy.typing import NDArray

from fullrank.errors import OutputError
from fullrank.store.attributes import TEXT, write_attributes
from fullrank.store.chunks import DEFLATE_LEVEL, ChunkStream, Filters, is_filtered
from fullrank.store.heaps import heap_problem
from fullrank.store.layout import (
    CHUNK_BYTES,
    COMPACT_BYTES,
    LARGE_BYTES,
    RANGE_ITEMS,
    chunk_shape,
    ranges,
    slabs,
)
from fullrank.store.sink import Sink

_N_SLOTS = 521
"""Of the table that finds a dataset's chunks in memory: these are few, and HDF5 2.0 would give each dataset 64 KB."""
_CURE = "take another copy or run the study again"
_OF_DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_TEXTS_BYTES = 256 << 20
"""That texts which are read together may take, if each of them is as long as the file."""


def damaged(path: Path, what: str) -> OutputError:
    """Return the error for a file that is ours and not whole."""
    return OutputError(f"{path}: damaged: {what}; {_CURE}")


@contextmanager
def reading(path: Path, doing: str = "be read") -> Iterator[None]:
    """Turn whatever a damaged file makes h5py raise into OutputError: "PATH: cannot be read: …"."""
    try:
        yield
    except OutputError:
        raise
    except _OF_DAMAGE as error:
        raise OutputError(f"{path}: cannot {doing}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the system's words where it refused, else HDF5's, which tell of a damaged file."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else f"{' '.join(str(error).split())}; {_CURE}"


def open_new(sink: Sink, *, chunk_bytes: int) -> h5py.File:
    """Begin an HDF5 file; of each dataset that is not compressed a chunk stays in memory until it is full."""
    return h5py.File(
        sink,
        "w",
        libver=("v108", "v110"),  # what Debian's h5dump and ncdump read
        track_order=True,
        rdcc_nbytes=2 * chunk_bytes,
        rdcc_nslots=_N_SLOTS,
        rdcc_w0=1.0,
    )


def open_old(path: Path) -> h5py.File:
    """Open a file for reading, with room for the chunk that two blocks share.

    Raises OutputError if it is not HDF5, or HDF5 would never return from opening it or from reading its texts.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OutputError(f"{path}: expected a file, got a device or a pipe; name a file")
    if problem := heap_problem(path):
        raise damaged(path, problem)
    try:
        return h5py.File(path, "r", rdcc_nbytes=2 * CHUNK_BYTES, rdcc_nslots=_N_SLOTS, rdcc_w0=1.0)
    except OSError as error:
        if "file signature not found" not in str(error):
            raise
        raise OutputError(f"{path}: cannot be opened: it is no HDF5 file, and no result; name another file") from error


def create(
    group: h5py.Group,
    name: str,
    *,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    attributes: Mapping[str, Any],
    chunk_bytes: int = CHUNK_BYTES,
    fill: int | float | None = None,
) -> h5py.Dataset:
    """Create a dataset, compressed if it is large.

    All numbers are checksummed: small datasets stand in their object header, which is; larger ones
    have fletcher32.
    """
    properties = _properties(shape, dtype, chunk_bytes=chunk_bytes, fill=fill)
    kind, space = h5t.py_create(dtype, logical=True), h5s.create_simple(tuple(shape))
    created = h5d.create(group.id, name.encode(), kind, space, properties)
    dataset = h5py.Dataset(created, readonly=True)  # it is not, but keeps its shape, which h5py then remembers
    write_attributes(dataset, attributes)
    return dataset


def _properties(
    shape: Sequence[int], dtype: np.dtype[Any], *, chunk_bytes: int, fill: int | float | None
) -> h5p.PropDCID:
    """Return how a dataset is stored; what h5py would make of it, in half of the time."""
    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    properties.set_attr_creation_order(h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED)
    if fill is not None:
        properties.set_fill_value(np.array(fill))
    n_bytes = math.prod(shape) * dtype.itemsize
    if shape and 0 < n_bytes <= COMPACT_BYTES:
        properties.set_layout(h5d.COMPACT)
    elif n_bytes and dtype is not TEXT:
        properties.set_chunk(chunk_shape(shape, dtype.itemsize, target_bytes=chunk_bytes))
        if n_bytes > LARGE_BYTES:
            properties.set_shuffle()
            properties.set_deflate(DEFLATE_LEVEL)
        properties.set_fletcher32()
    return properties


def create_scale(
    group: h5py.Group,
    name: str,
    *,
    size: int,
    dtype: np.dtype[Any],
    attributes: Mapping[str, Any],
    values: Callable[[range], Any],
    filters: Filters | None = None,
) -> h5py.Dataset:
    """Create a dimension scale, written range by range with what ``values`` returns for it."""
    dataset = create(group, name, shape=(size,), dtype=dtype, attributes=attributes)
    dataset.make_scale(name)
    fill_by_ranges(dataset, values, filters)
    return dataset


def fill_by_ranges(dataset: h5py.Dataset, values: Callable[[range], Any], filters: Filters | None = None) -> None:
    """Write a one-dimensional dataset, range by range with what ``values`` returns for it.

    With ``filters`` it is whole once they have finished, if it is a large one.
    """
    stream = ChunkStream(dataset, filters) if filters is not None and is_filtered(dataset) else None
    for positions in ranges(len(dataset), RANGE_ITEMS):
        array = np.asarray(values(positions), dtype=dataset.dtype)
        if stream is None:
            _write(dataset, slice(positions.start, positions.stop), array)
        else:
            stream.write(array)


def write_items(dataset: h5py.Dataset, start: int, array: NDArray[Any]) -> None:
    """Write the values of the items from ``start`` on; ``array`` has shape (n, *inner shape)."""
    for box, part in _boxes(dataset, start, array):
        if part.size:
            _write(dataset, box, part)


def write_whole(dataset: h5py.Dataset, array: NDArray[Any]) -> None:
    """Write all elements of a dataset."""
    _write(dataset, ..., array)


def _write(dataset: h5py.Dataset, box: Any, array: NDArray[Any]) -> None:
    """Write a box of a dataset; h5py takes longer to see that the box is everything than to write a small dataset."""
    if array.shape == dataset.shape:
        dataset.id.write(h5s.ALL, h5s.ALL, array)
    else:
        dataset[box] = array


def is_text(dataset: h5py.Dataset) -> bool:
    """Whether the elements are texts."""
    return h5py.check_string_dtype(dataset.dtype) is not None


def read_texts(dataset: h5py.Dataset, positions: range | None = None, *, errors: str = "surrogateescape") -> list[str]:
    """Return texts of a dataset of at most one dimension, all without ``positions``.

    Raises:
        ValueError: they are longer together than the file, for they share their bytes.
    """
    positions = range(dataset.size) if positions is None else positions
    n_bytes_left = int(h5i.get_file_id(dataset.id).get_filesize())
    n_together = max(1, _TEXTS_BYTES // max(1, n_bytes_left))
    texts: list[str] = []
    for start in range(positions.start, positions.stop, n_together):
        piece = read_range(dataset, positions[start - positions.start :][:n_together])
        n_bytes_left -= sum(map(len, piece.flat))
        if n_bytes_left < 0:
            raise ValueError("its texts are longer than the file")
        texts += [text.decode("utf-8", errors) for text in piece.flat]
    return texts


def read_range(dataset: h5py.Dataset, positions: range) -> NDArray[Any]:
    """Return the elements at positions that follow each other, of a dataset of at most one dimension."""
    if positions != range(dataset.size):
        return np.asarray(dataset[positions.start : positions.stop])
    array = np.empty(dataset.shape, dataset.dtype)
    if array.size:
        _read(dataset, ..., array)
    return array


def _read(dataset: h5py.Dataset, box: Any, array: NDArray[Any]) -> None:
    """Read a box of a dataset into an array of the box' shape; see :func:`_write`."""
    if array.shape == dataset.shape:
        dataset.id.read(h5s.ALL, h5s.ALL, array)
    else:
        dataset.read_direct(array, box)


def read_items(dataset: h5py.Dataset, start: int, *, n: int, n_inner: int) -> NDArray[Any]:
    """Read ``n`` items from ``start`` on: shape (n, *the last n_inner of the dataset's shape)."""
    inner = dataset.shape[len(dataset.shape) - n_inner :]
    array = np.empty((n, *inner), dataset.dtype)
    for box, part in _boxes(dataset, start, array):
        if part.size:
            _read(dataset, box, part)
    return array


def attach_scale(dataset: h5py.Dataset, dim: int, scale: h5py.Dataset) -> None:
    """Name a dimension of a dataset after a scale."""
    h5ds.attach_scale(dataset.id, scale.id, dim)


def scales(dataset: h5py.Dataset, dim: int) -> list[h5d.DatasetID]:
    """Return the scales of a dimension."""
    found: list[h5d.DatasetID] = []
    if h5ds.get_num_scales(dataset.id, dim):  # without one the next line would fail
        h5ds.iterate(dataset.id, dim, found.append)
    return found


def _boxes(dataset: h5py.Dataset, start: int, array: NDArray[Any]) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
    """Yield the boxes of the items from ``start`` on, each with its part of ``array`` as a view."""
    inner = array.shape[1:]
    item_shape = dataset.shape[: len(dataset.shape) - len(inner)]
    done = 0
    for box in slabs(item_shape, start, start + len(array)):
        shape = tuple(part.stop - part.start for part in box)
        n = math.prod(shape)
        yield box, array[done : done + n].reshape(*shape, *inner)
        done += n
