"""fullrank runs a slow, pure-Python function over many parameter sets on every core there is."""

TYPE_CHECKING = False  # typing's own opens a dozen files, on every rank
if TYPE_CHECKING:
    from fullrank.api import run
    from fullrank.result import Result, open_result

__version__ = "0.1.0"
__all__ = ["Result", "open_result", "run"]

_HOMES = {"Result": "fullrank.result", "open_result": "fullrank.result", "run": "fullrank.api"}
"""Modules that are imported when what they hold is asked for: they load numpy and h5py."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
