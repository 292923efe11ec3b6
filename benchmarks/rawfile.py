"""What measurements keep, as an HDF5 file: every value they were made from, plain enough for h5dump and HDFView.

A mapping is a group. What is the same for all of it, a number, a text or some texts, is an attribute of its group. Rows
of values, such as the samples of a program, one a round, are a dataset whose fields have the values' names; a list of
numbers is a dataset of one dimension.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Kept = dict[str, Any]
_SCALARS = (bool, int, float, str)


def save(path: Path, raw: Mapping[str, Any]) -> None:
    """Write what was kept; the file appears whole or not at all.

    Raises ValueError or TypeError, naming the place, for what such a file cannot hold.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with h5py.File(unfinished, "w", track_order=True) as file:
            _fill(file, raw)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: Path) -> Kept:
    """Return what was saved: the same mappings, lists, numbers and texts."""
    with h5py.File(path, "r") as file:
        return _content(file)


def _fill(group: h5py.Group, entries: Mapping[str, Any]) -> None:
    for name, value in entries.items():
        place = f"{group.name.rstrip('/')}/{name}"
        if "/" in name:
            raise ValueError(f"{place}: expected a name without /, which parts names in HDF5")
        if isinstance(value, Mapping):
            _fill(group.create_group(name, track_order=True), value)
        elif isinstance(value, _SCALARS):
            group.attrs[name] = value
        elif isinstance(value, Sequence):
            _put_list(group, name, value, place)
        else:
            raise TypeError(f"{place}: expected a mapping, a list, a number or a text, got {type(value).__name__}")


def _put_list(group: h5py.Group, name: str, values: Sequence[Any], place: str) -> None:
    if all(isinstance(value, str) for value in values):  # none at all, too
        group.attrs.create(name, list(values), shape=(len(values),), dtype=h5py.string_dtype())
    elif all(isinstance(value, Mapping) for value in values):
        fields = _fields(values, place)
        group.create_dataset(name, data=np.array([_row(value) for value in values], dtype=fields))
    else:
        group.create_dataset(name, data=np.array(values, dtype=_number(values, place)))


def _fields(rows: Sequence[Mapping[str, Any]], place: str) -> np.dtype[Any]:
    """Return the type of rows that all have the same values; a value that is a mapping has fields of its own."""
    names = list(rows[0])
    if any(list(row) != names for row in rows):
        raise ValueError(f"{place}: expected the same values in every row: {', '.join(names)}")
    columns = {name: [row[name] for row in rows] for name in names}
    return np.dtype(
        [
            (name, _fields(column, place) if isinstance(column[0], Mapping) else _number(column, f"{place}.{name}"))
            for name, column in columns.items()
        ]
    )


def _row(entries: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(_row(value) if isinstance(value, Mapping) else value for value in entries.values())


def _number(values: Iterable[Any], place: str) -> type:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return bool
    if bool not in kinds and all(issubclass(kind, int) for kind in kinds):
        return int
    if bool not in kinds and all(issubclass(kind, int | float) for kind in kinds):
        return float
    raise TypeError(f"{place}: expected numbers, got {', '.join(sorted(kind.__name__ for kind in kinds))}")


def _content(group: h5py.Group) -> Kept:
    found: Kept = {name: _attribute(value) for name, value in group.attrs.items()}
    for name, entry in group.items():
        found[name] = _content(entry) if isinstance(entry, h5py.Group) else _values(entry[...])
    return found


def _attribute(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _values(array: np.ndarray[Any, Any]) -> list[Any]:
    if array.dtype.names is None:
        found: list[Any] = array.tolist()
        return found
    return [_named(row, array.dtype) for row in array.tolist()]


def _named(row: tuple[Any, ...], fields: np.dtype[Any]) -> Kept:
    names = fields.names or ()
    return {
        name: _named(value, fields[name]) if fields[name].names else value
        for name, value in zip(names, row, strict=True)
    }
