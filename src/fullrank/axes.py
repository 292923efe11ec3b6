"""The axes of a sweep: from a position on the axis to the value a function gets.

The same code gives the values to the workers and to the file, so they agree to the last bit.
Standard library alone, because every rank loads this file.
"""

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Sequence
from math import isfinite

from fullrank.dataclass import KW_ONLY, dataclass
from fullrank.errors import ConfigError

Value = int | float | str | bool

N_MAX = 2**62
"""Positions stay below this, so that adding two of them never leaves 64 bits."""
_INT64 = range(-(2**63), 2**63)
_WORDS = {int: "integers", float: "floats", str: "text", bool: "true/false"}


class SweepError(ConfigError):
    """An axis or a sweep that cannot be.

    ``keys`` leads to the setting at fault as the config spells it, from the axis or the sweep that
    raised this; whoever read the config knows what stands before it.
    """

    def __init__(self, problem: str, *keys: str) -> None:
        super().__init__(problem, *keys)
        self.problem = problem
        self.keys = keys

    def __str__(self) -> str:
        return ": ".join(filter(None, (".".join(self.keys), self.problem)))


@dataclass(frozen=True)
class Axis(ABC):
    """A named sequence of values, all of one type; immutable and picklable."""

    name: str
    _: KW_ONLY
    units: str = ""
    """As the user wrote it; "" where nothing was written."""
    long_name: str = ""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def column(self, positions: Iterable[int]) -> list[Value]:
        """Values at ``positions``, each 0 <= position < len(self); not checked, for speed."""

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """What decides the values, JSON-able; units and long name do not."""

    def value(self, position: int) -> Value:
        """Value at ``position``; IndexError outside 0 <= position < len(self)."""
        if not 0 <= position < len(self):
            raise IndexError(f"axis {self.name!r} has {len(self)} values, no position {position}")
        return self.column((position,))[0]

    @property
    def value_type(self) -> type[Value]:
        """The type of every value: int, float, str or bool."""
        return type(self.value(0))


@dataclass(frozen=True, kw_only=True)
class _SpacedAxis(Axis):
    """``num`` floats from ``start`` to ``stop``, both included; no list is ever made of them."""

    start: float
    stop: float
    num: int

    _form = ""

    def __post_init__(self) -> None:
        if not 1 <= self.num < N_MAX:
            raise SweepError(f"expected an integer >= 1 and below 2**62, got {self.num}", "num")
        for key, end in (("start", self.start), ("stop", self.stop)):
            if not isfinite(end):
                raise SweepError(f"expected a finite number, got {end!r}", key)
            object.__setattr__(self, key, float(end))  # a 3 would make the last value an int

    def __len__(self) -> int:
        return self.num

    def describe(self) -> dict[str, object]:
        """See :meth:`Axis.describe`."""
        return _described(self, self._form, start=self.start, stop=self.stop, num=self.num)


# The next two add no fields; without a @dataclass of their own they load faster on every rank.


class LinearAxis(_SpacedAxis):
    """Evenly spaced, bit for bit numpy.linspace(start, stop, num)."""

    _form = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isfinite(self.stop - self.start):
            raise SweepError("expected a distance from `start` that a float can hold", "stop")

    def column(self, positions: Iterable[int]) -> list[Value]:
        """See :meth:`Axis.column`."""
        start, stop, last = self.start, self.stop, self.num - 1
        delta = stop - start
        if last == 0:
            # Not plain `start`: the sign of a zero is numpy's too.
            return [i * delta + start for i in positions]
        step = delta / last
        if step == 0.0:
            # The step underflowed, or start == stop: numpy divides first, and so do we.
            return [stop if i == last else i / last * delta + start for i in positions]
        if last * step + start == stop != 0.0:  # the sign of a zero would differ
            return [i * step + start for i in positions]
        return [stop if i == last else i * step + start for i in positions]


class LogAxis(_SpacedAxis):
    """In geometric progression: start * (stop / start) ** (i / (num - 1)), the ends exact."""

    _form = "log"

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, end in (("start", self.start), ("stop", self.stop)):
            if end == 0.0 or (end > 0.0) != (self.start > 0.0):
                problem = f"expected ends of one sign, neither 0, on a log scale, got {end!r}"
                raise SweepError(problem, key)
        ratio = self.stop / self.start
        if ratio == 0.0 or not isfinite(ratio):
            raise SweepError("expected a ratio to `start` that a float can hold", "stop")

    def column(self, positions: Iterable[int]) -> list[Value]:
        """See :meth:`Axis.column`."""
        start, stop, last = self.start, self.stop, self.num - 1
        ratio = stop / start
        return [start if i == 0 else stop if i == last else start * ratio ** (i / last) for i in positions]


