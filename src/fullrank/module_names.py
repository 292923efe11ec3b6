"""Names that a user's own module cannot have, for ``import`` would find it in place of another or not at all.

The user's folders come first on the search path of every process of a run.
"""

import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

from fullrank.errors import FunctionError

NEEDED = frozenset({"fullrank", "h5py", "mpi4py", "msgspec", "numpy", "rich"})
"""What a process of a run imports, besides the standard library."""
_HARMLESS = frozenset({"antigravity", "test", "this", "turtle"})
"""Modules of the standard library that no program imports: files are called so, and nothing is in their way."""


def owner_of(name: str, *, besides: Iterable[Path]) -> str:
    """Return who has a top-level module of this name: Python, or a package in a folder other than ``besides``; else "".

    >>> owner_of("random", besides=[]), owner_of("h5py", besides=[]), owner_of("pendulum_of_mine", besides=[])
    ("Python's standard library", 'a package that is installed here', '')
    """
    if name in sys.stdlib_module_names:
        return "Python's standard library"
    own = {folder.resolve() for folder in besides}
    elsewhere = [entry for entry in sys.path if Path(entry).resolve() not in own]
    is_installed = name in NEEDED or PathFinder.find_spec(name, elsewhere) is not None
    return "a package that is installed here" if is_installed else ""


def refuse_taken(files: Iterable[Path], folders: Iterable[str], *, called: str) -> None:
    """Raise FunctionError where a study's file has a name that Python or fullrank itself imports.

    ``files`` are the function's and setup's; ``folders`` come first on the search path. Names of other packages may
    be meant: to be found first is what the search path is for.
    """
    for file in files:
        if file.stem in (sys.stdlib_module_names | NEEDED) - _HARMLESS:
            raise FunctionError(_refusal(called, file, owner_of(file.stem, besides=[])))
    for folder in map(Path, folders):
        for name in sorted(NEEDED):
            file = folder / f"{name}.py"
            if file.is_file():
                raise FunctionError(_refusal(called, file, owner_of(name, besides=[])))


def _refusal(called: str, file: Path, owner: str) -> str:
    return (
        f"{called}: {file} has the name of a module of {owner}, and each would be imported in place of the other; "
        f"rename the file"
    )
