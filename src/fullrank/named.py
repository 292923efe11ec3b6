"""A function as workers find it: by the file or module it stands in and its name there, never pickled."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from fullrank.errors import FunctionError

_FOR_WORKERS = "workers import it by its name from its file"


def name_of(function: Callable[..., Any]) -> str:
    """Return ``/absolute/file.py:function``, or ``module:function`` for one in a package or without a file.

    Raises FunctionError, with the cure, for what cannot be found again by a name.
    """
    name, module_name = getattr(function, "__qualname__", ""), getattr(function, "__module__", None)
    if not name or not module_name:
        raise FunctionError(
            f"{type(function).__name__} objects have no name by which workers could import them; "
            f"wrap it in a 'def' at the top of a file"
        )
    if "<lambda>" in name or "<locals>" in name:
        what = "a lambda" if name.endswith("<lambda>") else "defined inside another function"
        raise FunctionError(f"{name} is {what}, and {_FOR_WORKERS}; write it as a 'def' at the top of a file")
    module = sys.modules.get(module_name)
    file = getattr(module, "__file__", None)
    if module_name == "__main__" and not _is_file(file):
        raise FunctionError(
            f"'{name}' lives only in this session, and {_FOR_WORKERS}; in a notebook put %%writefile sim.py on top "
            f"of its cell, run it, and go on with: from sim import {name.partition('.')[0]}"
        )
    if _found(module, name) is not function:
        raise FunctionError(
            f"'{name}' in {file or module_name} is another object than the function that was given, and "
            f"{_FOR_WORKERS}; give it a 'def' of its own there"
        )
    return f"{_place(module, file)}:{name}"


def _place(module: Any, file: str | None) -> str:
    specification = getattr(module, "__spec__", None)
    importable = specification.name if specification is not None else module.__name__
    is_package = Path(file or "").name == "__init__.py"  # whose modules import each other by its name
    if _is_file(file) and "." not in importable and not is_package:
        return str(Path(str(file)).absolute())
    return str(importable)


def _is_file(file: str | None) -> bool:
    """Return whether a module stands in a Python file; a notebook's kernel names cells that are none."""
    return file is not None and file.endswith(".py") and Path(file).is_file()


def _found(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


@contextmanager
def as_it_stands(file: Path | None) -> Iterator[None]:
    """Have a run in this process import ``file`` anew, and leave the caller's modules and ``sys.path`` as they were.

    In a notebook the module that is loaded may be older than the file, which is what workers import.
    """
    before, path = dict(_modules_of(file)), list(sys.path)
    for name in before:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in dict(_modules_of(file)):
            del sys.modules[name]
        sys.modules.update(before)
        sys.path[:] = path


def _modules_of(file: Path | None) -> Iterator[tuple[str, ModuleType]]:
    if file is None:
        return
    real = str(file.resolve())
    for name in (file.stem, f"_user_{file.stem}"):
        module = sys.modules.get(name)
        if module is not None and str(Path(getattr(module, "__file__", None) or "").resolve()) == real:
            yield name, module
