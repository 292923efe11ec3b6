"""Changes to valid samples: of their bytes, of their words, of what JSON holds, and of a file's structures."""

import random
import re
from collections.abc import Sequence
from typing import Any

from structures import Structure, sealed

_TOKEN = re.compile(rb"[A-Za-z_]+|[0-9.eE+-]+|\s+|.", re.DOTALL)
_NUMBERS = (b"0", b"-1", b"1e309", b"nan", b"-inf", b"9223372036854775808", b"1" * 5000, b"0x_", b"1_0", b"1.5.2")
_BYTES = (
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r",
    b"\x1b[2J",
    b"\xed\xa0\x80",
    "\u202e".encode(),
    b'"',
    b"'''",
    b"\\",
)
_DEEP = (b"[" * 3000, b"{" * 3000, b"[" * 300 + b"]" * 300, b"a." * 2000 + b"b = 1")
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1 << 70, 0.5, float("nan"), "", "\0", "\ud800", "x" * 300, [], {}, [[]], {"": 1}, [None],
)  # fmt: skip


def changed_bytes(chance: random.Random, data: bytes) -> bytes:
    """Return the bytes with some flipped, cut, repeated, moved or put in."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        place = chance.randrange(len(result) + 1)
        size = chance.choice((1, 1, 2, 8, 64))
        match chance.randrange(6):
            case 0 if place < len(result):
                result[place] ^= 1 << chance.randrange(8)
            case 1:
                result[place : place + size] = chance.randbytes(size)
            case 2:
                del result[place : place + size]
            case 3:
                result[place:place] = result[place : place + size] * chance.choice((1, 2, 50))
            case 4:
                result[place:place] = chance.choice(_BYTES + _NUMBERS)
            case 5 if chance.random() < 0.1:
                del result[place:]
    return bytes(result)


def changed_words(chance: random.Random, text: bytes, others: Sequence[bytes]) -> bytes:
    """Return a text with words exchanged for others of its own, of ``others``, or for numbers and brackets."""
    words = _TOKEN.findall(text) or [b""]
    strange = _TOKEN.findall(chance.choice(others)) or [b""]
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        place = chance.randrange(len(words))
        match chance.randrange(6):
            case 0:
                words[place] = chance.choice(words)
            case 1:
                words[place] = chance.choice(strange)
            case 2:
                words[place] = chance.choice(_NUMBERS)
            case 3:
                words.insert(place, chance.choice(strange))
            case 4:
                start = chance.randrange(len(strange))
                words[place:place] = strange[start : start + chance.randrange(1, 30)]
            case 5:
                words[place] = chance.choice(_BYTES + _DEEP)
    return b"".join(words)


def changed_json(chance: random.Random, value: Any) -> Any:
    """Return JSON data with a part of it exchanged, left out or doubled."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.2:
        return chance.choice(_VALUES)
    if isinstance(value, dict):
        name = chance.choice(list(value))
        match chance.randrange(4):
            case 0:
                return {key: kept for key, kept in value.items() if key != name}
            case 1:
                return value | {chance.choice(("x", "", "stop", "values")): chance.choice(_VALUES)}
        return value | {name: changed_json(chance, value[name])}
    place = chance.randrange(len(value))
    match chance.randrange(4):
        case 0:
            return value[:place] + value[place + 1 :]
        case 1:
            return value + value[place : place + 1]
    return [*value[:place], changed_json(chance, value[place]), *value[place + 1 :]]


def changed_structure(chance: random.Random, data: bytes, found: Sequence[Structure]) -> bytes:
    """Return an HDF5 file of the same length with numbers of one structure exchanged, and its checksum put right.

    Kinds are equally likely, however many there are of each. One change in ten leaves the checksum wrong.
    """
    kind = chance.choice(sorted({structure.kind for structure in found}))
    structure = chance.choice([structure for structure in found if structure.kind == kind])
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        size = min(chance.choice((1, 1, 2, 4, 8)), structure.stop - structure.start)
        place = chance.randrange(structure.start, structure.stop - size + 1)
        old = int.from_bytes(result[place : place + size], "little")
        new = chance.choice((old ^ 1 << chance.randrange(8 * size), old + 1, old - 1, 0, -1, chance.getrandbits(64)))
        if new % (1 << 8 * size) == old:
            new = old + 1
        result[place : place + size] = (new % (1 << 8 * size)).to_bytes(size, "little")
    return bytes(result) if chance.random() < 0.1 else sealed(bytes(result), structure)
