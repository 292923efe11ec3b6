"""N ranks on any number of nodes; every one computes, root (rank 0) too. The only importer of mpi4py.

Claims are one ``MPI_Fetch_and_op`` on a window that root allocates. Ranks that have to wait for others sleep between
looks at the request: blocking calls of MPI spin on a whole core.
"""

import os
import pickle
import signal
import sys
import time
import traceback
from array import array
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

os.environ.setdefault("OMPI_MCA_osc", "^ucx")  # Open MPI's wheel complains once a rank about a component it lacks

import mpi4py

mpi4py.rc.thread_level = "funneled"  # the keeper's and the display's thread call no MPI

from mpi4py import MPI

from fullrank.backends.base import (
    BUSY_MILLISECONDS,
    CELLS_BYTES,
    FINISHED,
    MAX_CLAIMS,
    N_CELLS,
    POSITION,
    Outcome,
    Tally,
    Watch,
    tally_of,
)
from fullrank.crew import Member
from fullrank.errors import FullrankError, FunctionError, JournalError
from fullrank.evaluate import Cell
from fullrank.interrupt import MainThreadInterrupts
from fullrank.job import Job
from fullrank.output import ItemLog, descriptors_replaced, streams_replaced
from fullrank.schedule import Todo
from fullrank.worker import LOG_SUFFIX, RUNNING_SUFFIX, Keeper, Worker, file_stem, running_cell

ROOT = 0
_SHORTEST_SLEEP_SECONDS = 20e-6
_LONGEST_SLEEP_SECONDS = 0.01
_SLEEP_SHARE = 0.02


def wait(request: MPI.Request) -> None:
    """Complete ``request``, sleeping between looks at it: 2 % of the time waited so far, at most 10 ms."""
    begun = time.perf_counter()
    while not request.Test():
        waited_seconds = time.perf_counter() - begun
        time.sleep(min(max(_SHORTEST_SLEEP_SECONDS, _SLEEP_SHARE * waited_seconds), _LONGEST_SLEEP_SECONDS))


def broadcast(comm: MPI.Comm, message: bytes | None) -> bytes:
    """Return root's ``message`` on every rank. Collective over ``comm``."""
    size = array("q", [len(message or b"")])
    wait(comm.Ibcast(size, ROOT))
    buffer = bytearray(message) if message is not None else bytearray(size[0])
    wait(comm.Ibcast(buffer, ROOT))
    return bytes(buffer)


def gather(comm: MPI.Comm, message: bytes) -> list[bytes]:
    """Return the messages of all ranks, by rank, on root; an empty list elsewhere. Collective over ``comm``."""
    own = array("q", [len(message)])
    sizes = array("q", bytes(8 * comm.size)) if comm.rank == ROOT else None
    wait(comm.Igather(own, sizes, ROOT))
    if sizes is None:
        wait(comm.Igatherv(message, None, ROOT))
        return []
    received = bytearray(sum(sizes))
    wait(comm.Igatherv(message, [received, sizes.tolist()], ROOT))
    parts, start = [], 0
    for size in sizes:
        parts.append(bytes(received[start : start + size]))
        start += size
    return parts


def _cells(numbers: "array[int]") -> tuple[Any, MPI.Datatype]:
    return numbers, MPI.INT64_T


