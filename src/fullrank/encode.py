"""What a function returned, as columns of numbers: from Python values to the body of a journal frame.

A *layout* is a tuple of ``(name, dtype, shape)``, one entry a result. Values of one claim that share a layout go
into one group. The usual returns (all floats, mappings of floats …) take a path that costs well below a microsecond
an item; everything else is looked at value by value.

The standard library alone: arrays of numpy are recognised by what they offer, numpy is not imported.
"""

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from struct import error as struct_error
from struct import pack
from typing import Any

from fullrank.dataclass import dataclass

Entry = tuple[str, str, tuple[int, ...]]
Layout = tuple[Entry, ...]

_ORDER = "<" if sys.byteorder == "little" else ">"
FLOAT, INT, COMPLEX, BOOL = f"{_ORDER}f8", f"{_ORDER}i8", f"{_ORDER}c16", "|b1"
_ARRAY_KINDS = {"f": "f", "d": "f"} | dict.fromkeys("bhilq", "i") | dict.fromkeys("BHILQ", "u")
MAX_DIMENSIONS = 16
"""Of one result. HDF5 has room for 32, and the sweep's axes are among them."""
_WIDER = {"f2": "f4", "f16": "f8", "f12": "f8", "c32": "c16", "c24": "c16"}


class Unusable(Exception):
    """A returned value that cannot be stored; the item fails with this sentence."""


class NameTaken(Unusable):
    """A result whose name is taken: no fault of the item, for the function and the study have to be mended."""


@dataclass(frozen=True)
class Group:
    """Values of one layout."""

    layout: Layout
    rows: Sequence[int]
    """Their places among the values that were encoded."""
    columns: list[bytes]
    """For each entry of the layout the values of all rows, one behind the other."""


@dataclass(frozen=True)
class Naming:
    """How results are called, and which names are taken."""

    bare: str
    """Name of a value that stands alone: the function's."""
    tuple_names: tuple[str, ...] | None = None
    """Names of a tuple's elements; without them ``<bare>_0``, ``<bare>_1`` …"""
    taken: frozenset[str] = frozenset()
    """The file's own names and those of the axes."""

    def check(self, names: Iterable[str]) -> None:
        """Raise Unusable for a name that the file cannot hold, NameTaken for one that it has already."""
        for name in names:
            if name in self.taken and name == self.bare:
                raise NameTaken(
                    f"a result without a name is called after its function, and '{name}' is an axis, or a name of the "
                    f'file itself, already: rename the function, or return {{"value": ...}}'
                )
            if name in self.taken:
                raise NameTaken(f"the result name '{name}' is taken by an axis or by the file itself; rename it")
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
                raise Unusable(f"{name!r} cannot be the name of a result: letters, digits and _ only, a letter first")

    def check_derived(self, layout: Sequence[Entry]) -> None:
        """Raise NameTaken if a name is that the file makes: of a complex result's parts, of an array's lengths."""
        names = self.taken.union(name for name, _, _ in layout)
        for name, dtype, shape in layout:
            derived = [name + "_re", name + "_im"] if dtype[1] == "c" else [name]
            if len(shape) == 1:
                derived = [*derived, *(part + "_length" for part in derived)]
            for made in derived:
                if made != name and made in names:
                    raise NameTaken(
                        f"the file needs the name '{made}' for the result '{name}' itself; rename one of the two"
                    )


_UNCHANGING = frozenset({float, int, bool, complex, str, bytes, type(None)})


@dataclass(frozen=True)
class Flat:
    """One returned value that was encoded at once, because its owner might change it before the claim ends."""

    layout: Layout
    columns: list[bytes]


def snapshot(value: Any, naming: Naming) -> Any:
    """Return ``value`` in a form that later changes of it by its owner do not reach.

    A function may return the same list, array or mapping again and again, with new contents. A value that cannot be
    stored is returned as the Unusable that says why.
    """
    kind = type(value)
    if kind in _UNCHANGING or (kind is tuple and _UNCHANGING.issuperset(map(type, value))):
        return value
    if kind is dict and _UNCHANGING.issuperset(map(type, value.values())):
        return value.copy()
    return _flat(value, naming)


def encode(values: Sequence[Any], naming: Naming) -> tuple[list[Group], list[tuple[int, Unusable]]]:
    """Return the groups of ``values`` by layout, and ``(row, reason)`` for each value that cannot be stored."""
    try:
        group = _encode_alike(values, naming)
    except Exception:  # looked at one by one they tell which it was
        group = None
    if group is not None:
        return [group], []
    return _encode_one_by_one(values, naming)


