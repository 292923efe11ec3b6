"""A module's syntax tree in a form that every version of Python agrees on.

``ast.dump`` will not do: what it leaves out, which fields nodes have and how f-strings are cut into
pieces differs between versions.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

_WITHOUT_MEANING = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
"""Fields that follow from the rest (``ctx``), spell the same value or hold comments."""

_STATEMENTS = frozenset({"body", "orelse", "finalbody"})


def tokens(tree: ast.AST) -> Iterator[bytes]:
    """Yield the tree as a flat sequence, without docstrings, comments and layout.

    Fields come by name; those that are empty are skipped, so a field that a later version adds
    changes nothing for code that does not use it. No recursion: a sum of a thousand terms is a tree
    a thousand deep.
    """
    waiting: list[Any] = [tree]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, bytes):
            yield entry
        elif isinstance(entry, ast.Constant):
            yield _constant(entry.value)
        elif isinstance(entry, ast.AST):
            waiting += [b")", *reversed(_fields(entry)), f"({type(entry).__name__}".encode()]
        elif isinstance(entry, list):
            waiting += [b"]", *reversed(entry), b"["]
        else:  # a name, a number of dots, None among the keys of a dict
            yield _constant(entry)


def _fields(node: ast.AST) -> list[Any]:
    """Names and values, by name; a value is None only inside a list."""
    entries: list[Any] = []
    for name, value in sorted(ast.iter_fields(node)):
        if isinstance(node, ast.JoinedStr):
            value = _pieces(value)
        elif name in _STATEMENTS and isinstance(value, list):
            value = [statement for statement in value if not _is_bare_text(statement)]
        if name not in _WITHOUT_MEANING and not _is_empty(value):
            entries += [f".{name}".encode(), value]
    return entries


def _is_empty(value: object) -> bool:
    if isinstance(value, ast.JoinedStr):  # of a format: f"{x:}" is f"{x}"
        return not _pieces(value.values)
    return value is None or value == []


def _is_bare_text(statement: ast.AST) -> bool:
    """A docstring: of a module, class or function, or below an attribute; it does nothing."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _pieces(values: Iterable[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with neighbouring texts joined and empty ones left out."""
    pieces: list[ast.expr] = []
    for value in values:
        if isinstance(value, ast.Constant):
            last = pieces[-1] if pieces else None
            if isinstance(last, ast.Constant):
                pieces[-1] = ast.Constant(str(last.value) + str(value.value))
            elif value.value:
                pieces.append(value)
        else:
            pieces.append(value)
    return pieces


def _constant(value: object) -> bytes:
    """The value with its type: 1, 1.0, True and "1" are four different constants."""
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        text = value
    elif isinstance(value, int) and not isinstance(value, bool):
        text = b"%x" % value  # decimal digits are limited in number
    else:
        text = repr(value).encode()
    return type(value).__name__.encode() + b" " + text
