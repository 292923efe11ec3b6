"""A digest over every text of a file: HDF5 keeps texts of varying length without a checksum."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import h5py

from fullrank.store.layout import ranges
from fullrank.store.safety import objects

TEXTS_DIGEST = "texts_sha256"
PIECE_TEXTS = 1 << 12
"""Texts of a dataset that are digested, and held, together."""


def texts_sha256(file: h5py.File) -> str:
    """Return the SHA-256, in lower-case hexadecimal, over the file's texts; it is kept in the root.

    Byte for byte: objects sorted by their full name, the root ``/`` first; of each the attributes
    that are texts of varying length, sorted by name, without the root's ``texts_sha256``; then, if
    it is a dataset of texts, its elements in pieces of 4,096. Each attribute and each piece gives
    one line, what ``json.dumps([object, attribute or first position, text or list of texts])``
    returns and a line feed.
    """
    digest = hashlib.sha256()
    for name, found in sorted([("/", file), *objects(file)], key=lambda pair: pair[0]):
        for key, value in (*_attributes(name, found), *_contents(found)):
            digest.update(json.dumps([name, key, value]).encode() + b"\n")
    return digest.hexdigest()


def _attributes(name: str, found: Any) -> Iterator[tuple[str, Any]]:
    for key in sorted(found.attrs):
        text = h5py.check_string_dtype(found.attrs.get_id(key).dtype)
        if text is not None and text.length is None and (name, key) != ("/", TEXTS_DIGEST):
            value = found.attrs[key]
            yield key, value if isinstance(value, str) else value.tolist()


def _contents(found: Any) -> Iterator[tuple[int, list[str]]]:
    if not isinstance(found, h5py.Dataset) or h5py.check_string_dtype(found.dtype) is None:
        return
    texts = found.asstr(errors="surrogateescape")
    if found.shape == ():
        yield 0, [texts[()]]
        return
    for positions in ranges(len(found), PIECE_TEXTS):
        yield positions.start, texts[positions.start : positions.stop].tolist()