def _encode_alike(values: Sequence[Any], naming: Naming) -> Group | None:
    """Return one group if all values are numbers, or mappings or tuples of numbers, of one kind; else None."""
    kinds = set(map(type, values))
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    if kind is dict:
        names = tuple(values[0])
        if set(map(len, values)) != {len(names)}:
            return None
        try:
            columns = [_column_of_numbers([value[name] for value in values]) for name in names]
        except KeyError:
            return None
    elif kind is tuple:
        names = _tuple_names(len(values[0]), naming)
        if set(map(len, values)) != {len(names)}:
            return None
        columns = [_column_of_numbers(column) for column in zip(*values, strict=True)]
    else:
        names, columns = (naming.bare,), [_column_of_kind(values, kind)]
    return _group_of_columns(names, columns, naming, n_rows=len(values))


def _group_of_columns(
    names: tuple[str, ...], columns: list[tuple[str, bytes] | None], naming: Naming, *, n_rows: int
) -> Group | None:
    pairs = [pair for pair in columns if pair is not None]
    if not pairs or len(pairs) != len(columns):
        return None
    naming.check(names)
    layout = tuple((name, dtype, ()) for name, (dtype, _) in zip(names, pairs, strict=True))
    return Group(layout, range(n_rows), [data for _, data in pairs])


def _column_of_numbers(column: Sequence[Any]) -> tuple[str, bytes] | None:
    """Return dtype and bytes of plain numbers of one type, or None."""
    kinds = set(map(type, column))
    return _column_of_kind(column, kinds.pop()) if len(kinds) == 1 else None


def _column_of_kind(column: Sequence[Any], kind: type) -> tuple[str, bytes] | None:
    """Return dtype and bytes of what all is of one type, or None if that is none of plain numbers."""
    if kind is float:
        return FLOAT, pack(f"{len(column)}d", *column)  # a third of what an array takes
    if kind is int:
        try:
            return INT, pack(f"{len(column)}q", *column)
        except struct_error:  # it does not fit into 64 bits
            return None
    if kind is bool:
        return BOOL, bytes(column)
    return None


def _encode_one_by_one(values: Sequence[Any], naming: Naming) -> tuple[list[Group], list[tuple[int, Unusable]]]:
    rows: dict[Layout, list[int]] = {}
    parts: dict[Layout, list[list[bytes]]] = {}
    unusable: list[tuple[int, Unusable]] = []
    for row, value in enumerate(values):
        flat = value if isinstance(value, Flat | Unusable) else _flat(value, naming)
        try:
            if isinstance(flat, Unusable):
                raise flat
            if flat.layout not in rows:
                naming.check_derived(flat.layout)
        except Unusable as reason:
            unusable.append((row, reason.with_traceback(None)))
            continue
        rows.setdefault(flat.layout, []).append(row)
        parts.setdefault(flat.layout, []).append(flat.columns)
    groups = [
        Group(layout, rows[layout], [b"".join(column) for column in zip(*parts[layout], strict=True)])
        for layout in rows
    ]
    return groups, unusable


def _flat(value: Any, naming: Naming) -> Flat | Unusable:
    try:
        return Flat(*flatten(value, naming))
    except Unusable as reason:
        return reason
    except Exception as error:  # the user's classes run code of their own when they are read
        kind = type(error).__name__
        return Unusable(f"what the function returned cannot be read: {kind} in {type(value).__name__}")


def flatten(value: Any, naming: Naming) -> tuple[Layout, list[bytes]]:
    """Return the layout of one returned value, and the bytes of each of its entries.

    Raises Unusable, with a sentence, for a value that is neither a number, an array, nor a tuple or mapping of them.
    """
    named = _named_parts(value, naming)
    if not named:
        raise Unusable("the function returned nothing: an empty mapping or tuple")
    naming.check(name for name, _ in named)
    layout, columns = [], []
    for name, part in named:
        dtype, shape, data = _leaf(part, f"result '{name}'")
        layout.append((name, dtype, shape))
        columns.append(data)
    return tuple(layout), columns


def _named_parts(value: Any, naming: Naming) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return [(name, getattr(value, name)) for name in value.__dataclass_fields__]
    if isinstance(value, tuple):
        return list(zip(getattr(value, "_fields", None) or _tuple_names(len(value), naming), value, strict=True))
    return [(naming.bare, value)]


def _tuple_names(n_parts: int, naming: Naming) -> tuple[str, ...]:
    names = naming.tuple_names
    if names is None:
        return tuple(f"{naming.bare}_{part}" for part in range(n_parts))
    if len(names) != n_parts:
        raise Unusable(f"the function returned {n_parts} values, but 'names' under [results] lists {len(names)}")
    return names


def _leaf(value: Any, what: str) -> tuple[str, tuple[int, ...], bytes]:
    """Return dtype, shape and bytes of one number or array."""
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        return _numpy_leaf(value, what)
    if isinstance(value, array):
        return _array_leaf(value, what)
    if isinstance(value, (list, tuple, range)):
        shape, numbers = _flat_list(value, what)
        dtype, data = _numbers(numbers, what)
        return dtype, shape, data
    if hasattr(value, "__array__"):
        return _numpy_leaf(value.__array__(), what)
    dtype, data = _numbers([value], what)
    return dtype, (), data


