"""A digest over every text of a file: HDF5 keeps texts of varying length without a checksum."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import h5py

from fullrank.store.attributes import text_attributes
from fullrank.store.h5 import is_text, read_texts
from fullrank.store.layout import ranges
from fullrank.store.objects import Objects

TEXTS_DIGEST = "texts_sha256"
PIECE_TEXTS = 1 << 12
"""Texts of a dataset that are digested, and held, together."""


def texts_sha256(objects: Objects) -> str:
    """Return the SHA-256, in lower-case hexadecimal, over a file's texts; it is kept in the root.

    Byte for byte: objects sorted by their full name, the root ``/`` first; of each the attributes
    that are texts of varying length, sorted by name, without the root's ``texts_sha256``; then, if
    it is a dataset of texts, its elements in pieces of 4,096. Each attribute and each piece gives
    one line, what ``json.dumps([object, attribute or first position, text or list of texts])``
    returns and a line feed.
    """
    digest = hashlib.sha256()
    for name, found in objects:
        for key, value in (*text_attributes(found), *_contents(found)):
            if (name, key) != ("/", TEXTS_DIGEST):
                digest.update(json.dumps([name, key, value]).encode() + b"\n")
    return digest.hexdigest()


def _contents(found: Any) -> Iterator[tuple[int, list[str]]]:
    if not isinstance(found, h5py.Dataset) or not is_text(found):
        return
    if found.shape == ():
        yield 0, read_texts(found)
        return
    for positions in ranges(len(found), PIECE_TEXTS):
        yield positions.start, read_texts(found, positions)
