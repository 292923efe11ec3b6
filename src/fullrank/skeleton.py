"""From a function's signature to a config that can be run at once and filled in later."""

from collections.abc import Callable, Mapping
from typing import Any

from fullrank.config.compose import Outline
from fullrank.config.toml_text import why_not_toml
from fullrank.errors import FunctionError
from fullrank.signature import parameters_of
from fullrank.sweep import name_problem

DEFAULT_SEED = 1
_SEEDS = range(2**63)
_N_ITEMS_MOST = 10_000
_NUMS = (11, 5, 3, 2)
"""Values of an axis, of which the most are taken that keep the study small."""
_SHOWN_CHARACTERS = 40
_BY_ANNOTATION: Mapping[str, Any] = {"bool": [False, True], "str": ["a", "b"]}
_HEAD = (
    "Written from the function's signature; it runs as it is: fullrank run {config}",
    "Fill in the axes under [sweep.grid]. An axis is one of",
    "  {{ start = 0.0, stop = 1.0, num = 11 }}                   floats, equally spaced, both ends included",
    '  {{ start = 1e-3, stop = 1e3, num = 7, scale = "log" }}    in geometric progression',
    "  {{ range = [10, 600, 5] }}                                the integers of Python's range(10, 600, 5)",
    '  [0.1, 0.2] or ["a", "b"]                                the values themselves',
    'and may say more: {{ start = 0.0, stop = 1.0, num = 11, units = "m", long_name = "distance" }}',
)


def outline_of(function: Callable[..., Any], written: str, *, named: str, config: str) -> Outline:
    """Return a config for ``function``, called ``written`` by the user and ``named`` in the config.

    ``config`` is what the user calls the config. Raises FunctionError for a signature that cannot be swept.
    """
    parameters = parameters_of(function, written)
    defaults = _defaults(function)
    axes = [parameter.name for parameter in parameters if parameter.required and parameter.name != "seed"]
    constants = {name: default for name, default in defaults.items() if name != "seed" and not why_not_toml(default)}
    left_out = [name for name in defaults if name not in constants and name != "seed"]
    takes_seed = any(parameter.name == "seed" for parameter in parameters)
    notes = {}
    if not axes:
        axes, of_default = _only_axis(constants, takes_seed=takes_seed, written=written)
        notes = dict.fromkeys(of_default, "has a default; an axis all the same, for one is needed")
    placeholders = _placeholders(function, axes)
    placeholders |= {name: [constants.pop(name)] for name in axes if name in constants}
    for name in axes:
        if (problem := name_problem(name)) is not None:
            raise FunctionError(f"{written}: its parameter '{name}' cannot be an axis: {problem}")
    return Outline(
        function=named,
        axes=placeholders,
        constants=constants,
        seed=_seed(defaults) if takes_seed and "seed" not in axes else None,
        title=written.rpartition(":")[2],
        head=[line.format(config=config) for line in (*_HEAD, *_clash(written.rpartition(":")[2], axes))],
        notes={"seed": "each item gets a seed of its own, which follows from it", **notes},
        left_out=[
            f"{name} = {_shown(defaults[name])}: its default stays, for TOML cannot hold it" for name in left_out
        ],
    )


def _clash(name: str, axes: list[str]) -> list[str]:
    """Return what to say of a function whose name a result without one cannot have."""
    if name not in axes and name_problem(name) is None:
        return []
    return [
        f"A number that it returned would be called {name}, after the function, and that name is taken:",
        'rename the function, or let it return {{"value": ...}}',
    ]


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    import inspect

    parameters = inspect.signature(function).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}


def _only_axis(constants: Mapping[str, Any], *, takes_seed: bool, written: str) -> tuple[list[str], list[str]]:
    """Return the one axis of a function whose parameters all have a value, and it again if it had a default."""
    for name, default in constants.items():
        if isinstance(default, int | float | str):
            return [name], [name]
    if takes_seed:
        return ["seed"], []
    raise FunctionError(
        f"{written}: has no parameter that could be an axis; give it one that is a number or a text, "
        f"without a default if it has none"
    )


def _placeholders(function: Callable[..., Any], names: list[str]) -> dict[str, Any]:
    """Return an axis for each parameter, by its annotation; so many values that the study stays small."""
    num = next((num for num in _NUMS if num ** len(names) <= _N_ITEMS_MOST), 1)
    annotations = getattr(function, "__annotations__", {})
    found = {}
    for name in names:
        annotation = annotations.get(name)
        kind = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        if kind == "int" or name == "seed":
            found[name] = {"range": num}
        else:
            found[name] = _BY_ANNOTATION.get(kind, {"start": 0.0, "stop": 1.0, "num": num})
    return found


def _seed(defaults: Mapping[str, Any]) -> int:
    default = defaults.get("seed")
    return default if type(default) is int and default in _SEEDS else DEFAULT_SEED


def _shown(value: object) -> str:
    """Return a value in a few words; an object's own ``__repr__`` may raise anything."""
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
