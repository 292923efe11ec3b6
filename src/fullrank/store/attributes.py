"""Attributes, through the lower layer of h5py.

The upper one asks HDF5 for type and shape of an attribute several times over, and makes an object of Python of each
answer. That is most of the time that a small file takes, which consists of attributes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5s, h5t

TEXT: np.dtype[Any] = h5py.string_dtype("utf-8")
_TEXT_IN_MEMORY = h5t.py_create(TEXT)
_TEXT_IN_FILE = h5t.py_create(TEXT, logical=True)
_SINGLE = h5s.create_simple(())

OF_SCALES = {b"CLASS", b"NAME", b"DIMENSION_LIST", b"REFERENCE_LIST"}
"""HDF5 keeps them for dimension scales: a third of all attributes, and none is a text of varying length."""
_OF_EVERY_DATASET = {b"units", b"long_name"}
"""Single texts, as the format says: two thirds of the rest, and to ask for the shape takes a third of reading one."""
_TEXT_BYTES = 16
"""What a text of varying length takes in an attribute: its length and its address."""


def write_attributes(found: Any, attributes: Mapping[str, Any]) -> None:
    """Give a group or a dataset attributes that it does not have yet: texts, lists of them, numbers or arrays."""
    for name, value in attributes.items():
        is_text = isinstance(value, str | list)
        array = np.array(value, TEXT if is_text else None)
        in_file = _TEXT_IN_FILE if is_text else h5t.py_create(array.dtype, logical=True)
        space = h5s.create_simple(array.shape) if array.shape else _SINGLE
        h5a.create(found.id, name.encode(), in_file, space).write(array, _TEXT_IN_MEMORY if is_text else None)


def read_attribute(found: Any, name: str, default: Any = None) -> Any:
    """Return a text as str, texts as a list of them, and all else as h5py does."""
    if not h5a.exists(found.id, name.encode()):
        return default
    text = _read_if_text(found, name.encode())
    return found.attrs[name] if text is None else text


def text_attributes(found: Any) -> Iterator[tuple[str, str | list[str]]]:
    """Yield name and content of the attributes that are texts of varying length, sorted by name."""
    names: list[bytes] = []
    h5a.iterate(found.id, names.append)
    for name in sorted(names):
        if name not in OF_SCALES and (text := _read_if_text(found, name)) is not None:
            yield _decoded(name), text


def _read_if_text(found: Any, name: bytes) -> str | list[str] | None:
    """Return the content of an attribute of texts of varying length; None if it is of another type or empty."""
    attribute = h5a.open(found.id, name)
    kind = attribute.get_type()
    if not isinstance(kind, h5t.TypeStringID) or not kind.is_variable_str():
        return None
    is_single = name in _OF_EVERY_DATASET and attribute.get_storage_size() == _TEXT_BYTES
    shape = () if is_single else attribute.shape
    if shape is None:
        return None
    texts: Any = np.empty(shape, TEXT)
    attribute.read(texts, _TEXT_IN_MEMORY)
    return _decoded(texts[()]) if shape == () else [_decoded(text) for text in texts.flat]


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")
