"""What makes a study this study, and how two studies differ in a user's words.

Two runs of one identity give the same result for every item. Journals and result files carry it as
canonical JSON; a run whose identity is another one is refused, with the sentences made here.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import file_digest, sha256
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

from fullrank.dataclass import dataclass, fields
from fullrank.errors import ConfigError, StorageError

FORMAT = 1
"""Of the JSON; becomes 2 when the same study would get another digest."""

N_SHOWN_MAX = 60
"""Characters of a value that a sentence shows."""

_ARRAY = "npy_sha256"
_AXIS_KEYS: Mapping[str, set[str]] = {
    "linear": {"start", "stop", "num"},
    "log": {"start", "stop", "num"},
    "range": {"start", "step", "num"},
    "list": {"type", "values"},
    "column": {"type", "num"},
}
"""What ``Axis.describe()`` says of each form, beside its name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Identity:
    """The parts of a study's identity: plain values, compared by their canonical JSON.

    So 1 is not 1.0, for which the same function may well return something else; NaN is NaN.
    """

    function: str
    """As written in the config."""
    setup: str | None = None
    sweep: Mapping[str, Any]
    """What ``Sweep.describe()`` returns; the number of replicates is in it."""
    constants: Mapping[str, Any]
    """By name; kept as :func:`plain` returns them, so that files of arrays are read once."""
    seed: int | None = None
    results: tuple[str, ...] | None = None
    """Names given to the parts of a result."""
    code: Mapping[str, str]
    """Digest of each file of the function's code; see :mod:`fullrank.codebase`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "constants", plain(self.constants))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def to_json(self) -> str:
        """Return the canonical form: the same text for the same study, on every machine."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return _canonical({"format": FORMAT, **parts})

    @classmethod
    def from_json(cls, text: str) -> "Identity":
        """Read what :meth:`to_json` wrote; StorageError for anything else."""
        try:
            parts = json.loads(text)
            if parts.pop("format") != FORMAT:
                raise ValueError
            names = parts.pop("results")
            found = cls(**parts, results=None if names is None else tuple(names))
            are_tables = isinstance(found.constants, dict) and isinstance(found.code, dict)
            if not (are_tables and _is_description(found.sweep)):
                raise ValueError
            found.to_json()
            return found
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise StorageError(
                f"expected a study's identity in format {FORMAT}, got {_cut(text)}; "
                f"a newer fullrank may have written it"
            ) from None

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        return sha256(self.to_json().encode()).hexdigest()


def _is_description(sweep: Any) -> bool:
    """Whether this has what ``Sweep.describe()`` always returns; the text may come from anybody's file."""
    axes = [axis["name"] for axis in sweep["axes"] if _is_axis(axis)]
    return len(axes) == len(sweep["axes"]) and {"kind", "replicates"} <= sweep.keys()


def _is_axis(axis: Mapping[str, Any]) -> bool:
    is_numeric = all(_is_number(axis.get(key, 0)) for key in ("start", "stop", "step", "num"))
    return isinstance(axis["name"], str) and _AXIS_KEYS[axis["form"]] <= axis.keys() and is_numeric


