"""The ranks as one team: what they do together."""

import os
import signal
from array import array
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from fullrank.backends.base import Outcome, Watch
from fullrank.backends.mpi.collectives import spans_hosts, wait, wait_for_all
from fullrank.backends.mpi.counter import RootHandle, WindowCounter, is_answered_without_root
from fullrank.backends.mpi.library import MPI, ROOT
from fullrank.backends.mpi.lookout import Lookout
from fullrank.claim import Cell
from fullrank.errors import FullrankError, FunctionError
from fullrank.interrupt import EARLY, MainThreadInterrupts
from fullrank.job import Job
from fullrank.leaving import LEAVE_SECONDS
from fullrank.output import ItemLog, descriptors_replaced, streams_replaced, tell_fatal_signals
from fullrank.schedule import Todo
from fullrank.witness import Witness
from fullrank.worker import LOG_SUFFIX, RUNNING_SUFFIX, Keeper, Worker, death_note, file_stem, running_cell

if TYPE_CHECKING:
    from fullrank.backends.mpi.messages import MessageCounter

_SEVERAL_HOSTS_SECONDS = 45.0
"""So long MPI_Finalize may take there: ranks by the thousand take leave of each other."""


class MpiTeam:
    """The ranks of a communicator; each is one member of the crew and one worker."""

    def __init__(self, comm: MPI.Intracomm, witness: Witness, *, stays: bool = False) -> None:
        self.comm = comm
        self._stays = stays
        """Whether this process goes on being a rank after :meth:`leave`, in a script of the user's."""
        self.rank, self.size = comm.rank, comm.size
        self._witness = witness
        self._lookout = Lookout(comm, witness)
        self._lookout.start()
        EARLY.install()

    def leave(self) -> None:
        """Be no rank any more: each process ends when it is ready, and hears signals as before. Collective."""
        if not self._stays:
            # Open MPI's waits for ever if an item has closed its descriptors, and holds the GIL
            self._witness.leave_within(_SEVERAL_HOSTS_SECONDS if spans_hosts(self.comm) else LEAVE_SECONDS)
            MPI.Finalize()  # at Python's exit it would wait for whatever user code has left running on any rank
        self._lookout.end()
        EARLY.remove()

    def union(self, bitmap: bytearray) -> bytearray:
        """Return the bits set on any rank. Collective."""
        result = bytearray(len(bitmap))
        wait(self.comm.Iallreduce([bitmap, MPI.BYTE], [result, MPI.BYTE], MPI.BOR))
        return result

    def run(self, job: Job, todo: Todo, watch: Watch) -> Outcome:
        """Be one worker until nothing is left or the run is stopped. Collective."""
        stem = Path(job.work_folder, file_stem(job.attempt, self.rank))
        running = running_cell(stem.with_suffix(RUNNING_SUFFIX), of_child=job.isolate)
        self._lookout.attend(stem.with_suffix(RUNNING_SUFFIX), note=death_note(job.work_folder, job.attempt))
        signals = MainThreadInterrupts(
            running=running, item_time_limit_seconds=job.item_time_limit_seconds, stop_at=job.stop_at
        )
        log = ItemLog(stem.with_suffix(LOG_SUFFIX), running)
        with ExitStack() as stack:
            stack.enter_context(descriptors_replaced(log))
            stack.enter_context(streams_replaced(log))
            tell_fatal_signals()
            stack.enter_context(signals.installed())
            if EARLY.requested:
                signals.on_signal(signal.SIGUSR1, None)
            worker = self._worker(job, running=running, signals=signals, log=log)
            stack.callback(worker.close)
            keeper = Keeper([worker])
            keeper.start()
            stack.callback(keeper.end)
            stack.enter_context(self._lookout.flushing(worker.flush))
            # no collective on the way out of an unforeseen error: the others are elsewhere, and the job is aborted
            counter = self._counter(todo.n_items, signals)
            with watch(RootHandle(counter)) if self.rank == ROOT else nullcontext():
                wait_for_all(self.comm)
                failure = _compute(worker, counter, todo=todo, keeper=keeper)
                signals.regain_timer()  # without it root would answer nobody while it waits for all
                wait_for_all(self.comm)
            counter.free()
        if failure is not None:
            raise failure
        return Outcome(stopped=signals.requested)

    def _counter(self, n_items: int, signals: MainThreadInterrupts) -> "WindowCounter | MessageCounter":
        """Return the shared counter that suits the way between the ranks. Collective."""
        window = WindowCounter(self.comm, n_items)
        if not spans_hosts(self.comm) or is_answered_without_root(self.comm, window):
            return window
        window.free()
        from fullrank.backends.mpi.messages import MessageCounter  # two files that ranks of one host need not open

        counter = MessageCounter(self.comm, n_items)
        if self.rank == ROOT:
            signals.serve(counter.serve)
        return counter

    def _worker(self, job: Job, *, running: Cell, signals: MainThreadInterrupts, log: ItemLog) -> Worker:
        """Return this rank's worker. Collective; if that fails on any rank, it raises on every one."""
        error: FullrankError | None = None
        try:
            worker = Worker(
                job,
                self.rank,
                running=running,
                interrupts=signals.interrupts,
                last_output=log.last_output,
                stop_requested=signals.requested_now,
            )
        except FullrankError as known:
            error = known
        except Exception:
            import traceback

            where = f"rank {self.rank} of {self.size} ({os.uname().nodename})"
            error = FunctionError(f"{where} cannot load {job.function.written}:\n{traceback.format_exc()}")
        # named, for mpi4py does not keep the buffers of a reduction alive
        failed, n_failed = array("q", [error is not None]), array("q", [0])
        wait(self.comm.Iallreduce(failed, n_failed, MPI.SUM))
        if n_failed[0]:
            raise error or FunctionError(f"{n_failed[0]} other ranks cannot load {job.function.written}")
        return worker


def _compute(
    worker: Worker, counter: "WindowCounter | MessageCounter", *, todo: Todo, keeper: Keeper
) -> FullrankError | None:
    """Run the worker's loop; return what it raises, a journal that cannot be written say, after stopping the others."""
    try:
        worker.run(counter, todo, keeper)
    except FullrankError as error:
        counter.stop()
        return error
    counter.settle()
    return None
