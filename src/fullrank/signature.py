"""The parameters that the user's function has. For root: :mod:`inspect` opens two dozen files."""

import inspect
from collections.abc import Callable
from typing import Any

from fullrank.errors import FunctionError
from fullrank.function import ANY_KEYWORD, KEYWORD, POSITIONAL, Parameter


def parameters_of(function: Callable[..., Any], written: str) -> tuple[Parameter, ...]:
    """Return the parameters of ``function``.

    Raises FunctionError for a function without a readable signature or with ``*args``.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise FunctionError(f"{written}: its parameters cannot be read; wrap it in a 'def' that names them") from None
    found = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise FunctionError(
                f"{written}: '*{parameter.name}' takes values without names; wrap it in a 'def' that names them"
            )
        kind = POSITIONAL
        if parameter.kind is parameter.KEYWORD_ONLY:
            kind = KEYWORD
        elif parameter.kind is parameter.VAR_KEYWORD:
            kind = ANY_KEYWORD
        required = parameter.default is parameter.empty and kind != ANY_KEYWORD
        found.append(Parameter(parameter.name, kind, required))
    return tuple(found)
