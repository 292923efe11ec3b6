"""The user's function's parameters, and whether calls give results. For root: :mod:`inspect` opens two dozen files."""

import inspect
import sys
from collections.abc import Callable
from typing import Any

from fullrank.errors import FunctionError
from fullrank.function import ANY_KEYWORD, KEYWORD, POSITIONAL, Parameter


def parameters_of(function: Callable[..., Any], written: str) -> tuple[Parameter, ...]:
    """Return the parameters of ``function``.

    Raises FunctionError for a function without a readable signature or with ``*args``, and for one whose calls give no
    results.
    """
    if owner := _class_of_unbound(function):
        name = written.rpartition(":")[2].rpartition(".")[2]
        raise FunctionError(
            f"{written}: is a method, called on an object of {owner}; write a 'def' at the top of the file that makes "
            f"one and calls its {name}, or make it a @staticmethod"
        )
    if problem := why_deferred(function, written.rpartition(":")[2]):
        raise FunctionError(f"{written}: {problem}")
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


def _class_of_unbound(function: Callable[..., Any]) -> str:
    """Return the class of which ``function`` is a method that waits for an object; "" if it is none."""
    owner: Any = sys.modules.get(getattr(function, "__module__", None) or "")
    *path, name = getattr(function, "__qualname__", "").split(".")
    for part in path:
        owner = getattr(owner, part, None)
    is_method = bool(path) and inspect.isclass(owner) and inspect.getattr_static(owner, name, None) is function
    return ".".join(path) if is_method else ""


def why_deferred(function: Callable[..., Any], name: str) -> str:
    """Return why a call of ``function`` gives no result, and what to write instead; "" if it may give one.

    >>> async def f(x): ...
    >>> print(why_deferred(f, "f"))
    is an 'async def', of which a call gives a coroutine and no result; sweep a 'def' that returns asyncio.run(f(...))
    """
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        return (
            "has a 'yield', so that a call gives a generator and no result; put what it yields into a list and "
            "'return' that"
        )
    if inspect.iscoroutinefunction(function):
        return (
            "is an 'async def', of which a call gives a coroutine and no result; sweep a 'def' that returns "
            f"asyncio.run({name}(...))"
        )
    return ""