@dataclass(frozen=True, kw_only=True)
class RangeAxis(Axis):
    """The integers of Python's ``range(start, stop, step)``."""

    start: int
    stop: int
    step: int = 1

    def __post_init__(self) -> None:
        if self.step == 0:
            raise SweepError("expected a step other than 0", "range")
        numbers = range(self.start, self.stop, self.step)
        if not numbers:
            got = f"range({self.start}, {self.stop}, {self.step})"
            raise SweepError(f"expected at least one value, got none in {got}", "range")
        if numbers[0] not in _INT64 or numbers[-1] not in _INT64:
            raise SweepError("expected integers of at most 64 bits", "range")
        if numbers[N_MAX - 1 :]:
            raise SweepError("expected fewer than 2**62 values", "range")

    def __len__(self) -> int:
        return len(range(self.start, self.stop, self.step))

    def column(self, positions: Iterable[int]) -> list[Value]:
        """See :meth:`Axis.column`."""
        start, step = self.start, self.step
        return [start + step * i for i in positions]

    def describe(self) -> dict[str, object]:
        """See :meth:`Axis.describe`."""
        return _described(self, "range", start=self.start, step=self.step, num=len(self))


@dataclass(frozen=True, kw_only=True)
class ListAxis(Axis):
    """Values as the user listed them: integers, floats, text or true/false; repeats are fine.

    Integers beside floats become floats. inf and nan are values like others.
    """

    values: Sequence[Value]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _of_one_type(self.values))

    def __len__(self) -> int:
        return len(self.values)

    def column(self, positions: Iterable[int]) -> list[Value]:
        """See :meth:`Axis.column`."""
        values = self.values
        return [values[i] for i in positions]

    def describe(self) -> dict[str, object]:
        """See :meth:`Axis.describe`."""
        # JSON has no inf and nan, and nan would differ from itself.
        values = [repr(value) if isinstance(value, float) and not isfinite(value) else value for value in self.values]
        return _described(self, "list", type=self.value_type.__name__, values=values)


class ColumnAxis(ListAxis):
    """One column of a table of many rows; numbers in an ``array``, 8 bytes each."""

    def __post_init__(self) -> None:
        if not isinstance(self.values, array):
            super().__post_init__()

    def describe(self) -> dict[str, object]:
        """See :meth:`Axis.describe`."""
        from hashlib import sha256  # only root describes; no other rank needs it

        if isinstance(self.values, array):
            digest = sha256(memoryview(self.values))
        else:
            digest = sha256()
            for value in self.values:
                encoded = str(value).encode()
                digest.update(b"%d:%b" % (len(encoded), encoded))
        return _described(
            self,
            "column",
            type=self.value_type.__name__,
            num=len(self.values),
            sha256=digest.hexdigest(),
        )


def _described(axis: Axis, form: str, **settings: object) -> dict[str, object]:
    return {"name": axis.name, "form": form, **settings}


def _of_one_type(values: Sequence[Value]) -> tuple[Value, ...]:
    """The values, all int, float, str or bool; SweepError if they cannot be."""
    types = set(map(type, values))
    if not types:
        raise SweepError("expected at least one value, got an empty list")
    if not types <= _WORDS.keys():
        strange = ", ".join(sorted(t.__name__ for t in types - _WORDS.keys()))
        raise SweepError(f"expected numbers, text or true/false, got values of type {strange}")
    if int in types and any(type(v) is int and v not in _INT64 for v in values):
        raise SweepError("expected integers of at most 64 bits; write larger ones as floats")
    if types == {int, float}:
        return tuple(map(float, values))
    if len(types) > 1:
        mix = " and ".join(sorted(_WORDS[t] for t in types))
        raise SweepError(f"expected values of one type, got {mix} in one list")
    if str in types:
        for value in values:
            _check_text(str(value))
    return tuple(values)


def _check_text(text: str) -> None:
    """HDF5 ends a string at a NUL and stores UTF-8, which has no lone surrogates."""
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise SweepError(f"expected text that HDF5 can hold, got {text!r}")
