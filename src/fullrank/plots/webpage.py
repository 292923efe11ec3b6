"""A report as one web page that needs nothing else: no script, no other file. Every text in it is escaped."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING

from fullrank.plots.library import DOTS_PER_INCH, style
from fullrank.report.layout import BULLET, CommandLine, DrawnLine, TableLine, WrappedLine, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """\
:root { color-scheme: light dark; --line: #8885; --quiet: #666; }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.3rem; }
h2 { font-size: 1.05rem; margin: 1.8rem 0 0.4rem; }
p { margin: 0.3rem 0; }
figure { margin: 1.2rem 0; }
img { width: 100%; height: auto; background: #fff; border-radius: 4px; padding: 0.5rem; box-sizing: border-box; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 0.2rem 0.9rem 0.2rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; color: var(--quiet); }
.left { text-align: left; }
.told :is(th, td):not(:last-child) { white-space: nowrap; }
ul { margin: 0.3rem 0; padding-left: 1.2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; margin: 0.4rem 0; }
dt { color: var(--quiet); display: flex; justify-content: space-between; gap: 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
pre { margin: 0.2rem 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.9em; }
.drawn { white-space: pre; overflow-x: auto; line-height: 1.3; }
@media print {
  body { font-size: 10pt; margin: 0; max-width: none; }
  img { padding: 0; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""
COMMAND_INDENT = "    "
"""What sets commands off in the text."""
DRAWN_INDENT = 2
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page may load, should a text ever slip through unescaped: nothing."""


def html_page(sections: Iterable[Iterable[str]], figures: Iterable[tuple["Figure", str]]) -> str:
    """Return a page with the sections of a text report, and figures with what they show, after the first section.

    The first line of the first section is the title.
    """
    heading, *others = [list(section) for section in sections]
    body = [f"<h1>{_text(heading[0])}</h1>", *_blocks(heading[1:])]
    body += [_figure(figure, shows) for figure, shows in figures]
    for section in others:
        body += _section(section)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(heading[0])}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _text(line: str) -> str:
    return escape(printable(line))


def _section(lines: Sequence[str]) -> Iterator[str]:
    """Yield a section; its first line is its name, unless it belongs to a table or a list."""
    if not lines:
        return
    if not isinstance(lines[0], TableLine | WrappedLine):
        yield f"<h2>{_text(lines[0])}</h2>"
        lines = lines[1:]
    yield from _blocks(lines)


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    """Yield lines as what they are: tables, terms with their words, sentences, commands."""
    for kind, group in groupby(lines, key=_kind):
        if kind == "table":
            yield from _tables([line for line in group if isinstance(line, TableLine)])
        elif kind == "cells":
            yield _told_table([line for line in group if isinstance(line, WrappedLine) and line.number == 0])
        elif kind == "drawn":
            yield '<pre class="drawn">' + "\n".join(_text(line[DRAWN_INDENT:]) for line in group) + "</pre>"
        elif kind == "bullets":
            yield from _list([line for line in group if isinstance(line, WrappedLine) and line.number == 0])
        elif kind == "terms":
            yield from _terms([line for line in group if isinstance(line, WrappedLine) and line.number == 0])
        elif kind == "sentences":
            for line in group:
                if isinstance(line, WrappedLine) and line.number == 0:
                    yield f"<p>{_text(line.words)}</p>"
        elif kind == "commands":
            yield "<pre>" + "\n".join(_text(line.strip()) for line in group) + "</pre>"
        else:
            yield from (f"<p>{_text(line.strip())}</p>" for line in group if line.strip())


def _kind(line: str) -> str:
    if isinstance(line, TableLine):
        return "table"
    if isinstance(line, DrawnLine):
        return "drawn"
    if isinstance(line, WrappedLine) and line.cells:
        return "cells"
    if isinstance(line, WrappedLine) and line.head == BULLET:
        return "bullets"
    if isinstance(line, WrappedLine):
        return "terms" if line.head.strip() else "sentences"
    return "commands" if isinstance(line, CommandLine) or line.startswith(COMMAND_INDENT) else "lines"


def _tables(lines: Sequence[TableLine]) -> Iterator[str]:
    starts = [place for place, line in enumerate(lines) if line.number == 0]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        rows = "\n".join(map(_row, lines[start:end]))
        yield f'<div class="wide"><table>\n{rows}\n</table></div>'


def _row(line: TableLine) -> str:
    tag = "th" if line.is_head else "td"
    starts = [f'<{tag} class="left">' if place in line.left else f"<{tag}>" for place in range(len(line.cells))]
    cells = [f"{start}{_text(cell)}</{tag}>" for start, cell in zip(starts, line.cells, strict=True)]
    return f"<tr>{''.join(cells)}</tr>"


def _told_table(lines: Sequence[WrappedLine]) -> str:
    """Return a table whose last column is words."""
    rows = []
    for line in lines:
        tag = "th" if line.is_head else "td"
        cells = [f'<{tag} class="left">{_text(cell)}</{tag}>' for cell in (*line.cells, line.words)]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return '<div class="wide"><table class="told">\n' + "\n".join(rows) + "\n</table></div>"


def _list(lines: Sequence[WrappedLine]) -> Iterator[str]:
    yield "<ul>\n" + "\n".join(f"<li>{_text(line.words)}</li>" for line in lines) + "\n</ul>"


def _terms(lines: Sequence[WrappedLine]) -> Iterator[str]:
    yield "<dl>\n" + "\n".join(map(_term, lines)) + "\n</dl>"


def _term(line: WrappedLine) -> str:
    name, _, figure = line.head.strip().partition("  ")
    value = f" <span>{_text(figure.strip())}</span>" if figure else ""
    return f"<dt>{_text(name)}{value}</dt><dd>{_text(line.words)}</dd>"


def _figure(figure: "Figure", shows: str) -> str:
    data = BytesIO()
    with style():
        figure.savefig(data, format="svg", dpi=DOTS_PER_INCH, metadata={"Date": None})
    encoded = b64encode(data.getvalue()).decode("ascii")
    return f'<figure><img alt="{_text(shows)}" src="data:image/svg+xml;base64,{encoded}"></figure>'
