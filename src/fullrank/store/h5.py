"""What is done with h5py: create a dataset, write and read a range of items, tell an error."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fullrank.errors import OutputError
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

TEXT: np.dtype[Any] = h5py.string_dtype("utf-8")


_CURE = "take another copy or run the study again"


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
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise OutputError(f"{path}: cannot {doing}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the system's words where it refused, else HDF5's, which tell of a damaged file."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else f"{' '.join(str(error).split())}; {_CURE}"


def open_new(sink: Sink, *, chunk_bytes: int) -> h5py.File:
    """Begin an HDF5 file; of each dataset a chunk stays in memory until the next block fills it."""
    return h5py.File(
        sink,
        "w",
        libver=("v108", "v110"),  # what Debian's h5dump and ncdump read
        track_order=True,
        rdcc_nbytes=2 * chunk_bytes,
        rdcc_w0=1.0,
    )


def open_old(path: Path) -> h5py.File:
    """Open a file for reading, with room for the chunk that two blocks share."""
    return h5py.File(path, "r", rdcc_nbytes=2 * CHUNK_BYTES, rdcc_w0=1.0)


def create(
    group: h5py.Group,
    name: str,
    *,
    shape: Sequence[int],
    dtype: Any,
    attributes: Mapping[str, Any],
    chunk_bytes: int = CHUNK_BYTES,
    fill: int | float | None = None,
) -> h5py.Dataset:
    """Create a dataset, compressed if it is large.

    All numbers are checksummed: small datasets stand in their object header, which is; larger ones
    have fletcher32.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    options: dict[str, Any] = {}
    if 0 < n_bytes <= COMPACT_BYTES:
        options["dcpl"] = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        options["dcpl"].set_layout(h5py.h5d.COMPACT)
    elif n_bytes and dtype is not TEXT:
        itemsize = np.dtype(dtype).itemsize
        options["chunks"] = chunk_shape(shape, itemsize, target_bytes=chunk_bytes)
        options["fletcher32"] = True
    if n_bytes > LARGE_BYTES and dtype is not TEXT:
        options |= {"shuffle": True, "compression": "gzip", "compression_opts": 1}
    dataset = group.create_dataset(name, shape=tuple(shape), dtype=dtype, fillvalue=fill, track_order=True, **options)
    for key, value in attributes.items():
        dataset.attrs[key] = value
    return dataset


def create_scale(
    group: h5py.Group,
    name: str,
    *,
    size: int,
    dtype: Any,
    attributes: Mapping[str, Any],
    values: Callable[[range], Any],
) -> h5py.Dataset:
    """Create a dimension scale, written range by range with what ``values`` returns for it."""
    dataset = create(group, name, shape=(size,), dtype=dtype, attributes=attributes)
    dataset.make_scale(name)
    fill_by_ranges(dataset, values)
    return dataset


def fill_by_ranges(dataset: h5py.Dataset, values: Callable[[range], Any]) -> None:
    """Write a one-dimensional dataset, range by range with what ``values`` returns for it."""
    for positions in ranges(len(dataset), RANGE_ITEMS):
        dataset[positions.start : positions.stop] = np.asarray(values(positions), dtype=dataset.dtype)


def write_items(dataset: h5py.Dataset, start: int, array: NDArray[Any]) -> None:
    """Write the values of the items from ``start`` on; ``array`` has shape (n, *inner shape)."""
    for box, part in _boxes(dataset, start, array):
        if part.size:
            dataset[box] = part


def read_items(dataset: h5py.Dataset, start: int, *, n: int, n_inner: int) -> NDArray[Any]:
    """Read ``n`` items from ``start`` on: shape (n, *the last n_inner of the dataset's shape)."""
    inner = dataset.shape[dataset.ndim - n_inner :]
    array = np.empty((n, *inner), dataset.dtype)
    for box, part in _boxes(dataset, start, array):
        if part.size:
            dataset.read_direct(part, box)
    return array


def _boxes(dataset: h5py.Dataset, start: int, array: NDArray[Any]) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
    """Yield the boxes of the items from ``start`` on, each with its part of ``array`` as a view."""
    inner = array.shape[1:]
    item_shape = dataset.shape[: dataset.ndim - len(inner)]
    done = 0
    for box in slabs(item_shape, start, start + len(array)):
        shape = tuple(part.stop - part.start for part in box)
        n = math.prod(shape)
        yield box, array[done : done + n].reshape(*shape, *inner)
        done += n
