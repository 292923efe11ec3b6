"""The user's function: found by name, imported in each worker, called with one item's parameters.

The standard library alone; its signature is read by :mod:`fullrank.signature`, at root only.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from fullrank.account import importing
from fullrank.dataclass import dataclass
from fullrank.errors import FunctionError, beginning, without_middle

MAX_TRACEBACK_LINES = 100
MAX_FRAMES = 1000
"""Of a traceback, the last ones, that are looked at: a recursion may have any number."""
MAX_LINE_CHARACTERS = 500
_INTERRUPTING = str(Path(__file__).with_name("interrupt.py"))
"""Where an item is interrupted that is over its time limit: no place in what the user called."""
Function = Callable[..., Any]
POSITIONAL, KEYWORD, ANY_KEYWORD = "positional", "keyword", "any keyword"


@dataclass(frozen=True)
class FunctionSource:
    """Where a function stands: ``module:name``, or ``path/to/file.py:name`` relative to the config's folder."""

    written: str
    folders: tuple[str, ...]
    """Absolute folders that come first on ``sys.path``."""
    called: str = ""
    """What the user calls it, where that is something else."""

    @property
    def name(self) -> str:
        """What follows the colon."""
        return self.written.rpartition(":")[2]

    @property
    def place(self) -> str:
        """What precedes the colon."""
        return self.written.rpartition(":")[0]

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.called or self.written

    def load(self) -> Function:
        """Import the module and return the function.

        Raises FunctionError if the module or the function is not there, or the module is not importable as named.
        An error that the module's own code raises passes through.
        """
        for folder in reversed(self.folders):
            if folder not in sys.path:
                sys.path.insert(0, folder)
        with importing():
            module = self._module()
        found: Any = module
        for part in self.name.split("."):
            found = getattr(found, part, None)
        if found is None:
            raise FunctionError(
                f"{self.shown}: there is no '{self.name}' in {self.shown.rpartition(':')[0]}"
                f"{_nearest_of(self.name, [other for other in vars(module) if not other.startswith('_')])}"
            )
        if not callable(found):
            raise FunctionError(f"{self.shown}: '{self.name}' is of type {type(found).__name__}, not a function")
        return found  # type: ignore[no-any-return]  # callable() narrows Any to Any

    def _module(self) -> ModuleType:
        if self.place.endswith(".py"):
            return _module_from_file(Path(self.folders[0], self.place))
        try:
            with _no_bytecode():
                return importlib.import_module(self.place)
        except ModuleNotFoundError as error:
            if error.name is not None and (self.place + ".").startswith(error.name + "."):
                raise FunctionError(f"{self.shown}: there is no module '{error.name}' on sys.path") from None
            raise


