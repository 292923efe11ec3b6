"""What ``--grid``, ``--zip`` and ``--const`` say, as values of a study's TOML file."""

import re
import tomllib
from datetime import date, time
from typing import Any

from fullrank.errors import UsageError

AXIS_FORMS = (
    "START:STOP:NUM (floats, equally spaced), log:START:STOP:NUM, range:STOP, range:START:STOP or "
    "range:START:STOP:STEP (integers, as Python's range), or the values: 0.1,0.2"
)
_NAMED = re.compile(r"\s*([^=\s]+)\s*=(.*)", re.DOTALL)
_BARE = re.compile(r"""[^,"'\[\]{}#\n]+""")
_COLON_FIRST = re.compile(r"""[^,"']*:""")
_ELEMENT = re.compile(r"""\s*("(?:\\.|[^"\\\n])*"|'[^'\n]*'|[^,:"'\[\]{}#\n]*?)\s*(?:,|$)""")
_LOOSE_FLOAT = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
"""What people write and TOML does not read: ``.5`` and ``1.``"""


def axis_of(option: str, text: str) -> tuple[str, Any]:
    """Return name and value of an axis that is written ``NAME=AXIS``; UsageError with the right forms.

    >>> axis_of("--grid", "r=2.5:4:2000")
    ('r', {'start': 2.5, 'stop': 4.0, 'num': 2000})
    >>> axis_of("--grid", "n=range:10:600:5"), axis_of("--grid", "kind=fast,exact")
    (('n', {'range': [10, 600, 5]}), ('kind', ['fast', 'exact']))
    """
    name, axis = _named(option, text, "AXIS")
    if _COLON_FIRST.match(axis) is None:
        return name, _values(option, text, axis)
    kind, *numbers = axis.split(":")
    if kind.strip() == "range":
        return name, {"range": _integers(option, text, numbers)}
    is_log = kind.strip() == "log"
    return name, _spaced(option, text, numbers if is_log else [kind, *numbers], is_log=is_log)


def constant_of(option: str, text: str) -> tuple[str, Any]:
    """Return name and value of a constant that is written ``NAME=VALUE``; UsageError with the right forms.

    >>> constant_of("--const", "iterations=500"), constant_of("--const", "method=leapfrog")
    (('iterations', 500), ('method', 'leapfrog'))
    """
    name, written = _named(option, text, "VALUE")
    written = written.strip()
    if _BARE.fullmatch(written):
        return name, _value(written)
    try:
        [value] = tomllib.loads(f"value = {written}").values()
    except (ValueError, RecursionError):
        raise UsageError(
            f"{option} {text}: expected a value as TOML writes it: 500, 0.1, true, fast, [1, 2], "
            f'{{ npy = "array.npy" }}; text with other signs in it stands in quotes, and all of it in those of the '
            f"""shell: {option} '{name}="a, b"'"""
        ) from None
    return name, value


def _named(option: str, text: str, what: str) -> tuple[str, str]:
    found = _NAMED.fullmatch(text)
    if found is None:
        example = "r=2.5:4:2000" if what == "AXIS" else "iterations=500"
        raise UsageError(f"{option} {text}: expected NAME={what}, as in {option} {example}")
    return found[1], found[2]


def _spaced(option: str, text: str, numbers: list[str], *, is_log: bool) -> dict[str, Any]:
    try:
        start, stop, num = numbers
        axis: dict[str, Any] = {"start": float(start), "stop": float(stop), "num": int(num)}
    except ValueError:  # also for another number of them
        raise _no_axis(option, text) from None
    if axis["num"] == 1 and axis["start"] != axis["stop"]:
        name = text.partition("=")[0]
        raise UsageError(
            f"{option} {text}: expected at least 2 values between two ends, got 1; "
            f"for one value: {option} {name}={start}; for integers in steps of 1: {option} {name}=range:…"
        )
    return axis | {"scale": "log"} if is_log else axis


def _integers(option: str, text: str, numbers: list[str]) -> list[int]:
    try:
        integers = [int(number) for number in numbers]
    except ValueError:
        raise _no_axis(option, text) from None
    if not 1 <= len(integers) <= 3:
        raise _no_axis(option, text)
    return integers


def _values(option: str, text: str, written: str) -> list[Any]:
    values, position = [], 0
    while position < len(written):
        found = _ELEMENT.match(written, position)
        if found is None or not found[1]:
            raise _no_axis(option, text)
        values.append(_value(found[1]))
        position = found.end()
    if not values or written.rstrip().endswith(","):
        raise _no_axis(option, text)
    return values


def _value(word: str) -> Any:
    """Return what TOML reads in one word, or the word: as text."""
    try:
        value = tomllib.loads(f"value = {word}")["value"]
    except (ValueError, RecursionError):
        return float(word) if _LOOSE_FLOAT.fullmatch(word) else word
    return word if isinstance(value, date | time) else value


def _no_axis(option: str, text: str) -> UsageError:
    return UsageError(f"{option} {text}: expected {AXIS_FORMS}; text with : or , in it stands in quotes")
