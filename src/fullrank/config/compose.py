"""From what a study is to the text of its TOML file: commented, and read back by :func:`fullrank.config.load`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fullrank.config.toml_text import value_text, wrapped
from fullrank.dataclass import dataclass, field

NOTES_COLUMN = 56
"""Where the comment behind a line begins, if the line is no longer."""


@dataclass(frozen=True)
class Outline:
    """What a config is to say. Values are those TOML has: see :func:`fullrank.config.toml_text.why_not_toml`."""

    function: str
    axes: Mapping[str, Any]
    """By name, as the config spells an axis: a list, or a table such as ``{"range": 600}``."""
    kind: Literal["grid", "zip"] = "grid"
    constants: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    replicates: int | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    """Keys of ``[run]``."""
    output: str = ""
    """Path of the result. "": where a run puts it without being told."""
    title: str = ""
    head: Sequence[str] = ()
    """Comment lines at the top."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What is said behind the line of a key: ``function``, ``seed``, ``replicates``, an axis or a constant."""
    left_out: Sequence[str] = ()
    """Comment lines in place of constants that TOML cannot hold."""


_OF_KIND = {
    "grid": "Every combination of these; the axes, in this order, are the dimensions of the result.",
    "zip": "These equally long axes are walked together: one value of each an item.",
}


def compose(outline: Outline) -> str:
    """Return the text of the config."""
    blocks = [
        [_comment(line) for line in outline.head],
        [f"title = {value_text(outline.title)}"] if outline.title else [],
        _workload(outline),
        _constants(outline),
        _replicates(outline),
        _axes(outline),
        ["[run]", *(wrapped(key, value) for key, value in outline.run.items())] if outline.run else [],
        ["[output]", f"path = {value_text(outline.output)}"] if outline.output else [],
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines) + "\n"


def _workload(outline: Outline) -> list[str]:
    lines = ["[workload]", _noted(outline, "function", outline.function)]
    if outline.seed is not None:
        lines.append(_noted(outline, "seed", outline.seed))
    return lines


def _constants(outline: Outline) -> list[str]:
    lines = [_noted(outline, name, value) for name, value in outline.constants.items()]
    lines += map(_comment, outline.left_out)
    return ["[workload.constants]", _comment("The same for all items."), *lines] if lines else []


def _replicates(outline: Outline) -> list[str]:
    if outline.replicates is None:
        return []
    return ["[sweep]", _noted(outline, "replicates", outline.replicates)]


def _axes(outline: Outline) -> list[str]:
    heading = [f"[sweep.{outline.kind}]", _comment(_OF_KIND[outline.kind])]
    return [*heading, *(_noted(outline, name, value) for name, value in outline.axes.items())]


def _noted(outline: Outline, key: str, value: object) -> str:
    line = wrapped(key, value)
    note = outline.notes.get(key)
    return line if note is None else f"{line:<{NOTES_COLUMN}} {_comment(note)}"


def _comment(text: str) -> str:
    """Return a comment of one line, whatever stands in ``text``."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return f"# {line}".rstrip()
