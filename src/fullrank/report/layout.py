"""Lines of plain text: tables, wrapping, numbers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from textwrap import wrap

from fullrank.report.facts import Value

BULLET = "  - "
LEAST_COLUMNS = 20
"""Of words beside something; a line of fewer is no line."""
PROSE_COLUMNS = 100
"""Sentences on wider lines are hard to read, however wide the terminal is."""
_LENGTHENED_BY = 20
_GLUED = re.compile(r" (?=×\d|%|[mµn]?s\b)")
"""Between what belongs on one line: processes ×2, 95 %, 1.5 s."""


class TableLine(str):
    """A line of a table that still knows its cells, for those who align them in another way."""

    __slots__ = ("cells", "is_head", "left", "number")
    cells: Sequence[str]
    left: Sequence[int]
    """Columns that begin at the left."""
    number: int
    """Of the line in its table."""
    is_head: bool


class DrawnLine(str):
    """A line whose characters are a drawing: each is as wide as any other."""

    __slots__ = ()


class CommandLine(str):
    """A line that is a command to copy."""

    __slots__ = ()


class WrappedLine(str):
    """A line of some words that still knows all of them, and what stands before them."""

    __slots__ = ("cells", "head", "is_head", "number", "words")
    head: str
    words: str
    cells: Sequence[str]
    """Of a line that stands in a table, whose last column its words are; else empty."""
    is_head: bool
    """Whether the cells name the table's columns."""
    number: int
    """Of the line; on all but line 0 the words go on."""


def table(
    rows: Sequence[Sequence[str]], *, left: Sequence[int], indent: int = 2, has_head: bool = False
) -> Iterator[str]:
    """Align columns, to the right but for those in ``left``; ``has_head`` if the first row names the columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [
            cell.ljust(size) if number in left else cell.rjust(size)
            for number, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        line = TableLine(" " * indent + "  ".join(cells).rstrip())
        line.cells, line.left, line.number, line.is_head = row, left, number, has_head and number == 0
        yield line


def tables_within(rows: Sequence[Sequence[str]], width: int, *, left: Sequence[int]) -> Iterator[str]:
    """Align columns under the first row's names; what is too wide for one table becomes several of the first column."""
    n_columns = len(rows[0]) - 1
    for n_tables in range(1, n_columns + 1):
        n_each = ceil(n_columns / n_tables)
        starts = range(1, n_columns + 1, n_each)
        parts = [[(row[0], *row[start : start + n_each]) for row in rows] for start in starts]
        tables = [list(table(part, left=left, has_head=True)) for part in parts]
        if all(len(line) <= width for lines in tables for line in lines):
            break
    for number, lines in enumerate(tables):
        if number:
            yield ""
        yield from lines


def without_empty_columns(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Drop columns that have a heading alone."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return list(zip(*columns, strict=True))


def wrapped(
    head: str, words: str, width: int, *, cells: Sequence[str] = (), is_head: bool = False, cuts_words: bool = True
) -> Iterator[str]:
    """Yield ``words`` beside ``head``, on as many lines as they need; ``cells`` are what ``head`` is made of.

    Without ``cuts_words`` a word that has no room, such as a path, sticks out: it can be copied.
    """
    for number, part in enumerate(_parts(words, width - len(head), cuts_words=cuts_words)):
        before = head if number == 0 else " " * len(head)
        yield _line(before + part, head, words, number=number, cells=cells, is_head=is_head)


def wrapped_below(
    head: str, words: str, width: int, *, cells: Sequence[str], is_head: bool = False, indent: int = 6
) -> Iterator[str]:
    """Yield ``head`` and, if it names no columns, ``words`` on lines of their own: for where both have no room."""
    yield _line(head, head, words, number=0, cells=cells, is_head=is_head)
    parts = [] if is_head else _parts(words, width - indent, cuts_words=False)
    for number, part in enumerate(parts, start=1):
        yield _line(" " * indent + part, head, words, number=number, cells=cells, is_head=is_head)


def n_lines(words: str, n_columns: int) -> int:
    """Return how many lines words take that are wrapped."""
    return len(_parts(words, n_columns, cuts_words=False))


def _parts(words: str, n_columns: int, *, cuts_words: bool) -> list[str]:
    glued = _GLUED.sub("\xa0", words)  # no blank to textwrap
    lines = wrap(glued, max(LEAST_COLUMNS, n_columns), break_on_hyphens=False, break_long_words=cuts_words)
    return [line.replace("\xa0", " ") for line in lines]


def _line(shown: str, head: str, words: str, *, number: int, cells: Sequence[str], is_head: bool) -> WrappedLine:
    line = WrappedLine(shown)
    line.head, line.words, line.number = head, words, number
    line.cells, line.is_head = cells, is_head
    return line


def shortened(line: str, width: int) -> str:
    """Cut a line that is too long."""
    return line if len(line) <= width else line[: width - 1] + "…"


def shortened_apart(lines: Sequence[str], width: int) -> list[str]:
    """Cut lines that are too long, but none so far that two that differ look alike.

    >>> shortened_apart(["expected numbers, got a text", "expected numbers, got None"], 12)
    ['expected numbers, got a text', 'expected numbers, got None']
    """
    needed = width
    while len({shortened(line, needed) for line in lines}) < len(set(lines)):
        needed += _LENGTHENED_BY
    if needed > width:  # of what differs more than its first letter is to be seen
        needed += _LENGTHENED_BY
    return [shortened(line, needed) for line in lines]


def printable(line: str) -> str:
    """Spell control characters out: they would steer a terminal."""
    return line if line.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def counted(n: int, noun: str) -> str:
    """Spell a number of things."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listed(names: Sequence[str], n_most: int) -> str:
    """Spell the first ``n_most`` names, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - n_most:,} more" if len(names) > n_most else ""
    return ", ".join(names[:n_most]) + more


def spelled_number(value: Value | None, *, n_digits: int = 6) -> str:
    """Spell a value, floats with ``n_digits`` digits."""
    if value is None:
        return "-"
    # a zero has no sign here: adding one that is positive takes it away
    return f"{value + 0.0:.{n_digits}g}" if isinstance(value, float) else str(value)


def spelled_parameters(parameters: Mapping[str, Value]) -> str:
    """Spell an item's parameters."""
    return ", ".join(f"{name}={spelled_number(value)}" for name, value in parameters.items())
