"""The modules of benchmarks/, which are scripts of one folder and import each other by bare names."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NAMES = {path.stem for path in BENCHMARKS.rglob("*.py")}


@contextmanager
def imported(*names: str) -> Iterator[tuple[ModuleType, ...]]:
    """Yield some of them; tests have modules of the same names, which are there again afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.delitem(sys.modules, name, raising=False)
        patch.syspath_prepend(str(BENCHMARKS))
        try:
            yield tuple(import_module(name) for name in names)
        finally:
            for name in NAMES:
                sys.modules.pop(name, None)
