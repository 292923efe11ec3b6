"""Keys that the command line sets, ``--set run.order=index``: read as TOML, put into a study's tables before checks."""

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from fullrank.config.validate import Place, got
from fullrank.dataclass import dataclass
from fullrank.errors import ConfigError

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*')"""
_KEY_AND_VALUE = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=(.*)", re.DOTALL)
_LIKE_TOML = ("[", "{", '"', "'")
"""What begins so is meant as TOML, and no bare word."""
_OF_PYTHON = {"True": "true", "False": "false"}


@dataclass(frozen=True)
class Setting:
    """One key with its value."""

    keys: tuple[str, ...]
    value: Any
    written: str
    """As it stands on the command line."""


def read_setting(written: str) -> Setting:
    """Read ``KEY=VALUE``; a bare word that is no TOML is a text. ConfigError.

    >>> read_setting("run.order=index").value, read_setting("sweep.grid.x0=[0.1, 2]").value
    ('index', [0.1, 2])
    """
    found = _KEY_AND_VALUE.fullmatch(written)
    if found is None:
        raise ConfigError(f"--set {written}: expected KEY=VALUE, as in run.order=index or workload.constants.n=500")
    key, value = found[1], found[2].strip()
    if not value:
        raise ConfigError(f"--set {written}: expected a value behind the =; an empty text is {key}='\"\"'")
    return Setting(_keys(key, written), _value(value, written), written)


def _keys(key: str, written: str) -> tuple[str, ...]:
    try:
        table: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        raise ConfigError(f"--set {written}: expected a key as in the study's file, got {key}") from None
    keys: list[str] = []
    while isinstance(table, dict):
        ((name, table),) = table.items()
        keys.append(name)
    return tuple(keys)


def _value(value: str, written: str) -> Any:
    try:
        table = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):  # of tomllib, and of integers with too many digits
        return _bare_word(value, written)
    if len(table) > 1:  # lines that follow
        raise ConfigError(f"--set {written}: expected one key; repeat --set for each")
    return table["value"]


def _bare_word(value: str, written: str) -> str:
    """Return ``value`` itself, unless it is a slip of the pen."""
    if value.startswith(_LIKE_TOML):
        raise ConfigError(
            f"--set {written}: expected a value as in the study's file, got {value}: a quote or bracket is not "
            f"closed, or the shell took quotes away; put the whole of it in '…'"
        )
    if value in _OF_PYTHON:
        raise ConfigError(
            f"--set {written}: expected {_OF_PYTHON[value]}, got {value}; for the text write '\"{value}\"'"
        )
    if _is_number(value):
        raise ConfigError(f"--set {written}: expected a number as TOML has them, such as 0.5 or 1e-3, got {value}")
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def apply(settings: Iterable[Setting], raw: dict[str, Any], place: Place) -> None:
    """Put the settings into the file's tables; ConfigError where a key goes through something that is no table."""
    for setting in settings:
        table: Any = raw
        for depth, key in enumerate(setting.keys[:-1], start=1):
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise place.at(*setting.keys).error(
                    f"expected a table at {place.at(*setting.keys[:depth]).key}, got {got(table)}"
                )
        table[setting.keys[-1]] = setting.value
