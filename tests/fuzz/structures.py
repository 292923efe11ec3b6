"""Where the structures of an HDF5 file stand, and their checksums; after the HDF5 File Format Specification 3.0.

A flip inside a structure is refused for its checksum before anything of it is believed. Who wants to know what its
content does has to put the checksum right again.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_MASK = 0xFFFFFFFF
_CONTINUATION = 0x10
_N_CHUNKS_MAX = 8
"""Blocks in which an object header goes on: those of a damaged one may name each other."""
_SIGNATURES = (b"OHDR", b"BTHD", b"FRHP", b"FHDB", b"FHIB", b"FSHD")


@dataclass(frozen=True)
class Structure:
    """A run of bytes with one job."""

    kind: str
    start: int
    stop: int
    seal: int | None
    """Where its checksum stands, behind the bytes or between them; None if it has none."""


def lookup3(data: bytes) -> int:
    """Return Bob Jenkins' checksum, https://burtleburtle.net/bob/c/lookup3.c (hashlittle), as HDF5 uses it."""
    a = b = c = 0xDEADBEEF + len(data) & _MASK
    if not data:
        return c
    n_whole = (len(data) - 1) // 12
    words = struct.unpack(f"<{3 * n_whole + 3}I", data.ljust(12 * n_whole + 12, b"\0"))
    for place in range(0, 3 * n_whole, 3):
        a, b, c = a + words[place], b + words[place + 1], c + words[place + 2] & _MASK
        a = a - c & _MASK ^ _turned(c, 4)
        c += b
        b = b - a & _MASK ^ _turned(a, 6)
        a += c
        c = c - b & _MASK ^ _turned(b, 8)
        b += a
        a = a - c & _MASK ^ _turned(c, 16)
        c += b
        b = b - a & _MASK ^ _turned(a, 19)
        a += c
        c = c - b & _MASK ^ _turned(b, 4)
        b += a
    a, b, c = a + words[-3] & _MASK, b + words[-2] & _MASK, c + words[-1] & _MASK
    c = (c ^ b) - _turned(b, 14) & _MASK
    a = (a ^ c) - _turned(c, 11) & _MASK
    b = (b ^ a) - _turned(a, 25) & _MASK
    c = (c ^ b) - _turned(b, 16) & _MASK
    a = (a ^ c) - _turned(c, 4) & _MASK
    b = (b ^ a) - _turned(a, 14) & _MASK
    return (c ^ b) - _turned(b, 24) & _MASK


def _turned(word: int, n: int) -> int:
    word &= _MASK
    return (word << n | word >> 32 - n) & _MASK


def checksum(data: bytes, structure: Structure) -> int:
    """Return the checksum that a sealed structure should have."""
    content = bytearray(data[structure.start : structure.stop])
    if structure.seal is not None and structure.seal < structure.stop:
        place = structure.seal - structure.start
        content[place : place + 4] = bytes(4)
    return lookup3(bytes(content))


def sealed(data: bytes, structure: Structure) -> bytes:
    """Return the file with the structure's checksum put right."""
    if structure.seal is None:
        return data
    return data[: structure.seal] + struct.pack("<I", checksum(data, structure)) + data[structure.seal + 4 :]


def structures(data: bytes) -> list[Structure]:
    """Return the structures of a file, and as "rest" what is between them: data, v1 B-trees, heaps of texts."""
    found: list[Structure] = []
    if data[8:9] in (b"\2", b"\3"):
        found.append(Structure("superblock", 0, 44, seal=44))
    for signature in _SIGNATURES:
        place = data.find(signature)
        while place >= 0:
            with suppress(struct.error, ArithmeticError, IndexError):  # some only look like one
                found += [one for one in _READERS[signature](data, place) if one.stop + 4 <= len(data)]
            place = data.find(signature, place + 1)
    found.sort(key=lambda one: one.start)
    return found + list(_gaps(found, len(data)))