class WindowCounter:
    """The shared counter in a window on root. Made by all ranks together, then used by each one's main thread."""

    def __init__(self, comm: MPI.Comm, n_items: int) -> None:
        self._n_items = n_items
        # Allocate, not Create: within a node the other ranks then reach it without root's help
        self._window = MPI.Win.Allocate(CELLS_BYTES if comm.rank == ROOT else 0, 8, comm=comm)
        self._memory: Any = None
        if comm.rank == ROOT:
            self._memory = memoryview(self._window.tomemory()).cast("B").cast("q")
            for cell in range(N_CELLS):
                self._memory[cell] = 0
        wait_for_all(comm)
        self._window.Lock_all()
        self._answer = array("q", [0])
        self._added: array[int] = array("q")

    def begin(self, size: int) -> None:
        """Start to fetch the position and add ``size`` to it."""
        self._size = array("q", [size])
        self._window.Fetch_and_op(_cells(self._size), _cells(self._answer), ROOT, POSITION, MPI.SUM)

    def result(self) -> int:
        """Return the position that was fetched, waiting for it where need be."""
        self._window.Flush(ROOT)
        return self._answer[0]

    def add_finished(self, n_finished: int, n_failed: int, *, busy_milliseconds: int) -> None:
        """Add to the tally, by the time of the next claim's result."""
        # kept until the flush: MPI may read it that late
        self._added = array("q", [n_finished, n_failed, busy_milliseconds])
        n_cells = BUSY_MILLISECONDS - FINISHED + 1
        self._window.Accumulate(_cells(self._added), ROOT, (FINISHED, n_cells, MPI.INT64_T), MPI.SUM)

    def stop(self) -> None:
        """Let every later claim find nothing."""
        self._window.Accumulate(_cells(array("q", [self._n_items])), ROOT, (POSITION, 1, MPI.INT64_T), MPI.SUM)
        self._window.Flush(ROOT)

    def stop_from_root(self) -> None:
        """:meth:`stop`, by one store into root's memory; needs no MPI call in the unified memory model."""
        self._memory[POSITION] = MAX_CLAIMS

    def stopped(self) -> bool:
        """Return whether there is nothing left to claim."""
        position = array("q", [0])
        self._window.Fetch_and_op(_cells(array("q", [0])), _cells(position), ROOT, POSITION, MPI.NO_OP)
        self._window.Flush(ROOT)
        return position[0] >= self._n_items

    def tally(self) -> Tally:
        """Return how far the workers are; on root, from any thread: it reads memory and calls no MPI."""
        return tally_of(self._memory)

    def free(self) -> None:
        """Free the window. Collective."""
        self._memory = None
        self._window.Unlock_all()
        self._window.Free()


class _Handle:
    """What root's display may do: its thread must not call MPI, but it may read and write root's own memory."""

    def __init__(self, counter: WindowCounter) -> None:
        self._counter = counter

    def tally(self) -> Tally:
        """Return how far the workers are."""
        return self._counter.tally()

    def stop(self) -> None:
        """Let every later claim find nothing, even while root's worker is in the middle of an item."""
        self._counter.stop_from_root()


class MpiTeam:
    """The ranks of a communicator; each is one member of the crew and one worker."""

    def __init__(self, comm: MPI.Comm) -> None:
        self.comm = comm
        self.rank, self.size = comm.rank, comm.size

    def union(self, bitmap: bytearray) -> bytearray:
        """Return the bits set on any rank. Collective."""
        result = bytearray(len(bitmap))
        wait(self.comm.Iallreduce([bitmap, MPI.BYTE], [result, MPI.BYTE], MPI.BOR))
        return result

    def run(self, job: Job, todo: Todo, watch: Watch) -> Outcome:
        """Be one worker until nothing is left or the run is stopped. Collective."""
        stem = Path(job.work_folder, file_stem(job.attempt, self.rank))
        running = running_cell(stem.with_suffix(RUNNING_SUFFIX))
        signals = MainThreadInterrupts(running=running, item_time_limit_seconds=job.item_time_limit_seconds)
        log = ItemLog(stem.with_suffix(LOG_SUFFIX), running)
        with ExitStack() as stack:
            stack.enter_context(descriptors_replaced(log))
            stack.enter_context(streams_replaced(log))
            worker = self._worker(job, running=running, signals=signals, log=log)
            keeper = Keeper([worker.journal], parent=os.getppid())
            keeper.start()
            stack.callback(keeper.end)
            counter = WindowCounter(self.comm, todo.n_items)
            stack.callback(counter.free)
            if self.rank == ROOT:
                stack.enter_context(watch(_Handle(counter)))
            wait_for_all(self.comm)
            stack.enter_context(signals.installed())
            stack.callback(wait_for_all, self.comm)
            try:
                worker.run(counter, todo, keeper)
            except JournalError:
                counter.stop()
                raise
        return Outcome(stopped=signals.requested)

    def _worker(
        self, job: Job, *, running: Cell, signals: MainThreadInterrupts, log: ItemLog
    ) -> Worker:
        """Return this rank's worker. Collective; if that fails on any rank, it raises on every one."""
        error: FullrankError | None = None
        try:
            worker = Worker(
                job,
                self.rank,
                running=running,
                interrupts=signals.interrupts,
                last_output=log.last_output,
                stop_requested=lambda: signals.requested,
            )
        except FullrankError as known:
            error = known
        except Exception:
            where = f"rank {self.rank} of {self.size} ({os.uname().nodename})"
            error = FunctionError(f"{where} cannot load {job.function.written}:\n{traceback.format_exc()}")
        n_failed = array("q", [0])
        wait(self.comm.Iallreduce(array("q", [error is not None]), n_failed, MPI.SUM))
        if n_failed[0]:
            raise error or FunctionError(f"{n_failed[0]} other ranks cannot load {job.function.written}")
        return worker


