"""The shared counter of ``mpi``: a window on root."""

import time
from array import array
from typing import TYPE_CHECKING, Any, cast

from fullrank.backends.base import (
    CELLS_BYTES,
    FINISHED,
    MAX_CLAIMS,
    N_CELLS,
    POSITION,
    Tally,
    tally_of,
)
from fullrank.backends.mpi.collectives import wait, wait_for_all
from fullrank.backends.mpi.library import MPI, ROOT

if TYPE_CHECKING:
    from fullrank.backends.mpi.messages import MessageCounter

_PROBE_SECONDS = 0.02
"""Claims that wait so long wait for root; hardware, or shared memory, answers within a hundredth of it."""


def _cells(numbers: "array[int]") -> tuple[Any, MPI.Datatype]:
    return numbers, MPI.INT64_T


class WindowCounter:
    """The shared counter in a window on root. Made by all ranks together, then used by each one's main thread."""

    def __init__(self, comm: MPI.Intracomm, n_items: int) -> None:
        self._n_items = n_items
        # Allocate, not Create: within a node the other ranks then reach it without root's help
        self._window = MPI.Win.Allocate(CELLS_BYTES if comm.rank == ROOT else 0, 8, comm=comm)
        self._memory: Any = None
        if comm.rank == ROOT:
            self._memory = memoryview(cast(Any, self._window.tomemory())).cast("B").cast("q")
            for cell in range(N_CELLS):
                self._memory[cell] = 0
        wait_for_all(comm)
        self._window.Lock_all()
        self._answer = array("q", [0])
        self._added: list[array[int]] = []
        """What MPI may still read: all that was added since the last flush."""

    def begin(self, size: int) -> None:
        """Start to fetch the position and add ``size`` to it."""
        self._size = array("q", [size])
        self._window.Fetch_and_op(_cells(self._size), _cells(self._answer), ROOT, POSITION, MPI.SUM)

    def result(self) -> int:
        """Return the position that was fetched, waiting for it where need be."""
        self._flush()
        return self._answer[0]

    def add_finished(self, n_finished: int, n_failed: int, *, busy_milliseconds: int) -> None:
        """Add to the tally, by the time of the next claim's result."""
        self._add(array("q", [n_finished, n_failed, busy_milliseconds]), FINISHED)

    def _add(self, numbers: "array[int]", cell: int) -> None:
        self._added.append(numbers)
        self._window.Accumulate(_cells(numbers), ROOT, (cell, len(numbers), MPI.INT64_T), MPI.SUM)

    def _flush(self) -> None:
        self._window.Flush(ROOT)
        self._added.clear()

    def settle(self) -> None:
        """Do nothing: :meth:`free` completes what was added."""

    def stop(self) -> None:
        """Let every later claim find nothing."""
        self._add(array("q", [self._n_items]), POSITION)
        self._flush()

    def stop_from_root(self) -> None:
        """:meth:`stop`, by one store into root's memory; needs no MPI call in the unified memory model."""
        self._memory[POSITION] = MAX_CLAIMS

    def stopped(self) -> bool:
        """Return whether there is nothing left to claim."""
        unused, position = array("q", [0]), array("q", [0])
        self._window.Fetch_and_op(_cells(unused), _cells(position), ROOT, POSITION, MPI.NO_OP)
        self._flush()
        return position[0] >= self._n_items

    def tally(self) -> Tally:
        """Return how far the workers are; on root, from any thread: it reads memory and calls no MPI."""
        return tally_of(self._memory)

    def free(self) -> None:
        """Free the window. Collective."""
        self._memory = None
        self._window.Unlock_all()
        self._window.Free()


def is_answered_without_root(comm: MPI.Intracomm, counter: WindowCounter) -> bool:
    """Return whether ranks reach the counter while root computes, by hardware say. Collective, the same on each."""
    wait_for_all(comm)
    if comm.rank == ROOT:
        time.sleep(3 * _PROBE_SECONDS)  # no call of the library
        waited_seconds = 0.0
    else:
        time.sleep(_PROBE_SECONDS)  # root may have left the barrier later
        begun = time.perf_counter()
        counter.stopped()
        waited_seconds = time.perf_counter() - begun
    # named, for mpi4py does not keep the buffers of a reduction alive
    own, longest = array("d", [waited_seconds]), array("d", [0.0])
    wait(comm.Iallreduce(own, longest, MPI.MAX))
    return longest[0] < _PROBE_SECONDS


class RootHandle:
    """What root's display may do: its thread must not call MPI, but it may read and write root's own memory."""

    def __init__(self, counter: "WindowCounter | MessageCounter") -> None:
        self._counter = counter

    def tally(self) -> Tally:
        """Return how far the workers are."""
        return self._counter.tally()

    def stop(self) -> None:
        """Let every later claim find nothing, even while root's worker is in the middle of an item."""
        self._counter.stop_from_root()
