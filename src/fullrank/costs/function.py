"""Costs that a function of the user's tells."""

from collections.abc import Iterator
from math import inf

import numpy as np
from numpy.typing import NDArray

from fullrank.config import ArrayFile
from fullrank.errors import FunctionError, beginning
from fullrank.function import ANY_KEYWORD, Call, FunctionSource, memory_mapped, plan_call, users_traceback
from fullrank.report.layout import spelled_parameters
from fullrank.seeds import item_seed
from fullrank.study import Study

_BLOCK_ITEMS = 4096
_SHOWN_CHARACTERS = 60


def costs_by_function(study: Study, function: FunctionSource) -> NDArray[np.float64]:
    """Return the cost of every item, in the function's own unit, shape (n_items,).

    Raises FunctionError, with the item, if the function raises or returns no number from 0 on.
    """
    sweep = study.config.sweep
    call, takes_seed = _call(study, function)
    costs = np.empty(sweep.n_items)
    seed = study.config.workload.seed or 0
    for start in range(0, sweep.n_items, _BLOCK_ITEMS):
        indices = range(start, min(start + _BLOCK_ITEMS, sweep.n_items))
        columns = sweep.columns(indices)
        if takes_seed:
            columns.append([item_seed(seed, index) for index in indices])
        costs[start : indices.stop] = list(_costs(study, function, call, indices=indices, columns=columns))
    return costs


def _call(study: Study, function: FunctionSource) -> tuple[Call, bool]:
    """Return how the function is called with what it takes of an item, and whether its seed is there to be taken."""
    parameters, workload = study.cost_parameters, study.config.workload
    taken = {parameter.name for parameter in parameters}
    takes_any = any(parameter.kind == ANY_KEYWORD for parameter in parameters)
    axes = [axis.name for axis in study.config.sweep.axes]
    has_seed = workload.seed is not None and "seed" in taken and "seed" not in axes
    given = [*axes, "seed"] if has_seed else axes
    constants = {
        name: memory_mapped(str(value.path)) if isinstance(value, ArrayFile) else value
        for name, value in workload.constants.items()
        if takes_any or name in taken
    }
    plan = plan_call(
        parameters,
        axes=[name for name in given if takes_any or name in taken],
        constants=tuple(constants),
        written=function.written,
        has_setup=False,
        seed_cure=study.config.wording.seed_cure,
        parameter_cure=f"{study.config.wording.parameter_cure}, or give it a default",
    )
    return Call(function.load(), plan, axes=given, constants=constants), has_seed


def _costs(
    study: Study, function: FunctionSource, call: Call, *, indices: range, columns: list[list[int | float | str | bool]]
) -> Iterator[float]:
    called = call.function
    for index, arguments in zip(indices, call.arguments(columns), strict=False):  # without axes there is no end
        try:
            value = called(*arguments)
        except (Exception, SystemExit) as error:
            raise FunctionError(f"{_of(study, function, index)} failed:\n{users_traceback(error).rstrip()}") from None
        yield value if type(value) is float and 0 <= value < inf else _number(value, study, function, index=index)


def _number(value: object, study: Study, function: FunctionSource, *, index: int) -> float:
    """Return a cost as a float."""
    try:
        number = -inf if isinstance(value, bool | str | bytes) else float(value)  # type: ignore[arg-type]  # or it raises
    except (TypeError, ValueError, OverflowError):
        number = -inf
    if 0 <= number < inf:
        return number
    shown = beginning(f"{type(value).__name__} {value!r}", _SHOWN_CHARACTERS)
    raise FunctionError(f"{_of(study, function, index)}: expected a finite number >= 0, got {shown}")


def _of(study: Study, function: FunctionSource, index: int) -> str:
    parameters = spelled_parameters(study.config.sweep.parameters(index))
    return f"{study.config.path}: run.cost: {function.written} of item {index} ({parameters})"