def wait_for_all(comm: MPI.Comm) -> None:
    """Return when every rank has called this. Collective."""
    wait(comm.Ibarrier())


class MpiCrew:
    """All ranks of a communicator, as root sees them."""

    def __init__(self, comm: MPI.Comm) -> None:
        self._comm = comm
        self.size = comm.size
        self.member = Member(MpiTeam(comm))

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method on every rank and return the results by rank; raises the first error of any. Collective."""
        broadcast(self._comm, pickle.dumps((method, arguments)))
        results = [pickle.loads(part) for part in gather(self._comm, _answer(self.member, method, arguments))]
        errors = [result.error for result in results if isinstance(result, _Raised)]
        if errors:
            raise max(errors, key=lambda error: len(str(error)))  # the one that names the cause
        return results

    def leave(self, exit_code: int) -> None:
        """End the other ranks with ``exit_code``."""
        broadcast(self._comm, pickle.dumps(("leave", (exit_code,))))


class _Raised:
    """An error that travels to root."""

    def __init__(self, error: FullrankError) -> None:
        self.error = error


def _answer(member: Member, method: str, arguments: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps(getattr(member, method)(*arguments))
    except FullrankError as error:
        return pickle.dumps(_Raised(error))


def follow(comm: MPI.Comm) -> int:
    """Be a rank other than root: do what root calls until it says leave; return the exit code."""
    member = Member(MpiTeam(comm))
    while True:
        method, arguments = pickle.loads(broadcast(comm, None))
        if method == "leave":
            return int(arguments[0])
        gather(comm, _answer(member, method, arguments))


def library() -> str:
    """Return the MPI library's name and version, as in ``MPICH 5.0.2``."""
    name, version = MPI.get_vendor()
    return f"{name} {'.'.join(map(str, version))}"


def abort(comm: MPI.Comm, exit_code: int) -> NoReturn:
    """End all ranks now: one of them cannot go on and the others would wait for it for ever."""
    sys.stderr.flush()
    comm.Abort(exit_code)
    os._exit(exit_code)


def guarded_follow() -> int:
    """:func:`follow` on the world; what it raises is shown and ends all ranks."""
    comm = MPI.COMM_WORLD
    try:
        return follow(comm)
    except BaseException as error:
        where = f"rank {comm.rank} of {comm.size} ({os.uname().nodename})"
        os.write(2, f"fullrank: {where}: the run ends here\n{traceback.format_exc()}".encode())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        abort(comm, error.exit_code if isinstance(error, FullrankError) else 70)
