"""Compressed datasets written front to back, their chunks filtered on several cores at once.

HDF5 filters one chunk at a time, and this is most of what writing takes. Here threads do what its filters do, and HDF5
stores the outcome as it is; numpy and zlib work without the GIL. A file is read by HDF5's own filters when it is
verified, and so each of these chunks is.
"""

import math
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fullrank.cores import usable_cores

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

DEFLATE_LEVEL = 1
N_THREADS_MAX = 4
"""More have nothing to do: putting items in their places takes as long as three threads take to filter them."""
N_WAITING_MAX = 24
"""Chunks that are in memory at once, of 1 MiB at most, and filtered they are smaller."""
_MODULUS = 65535


def filtered(elements: NDArray[Any]) -> bytes:
    """Return a chunk's elements as HDF5's shuffle, deflate and fletcher32 filters make them, in this order.

    ``elements`` has one dimension and is little-endian. Format of each filter: HDF5 File Format Specification, "Filter
    Pipeline Message", and zlib's (RFC 1950).
    """
    by_element = np.ascontiguousarray(elements).view(np.uint8).reshape(-1, elements.itemsize)
    deflated = zlib.compress(np.ascontiguousarray(by_element.T).data, DEFLATE_LEVEL)
    return deflated + fletcher32(deflated).to_bytes(4, "little")


def fletcher32(data: bytes) -> int:
    """Return the checksum that HDF5 calls fletcher32: over big-endian words of 16 bits; a last odd byte is a high one.

    After J. G. Fletcher, An arithmetic checksum for serial transmissions, IEEE Trans. Commun. 30 (1982), modulo 65535;
    of the two numbers that are 0 in this arithmetic it is 65535 where any word was not 0.

    >>> hex(fletcher32(b"abcde"))
    '0x4ff029c7'
    """
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.int64)
    sums = int(words.sum()), int(words @ np.arange(len(words), 0, -1))
    low, high = (total % _MODULUS or (_MODULUS if total else 0) for total in sums)
    return high << 16 | low


def is_filtered(dataset: h5py.Dataset) -> bool:
    """Whether the dataset's chunks go through the three filters."""
    return dataset.compression is not None


def runs(shape: Sequence[int], chunk: Sequence[int]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield offset and number of elements of a dataset's chunks, in C order, in which their elements follow each other.

    ``chunk`` is one that :func:`fullrank.store.layout.chunk_shape` returns.

    >>> list(runs((2, 5), (1, 3)))
    [((0, 0), 3), ((0, 3), 2), ((1, 0), 3), ((1, 3), 2)]
    """
    for offset in product(*(range(0, size, step) for size, step in zip(shape, chunk, strict=True))):
        sides = (min(step, size - place) for size, step, place in zip(shape, chunk, offset, strict=True))
        yield offset, math.prod(sides)


class Filters:
    """The threads that filter, and the chunks that they have not finished. For one thread, which also calls HDF5."""

    def __init__(self) -> None:
        self._pool: Executor | None = None
        self._is_alone = False
        self._waiting: deque[tuple[Callable[[bytes], object], Future[bytes]]] = deque()

    def add(self, elements: NDArray[Any], store: Callable[[bytes], object]) -> None:
        """Have a chunk filtered, and stored by and by; ``elements`` must not change meanwhile."""
        future = self._submitted(elements)
        if future is None:
            store(filtered(elements))
            return
        self._waiting.append((store, future))
        while len(self._waiting) > N_WAITING_MAX:
            self._store_first()

    def _submitted(self, elements: NDArray[Any]) -> "Future[bytes] | None":
        if self._is_alone:
            return None
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(min(N_THREADS_MAX, usable_cores()))
        try:
            return self._pool.submit(filtered, elements)
        except RuntimeError:  # no more threads can be started
            self._is_alone = True
            return None

    def _store_first(self) -> None:
        store, future = self._waiting.popleft()
        store(future.result())

    def finish(self) -> None:
        """Store what is left."""
        while self._waiting:
            self._store_first()
        self.close()

    def close(self) -> None:
        """Let go of the threads; what they have not finished is lost."""
        self._waiting.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


class ChunkStream:
    """A compressed dataset that is written front to back; of the chunk that is not full yet the elements are kept."""

    def __init__(self, dataset: h5py.Dataset, filters: Filters) -> None:
        self._dataset = dataset
        self._filters = filters
        self._runs = runs(dataset.shape, dataset.chunks)
        self._run = next(self._runs, None)
        self._n_of_chunk = math.prod(dataset.chunks)
        self._rest: NDArray[Any] = np.empty(0, dataset.dtype)

    def write(self, array: NDArray[Any]) -> None:
        """Write the next elements, which must not change until :meth:`Filters.finish`; ``array`` is in C order."""
        elements = np.ascontiguousarray(array, self._dataset.dtype).reshape(-1)
        if self._rest.size:
            elements = np.concatenate([self._rest, elements])
        done = 0
        while self._run is not None and done + self._run[1] <= len(elements):
            offset, n = self._run
            self._filters.add(self._padded(elements[done : done + n]), self._storing(offset))
            done += n
            self._run = next(self._runs, None)
        self._rest = elements[done:].copy()

    def _padded(self, elements: NDArray[Any]) -> NDArray[Any]:
        """Return the elements of a chunk, of which the last of a row may stand out of the dataset."""
        n_beyond = self._n_of_chunk - len(elements)
        return np.pad(elements, (0, n_beyond)) if n_beyond else elements

    def _storing(self, offset: tuple[int, ...]) -> Callable[[bytes], object]:
        return lambda data: self._dataset.id.write_direct_chunk(offset, data)