def _numpy_leaf(value: Any, what: str) -> tuple[str, tuple[int, ...], bytes]:
    dtype = value.dtype
    if dtype.kind not in "biufc":
        raise Unusable(f"{what} is an array of {dtype}; expected numbers")
    if value.ndim > MAX_DIMENSIONS:
        raise Unusable(f"{what} has {value.ndim} dimensions; expected at most {MAX_DIMENSIONS}")
    value = _unmasked(value, what)
    name = f"{dtype.kind}{dtype.itemsize}"
    name = _WIDER.get(name, name)
    stored = "|b1" if name == "b1" else f"|{name}" if name.endswith(("i1", "u1")) else f"<{name}"
    return stored, tuple(value.shape), value.astype(stored).tobytes()


def _unmasked(value: Any, what: str) -> Any:
    """Return an array with NaN in its masked places; anything else as it is."""
    if not (hasattr(value, "filled") and value.mask.any()):
        return value
    kind = value.dtype.kind
    if kind not in "fc":
        raise Unusable(f"{what} is an array of {value.dtype} with masked places; expected floats, or no masked place")
    nan = float("nan")
    return value.filled(complex(nan, nan) if kind == "c" else nan)


def _array_leaf(value: "array[Any]", what: str) -> tuple[str, tuple[int, ...], bytes]:
    kind = _ARRAY_KINDS.get(value.typecode)
    if kind is None:
        raise Unusable(f"{what} is an array of characters; expected numbers")
    order = "|" if value.itemsize == 1 else _ORDER
    return f"{order}{kind}{value.itemsize}", (len(value),), value.tobytes()


def _flat_list(value: Sequence[Any], what: str) -> tuple[tuple[int, ...], list[Any]]:
    """Return the shape of nested lists and their numbers in C order."""
    shape: tuple[int, ...] = (len(value),)
    # arrays in a list, of numpy or the standard library, are lists in all but name
    flat = [_unmasked(element, what).tolist() if hasattr(element, "tolist") else element for element in value]
    while flat and isinstance(flat[0], (list, tuple)):
        if len(shape) == MAX_DIMENSIONS:
            raise Unusable(f"{what} is nested deeper than {MAX_DIMENSIONS} lists; expected an array")
        lengths = {len(part) if isinstance(part, (list, tuple)) else -1 for part in flat}
        if -1 in lengths:
            raise Unusable(f"{what} is a list of lists or arrays beside single numbers; expected a rectangular array")
        if len(lengths) != 1:
            raise Unusable(f"{what} is a list of lists of different lengths; expected a rectangular array")
        shape += (lengths.pop(),)
        flat = [element for part in flat for element in part]
    return shape, flat


def _numbers(values: list[Any], what: str) -> tuple[str, bytes]:
    """Return dtype and bytes of plain numbers; mixed ones become the widest of int, float and complex."""
    fast = _column_of_numbers(values) if values else (FLOAT, b"")
    if fast is not None:
        return fast
    kinds = set()
    for value in values:
        kind = _kind(value)
        if not kind:
            raise Unusable(_not_a_number(value, what))
        kinds.add(kind)
    try:
        if kinds == {"b"}:
            return BOOL, bytes(map(bool, values))
        if kinds <= {"b", "i"}:
            return INT, array("q", [int(value) for value in values]).tobytes()
        if "c" in kinds:
            pairs = [part for value in map(complex, values) for part in (value.real, value.imag)]
            return COMPLEX, array("d", pairs).tobytes()
        return FLOAT, array("d", [float(value) for value in values]).tobytes()
    except OverflowError:
        raise Unusable(f"{what} is an integer that does not fit into 64 bits with a sign") from None


def _kind(value: Any) -> str:
    """Return ``b``, ``i``, ``f`` or ``c`` for a number, Python's or numpy's; "" for anything else."""
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        kind = str(getattr(dtype, "kind", "")).replace("u", "i")
        return kind if kind in tuple("bifc") and value.shape == () else ""
    for kind, python_type in (("b", bool), ("i", int), ("f", float), ("c", complex)):
        if isinstance(value, python_type):
            return kind
    return ""


def _not_a_number(value: Any, what: str) -> str:
    if value is None:
        return f"{what} is None; expected a number or an array (does the function end without 'return'?)"
    if isinstance(value, (str, bytes)):
        return f"{what} is text ({str(value)[:40]!r}); expected a number or an array"
    if isinstance(value, (list, tuple)):
        return f"{what} is a list of numbers beside lists or arrays; expected a rectangular array"
    return f"{what} is of type {type(value).__name__}; expected a number or an array"
