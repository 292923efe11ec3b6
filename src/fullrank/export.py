"""A result file as CSV: one row an item, written block by block.

Floats are written with the fewest digits that read back to the same bits, in the result's own precision. A text is
quoted where CSV asks for it, an item without a value has empty cells; a NaN that a function returned is ``nan``.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from fullrank.flat import check_columns, element_names
from fullrank.schema import Block, Field
from fullrank.status import Status
from fullrank.store import FileAxis, ResultFile, block_size

N_CELLS = 1 << 18
"""Of a block: some 20 MB of texts."""
_ENDS = {int(status): status.name.lower() for status in Status}
_BOOLS = np.array(["false", "true"])


def column_names(file: ResultFile) -> list[str]:
    """Return the table's columns: replicate and parameters, results, ``status``, ``item_seconds`` and ``item``.

    Before ``item`` stands ``code_version`` if there was more than one version of the code.

    Raises:
        UsageError: they are too many, or two would have one name.
    """
    before = [*(name for name in file.dims if name == "replicate"), *file.axis_names]
    after = ["status", "item_seconds", *["code_version"] * _has_versions(file), "item"]
    check_columns(file.path, {entry.name: entry.shape for entry in file.fields}, others=[*before, *after])
    results = [name for entry in file.fields for name in element_names(entry.name, entry.shape)]
    return [*before, *results, *after]


def _has_versions(file: ResultFile) -> bool:
    return len(file.versions) > 1


def csv_blocks(file: ResultFile, *, with_missing: bool) -> Iterator[list[str]]:
    """Yield the table's lines, the columns' names first; missing items are left out unless asked for.

    Raises:
        UsageError: see :func:`column_names`.
        OutputError: the file is damaged.
    """
    names = column_names(file)
    yield [_line(map(_quoted, names))]
    for block in file.blocks(max(1, min(block_size(file), N_CELLS // len(names)))):
        kept = np.ones(len(block.status), bool) if with_missing else block.status != Status.MISSING
        if kept.any():
            rows = zip(*_columns(file, block, with_version="code_version" in names), strict=True)
            yield [_line(row) for row in compress(rows, kept.tolist())]


def _line(cells: Iterable[str]) -> str:
    return ",".join(cells) + "\n"


def _quoted(text: str) -> str:
    """Return a text as csv writes it; its default end of line has it quote both characters that end lines."""
    written = io.StringIO()
    csv.writer(written).writerow([text, ""])
    return written.getvalue().removesuffix(",\r\n")


def _columns(file: ResultFile, block: Block, *, with_version: bool) -> Iterator[list[str]]:
    indices = np.arange(block.start, block.start + len(block.status))
    places = dict(zip(file.dims, np.unravel_index(indices, file.shape), strict=True))
    if "replicate" in places:
        yield _spelled(places["replicate"])
    for axis in file.axes:
        yield _axis_column(axis, places[axis.name] if axis.name in places else places["item"])
    for entry in file.fields:
        yield from _result_columns(block, entry)
    yield [_ENDS.get(code, str(code)) for code in block.status.tolist()]
    has_end = block.status != Status.MISSING
    yield _with_gaps(_spelled(block.seconds), has_end)
    if with_version:
        yield _with_gaps(_spelled(block.code_version), has_end & (block.code_version >= 0))
    yield _spelled(indices)


def _axis_column(axis: FileAxis, positions: NDArray[np.intp]) -> list[str]:
    """Return an axis' values at positions, of which the file is asked for each once."""
    needed, places = np.unique(positions, return_inverse=True)
    runs = np.split(needed, np.flatnonzero(np.diff(needed) > 1) + 1)
    texts = [_spelled_value(value) for run in runs for value in axis.column(range(run[0], run[-1] + 1))]
    return [texts[place] for place in places.tolist()]


def _spelled_value(value: int | float | str | bool) -> str:
    if isinstance(value, str):
        return _quoted(value)
    return str(_BOOLS[int(value)]) if isinstance(value, bool) else repr(value)


def _result_columns(block: Block, entry: Field) -> Iterator[list[str]]:
    """Yield one column for each element of a result."""
    values = block.values[entry.name].reshape(len(block.status), -1)
    has_value = block.status == Status.OK
    for element in range(values.shape[1]):
        reaches = block.lengths[entry.name] > element if entry.varying else True
        numbers = values[:, element]
        texts = _BOOLS[(numbers == 1).astype(int)].tolist() if entry.is_bool else _spelled(numbers)
        yield _with_gaps(texts, has_value & reaches)


def _spelled(numbers: NDArray[np.generic]) -> list[str]:
    if numbers.dtype == np.float32:  # as Python's floats they would have digits that they do not know
        return list(map(str, numbers.astype(str).tolist()))
    return list(map(repr, numbers.tolist()))


def _with_gaps(texts: Sequence[str], is_there: NDArray[np.bool_]) -> list[str]:
    return [text if there else "" for text, there in zip(texts, is_there.tolist(), strict=True)]
