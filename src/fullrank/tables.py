"""Reading the table of a ``[sweep.table]``: one row for each item, one column for each axis."""

import csv
import json
import math
import re
from array import array
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from fullrank.axes import ColumnAxis, SweepError
from fullrank.errors import ConfigError
from fullrank.files import nearest, not_utf8
from fullrank.sweep import name_problem

Rows = Iterator[tuple[int, list[Any]]]
"""Number of a line and its cells; the names of the columns come first."""
Type = type[int] | type[float] | type[str] | type[bool]
Widen = Callable[[Type | None, Any], Type]
"""Type of a column that was of the first and has the second next; ValueError if there is none."""

_WORDS: dict[Type, str] = {
    int: "an integer of at most 64 bits",
    float: "a number",
    str: "text",
    bool: "true or false",
}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


class _TableError(Exception):
    """What is wrong with a table, from the number of the line on."""


def read_table(path: Path) -> tuple[ColumnAxis, ...]:
    """Return the columns of a CSV (.csv, .tsv), spaced (.dat, .txt) or JSON lines file.

    A column is of integers if all its cells are, else of floats, else of text. The file is read
    twice, row by row: memory is that of the columns. ConfigError names file, line and column.
    """
    if path.suffix.lower() not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise ConfigError(f"{path}: expected a table as {known}, got {path.suffix or 'no suffix'}")
    read, widen = _FORMATS[path.suffix.lower()]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names, types = _survey(read(file), widen)
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns = _fill(read(file), names, types=types)
        return tuple(map(_axis, names, columns))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: {not_utf8(path.read_bytes())}; save it as UTF-8") from None
    except _TableError as error:
        raise ConfigError(f"{path}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _axis(name: str, column: Any) -> ColumnAxis:
    try:
        return ColumnAxis(name, values=column)
    except SweepError as error:
        raise _TableError(f"column {name!r}: {error.problem}") from None


def _survey(rows: Rows, widen: Widen) -> tuple[list[str], list[Type]]:
    """Names and types of the columns, after a look at every cell."""
    line, header = next(rows, (0, []))
    names = _column_names(line, header)
    types: list[Type | None] = [None] * len(names)
    for line, cells in rows:
        if len(cells) != len(names):
            expected = f"{len(names)} cells, one for each of {', '.join(names)}"
            raise _TableError(f"line {line}: expected {expected}, got {len(cells)}")
        for column, cell in enumerate(cells):
            try:
                types[column] = widen(types[column], cell)
            except ValueError as error:
                raise _TableError(f"line {line}, column {names[column]!r}: {error}") from None
    found = [kind for kind in types if kind is not None]
    if not found:
        raise _TableError(f"line {line}: expected rows below the names of the columns, got none")
    return names, found


def _column_names(line: int, header: list[Any]) -> list[str]:
    names = [str(name).strip() for name in header]
    if not names:
        raise _TableError("expected the names of the columns, then one row for each item")
    for number, name in enumerate(names, 1):
        problem = name_problem(name)
        if not name:
            problem = f"column {number} of {len(names)} has no name"
        elif names.count(name) > 1:
            problem = f"two columns are named {name!r}"
        if problem is not None:
            raise _TableError(f"line {line}, which names the columns: {problem}")
    return names


def _fill(rows: Rows, names: list[str], *, types: list[Type]) -> list[Any]:
    empty: dict[Type, Any] = {int: array("q"), float: array("d"), str: [], bool: []}
    columns = [empty[kind][:] for kind in types]
    next(rows, None)
    for line, cells in rows:
        for column, kind, cell, name in zip(columns, types, cells, names, strict=True):
            try:
                column.append(kind(cell))
            except (ValueError, OverflowError):
                cure = "; write larger numbers with a decimal point" if kind is int else ""
                raise _TableError(
                    f"line {line}, column {name!r}: expected {_WORDS[kind]}, got {cell!s:.40}{cure}"
                ) from None
    return columns


def _widen_text(known: Type | None, cell: str) -> Type:
    if not cell:
        raise ValueError("expected a value, got nothing")
    if known is str:
        return str
    if _INTEGER.fullmatch(cell):
        return known or int
    if _is_float(cell):
        return float
    if _DECIMAL_COMMA.fullmatch(cell):
        raise ValueError(f"expected a number with a decimal point, got {cell}")
    return str


def _is_float(cell: str) -> bool:
    # Python's float() also takes 2024_01 and digits of other scripts, which are names to a user.
    if "_" in cell or not cell.isascii():
        return False
    try:
        value = float(cell)
    except ValueError:
        return False
    if math.isinf(value) and "inf" not in cell.lower():
        raise ValueError(f"expected a number of 64 bits, got {cell:.40}, which is larger than all of them")
    return True


def _widen_json(known: Type | None, cell: Any) -> Type:
    found = type(cell)
    if cell is None:
        raise ValueError("expected a value, got null")
    if found not in _WORDS:
        raise ValueError("expected a number, text or true/false, got a list or an object")
    if known is None or {known, found} == {int, float}:
        return float if known else found
    if known is not found:
        raise ValueError(f"expected {_WORDS[known]} as in the rows above, got {cell!r:.40}")
    return known


def _read_delimited(file: TextIO) -> Rows:
    """Rows of a CSV; what stands in the header decides between comma, semicolon and tab."""
    n_skipped, header = 0, ""
    for header in file:
        if header.strip():
            break
        n_skipped += 1
    unquoted = re.sub(r'"[^"]*"', "", header)
    delimiter = max(",;\t", key=unquoted.count)
    lines = chain([header.lstrip().removeprefix("#")], file)
    rows = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        line = n_skipped + rows.line_num + 1
        try:
            cells = [cell.strip() for cell in next(rows)]
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"line {line}: {error}; is a quote closed too late or not at all?"
            raise _TableError(problem) from None
        if any(cells) or len(cells) > 1:
            yield line, cells


def _read_spaced(file: TextIO) -> Rows:
    """Rows of columns apart by spaces; the last # line before them names the columns."""
    header: tuple[int, list[str]] | None = None
    is_header_out = False
    for line, text in enumerate(file, 1):
        data, _, comment = text.partition("#")
        if cells := data.split():
            if header is None:
                raise _TableError(f"line {line}: expected the names of the columns first, # x y")
            if not is_header_out:
                yield header
                is_header_out = True
            yield line, list(cells)
        elif comment.split() and not is_header_out:
            header = line, comment.split()
    if header is not None and not is_header_out:
        yield header


def _read_json_lines(file: TextIO) -> Rows:
    """Rows of objects; the keys of the first one are the columns."""
    names: list[str] = []
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        row = _json_object(text, line)
        if not names:
            names = list(row)
            yield line, list(names)
        for name in row:
            if name not in names:
                raise _TableError(f"line {line}: unknown column {name!r}{nearest(name, names)}")
        yield line, [row.get(name) for name in names]


def _json_object(text: str, line: int) -> dict[str, Any]:
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        raise _TableError(f'line {line}: expected one JSON object, as {{"r": 2.5}}') from None
    if not isinstance(pairs, _Pairs):
        raise _TableError(f'line {line}: expected one JSON object, as {{"r": 2.5}}')
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _TableError(f"line {line}: one column stands twice")
    return row


class _Pairs(list[tuple[str, Any]]):
    """A JSON object before its keys were made unique."""


_FORMATS: dict[str, tuple[Callable[[TextIO], Rows], Widen]] = {
    ".csv": (_read_delimited, _widen_text),
    ".tsv": (_read_delimited, _widen_text),
    ".dat": (_read_spaced, _widen_text),
    ".txt": (_read_spaced, _widen_text),
    ".jsonl": (_read_json_lines, _widen_json),
    ".ndjson": (_read_json_lines, _widen_json),
}
