"""Values as TOML text: what :mod:`tomllib` reads back as the same values."""

import re
from collections.abc import Mapping, Sequence
from math import isfinite, isnan

from fullrank.config.validate import DEPTH_MAX, N_BITS_MAX

WIDTH = 100
"""Lists that are longer get several lines."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def why_not_toml(value: object, *, depth: int = 4) -> str:
    """Return why a study's TOML file cannot hold exactly ``value``, as the end of a sentence; "" if it can.

    ``depth`` is how deep ``value`` stands in the file. Types are exact: a tuple would come back as a list.

    >>> why_not_toml([1, 0.5, "a"]), why_not_toml((1, 2))
    ('', 'is of type tuple; write a list')
    """
    if depth > DEPTH_MAX:
        return f"has more than {DEPTH_MAX} lists or tables in one another"
    kind = type(value)
    if kind in (bool, float):
        return ""
    if isinstance(value, int) and kind is int:
        return "" if value.bit_length() <= N_BITS_MAX else f"is an integer of more than {N_BITS_MAX} bits"
    if isinstance(value, str) and kind is str:
        return _why_no_text(value)
    if isinstance(value, list) and kind is list:
        return next(filter(None, (why_not_toml(inner, depth=depth + 1) for inner in value)), "")
    if isinstance(value, dict) and kind is dict:
        if strange := [key for key in value if type(key) is not str or _why_no_text(key)]:
            return f"has the key {strange[0]!r}, which is no text"
        return next(filter(None, (why_not_toml(inner, depth=depth + 1) for inner in value.values())), "")
    return f"is of type {kind.__name__}{'; write a list' if kind is tuple else ''}"


def _why_no_text(text: str) -> str:
    if "\0" in text:
        return "has the character U+0000 in it"
    return "is text that is no Unicode" if any("\ud800" <= char <= "\udfff" for char in text) else ""


def value_text(value: object) -> str:
    r"""Return a value that :func:`why_not_toml` has nothing against, on one line.

    >>> value_text({"npy": "a b.npy"}), value_text([True, 1, 1e300, float("-inf"), 'say "x"'])
    ('{ npy = "a b.npy" }', '[true, 1, 1e+300, -inf, "say \\"x\\""]')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if isfinite(value):
            return repr(value)
        return "nan" if isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key_text(key)} = {value_text(of_key)}" for key, of_key in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(value_text, value))}]"
    raise TypeError(f"TOML has no {type(value).__name__}")


def key_text(key: str) -> str:
    """Return a key, in quotes where it needs them.

    >>> key_text("x0"), key_text("größe")
    ('x0', '"größe"')
    """
    return key if _BARE_KEY.fullmatch(key) else value_text(key)


def wrapped(key: str, value: object) -> str:
    """Return ``key = value``, a long list on several lines."""
    line = f"{key_text(key)} = {value_text(value)}"
    if len(line) <= WIDTH or not isinstance(value, Sequence) or isinstance(value, str):
        return line
    rows = [""]
    for element in map(value_text, value):
        if rows[-1] and len(rows[-1]) + len(element) > WIDTH - 6:
            rows.append("")
        rows[-1] += f"{' ' if rows[-1] else ''}{element},"
    return "\n".join([f"{key_text(key)} = [", *(f"    {row}" for row in rows), "]"])


def _escaped(char: str) -> str:
    if char in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[char]
    return f"\\u{ord(char):04x}" if char < " " or char == "\x7f" else char
