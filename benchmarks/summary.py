"""All that is asked, and what came of it, in one table: read off the sections, so that it cannot say other things."""

import re
from collections.abc import Iterator, Mapping, Sequence

from harness import table


def summary(sections: Sequence[str]) -> str:
    """Return the table of all verdicts in sections of Markdown; "" if there is none."""
    rows: list[list[str]] = []
    for title, *asked in (row for section in sections for row in _rows(section)):
        is_new = all(row[0] != title for row in rows)
        rows.append([title if is_new else "", *asked])
    heads = ["section", "what is asked for", "measured", "asked", "verdict"]
    return table(heads, rows) if rows else ""


def _rows(section: str) -> Iterator[list[str]]:
    title, part = "", ""
    for block in section.split("\n\n"):
        if block.startswith("## "):
            title, part = re.split("[:,]", block[3:])[0], ""
        elif block.startswith("### "):
            part = ": " + re.split(" [(]|; ", block[4:])[0]
        elif block.startswith("| "):
            yield from ([title + part, *row] for row in _asked_in(block))


def _asked_in(block: str) -> Iterator[list[str]]:
    """Yield what a table asks for: what it is, what was measured, the limit, the verdict."""
    heads, _, *rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in block.splitlines()]
    if "asked" not in heads:
        return
    asked = heads.index("asked")
    for row in rows:
        if row[asked]:
            measured = {head: cell for head, cell in zip(heads[1:asked], row[1:asked], strict=True) if cell}
            what = _with_unit(row[0].replace("**", ""), heads[0])
            yield [_named(what, measured), _told(measured), row[asked], row[asked + 1]]


def _named(what: str, measured: Mapping[str, str]) -> str:
    head = list(measured)[-1]
    return what if "median" in measured or head in what else f"{head}: {what}"


def _with_unit(what: str, head: str) -> str:
    """Return what a row is about with the unit that the head of its column has for all rows.

    >>> _with_unit("root", "peak, MB"), _with_unit("the run / the imports", "command")
    ('peak, MB: root', 'the run / the imports')
    """
    return f"{head}: {what}" if re.search("%|percent|µs|MB", head) else what


def _told(measured: Mapping[str, str]) -> str:
    """Return a figure with its interval, or with the worst one of few.

    >>> _told({"median": "1", "worst": "2"}), _told({"median": "1", "95 % interval": "0 to 2"}), _told({"n": "5"})
    ('1 (worst 2)', '1 (0 to 2)', '5')
    """
    head, last = list(measured.items())[-1]
    if head == "median" or "median" not in measured or "(" in last:
        return last
    named = "" if "interval" in head else f"{head} "
    return f"{measured['median']} ({named}{last})"
