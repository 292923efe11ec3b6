"""From TOML values to typed structs; every error says where, what was expected and what came."""

import json
import re
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from fullrank.config.wording import OF_FILE, Wording
from fullrank.dataclass import dataclass, replace
from fullrank.errors import ConfigError
from fullrank.files import nearest

S = TypeVar("S", bound="Section")
C = TypeVar("C", bound=str)

N_BITS_MAX = 4096
DEPTH_MAX = 64

Text = Annotated[str, Meta(description="text")]
FilledText = Annotated[str, Meta(min_length=1, description="text")]
Names = Annotated[list[str], Meta(description="a list of names")]
Table = Annotated[dict[str, Any], Meta(description="a table")]
Float = Annotated[float, Meta(description="a number")]
Flag = Annotated[bool, Meta(description="true or false")]
Count = Annotated[int, Meta(ge=1, description="an integer >= 1")]


class Section(msgspec.Struct, forbid_unknown_fields=True):
    """Raw shape of one table of a config; fields carry their description in a ``Meta``."""


@dataclass(frozen=True)
class Place:
    """A key in a config: what the sentence about its value starts with."""

    file: Path
    keys: tuple[str, ...] = ()
    settings: tuple[tuple[str, ...], ...] = ()
    """Keys whose values are from the command line."""
    wording: Wording = OF_FILE

    @property
    def key(self) -> str:
        """The key as TOML writes it, or as what stands in place of the file; "" for the whole file."""
        told = self.wording.of(self.keys)
        return ".".join(map(_spelt, self.keys)) if told is None else told

    def at(self, *keys: str) -> "Place":
        """Return the place of a key below this one."""
        return replace(self, keys=(*self.keys, *keys))

    def error(self, problem: str) -> ConfigError:
        """Return the error to raise for this key."""
        is_set = any(self.keys[: len(keys)] == keys for keys in self.settings)
        key = f"{self.key} (--set)" if is_set else self.key
        study = self.wording.function or str(self.file)
        return ConfigError(": ".join(filter(None, [study, key, problem])))


def _spelt(key: str) -> str:
    bare = re.fullmatch(r"[A-Za-z0-9_-]+", key)
    return key if bare else _quoted(key)


def _quoted(text: str) -> str:
    shown = text if len(text) <= 60 else text[:59] + "…"
    return json.dumps(shown, ensure_ascii=False)


def got(value: object, *, bare: bool = False) -> str:
    """Name a TOML value in a sentence; ``bare`` where a number is expected."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 64:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, int | float):
        return f"{value}" if bare else f"a number {value}"
    if isinstance(value, str):
        return f"text {_quoted(value)}" if value else "empty text"
    if isinstance(value, date | datetime | time):
        return "a date or time"
    kind = "table" if isinstance(value, dict) else "list"
    return f"a {kind}" if value else f"an empty {kind}"


def convert(raw: object, shape: type[S], place: Place) -> S:
    """Return ``raw`` as a ``shape``; ConfigError for an unknown or missing key or a wrong type."""
    if not isinstance(raw, dict):
        raise place.error(f"expected a table, got {got(raw)}")
    fields = msgspec.structs.fields(shape)
    known = [field.name for field in fields]
    for key in raw:
        if key not in known:
            problem = f"unknown key, expected {_either(known)}{nearest(key, known)}"
            raise place.at(key).error(problem)
    for field in fields:
        if field.required and field.name not in raw:
            expected = _described(shape, field.name)
            raise place.at(field.name).error(f"missing, expected {expected}")
    try:
        return msgspec.convert(raw, shape, strict=True)
    except msgspec.ValidationError as error:
        raise _reworded(str(error), raw, shape, place) from None


def _reworded(error: str, raw: dict[str, Any], shape: type[Section], place: Place) -> ConfigError:
    found = re.search(r" - at `\$\.(\w+)(?:\[(\d+)\])?", error)
    if found is None:
        return place.error(error)
    name, element = found[1], found[2]
    expected = _described(shape, name)
    if element is None:
        came = got(raw[name], bare="number" in expected or "integer" in expected)
    else:
        came = f"a list with {got(raw[name][int(element)])} in it"
    return place.at(name).error(f"expected {expected}, got {came}")


def _described(shape: type[Section], name: str) -> str:
    """The description in the Meta of a field, which may be ``Annotated[…]`` or ``… | None``."""
    hint = get_type_hints(shape, include_extras=True)[name]
    for part in (hint, *get_args(hint)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, Meta) and meta.description:
                return meta.description
    return "another value"


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def choice(value: str, place: Place, *, options: tuple[C, ...]) -> C:
    """Return the one of ``options`` that ``value`` is; else ConfigError with the nearest one."""
    for option in options:
        if option == value:
            return option
    expected = _either([_quoted(option) for option in options])
    raise place.error(f"expected {expected}, got {_quoted(value)}{nearest(value, options)}")


def check_values(raw: dict[str, Any], place: Place) -> None:
    """Refuse what no part of a config can hold, wherever it stands: nothing later has to look."""
    waiting: list[tuple[Place, object, int]] = [(place, raw, 0)]
    while waiting:  # no recursion: dotted keys nest deeper than Python's stack
        here, value, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise place.error(f"expected at most {DEPTH_MAX} tables or lists in one another")
        if isinstance(value, dict):
            waiting += [(here.at(key), inner, depth + 1) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(here, inner, depth + 1) for inner in value]
        elif isinstance(value, str) and "\0" in value:
            raise here.error("expected text without the character U+0000")
        elif isinstance(value, int) and value.bit_length() > N_BITS_MAX:
            raise here.error(f"expected an integer of at most {N_BITS_MAX} bits")
