"""The file's layout as arithmetic: names, dimensions, chunks, hyperslabs and fill values.

Nothing here touches a file. Shapes are in the units of numpy: numbers of elements, C order.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from fullrank.dataclass import dataclass, field
from fullrank.errors import OutputError
from fullrank.schema import Field
from fullrank.status import Status
from fullrank.sweep import RESERVED_NAMES

FORMAT = "fullrank"
COMPARISON_FORMAT = "fullrank comparison"
FORMAT_VERSION = 1
"""Versions add datasets and attributes; none changes what an earlier one's mean."""

CHUNK_BYTES = 1 << 20
COMPACT_BYTES = 1 << 12
"""Datasets up to this size stand in their object header."""
LARGE_BYTES = 1 << 16
"""Datasets above this size are compressed."""
OPEN_CHUNKS_BYTES = 64 << 20
"""Each dataset that is being written holds an unfinished chunk; together they stay below this."""
RANGE_ITEMS = 1 << 16
"""Values of an axis that are held at a time."""

_NAN = float("nan")
_FILL_VALUES: dict[str, int | float] = {
    "|i1": -127,
    "|u1": 255,
    "<i2": -32767,
    "<u2": 65535,
    "<i4": -2147483647,
    "<u4": 4294967295,
    "<i8": -9223372036854775806,
    "<u8": 18446744073709551614,
    "<f4": _NAN,
    "<f8": _NAN,
}
# netCDF's own for integers; its default for floats is the number 9.97e36, where NaN is plainer.


class VariableInfo(Protocol):
    """What the user said of a result; the config's ``ResultInfo`` is one."""

    @property
    def units(self) -> str:
        """Unit of the values, "1" for a pure number."""

    @property
    def long_name(self) -> str:
        """What the result is, in words; may be empty."""

    @property
    def dims(self) -> tuple[str, ...] | None:
        """Names for the axes of an array result."""


@dataclass(frozen=True)
class Variable:
    """A dataset with the items' dimensions, and behind them those of an item's value."""

    name: str
    dtype: str
    long_name: str
    units: str = "1"
    inner_shape: tuple[int, ...] = ()
    inner_dims: tuple[str, ...] = ()
    flags: Mapping[str, int] = field(default_factory=dict)
    """Meaning and code of each value, for CF's flag attributes."""
    fill: int | float | None = None
    """Stands in cells without a value; None: every cell has one."""
    in_digest: bool = False
    lengths: str | None = None
    """Name of the dataset with the lengths, if the result is padded."""
    part_of: str = ""
    """The complex result of which this is a part."""


STATUS_FLAGS = {status.name.lower(): int(status) for status in Status}
BOOL_FLAGS = {"false": 0, "true": 1}

BOOKKEEPING = (
    Variable("status", "|i1", "how the item ended", flags=STATUS_FLAGS, in_digest=True),
    Variable("item_seconds", "<f4", "duration of the item", "s", fill=_NAN),
    Variable("worker", "<i4", "row of the item's worker in the group workers", fill=-1),
    Variable("code_version", "<i2", "version of the code that computed the item", fill=-1),
)


def flag_attributes(flags: Mapping[str, int], dtype: str) -> dict[str, Any]:
    """Return CF's attributes for a variable of this dtype whose values are codes."""
    return {
        "flag_values": np.array(list(flags.values()), dtype),
        "flag_meanings": " ".join(flags),
    }


def is_storable(dtype: str) -> bool:
    """Whether netCDF has this type of numbers."""
    return dtype in _FILL_VALUES


def fill_value(dtype: str) -> np.generic:
    """Return what stands where a result of this dtype is missing.

    Raises:
        OutputError: netCDF has no such type.
    """
    if not is_storable(dtype):
        known = ", ".join(_FILL_VALUES)
        raise OutputError(f"results of type {dtype!r} cannot be stored; expected one of {known}")
    value: np.generic = np.dtype(dtype).type(_FILL_VALUES[dtype])
    return value


def length_name(name: str) -> str:
    """Return the name of the dataset with the lengths of a varying result's arrays."""
    return f"{name}_length"


def result_names(fields: Sequence[Field], *, axis_names: Collection[str]) -> list[str]:
    """Return the names of the results' datasets, each varying one followed by its lengths'.

    Raises:
        OutputError: a name is taken, occurs twice or cannot stand in a netCDF file.
    """
    names: list[str] = []
    for entry in fields:
        names += [entry.name, length_name(entry.name)] if entry.varying else [entry.name]
    taken = {*RESERVED_NAMES, *axis_names}
    for name in names:
        if name in taken or names.count(name) > 1:
            raise OutputError(f"the result name {name!r} is taken by the file, an axis or a result; rename it")
        if not _is_netcdf_name(name):
            raise OutputError(f"{name!r} cannot be the name of a result in a netCDF file; rename it")
    return names


def _is_netcdf_name(name: str) -> bool:
    begins_well = name[:1].isalnum() or name[:1] == "_"
    return begins_well and name.isprintable() and "/" not in name and not name.endswith(" ")


