"""Lines of plain text: tables, wrapping, numbers."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from fullrank.report.facts import Value


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


def without_empty_columns(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Drop columns that have a heading alone."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return list(zip(*columns, strict=True))


def wrapped(head: str, words: str, width: int, *, cells: Sequence[str] = (), is_head: bool = False) -> Iterator[str]:
    """Yield ``words`` beside ``head``, on as many lines as they need; ``cells`` are what ``head`` is made of."""
    room = max(20, width - len(head))
    lines = wrap(words, room, break_on_hyphens=False)
    for number, part in enumerate(lines):
        line = WrappedLine((head if number == 0 else " " * len(head)) + part)
        line.head, line.words, line.number = head, words, number
        line.cells, line.is_head = cells, is_head
        yield line


def shortened(line: str, width: int) -> str:
    """Cut a line that is too long."""
    return line if len(line) <= width else line[: width - 1] + "…"


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
    return f"{value:.{n_digits}g}" if isinstance(value, float) else str(value)


def spelled_parameters(parameters: Mapping[str, Value]) -> str:
    """Spell an item's parameters."""
    return ", ".join(f"{name}={spelled_number(value)}" for name, value in parameters.items())
