"""Do two files hold the same study with the same results?"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass
from fullrank.schema import Block, Field
from fullrank.status import Status
from fullrank.store.axis import FileAxis
from fullrank.store.h5 import reading
from fullrank.store.layout import length_name, ranges
from fullrank.store.reader import ResultFile
from fullrank.store.verify import block_size

_AXIS_RANGE = 1 << 16


def differences(a: Path, b: Path, *, rtol: float = 0.0, ignoring: frozenset[Status] = frozenset()) -> list[str]:
    """Return a sentence for each difference in sweep, results, status or values; [] if equal.

    Values are compared where an item is ok in both files. NaN equals NaN; with ``rtol`` = 0 all
    else is compared bit for bit, otherwise x and y are equal if
    abs(x - y) <= rtol * max(abs(x), abs(y)). Times, workers, attempts, texts and ``code_version``
    do not count; nor do items that have one of the ends ``ignoring`` in one of the files.

    Raises:
        OutputError: a file is not ours or damaged.
    """
    with (
        ResultFile(a) as first,
        ResultFile(b) as second,
        reading(a, f"be compared with {b}"),
    ):
        found = list(_sweep_differences(first, second))
        if found:
            return found
        if not (ignoring and (not first.fields or not second.fields)):  # else one has no value, of whatever type
            found += _field_differences(first, second)
        return [*found, *_item_differences(first, second, rtol=rtol, ignoring=ignoring)]


def _sweep_differences(a: ResultFile, b: ResultFile) -> Iterator[str]:
    sizes = [dict(zip(file.dims, file.shape, strict=True)) for file in (a, b)]
    if list(sizes[0].items()) != list(sizes[1].items()):
        yield f"dimensions: {sizes[0]} in {a.path}, {sizes[1]} in {b.path}"
    axes = [{axis.name: axis for axis in file.axes} for file in (a, b)]
    if axes[0].keys() != axes[1].keys():
        yield f"parameters: {', '.join(axes[0])} in {a.path}, {', '.join(axes[1])} in {b.path}"
    for name in axes[0].keys() & axes[1].keys():
        if len(axes[0][name]) == len(axes[1][name]):
            yield from _axis_differences(axes[0][name], axes[1][name], paths=(a.path, b.path))


def _axis_differences(a: FileAxis, b: FileAxis, *, paths: tuple[Path, Path]) -> Iterator[str]:
    n_differing, first = 0, ""
    for positions in ranges(len(a), _AXIS_RANGE):
        for place, x, y in zip(positions, a.column(positions), b.column(positions), strict=True):
            if repr(x) != repr(y):
                first = first or f"value {place}: {x!r} in {paths[0]}, {y!r} in {paths[1]}"
                n_differing += 1
    if n_differing:
        yield f"axis {a.name}: {first}; {n_differing} of {len(a)} values differ"


def _field_differences(a: ResultFile, b: ResultFile) -> Iterator[str]:
    fields = [{field.name: field for field in file.fields} for file in (a, b)]
    for name in sorted(fields[0].keys() | fields[1].keys()):
        x, y = (_describe(mapping.get(name)) for mapping in fields)
        if x != y:
            yield f"result {name}: {x} in {a.path}, {y} in {b.path}"


def _describe(field: Field | None) -> str:
    if field is None:
        return "absent"
    kind = "bool" if field.is_bool else field.dtype
    return f"{kind} of shape {field.shape}{', varying' if field.varying else ''}"


@dataclass(frozen=True)
class _Compared:
    """A block of one dataset from both files."""

    name: str
    x: NDArray[Any]
    y: NDArray[Any]
    differs: NDArray[np.bool_]
    """Element by element, in the shape of ``x``."""


def _item_differences(a: ResultFile, b: ResultFile, *, rtol: float, ignoring: frozenset[Status]) -> Iterator[str]:
    common = [field for field in a.fields if field in b.fields]
    first: dict[str, str] = {}
    n_items: Counter[str] = Counter()
    n = block_size(a)
    for x, y in zip(a.blocks(n), b.blocks(n), strict=True):
        for compared in _compared(x, y, common, rtol=rtol, ignoring=ignoring):
            differing = compared.differs.any(axis=tuple(range(1, compared.differs.ndim)))
            n_items[compared.name] += int(np.count_nonzero(differing))
            if differing.any() and compared.name not in first:
                first[compared.name] = _first(a, b, compared, start=x.start)
    for name, text in first.items():
        yield f"{name}: {text}; {n_items[name]} of {a.n_items} items differ"


def _compared(
    x: Block, y: Block, fields: Sequence[Field], *, rtol: float, ignoring: frozenset[Status]
) -> Iterator[_Compared]:
    ignored = np.isin(x.status, list(ignoring)) | np.isin(y.status, list(ignoring))
    yield _Compared("status", x.status, y.status, (x.status != y.status) & ~ignored)
    both_ok = (x.status == Status.OK) & (y.status == Status.OK)
    for field in fields:
        values = x.values[field.name], y.values[field.name]
        differs = ~equal(*values, rtol=rtol) & both_ok.reshape(-1, *(1 for _ in field.shape))
        yield _Compared(field.name, *values, differs)
        if field.varying:
            lengths = x.lengths[field.name], y.lengths[field.name]
            yield _Compared(length_name(field.name), *lengths, (lengths[0] != lengths[1]) & both_ok)


def equal(x: NDArray[Any], y: NDArray[Any], *, rtol: float) -> NDArray[np.bool_]:
    """Return where two arrays of one shape and dtype are equal; see :func:`differences`."""
    bits = f"<u{x.dtype.itemsize}"
    same: NDArray[np.bool_] = x.view(bits) == y.view(bits)
    if x.dtype.kind == "f":
        same |= np.isnan(x) & np.isnan(y)
    if rtol > 0.0:
        x, y = x.astype(np.float64), y.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            close = np.abs(x - y) <= rtol * np.maximum(np.abs(x), np.abs(y))
        same |= close & np.isfinite(x) & np.isfinite(y)
    return same


def _first(a: ResultFile, b: ResultFile, compared: _Compared, *, start: int) -> str:
    place = tuple(map(int, np.argwhere(compared.differs)[0]))
    index = start + place[0]
    element = f", element {list(place[1:])}" if len(place) > 1 else ""
    x, y = (_spelled(compared.name, array[place].item()) for array in (compared.x, compared.y))
    item = _describe_item(index, a.parameters(index))
    return f"{item}{element}: {x} in {a.path}, {y} in {b.path}"


def _describe_item(index: int, parameters: Mapping[str, Any]) -> str:
    values = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
    return f"item {index} ({values})" if values else f"item {index}"


def _spelled(name: str, value: float) -> str:
    is_code = name == "status" and value in set(Status)
    return Status(int(value)).name.lower() if is_code else repr(value)
