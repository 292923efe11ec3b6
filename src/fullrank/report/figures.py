"""Sum, mean, least and greatest of results that come in blocks."""

import math
import sys
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
"""As objects of Python they take 2 MB; halves of so many floats have exact sums."""
_LEAST_EXPONENT = sys.float_info.min_exp - sys.float_info.mant_dig + 1
"""Of any float, as frexp tells it: the least is 0.5 times 2 to this power."""
_UNITS_OF_ONE = 1 << sys.float_info.mant_dig - _LEAST_EXPONENT
"""A float is an integer of 53 bits times a power of 2: of these units, 2**-1126, every float is a whole number."""
_LOWER_BITS = 27


class Tally:
    """Statistics of one result: of each element if they are few, else of all elements together."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._n_elements = n_elements = math.prod(field.shape)
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
        """Exact; of floats in units of 1 / _UNITS_OF_ONE."""
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
            self._sum += _exact_sum(values.astype(np.float64))
        else:
            self._sum += sum(values.tolist())  # Python's integers do not overflow

    def statistics(self, label: str) -> Statistics:
        """Return the figures."""
        if not self._n:
            return Statistics(label, 0, None, None, None, None)
        total = _float_of(self._sum) if isinstance(self._least, float) else self._sum
        return Statistics(label, self._n, total, total / self._n, self._least, self._greatest)


def _exact_sum(values: NDArray[np.float64]) -> int:
    """Return the sum of at most N_SUMMED_AT_ONCE finite floats, exactly, in units of 1 / _UNITS_OF_ONE.

    Integers of 53 bits are summed by exponent, in halves whose sums are exact as floats.
    """
    fractions, exponents = np.frexp(values)
    mantissas = np.ldexp(fractions, sys.float_info.mant_dig).astype(np.int64)
    places = exponents - _LEAST_EXPONENT
    upper = np.bincount(places, weights=mantissas >> _LOWER_BITS)
    lower = np.bincount(places, weights=mantissas & (1 << _LOWER_BITS) - 1)
    return sum(
        ((int(upper[place]) << _LOWER_BITS) + int(lower[place])) << place
        for place in np.flatnonzero((upper != 0) | (lower != 0)).tolist()
    )


def _float_of(units: int) -> float:
    """Return the float that is nearest to an exact sum; infinite beyond the largest."""
    try:
        return units / _UNITS_OF_ONE
    except OverflowError:
        return math.inf if units > 0 else -math.inf
