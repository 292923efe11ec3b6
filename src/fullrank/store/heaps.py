"""HDF5's heaps of texts, looked through before HDF5 reads them: in some damaged ones it would go round for ever.

A global heap collection has no checksum, and HDF5 2.0 goes from object to object by the sizes that stand there: a size
of zero leads it to the same object again, in C code that no signal reaches. After the HDF5 File Format Specification
3.0, III.E.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_COLLECTION = b"GCOL\x01"
_BLOCK_BYTES = 1 << 24
_MAX_BYTES = 1 << 28
"""About a second's reading. HDF5 may go round for ever in a larger file, until a Ctrl-C ends it."""
_N_OBJECTS_MAX = 1 << 16
"""Their numbers have 16 bits."""


def heap_problem(path: Path) -> str:
    """Return what is wrong with a heap of the file, "" if nothing is.

    The whole file is looked through, once as long as it does not change: where heaps are only HDF5 could tell. One of
    more than 256 MiB is left alone: who asks for its status does not want all of it to be read.
    """
    state = path.stat()
    if state.st_size > _MAX_BYTES:
        return ""
    return _problem(path, (state.st_ino, state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=16)
def _problem(path: Path, state: tuple[int, int, int]) -> str:
    with path.open("rb") as stream:
        length_bytes = _size_of_lengths(stream)
        if not length_bytes:
            return ""  # no HDF5
        last_end = 0
        for start in _collections(stream):
            stream.seek(start + 8)
            end = start + int.from_bytes(stream.read(length_bytes), "little")
            if end > state[1]:
                continue  # none that HDF5 could load: numbers that look like one
            if start < last_end:
                return f"the heap of texts at byte {last_end} has another one in it"
            if not _has_an_end(stream, start, end, length_bytes):
                return f"the heap of texts at byte {start} has an object of an impossible size"
            last_end = end
    return ""


def _size_of_lengths(stream: BinaryIO) -> int:
    """Return how many bytes a length has, as the superblock says; 0 if there is none."""
    place = 0
    while True:
        stream.seek(place)
        found = stream.read(15)
        if len(found) < 15:
            return 0
        if found.startswith(_SIGNATURE):
            return found[14] if found[8] < 2 else found[10]
        place = max(512, 2 * place)


def _collections(stream: BinaryIO) -> Iterator[int]:
    """Yield where something stands that begins like a collection."""
    stream.seek(0)
    before, start = b"", 0
    while block := stream.read(_BLOCK_BYTES):
        block, next_start = before + block, start + len(block)
        place = block.find(_COLLECTION)
        while place >= 0:
            yield start - len(before) + place
            place = block.find(_COLLECTION, place + 1)
        before, start = block[1 - len(_COLLECTION) :], next_start
        stream.seek(start)


def _has_an_end(stream: BinaryIO, start: int, end: int, length_bytes: int) -> bool:
    """Return whether the way from object to object, as HDF5 goes it, leads to the end of the collection."""
    head_bytes = 8 + _padded(length_bytes)
    place = start + head_bytes
    for _ in range(_N_OBJECTS_MAX + 1):
        if place + head_bytes > end:
            return place <= end
        stream.seek(place)
        head = stream.read(8 + length_bytes)
        size = int.from_bytes(head[8:], "little")
        is_free = head[:2] == b"\0\0"  # its size is that of all, its head included
        n_bytes = size if is_free else head_bytes + _padded(size)
        if n_bytes < head_bytes:
            return False
        place += n_bytes
    return False


def _padded(n_bytes: int) -> int:
    return (n_bytes + 7) // 8 * 8