def _is_number(value: Any) -> bool:
    """Whether it is one that a config can hold; longer integers do not go into the floats they are reckoned with."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= 1 << 64)


def plain(value: Any) -> Any:
    """Return a value of the config in a form that JSON can hold, without loss.

    An array in a file (an object with a ``path``) is put as the digest of the file's content:
    ConfigError if that cannot be read.
    """
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not isfinite(value):
        return {"float": repr(value)}  # JSON has no inf and nan
    if isinstance(path := getattr(value, "path", None), Path):
        return {_ARRAY: content_digest(path)}
    return value


def array_digest(described: Any) -> str:
    """Return the digest in what :func:`plain` makes of an array in a file."""
    return str(described[_ARRAY])


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file; ConfigError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _canonical(value: object) -> str:
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def differing(old: Identity, new: Identity) -> frozenset[str]:
    """Return the names of the parts in which two identities differ."""
    names = (field.name for field in fields(Identity))
    return frozenset(name for name in names if not _same(getattr(old, name), getattr(new, name)))


def changes(old: Identity, new: Identity) -> list[str]:
    """Return a sentence for each difference; none if the two are one study."""
    found = chain(
        _difference("function", old.function, new.function),
        _difference("setup", old.setup, new.setup),
        _difference("seed", old.seed, new.seed),
        _sweep_changes(old.sweep, new.sweep),
        _constant_changes(old.constants, new.constants),
        _difference("results.names", old.results, new.results),
        _code_changes(old.code, new.code),
    )
    return list(found)


def _constant_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, value in old.items():
        if name not in new:
            yield f"constant '{name}' was removed"
        else:
            yield from _difference(f"constant '{name}'", value, new[name])
    yield from (f"constant '{name}' was added" for name in new if name not in old)


def _code_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name, digest in old.items():
        if name not in new:
            yield f"code of {name} is no longer imported"
        elif new[name] != digest:
            yield f"code of {name} changed (any function in it counts; comments and layout do not)"
    yield from (f"code of {name} was added" for name in new if name not in old)


def _sweep_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    yield from _difference("replicates", old["replicates"], new["replicates"])
    if old["kind"] != new["kind"]:
        yield f"the sweep is a {new['kind']}, was a {old['kind']}"
    before = {axis["name"]: axis for axis in old["axes"]}
    after = {axis["name"]: axis for axis in new["axes"]}
    yield from (f"axis {name} was removed" for name in before if name not in after)
    yield from (f"axis {name} was added" for name in after if name not in before)
    common = [name for name in before if name in after]
    if common != [name for name in after if name in before]:
        yield f"order of the axes changed: {', '.join(before)} → {', '.join(after)}"
    for name in common:
        yield from _axis_changes(f"sweep.{new['kind']}.{name}", before[name], after[name])


def _axis_changes(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if "values" in old and "values" in new:
        yield from _difference(what, old["values"], new["values"])
    elif old["form"] == new["form"] and "stop" in _AXIS_KEYS[new["form"]]:
        for key in ("start", "stop", "num"):
            yield from _difference(f"{what}.{key}", old[key], new[key])
    elif not _same(old, new):
        yield _sentence(what, _axis_text(old), _axis_text(new))


def _axis_text(axis: Mapping[str, Any]) -> str:
    match axis:
        case {"values": values}:
            return _shown(values)
        case {"form": "range", "start": start, "step": step, "num": num}:
            return f"{start} … {start + step * (num - 1)} in steps of {step}"
        case {"form": form, "start": start, "stop": stop, "num": num}:
            return f"{num} values from {start} to {stop} on a {form} scale"
    return f"{axis['num']} values of type {axis['type']}"


def _difference(what: str, old: Any, new: Any) -> Iterator[str]:
    """One sentence for each part of two plain values that differs."""
    if _same(old, new):
        return
    if _is_array(old) and _is_array(new):
        yield f"{what}: the array in its file changed"
    elif _is_table(old) and _is_table(new):
        for name in old | new:
            yield from _difference(f"{what}.{name}", old.get(name), new.get(name))
    elif _is_long(old, new):
        yield _first_difference(what, old, new)
    else:
        yield _sentence(what, _shown(old), _shown(new))


def _sentence(what: str, old: str, new: str) -> str:
    return f"{what}: {old} → {new}" if old != new else f"{what}: {old}, and they changed"


def _same(old: object, new: object) -> bool:
    return _canonical(old) == _canonical(new)


def _is_array(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {_ARRAY}


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and value.keys() not in ({_ARRAY}, {"float"})


def _is_long(old: object, new: object) -> bool:
    """Whether these are lists of equal length that no sentence can show."""
    both = isinstance(old, list) and isinstance(new, list) and len(old) == len(new)
    return both and len(_canonical(old)) > N_SHOWN_MAX


def _first_difference(what: str, old: list[Any], new: list[Any]) -> str:
    different = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if not _same(a, b)]
    first = different[0]
    more = f" (and {len(different) - 1} more)" if len(different) > 1 else ""
    return f"{what}[{first}]: {_shown(old[first])} → {_shown(new[first])}{more}"


def _shown(value: object) -> str:
    """A value much as the user wrote it; one that is long by its number of entries alone."""
    match value:
        case None:
            return "none"
        case {"float": text}:
            return str(text)
        case {"npy_sha256": _}:
            return "an array in a file"
        case list() | tuple() if len(_canonical(value)) > N_SHOWN_MAX:
            return f"{len(value)} values"
        case list() | tuple():
            return f"[{', '.join(map(_shown, value))}]"
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= N_SHOWN_MAX else f"{text[: N_SHOWN_MAX - 1]}…"
