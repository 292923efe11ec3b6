"""Sum, mean, least and greatest of results that come in blocks."""

from collections.abc import Sequence
from math import fsum, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.report.facts import ResultFacts, Statistics
from fullrank.schema import Block, Field
from fullrank.status import Status
from fullrank.store import ResultFile

N_ELEMENTS_APART = 16
"""Arrays of up to this many elements are summed element by element."""
N_SUMMED_AT_ONCE = 1 << 16
"""As objects of Python they take 2 MB."""


class Tally:
    """Statistics of one result: of each element if they are few, else of all elements together."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._n_elements = n_elements = prod(field.shape)
        self._apart = not field.varying and 0 < n_elements <= N_ELEMENTS_APART
        self._parts = [_Accumulator() for _ in range(n_elements if self._apart else 1)]
        self._n_nan_items = 0
        self._n_infinite = 0

    def add(self, block: Block) -> None:
        """Count the block's ok items."""
        is_ok = block.status == Status.OK
        values = block.values[self._field.name][is_ok]
        values = values.reshape(len(values), self._n_elements)
        is_value = np.ones(values.shape, np.bool_)
        if self._field.varying:
            lengths = block.lengths[self._field.name][is_ok]
            is_value = np.arange(values.shape[1]) < lengths[:, np.newaxis]
        if values.dtype.kind == "f":
            self._n_nan_items += int(np.count_nonzero((np.isnan(values) & is_value).any(axis=1)))
            self._n_infinite += int(np.count_nonzero(np.isinf(values) & is_value))
            is_value &= np.isfinite(values)
        if self._apart:
            for element, part in enumerate(self._parts):
                part.add(values[is_value[:, element], element])
        else:
            self._parts[0].add(values[is_value])

    def facts(self, file: ResultFile) -> ResultFacts:
        """Return what was counted."""
        field, variable = self._field, file.variables[self._field.name]
        labels = _labels(field) if self._apart else [field.name]
        return ResultFacts(
            field.name,
            variable.units,
            variable.long_name,
            "bool" if field.is_bool else field.dtype,
            field.shape,
            field.varying,
            self._n_nan_items,
            self._n_infinite,
            tuple(part.statistics(s) for part, s in zip(self._parts, labels, strict=True)),
        )


def _labels(field: Field) -> list[str]:
    if not field.shape:
        return [field.name]
    return [f"{field.name}[{','.join(map(str, at))}]" for at in np.ndindex(*field.shape)]


class _Accumulator:
    """Sum, least and greatest of finite numbers that come in blocks."""

    def __init__(self) -> None:
        self._n = 0
        self._sum = 0
        self._parts: list[float] = []
        """Their exact sum is that of all floats so far."""
        self._least: Any = None
        self._greatest: Any = None

    def add(self, values: NDArray[Any]) -> None:
        """Take the next ones, shape (n,)."""
        if not values.size:
            return
        self._n += values.size
        least, greatest = values.min().item(), values.max().item()
        self._least = least if self._least is None else min(self._least, least)
        self._greatest = greatest if self._greatest is None else max(self._greatest, greatest)
        for start in range(0, values.size, N_SUMMED_AT_ONCE):
            self._add_to_sum(values[start : start + N_SUMMED_AT_ONCE])

    def _add_to_sum(self, values: NDArray[Any]) -> None:
        if values.dtype.kind == "f":
            self._parts = _exact_sum([*self._parts, *values.tolist()])
        else:
            self._sum += sum(values.tolist())  # Python's integers do not overflow

    def statistics(self, label: str) -> Statistics:
        """Return the figures."""
        if not self._n:
            return Statistics(label, 0, None, None, None, None)
        total = fsum(self._parts) if isinstance(self._least, float) else self._sum
        return Statistics(label, self._n, total, total / self._n, self._least, self._greatest)


def _exact_sum(values: Sequence[float]) -> list[float]:
    """Return few floats whose exact sum is that of ``values``, so that more can be added to it."""
    parts: list[float] = []
    try:
        while rest := fsum((*values, *(-part for part in parts))):
            parts.append(rest)
    except (OverflowError, ValueError):  # beyond the largest float
        with np.errstate(all="ignore"):
            return [float(np.sum(values))]
    return parts