def _gaps(found: list[Structure], size: int) -> Iterator[Structure]:
    place = 0
    for one in [*found, Structure("end", size, size, seal=None)]:
        if one.start > place:
            yield Structure("rest", place, one.start, seal=None)
        place = max(place, one.stop, (one.seal or 0) + 4)


def _header(data: bytes, start: int) -> Iterator[Structure]:
    """An object's header, and the blocks in which it goes on."""
    flags = data[start + 5]
    place = start + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
    n_size = 1 << (flags & 3)
    first = place + n_size
    stop = first + int.from_bytes(data[place:first], "little")
    yield Structure("object header", start, stop, seal=stop)
    chunks = [(first, stop)]
    for place, end in chunks:
        for block, n_block in _continuations(data, place, end, has_order=bool(flags & 4)):
            if data[block : block + 4] == b"OCHK" and len(chunks) < _N_CHUNKS_MAX:
                stop = block + n_block - 4
                yield Structure("object header, continued", block, stop, seal=stop)
                chunks.append((block + 4, stop))


def _continuations(data: bytes, place: int, end: int, *, has_order: bool) -> Iterator[tuple[int, int]]:
    n_head = 6 if has_order else 4
    while place + n_head <= min(end, len(data)):
        kind, n_bytes = struct.unpack_from("<BH", data, place)
        place += n_head
        if kind == _CONTINUATION:
            yield struct.unpack_from("<QQ", data, place)
        place += n_bytes


def _tree(data: bytes, start: int) -> Iterator[Structure]:
    """A v2 B-tree's header, and its root if that is a leaf."""
    yield Structure("B-tree header", start, start + 34, seal=start + 34)
    n_record, depth, _, _, root, n_records = struct.unpack_from("<HHBBQH", data, start + 10)
    if not depth and data[root : root + 4] == b"BTLF":
        stop = root + 6 + n_record * n_records
        yield Structure("B-tree leaf", root, stop, seal=stop)


def _heap(_data: bytes, start: int) -> Iterator[Structure]:
    yield Structure("heap header", start, start + 142, seal=start + 142)


def _heap_of(data: bytes, block: int) -> tuple[int, int, int, int]:
    """Return the width, the size of the first block, the bytes of an offset and the rows of the heap of a block."""
    (heap,) = struct.unpack_from("<Q", data, block + 5)
    width, first, _, n_bits = struct.unpack_from("<HQQH", data, heap + 110)
    (n_rows,) = struct.unpack_from("<H", data, heap + 140)
    return width, first, -(-n_bits // 8), n_rows


def _heap_block(data: bytes, start: int) -> Iterator[Structure]:
    width, first, n_offset, _ = _heap_of(data, start)
    offset = int.from_bytes(data[start + 13 : start + 13 + n_offset], "little")
    row = (offset // (width * first)).bit_length()  # rows 0 and 1 have blocks of one size, each further one of twice it
    size = first << max(0, row - 1)
    yield Structure("heap block", start, start + size, seal=start + 13 + n_offset)


def _heap_index(data: bytes, start: int) -> Iterator[Structure]:
    width, _, n_offset, n_rows = _heap_of(data, start)
    stop = start + 13 + n_offset + 8 * width * n_rows
    yield Structure("heap index", start, stop, seal=stop)


def _free_space(data: bytes, start: int) -> Iterator[Structure]:
    yield Structure("free space header", start, start + 78, seal=start + 78)
    place, n_bytes = struct.unpack_from("<QQ", data, start + 54)
    if n_bytes and data[place : place + 4] == b"FSSE":
        stop = place + n_bytes - 4
        yield Structure("free space sections", place, stop, seal=stop)


_READERS = {
    b"OHDR": _header,
    b"BTHD": _tree,
    b"FRHP": _heap,
    b"FHDB": _heap_block,
    b"FHIB": _heap_index,
    b"FSHD": _free_space,
}
