"""Compressed datasets written front to back, their chunks filtered on several cores at once.

HDF5 filters one chunk at a time, and this is most of what writing takes. Here threads do what its filters do, and HDF5
stores the outcome as it is; numpy and zlib work without the GIL. A file is read by HDF5's own filters when it is
verified, and so each of these chunks is.
"""

import math
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5z
from numpy.typing import NDArray

from fullrank.cores import usable_cores
from fullrank.interrupt import Helper

if TYPE_CHECKING:
    from queue import SimpleQueue

DEFLATE_LEVEL = 1
N_THREADS_MAX = 4
"""More have nothing to do: putting items in their places takes as long as three threads take to filter them."""
_PIPELINE = [h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE, h5z.FILTER_FLETCHER32]
_MODULUS = 65535
_WEIGHTS = np.arange(1 << 15, 0, -1)
"""Of so many words, which are summed at once: they and their weights stay in the processor's cache."""


def filtered(elements: NDArray[Any]) -> bytes:
    """Return a chunk's elements as they leave HDF5's shuffle, deflate and fletcher32 filters, in this order.

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
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2")
    low = high = 0
    for start in range(0, len(words), len(_WEIGHTS)):
        piece = words[start : start + len(_WEIGHTS)].astype(np.int64)
        high += len(piece) * low + int(piece @ _WEIGHTS[len(_WEIGHTS) - len(piece) :])
        low += int(piece.sum())
    low, high = (total % _MODULUS or (_MODULUS if total else 0) for total in (low, high))
    return high << 16 | low


def is_filtered(dataset: h5py.Dataset) -> bool:
    """Whether the dataset's chunks go through the three filters of :func:`filtered`."""
    properties = dataset.id.get_create_plist()
    return [properties.get_filter(number)[0] for number in range(properties.get_nfilters())] == _PIPELINE


def runs(shape: Sequence[int], chunk: Sequence[int]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield offset and number of elements of a dataset's chunks, in C order, in which their elements follow each other.

    ``chunk`` is one that :func:`fullrank.store.layout.chunk_shape` returns.

    >>> list(runs((2, 5), (1, 3)))
    [((0, 0), 3), ((0, 3), 2), ((1, 0), 3), ((1, 3), 2)]
    """
    n_chunks = [-(-size // step) for size, step in zip(shape, chunk, strict=True)]
    for number in range(math.prod(n_chunks)):
        rest, offset = number, [0] * len(shape)
        for dim in reversed(range(len(shape))):
            rest, place = divmod(rest, n_chunks[dim])
            offset[dim] = place * chunk[dim]
        sides = (min(step, size - place) for size, step, place in zip(shape, chunk, offset, strict=True))
        yield tuple(offset), math.prod(sides)


class _Chunk:
    """A chunk on its way: filtered by a thread, then stored by the one that calls HDF5."""

    def __init__(self, elements: NDArray[Any], store: Callable[[bytes], object]) -> None:
        self._elements: NDArray[Any] | None = elements
        self._store = store
        self._data = b""
        self._error: BaseException | None = None
        self._is_done = threading.Event()

    def filter(self) -> None:
        try:
            if self._elements is not None:
                self._data = filtered(self._elements)
        except BaseException as error:  # it is raised where somebody waits for the chunk
            self._error = error
        finally:
            self._elements = None  # of which it may be a small part
            self._is_done.set()

    def finish(self) -> None:
        self._is_done.wait()
        if self._error is not None:
            raise self._error
        self._store(self._data)


class Filters:
    """The threads that filter, and the chunks that are not stored yet. For one thread, which also calls HDF5."""

    def __init__(self, n_threads: int | None = None) -> None:
        self._n_threads = n_threads
        """None: as many as have something to do here."""
        self._threads: list[Helper] | None = None
        """None until the first chunk; none if there is but one core, or no thread can be started."""
        self._asked: SimpleQueue[_Chunk | None] | None = None
        self._waiting: deque[_Chunk] = deque()

    def add(self, elements: NDArray[Any], store: Callable[[bytes], object]) -> None:
        """Have a chunk filtered, and stored by and by; ``elements`` must not change before it is."""
        chunk = _Chunk(elements, store)
        if self._threads is None:
            self._begin()
        if not self._threads or self._asked is None:
            chunk.filter()
            chunk.finish()
            return
        self._asked.put(chunk)
        self._waiting.append(chunk)
        while len(self._waiting) > 2 * len(self._threads) + 2:  # each keeps the array of which it is a part
            self._waiting.popleft().finish()

    def _begin(self) -> None:
        self._threads = []
        n_threads = min(N_THREADS_MAX, usable_cores()) if self._n_threads is None else self._n_threads
        if n_threads < 2:  # it would take turns with this one
            return
        from queue import SimpleQueue

        self._asked = SimpleQueue()
        for _ in range(n_threads):
            thread = Helper(target=_work, args=(self._asked,), name="fullrank-filter", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads can be started
                break
            self._threads.append(thread)

    def finish(self) -> None:
        """Store what is left."""
        while self._waiting:
            self._waiting.popleft().finish()
        self.close()

    def close(self) -> None:
        """Let go of the threads; what they have not filtered is lost."""
        self._waiting.clear()
        threads, asked, self._threads, self._asked = self._threads or [], self._asked, None, None
        if asked is None:
            return
        from queue import Empty

        with suppress(Empty):
            while True:
                asked.get_nowait()  # get() would wait for ever where a thread has just taken the last one
        for _ in threads:
            asked.put(None)
        for thread in threads:
            thread.join()


def _work(asked: "SimpleQueue[_Chunk | None]") -> None:
    while (chunk := asked.get()) is not None:
        chunk.filter()


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
        """Write the next elements; ``array``, in C order, must not change until :class:`Filters` have finished."""
        elements = np.ascontiguousarray(array, self._dataset.dtype).reshape(-1)
        while self._run is not None and len(self._rest) + len(elements) >= self._run[1]:
            offset, n = self._run
            n_new = n - len(self._rest)
            chunk = np.concatenate([self._rest, elements[:n_new]]) if len(self._rest) else elements[:n_new]
            self._filters.add(self._padded(chunk), self._storing(offset))
            elements, self._rest = elements[n_new:], self._rest[:0]
            self._run = next(self._runs, None)
        self._rest = np.concatenate([self._rest, elements])  # a copy, which keeps no block

    def _padded(self, elements: NDArray[Any]) -> NDArray[Any]:
        """Return the elements of a chunk, of which the last of a row may stand out of the dataset, as HDF5 fills it."""
        n_beyond = self._n_of_chunk - len(elements)
        return np.pad(elements, (0, n_beyond), constant_values=self._dataset.fillvalue) if n_beyond else elements

    def _storing(self, offset: tuple[int, ...]) -> Callable[[bytes], object]:
        return lambda data: self._dataset.id.write_direct_chunk(offset, data)
