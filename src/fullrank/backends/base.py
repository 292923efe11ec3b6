"""What all backends share: the cells that workers count in, and the contract.

A backend starts ``job.n_workers`` workers that each run :class:`fullrank.worker.Worker` on one shared counter, and
returns when the last has ended. It promises: the cells can be read at any time from any thread; a worker's death
does not keep the others from going on, and is told; a call of ``stop`` ends the handing out of items at once.
"""

from collections.abc import Callable, MutableSequence
from contextlib import AbstractContextManager, nullcontext
from math import nan
from typing import Protocol

from fullrank.dataclass import dataclass, field
from fullrank.job import Job
from fullrank.schedule import Todo

N_CELLS = 4
POSITION, FINISHED, FAILED, BUSY_MILLISECONDS = range(N_CELLS)
CELLS_BYTES = 8 * N_CELLS
MAX_CLAIMS = 2**62
"""Added to the position to stop a run: beyond any number of items, and no overflow when added again."""


Cells = MutableSequence[int] | memoryview
"""The shared integers, wherever they are."""


@dataclass(frozen=True)
class Tally:
    """How far an attempt is."""

    n_finished: int
    n_failed: int
    busy_seconds: float


def tally_of(cells: Cells) -> Tally:
    """Return what the shared cells tell."""
    return Tally(cells[FINISHED], cells[FAILED], cells[BUSY_MILLISECONDS] / 1000)


@dataclass(frozen=True)
class Death:
    """A worker that ended without having closed its journal."""

    worker: int
    host: str
    reason: str
    item: int | None = None
    """The item it was in, if it was in one."""

    def __str__(self) -> str:
        where = "outside any item" if self.item is None else f"in item {self.item}"
        return f"worker {self.worker} ({self.host}) died {where}: {self.reason}"


@dataclass(frozen=True)
class Outcome:
    """How an attempt's compute ended."""

    stopped: bool
    """A signal asked for it."""
    deaths: tuple[Death, ...] = ()
    ended: float = field(default=nan, compare=False)  # NaN is equal to nothing
    """Moment when all workers had ended, on the clock of the member that tells."""


class Handle(Protocol):
    """What a run in progress lets others do to it."""

    def tally(self) -> Tally:
        """Return how far the workers are."""

    def stop(self) -> None:
        """Stop the handing out of items."""


Watch = Callable[[Handle], AbstractContextManager[None]]
"""Entered when the workers compute; a progress display, for example."""


def unwatched(_handle: Handle) -> AbstractContextManager[None]:
    """Watch nothing."""
    return nullcontext()


class Backend(Protocol):
    """One way of running a job's workers in or from this process."""

    def __call__(self, job: Job, todo: Todo, watch: Watch) -> Outcome:
        """Run all workers until nothing is left, the run is stopped, or all are dead.

        Raises what the first worker raised outside any item: FunctionError and the user's own errors at import.
        """


@dataclass
class LocalCounter:
    """A counter for one worker: plain integers. Others put a lock around it."""

    cells: Cells = field(default_factory=lambda: [0] * N_CELLS)
    _answer: int = 0

    def begin(self, size: int) -> None:
        """Fetch the position and add ``size`` to it."""
        self._answer = self.cells[POSITION]
        self.cells[POSITION] += size

    def result(self) -> int:
        """Return the position that was fetched."""
        return self._answer

    def add_finished(self, n_finished: int, n_failed: int, *, busy_milliseconds: int) -> None:
        """Add to the tally."""
        self.cells[FINISHED] += n_finished
        self.cells[FAILED] += n_failed
        self.cells[BUSY_MILLISECONDS] += busy_milliseconds

    def stop(self) -> None:
        """Let every later claim find nothing."""
        self.cells[POSITION] = MAX_CLAIMS

    def stopped(self) -> bool:
        """Return whether the counter was stopped."""
        return self.cells[POSITION] >= MAX_CLAIMS

    def tally(self) -> Tally:
        """Return how far the workers are."""
        return tally_of(self.cells)
