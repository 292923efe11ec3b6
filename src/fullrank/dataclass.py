"""Data classes that cost a start next to nothing: every rank makes dozens of them, and uses few.

The decorator of the standard library compiles six methods for each class and opens a dozen files to do so, on every
rank. Here all classes share the same methods. What they mean is the same, type checkers are told that they are the
standard library's, and the functions of :mod:`dataclasses` take them.
"""

from operator import attrgetter

TYPE_CHECKING = False  # typing's own opens a dozen files
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NOTHING = object()


class _Given:
    """Fields that are annotated after ``_: KW_ONLY`` are given by name."""


class _Field:
    """One field of a class: what it is where no value is given, and whether comparisons and texts look at it."""

    __slots__ = ("by_name", "compare", "default", "default_factory", "name", "repr", "type")

    def __init__(
        self,
        *,
        default: "Any" = _NOTHING,
        default_factory: "Any" = _NOTHING,
        compare: bool = True,
        repr: bool = True,
    ) -> None:
        self.default = default
        self.default_factory = default_factory
        self.compare = compare
        self.repr = repr
        self.name = ""
        self.type: Any = None
        self.by_name = False


class _Standard:
    """What :mod:`dataclasses` looks for; it is imported when somebody looks."""

    def __get__(self, instance: object, owner: "Any") -> "dict[str, Any]":
        import dataclasses

        def described(entry: _Field) -> "Any":
            known = {"default": entry.default, "default_factory": entry.default_factory}
            given = {name: value for name, value in known.items() if value is not _NOTHING}
            return dataclasses.field(compare=entry.compare, repr=entry.repr, kw_only=entry.by_name, **given)

        made: Any = dataclasses.make_dataclass(
            owner.__name__, [(entry.name, entry.type, described(entry)) for entry in owner._fields_of_data]
        )
        return dict(made.__dataclass_fields__)


def _dataclass(
    made: "Any" = None,
    /,
    *,
    frozen: bool = False,
    order: bool = False,
    eq: bool = True,
    kw_only: bool = False,
) -> "Any":
    """Make a class a data class; see :func:`dataclasses.dataclass`."""
    if made is None:
        return lambda cls: _dataclass(cls, frozen=frozen, order=order, eq=eq, kw_only=kw_only)
    every = {entry.name: entry for base in made.__mro__[:0:-1] for entry in base.__dict__.get("_fields_of_data", ())}
    every |= _own_fields(made, by_name=kw_only)
    made._fields_of_data = tuple(every.values())
    made._by_place_of_data = tuple(entry.name for entry in every.values() if not entry.by_name)
    compared = [entry.name for entry in every.values() if entry.compare]
    # of one name alone attrgetter makes no tuple
    made._compared_of_data = staticmethod(attrgetter(*compared, *compared[:1])) if compared else staticmethod(_nothing)
    if eq and "__hash__" not in made.__dict__:
        made.__hash__ = _hash if frozen else None
    for name, method in {
        "__init__": _init,
        "__repr__": _repr,
        **({"__eq__": _eq} if eq else {}),
        **({"__lt__": _lt, "__le__": _le, "__gt__": _gt, "__ge__": _ge} if order else {}),
        **({"__setattr__": _refuse_set, "__delattr__": _refuse_delete} if frozen else {}),
    }.items():
        if name not in made.__dict__:
            setattr(made, name, method)
    made.__dataclass_fields__ = _Standard()
    return made


def _own_fields(made: "Any", *, by_name: bool) -> "dict[str, _Field]":
    """Return the fields that a class itself annotates, and leave their plain defaults as its attributes."""
    own: dict[str, _Field] = {}
    for name, annotation in made.__annotations__.items():
        if annotation is _Given:
            by_name = True
            continue
        default = made.__dict__.get(name, _NOTHING)
        entry = default if isinstance(default, _Field) else _Field(default=default)
        entry.name, entry.type, entry.by_name = name, annotation, by_name
        if entry.default is not _NOTHING:
            setattr(made, name, entry.default)
        elif default is entry:
            delattr(made, name)
        own[name] = entry
    return own


def _init(self: "Any", /, *args: "Any", **named: "Any") -> None:
    names = self._by_place_of_data
    given = dict(zip(names, args, strict=False)) if args else named
    if args and named:
        if not given.keys().isdisjoint(named):
            twice = ", ".join(given.keys() & named.keys())
            raise TypeError(f"{type(self).__name__}: given by place and by name: {twice}")
        given |= named
    values = self.__dict__  # which no __setattr__ guards
    n_taken = 0
    for entry in self._fields_of_data:
        name = entry.name
        if name in given:
            values[name] = given[name]
            n_taken += 1
        elif entry.default is not _NOTHING:
            values[name] = entry.default
        elif entry.default_factory is not _NOTHING:
            values[name] = entry.default_factory()
        else:
            raise TypeError(f"{type(self).__name__}: no value given for {name}")
    if n_taken < len(given) or len(args) > len(names):
        unknown = ", ".join(given.keys() - values.keys()) or f"{len(args)} by place, of {len(names)}"
        raise TypeError(f"{type(self).__name__}: takes no such values: {unknown}")
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _repr(self: "Any") -> str:
    shown = (f"{entry.name}={getattr(self, entry.name)!r}" for entry in self._fields_of_data if entry.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _nothing(_: object) -> "tuple[()]":
    return ()


def _eq(self: "Any", other: "Any") -> "Any":
    if type(other) is not type(self):
        return NotImplemented
    return self._compared_of_data(self) == other._compared_of_data(other)


def _hash(self: "Any") -> int:
    return hash(self._compared_of_data(self))


def _ordered(name: str) -> "Callable[[Any, Any], Any]":
    def method(self: "Any", other: "Any") -> "Any":
        if type(other) is not type(self):
            return NotImplemented
        return getattr(self._compared_of_data(self), name)(self._compared_of_data(other))

    return method


_lt, _le, _gt, _ge = map(_ordered, ("__lt__", "__le__", "__gt__", "__ge__"))


def _refuse_set(self: "Any", name: str, value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: "Any", name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _replace(instance: "Any", /, **changes: "Any") -> "Any":
    """Return a copy with some other values; see :func:`dataclasses.replace`."""
    return type(instance)(**{entry.name: getattr(instance, entry.name) for entry in _entries(instance)} | changes)


def _asdict(instance: "Any") -> "dict[str, Any]":
    """Return the values by their names, those of data classes within too; see :func:`dataclasses.asdict`."""
    return {entry.name: _plain(getattr(instance, entry.name)) for entry in _entries(instance)}


def _plain(value: "Any") -> "Any":
    if hasattr(type(value), "_fields_of_data"):
        return _asdict(value)
    if type(value) in (tuple, list):
        return type(value)(map(_plain, value))
    return {_plain(key): _plain(entry) for key, entry in value.items()} if type(value) is dict else value


def _is_dataclass(value: object) -> bool:
    """Return whether a value, or a class, is one; see :func:`dataclasses.is_dataclass`."""
    return hasattr(value if isinstance(value, type) else type(value), "_fields_of_data")


def _entries(owner: "Any") -> "tuple[_Field, ...]":
    return owner._fields_of_data  # type: ignore[no-any-return]


if TYPE_CHECKING:
    from dataclasses import KW_ONLY, asdict, dataclass, field, fields, is_dataclass, replace
else:
    KW_ONLY, dataclass, field, fields, is_dataclass = _Given, _dataclass, _Field, _entries, _is_dataclass
    asdict, replace = _asdict, _replace

__all__ = ["KW_ONLY", "asdict", "dataclass", "field", "fields", "is_dataclass", "replace"]