def item_variables(
    fields: Sequence[Field], infos: Mapping[str, VariableInfo], *, axis_names: Collection[str]
) -> tuple[Variable, ...]:
    """Return the datasets with the items' dimensions: results, lengths, then the bookkeeping."""
    taken = {*RESERVED_NAMES, *axis_names, *result_names(fields, axis_names=axis_names)}
    dims = inner_dims(fields, infos, taken=taken)
    variables: list[Variable] = []
    for entry in fields:
        variables.append(_result_variable(entry, info_of(entry.name, infos), inner=dims[entry.name]))
        if entry.varying:
            text = f"length of {entry.name}"
            variables.append(Variable(length_name(entry.name), "<i8", text, in_digest=True))
    return (*variables, *BOOKKEEPING)


def _result_variable(entry: Field, info: VariableInfo | None, *, inner: tuple[str, ...]) -> Variable:
    return Variable(
        entry.name,
        entry.dtype,
        (info and info.long_name) or entry.name,
        (info and info.units) or "1",
        inner_shape=entry.shape,
        inner_dims=inner,
        flags=BOOL_FLAGS if entry.is_bool else {},
        fill=fill_value(entry.dtype).item(),
        in_digest=True,
        lengths=length_name(entry.name) if entry.varying else None,
        part_of=entry.part_of,
    )


def info_of(name: str, infos: Mapping[str, VariableInfo]) -> VariableInfo | None:
    """Return what was said of a result; what was said of ``z`` holds for ``z_re`` and ``z_im``."""
    base = name[:-3] if name.endswith(("_re", "_im")) else name
    return infos.get(name, infos.get(base))


def inner_dims(
    fields: Sequence[Field], infos: Mapping[str, VariableInfo], *, taken: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return the names of each result's inner dimensions.

    Results that declare the same name for the same size share a dimension. A declared name that is
    taken, occurs twice in a result or has another size elsewhere gives way to ``<result>_dim<k>``:
    by then the items are computed, and a label is no reason to refuse them.
    """
    sizes: dict[str, int] = {}
    names: dict[str, tuple[str, ...]] = {}
    for entry in fields:
        info = info_of(entry.name, infos)
        declared = (info and info.dims) or ()
        own: list[str] = []
        for axis, size in enumerate(entry.shape):
            name = declared[axis] if len(declared) == len(entry.shape) else ""
            if not _is_netcdf_name(name) or name in taken or name in own or sizes.get(name, size) != size:
                name = f"{entry.name}_dim{axis}"
            while name in taken or name in own or sizes.get(name, size) != size:
                name += "_"
            sizes[name] = size
            own.append(name)
        names[entry.name] = tuple(own)
    return names


def chunk_bytes(n_datasets: int) -> int:
    """Return the size of chunks to aim at: 1 MiB, less if a great many datasets are written."""
    return max(LARGE_BYTES, min(CHUNK_BYTES, OPEN_CHUNKS_BYTES // max(1, n_datasets)))


def chunk_shape(shape: Sequence[int], itemsize: int, *, target_bytes: int) -> tuple[int, ...]:
    """Return a chunk of at most ``target_bytes`` whose elements follow each other in C order.

    The pieces of the axis that is cut are nearly equal, so that little of the last one is padding.

    >>> chunk_shape((2000, 100, 1000), 8, target_bytes=1 << 20)
    (1, 100, 1000)
    >>> chunk_shape((10, 200_000), 8, target_bytes=1 << 20)
    (1, 100000)
    """
    room = max(1, target_bytes // itemsize)
    chunk = [1] * len(shape)
    for axis in reversed(range(len(shape))):
        n_pieces = -(-shape[axis] // room)
        chunk[axis] = -(-shape[axis] // n_pieces)
        if n_pieces > 1:
            break
        room //= shape[axis]
    return tuple(chunk)


def ranges(n: int, size: int) -> Iterator[range]:
    """Yield 0 … n - 1 in ranges of ``size``.

    >>> list(ranges(5, 2))
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    for start in range(0, n, size):
        yield range(start, min(start + size, n))


def slabs(shape: Sequence[int], start: int, stop: int) -> Iterator[tuple[slice, ...]]:
    """Yield the boxes that make up the elements ``start … stop - 1`` of an array, in C order.

    There are at most 2 * len(shape) - 1: the rest of a begun row, whole rows, the begin of a row.

    >>> [[(s.start, s.stop) for s in slab] for slab in slabs((4, 10), 7, 25)]
    [[(0, 1), (7, 10)], [(1, 2), (0, 10)], [(2, 3), (0, 5)]]
    """
    if start >= stop:
        return
    if not shape:
        yield ()
        return
    row = math.prod(shape[1:])
    first, offset = divmod(start, row)
    last, rest = divmod(stop, row)
    if offset:
        end = rest if first == last else row
        yield from _in_row(shape, first, start=offset, stop=end)
        first += 1
    if first < last:
        yield (slice(first, last), *(slice(0, size) for size in shape[1:]))
    if first <= last:
        yield from _in_row(shape, last, start=0, stop=rest)


def _in_row(shape: Sequence[int], row: int, *, start: int, stop: int) -> Iterator[tuple[slice, ...]]:
    for slab in slabs(shape[1:], start, stop):
        yield (slice(row, row + 1), *slab)
