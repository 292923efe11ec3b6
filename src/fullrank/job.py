"""What a worker is told before it starts: plain data, pickled once and sent to every worker."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullrank.dataclass import dataclass
from fullrank.encode import Naming
from fullrank.function import CallPlan, FunctionSource, Parameter
from fullrank.schedule import Order, Todo
from fullrank.sweep import Sweep
from fullrank.system import refused_as

if TYPE_CHECKING:  # nothing that most ranks need
    from fullrank.leading import Leading


@dataclass(frozen=True)
class ArrayConstant:
    """A constant that stands in a ``.npy`` file, to be memory-mapped by each worker."""

    path: str


@dataclass(frozen=True)
class SourceFile:
    """One file of the user's from which items are computed, as root read it: code, or an array."""

    path: str
    mark: tuple[int, int] | None
    """What :func:`mark_of` tells of it."""
    digest: str
    """Of what the code does, or of an array's whole file."""
    is_code: bool = True


def may_be_edited(source: SourceFile) -> bool:
    """Return whether a file may be another one than root read; no for one that is not there."""
    return mark_of(source.path) not in (source.mark, None)


def mark_of(path: str | Path) -> tuple[int, int] | None:
    """Return what differs after an edit: a file's size and its time in nanoseconds; None if it is not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True)
class Job:
    """One attempt at a study, as every worker sees it."""

    function: FunctionSource
    parameters: tuple[Parameter, ...]
    """Signature of the function, read at root."""
    setup: FunctionSource | None
    setup_parameters: tuple[Parameter, ...]
    constants: Mapping[str, Any]
    seed: int | None
    sweep: Sweep
    naming: Naming
    stride: int
    """Of the order of visiting."""
    schedule: str
    n_workers: int
    attempt: int
    backend: str
    work_folder: str
    code_version: int = 0
    sources: tuple[SourceFile, ...] = ()
    """What the function is made of, and the arrays among its constants."""
    item_time_limit_seconds: float | None = None
    isolate: bool = False
    """Whether each worker evaluates its items in a child process."""
    item_memory_limit_bytes: int | None = None
    """Of that child process."""
    stops_at_failure: bool = False
    """Whether the first failed item ends the handing out of items."""
    stop_at: float | None = None
    """Time (of time.time()) from which no items are handed out."""
    journal_interval_seconds: float = 0.0
    """Shortest time between two writes of a worker to its journal: 0 on a local disk."""
    account_start_seconds: float | None = None
    """When the account of the attempt's time begins, as :func:`fullrank.account.system_seconds` tells time on root's
    host; None: with each worker's process."""
    suspects: frozenset[int] = frozenset()
    """Items that were running when a worker of an earlier attempt died."""
    retried: int = 0
    """Failures of attempts up to this one do not count: their items are done again."""
    among: range | None = None
    """Only the items at these visiting positions are evaluated; None: all."""
    leading: "Leading | None" = None
    """Items that go before all others; None: none does. Not beside ``among``."""

    @property
    def order(self) -> Order:
        """The order of visiting."""
        return Order(self.sweep.n_items, self.stride)

    def todo(self, finished: bytes | bytearray | None) -> Todo:
        """Return what is to do: the items of this job that have no bit in ``finished`` (None: there is none)."""
        if self.leading is not None:
            from fullrank.leading import LeadingTodo

            with refused_as(f"{self.leading.path}: cannot be read"):
                return LeadingTodo(self.order, finished, self.leading)
        return Todo(self.order, finished, among=self.among)

    @property
    def takes_seed(self) -> bool:
        """Whether each item gets its own ``seed``."""
        return self.seed is not None and any(parameter.name == "seed" for parameter in self.parameters)

    @property
    def axis_names(self) -> tuple[str, ...]:
        """What differs from item to item: the sweep's axes, and ``seed`` if the function takes it."""
        names = tuple(axis.name for axis in self.sweep.axes)
        return (*names, "seed") if self.takes_seed else names

    def call_plan(self, constants: Mapping[str, Any]) -> CallPlan:
        """Return how the function is called with ``constants``; see :func:`fullrank.function.plan_call`."""
        from fullrank.function import constants_of_function, plan_call

        return plan_call(
            self.parameters,
            axes=self.axis_names,
            constants=constants_of_function(constants, self.parameters, self.setup_parameters),
            written=self.function.written,
            has_setup=False,
        )