def _module_from_file(path: Path) -> ModuleType:
    """Import a file under its own name, so that what it defines can be pickled and imported again by its neighbours."""
    path = path.resolve()
    other_name = f"_user_{path.stem}"
    for known in (sys.modules.get(path.stem), sys.modules.get(other_name)):
        if known is not None and getattr(known, "__file__", None) == str(path):
            return known
    # a file called like a module that is loaded already must not replace it for everyone else
    is_taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = other_name if is_taken else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FunctionError(f"{path}: there is no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _no_bytecode():
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Have nothing cached of the user's own files while they are imported.

    Python takes a cached file for the present one if the source has the same size and was written in the same second:
    a quick edit of a digit would run the old code under the new code's digest.
    """
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


@dataclass(frozen=True)
class Parameter:
    """One parameter of the function's signature."""

    name: str
    kind: str
    """POSITIONAL (may be given by position), KEYWORD (by keyword alone) or ANY_KEYWORD (``**name``)."""
    required: bool


@dataclass(frozen=True)
class CallPlan:
    """Which of the names that are given go to the function by position, and which by keyword."""

    positional: tuple[str, ...]
    keywords: tuple[str, ...]


def plan_call(
    parameters: Sequence[Parameter],
    *,
    axes: Sequence[str],
    constants: Sequence[str],
    written: str,
    has_setup: bool,
    seed_cure: str = "give the study a seed",
    parameter_cure: str = "give it a value",
) -> CallPlan:
    """Return how to call a function with ``parameters``; ``seed`` is among ``axes`` if items are seeded.

    Raises FunctionError if a required parameter gets nothing or a name is no parameter. With ``has_setup`` a missing
    one may still come from what ``setup`` returns.
    """
    names = [parameter.name for parameter in parameters if parameter.kind != ANY_KEYWORD]
    takes_any = any(parameter.kind == ANY_KEYWORD for parameter in parameters)
    given = {*axes, *constants}
    for name in (*axes, *constants):
        if name not in names and not takes_any:
            what = "the axis" if name in axes else "the constant"
            raise FunctionError(
                f"{what} '{name}' is no parameter of {written}, which takes {', '.join(names) or 'none'}"
                f"{_nearest_of(name, [other for other in names if other not in given])}"
            )
    missing = [parameter.name for parameter in parameters if parameter.required and parameter.name not in given]
    if "seed" in missing:
        raise FunctionError(f"{written}: nothing gives its parameter 'seed'; {seed_cure}")
    if missing and not has_setup:
        raise FunctionError(f"{written}: nothing gives its parameter '{missing[0]}'; {parameter_cure}")
    positional: list[str] = []
    for parameter in parameters:
        if parameter.kind != POSITIONAL or parameter.name not in given:
            break
        positional.append(parameter.name)
    keywords = [name for name in (*axes, *constants) if name not in positional]
    return CallPlan(tuple(positional), tuple(keywords))


def _nearest_of(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def constants_of_function(
    names: Iterable[str], parameters: Sequence[Parameter], setup_parameters: Sequence[Parameter]
) -> tuple[str, ...]:
    """Return the constants that are the function's: all but those that only ``setup`` takes."""
    own = {parameter.name for parameter in parameters}
    of_setup = {parameter.name for parameter in setup_parameters}
    return tuple(name for name in names if name in own or name not in of_setup)


class Call:
    """A function with its constants in place: what is left to give are one column of values for each axis."""

    def __init__(
        self, function: Function, plan: CallPlan, *, axes: Sequence[str], constants: Mapping[str, Any]
    ) -> None:
        self._axes = {name: column for column, name in enumerate(axes)}
        self._constants = constants
        self._plan = plan
        keywords = plan.keywords
        if keywords:
            n_positional = len(plan.positional)

            def by_keyword(*arguments: Any) -> Any:
                named = dict(zip(keywords, arguments[n_positional:], strict=True))
                return function(*arguments[:n_positional], **named)

            self.function: Function = by_keyword
        else:
            self.function = function

    def arguments(self, columns: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
        """Return the arguments of each item, given the axes' values of all of them; endless without any axis."""
        sources = self._sources(columns)
        return zip(*sources) if sources else repeat(())  # noqa: B905  # the constants repeat without end

    @property
    def takes_one(self) -> bool:
        """Whether each item has one argument alone: no tuple needs to be made of it."""
        return len(self._names) == 1

    def only_arguments(self, columns: Sequence[Sequence[Any]]) -> Iterable[Any]:
        """Return :meth:`arguments` where there is one for each item, without the tuples."""
        (source,) = self._sources(columns)
        return source

    @property
    def _names(self) -> tuple[str, ...]:
        return (*self._plan.positional, *self._plan.keywords)

    def _sources(self, columns: Sequence[Sequence[Any]]) -> list[Iterable[Any]]:
        return [
            columns[self._axes[name]] if name in self._axes else repeat(self._constants[name]) for name in self._names
        ]


def memory_mapped(path: str) -> Any:
    """Return the array in a ``.npy`` file, read-only and memory-mapped: one copy a node, whatever the workers.

    Raises FunctionError if the file holds no array.
    """
    import numpy as np

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        # what follows its first sentence is advice for programmers
        reason = str(error).partition(". ")[0]
        raise FunctionError(f"{path}: expected an array written by numpy.save: {reason}") from None


@contextmanager
def users_errors(written: str, what: str) -> Iterator[None]:
    """Turn what the user's code raises outside items into a FunctionError: ``what`` happened, and their traceback."""
    try:
        yield
    except FunctionError:
        raise
    except (Exception, SystemExit) as error:
        raise FunctionError(f"{written}: {what}:\n{users_traceback(error).rstrip()}") from None


def users_traceback(error: BaseException) -> str:
    """Return the traceback from the user's first frame on, without fullrank's own and the import system's.

    What an exception says may be of any length: long lines are shortened, and of many lines the middle is left out.
    """
    try:
        import traceback  # which fails too in a process that has no descriptors left

        trace = from_users_code(error.__traceback__)
        told: traceback.TracebackException | None
        told = first = traceback.TracebackException(type(error), error, trace, limit=-MAX_FRAMES)
        while told is not None:
            told.stack[:] = [frame for frame in told.stack if frame.filename != _INTERRUPTING]
            told = told.__cause__ or told.__context__
        lines = "".join(first.format()).splitlines()
    except BaseException:  # the user's own __str__ may raise anything
        return f"{type(error).__name__} (its text cannot be shown)\n"
    lines = without_middle(lines, MAX_TRACEBACK_LINES)
    return "".join(f"{beginning(line, MAX_LINE_CHARACTERS)}\n" for line in lines)


def from_users_code(trace: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins with the user's first frame; None if there is no such frame."""
    while trace is not None and not is_users_code(Path(trace.tb_frame.f_code.co_filename)):
        trace = trace.tb_next
    return trace


def without_interruption(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback that ends in the user's code, where an interruption ended it; itself if none did."""
    last = trace
    while last is not None:
        following = last.tb_next
        if following is not None and following.tb_frame.f_code.co_filename == _INTERRUPTING:
            last.tb_next = following = None
        last = following
    return trace


def is_users_code(file: Path) -> bool:
    """Return whether a frame is of the user's code; the workloads that come with fullrank stand for it."""
    ours = Path(__file__).parent
    if file.is_relative_to(ours):
        return file.is_relative_to(ours / "workloads")
    return not str(file).startswith("<frozen ") and "importlib" not in file.parts
