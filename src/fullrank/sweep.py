"""The parameter space: from an item's index to the parameters of its call.

Index order is C order, the replicate slowest. Standard library alone: every rank loads this file.
"""

from collections.abc import Sequence
from functools import cached_property
from keyword import iskeyword
from math import prod
from typing import Literal

from fullrank.axes import N_MAX, Axis, SweepError, Value
from fullrank.dataclass import dataclass

__all__ = ["N_ITEMS_MAX", "RESERVED_NAMES", "Kind", "Sweep", "SweepError", "Value", "name_problem"]

Kind = Literal["grid", "zip", "table"]

RESERVED_NAMES = frozenset(
    {
        "attempts",
        "code_version",
        "config",
        "failures",
        "item",
        "item_seconds",
        "provenance",
        "replicate",
        "status",
        "worker",
        "workers",
    }
)
"""Names the result file uses itself; no axis and no result can have them."""

N_ITEMS_MAX = 2**32
"""Of a study. Each process with workers remembers one bit of every item: 512 MB, of which it holds up to three copies
when the bits of all are joined. MPI counts these bytes in 32 bits, and the shared counter positions in 64."""

N_LISTED_MAX = 65_536
"""Axes up to this many values are kept as lists; 2 MB for floats, at most."""


def name_problem(name: str) -> str | None:
    """Why ``name`` cannot name an axis or a result, as the end of a sentence; None if it can.

    Such names are parameters in Python and variables in HDF5 and netCDF.
    """
    if not name.isidentifier() or len(name.encode()) > 255:
        return f"expected a name of letters, digits and _ that starts with no digit, got {name!r}"
    if iskeyword(name):
        return f"expected another name, {name!r} is a word of the Python language"
    if name in RESERVED_NAMES:
        return f"expected another name, the result file uses {name!r} itself"
    if not name.isascii() and name != _as_python_reads(name):
        return f"expected {_as_python_reads(name)!r}, as Python reads that name, got {name!r}"
    return None


def _as_python_reads(name: str) -> str:
    from unicodedata import normalize  # a megabyte that ASCII names do without

    return normalize("NFKC", name)


@dataclass(frozen=True)
class Sweep:
    """All items of a study, numbered 0 … n_items - 1.

    A grid combines its axes; zip and table walk equally long axes together. Immutable and
    picklable; threads may share one.
    """

    kind: Kind
    axes: tuple[Axis, ...]
    replicates: int | None = None
    """How often each parameter set occurs; None: once, and there is no such dimension."""

    def __post_init__(self) -> None:
        if not self.axes:
            raise SweepError("expected at least one axis, got none", self.kind)
        if self.replicates is not None and self.replicates < 1:
            raise SweepError(f"expected an integer >= 1, got {self.replicates}", "replicates")
        self._check_names()
        lengths = {axis.name: len(axis) for axis in self.axes}
        if self.kind != "grid" and len(set(lengths.values())) > 1:
            got = ", ".join(f"{name}: {length}" for name, length in lengths.items())
            raise SweepError(f"expected axes of equal length, got {got}", self.kind)
        if self.n_items >= N_MAX:
            raise SweepError(f"expected fewer than 2**62 items, got {self.n_items}")

    def _check_names(self) -> None:
        names = [axis.name for axis in self.axes]
        for name in names:
            problem = name_problem(name)
            if problem is None and names.count(name) > 1:
                problem = "expected each axis once"
            if problem is not None:
                raise SweepError(problem, self.kind, name)

    @cached_property
    def n_items(self) -> int:
        """Number of items, 1 <= n_items < 2**62."""
        return prod(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension of the results, in the order of ``dims``."""
        return tuple(length for _, length in self._dimensions)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions: replicate if there are any, then the axes, or ``item``."""
        return tuple(name for name, _ in self._dimensions)

    @property
    def _dimensions(self) -> list[tuple[str, int]]:
        inner = [(axis.name, len(axis)) for axis in self.axes]
        if self.kind != "grid":
            inner = [("item", len(self.axes[0]))]
        return inner if self.replicates is None else [("replicate", self.replicates), *inner]

    def columns(self, indices: Sequence[int]) -> list[list[Value]]:
        """One list of values for each axis, in axis order; an entry for each of ``indices``.

        Indices are not checked: every item passes through here.
        """
        return [look_up.column(indices) for look_up in self._look_ups]

    def parameters(self, index: int) -> dict[str, Value]:
        """Values by axis name of item ``index``; IndexError outside 0 <= index < n_items."""
        if not 0 <= index < self.n_items:
            raise IndexError(f"the sweep has {self.n_items} items, no item {index}")
        columns = self.columns((index,))
        return {axis.name: column[0] for axis, column in zip(self.axes, columns, strict=True)}

    def describe(self) -> dict[str, object]:
        """What decides every item's parameters, JSON-able, for the study's identity."""
        axes = [axis.describe() for axis in self.axes]
        return {"kind": self.kind, "axes": axes, "replicates": self.replicates}

    @cached_property
    def _look_ups(self) -> list["_LookUp"]:
        # Made by the first call, in the worker: a sweep sent to ten thousand ranks is small.
        stride, look_ups = 1, []
        for axis in reversed(self.axes):
            outer = self.n_items // (stride * len(axis))
            look_ups.append(_LookUp(axis, stride, wraps=outer > 1))
            stride *= len(axis) if self.kind == "grid" else 1
        return look_ups[::-1]

    def __getstate__(self) -> dict[str, object]:
        fields = ("kind", "axes", "replicates")
        return {name: self.__dict__[name] for name in fields}


class _LookUp:
    """From item indices to the values of one axis, with the least arithmetic that does."""

    def __init__(self, axis: Axis, stride: int, *, wraps: bool) -> None:
        self._axis = axis
        self._stride = stride
        self._n = len(axis)
        self._wraps = wraps
        """False if the axis is the slowest: index // stride never reaches its length."""
        small = self._n <= N_LISTED_MAX
        self._values = axis.column(range(self._n)) if small else None

    def column(self, indices: Sequence[int]) -> list[Value]:
        positions = self._positions(indices)
        values = self._values
        if values is None:
            return self._axis.column(positions)
        return [values[position] for position in positions]

    def _positions(self, indices: Sequence[int]) -> Sequence[int]:
        stride, n = self._stride, self._n
        if stride == 1:
            return [index % n for index in indices] if self._wraps else indices
        if self._wraps:
            return [index // stride % n for index in indices]
        return [index // stride for index in indices]
