"""From what a caller in Python gives for axes and constants to the values of a config."""

import operator
from collections.abc import Mapping
from typing import Any

from fullrank.axes import LinearAxis, SweepError
from fullrank.config import ARGUMENTS
from fullrank.errors import UsageError
from fullrank.implied import Asked

_FEWEST_SPACED = 3
"""Of fewer values, the values say more than their ends."""


def asked_for(
    function: str,
    *,
    grid: Mapping[str, Any] | None,
    zip: Mapping[str, Any] | None,
    constants: Mapping[str, Any] | None,
    seed: Any,
    replicates: Any,
) -> Asked:
    """Return the study that a call asks for; UsageError for what no config can hold."""
    if bool(grid) == bool(zip):
        came = "both" if grid else "none"
        raise UsageError(
            f"{function}: expected axes by grid={{…}} (every combination) or by zip={{…}} (walked together), got {came}"
        )
    for name, given in (("grid", grid), ("zip", zip), ("constants", constants)):
        if given is not None and not isinstance(given, Mapping):
            raise UsageError(f"{name}: expected a dict of names and values, got {type(given).__name__}")
    return Asked(
        function=function,
        axes={name: axis_value(axis) for name, axis in (grid or zip or {}).items()},
        kind="grid" if grid else "zip",
        constants={name: _plain(value) for name, value in (constants or {}).items()},
        seed=None if seed is None else _integer(seed, "seed"),
        replicates=None if replicates is None else _integer(replicates, "replicates"),
        wording=ARGUMENTS,
    )


def axis_value(axis: Any) -> Any:
    """Return an axis as a config spells it; an array that is equally spaced to the last bit by its ends.

    >>> axis_value(range(10, 600, 5)), axis_value((1, 2))
    ({'range': [10, 600, 5]}, [1, 2])
    """
    if isinstance(axis, range):
        return {"range": [axis.start, axis.stop, axis.step]}
    if isinstance(axis, dict):
        return {key: _plain(value) if key != "values" else _listed(value) for key, value in axis.items()}
    values = _listed(axis)
    return _spaced(values) or values


def _listed(values: Any) -> Any:
    """Return the values of an array, a list or a tuple as Python's own; anything else as it is."""
    if hasattr(values, "tolist"):  # of numpy, pandas or xarray, none of which is imported for it
        values = values.tolist()
    return [_plain(value) for value in values] if isinstance(values, list | tuple) else values


def _plain(value: Any) -> Any:
    """Return one number of numpy's as Python's own."""
    is_scalar = hasattr(value, "dtype") and getattr(value, "shape", None) == ()
    return value.item() if is_scalar else value


def _spaced(values: Any) -> dict[str, Any] | None:
    is_long = isinstance(values, list) and len(values) >= _FEWEST_SPACED
    if not is_long or not all(type(value) is float for value in values):
        return None
    try:
        axis = LinearAxis("x", start=values[0], stop=values[-1], num=len(values))
    except SweepError:
        return None
    same = all(map(_same, values, axis.column(range(len(values)))))
    return {"start": values[0], "stop": values[-1], "num": len(values)} if same else None


def _same(first: float, second: Any) -> bool:
    return first.hex() == float(second).hex()


def _integer(value: Any, name: str) -> int:
    try:
        if value is True or value is False:
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise UsageError(f"{name}: expected an integer, got {value!r}") from None
