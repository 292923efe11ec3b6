"""The loop that every worker of every backend runs, and what surrounds it: journal, running cell, account of time."""

import json
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from math import inf, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fullrank.account import WORKER_PHASES, Arrival, Phases
from fullrank.claim import IDLE, Cell
from fullrank.errors import FunctionError, JournalError
from fullrank.evaluate import Evaluation, Evaluator, Interrupts
from fullrank.features import platform_features
from fullrank.interrupt import Helper, left_behind_told
from fullrank.job import Job
from fullrank.journal import JournalWriter, Kind, pack
from fullrank.schedule import Counter, Pace, Todo, guided_claims, static_claims
from fullrank.system import System, write_all

if TYPE_CHECKING:
    from fullrank.isolation.evaluator import IsolatedEvaluator

FLUSH_SECONDS = 1.0
SYNC_SECONDS = 5.0
JOURNAL_SUFFIX, RUNNING_SUFFIX, LOG_SUFFIX, DEATH_SUFFIX = ".journal", ".running", ".log", ".death"
_STATIC_LOOK_SECONDS = 0.5
PIECE_ITEMS = 4096
"""Of a claim, evaluated and written down together: all that Python makes of so many stays in a core's second cache
(256 KB and more); of 32,000 items that do nothing each takes a third longer."""


class SharedCounter(Counter, Protocol):
    """A backend's counter: claims, and beside them the tally of what is finished."""

    def add_finished(self, n_finished: int, n_failed: int, *, busy_milliseconds: int) -> None:
        """Count items that ended, those of them without a result, and the time they took."""

    def stop(self) -> None:
        """Let every later claim of any worker find nothing."""

    def stopped(self) -> bool:
        """Return whether there is nothing left to claim."""


def file_stem(attempt: int, worker: int) -> str:
    """Return the common part of the names of a worker's files in the work folder.

    >>> file_stem(1, 3)
    'a0001-w00003'
    """
    return f"{attempt_stem(attempt)}w{worker:05d}"


def attempt_stem(attempt: int) -> str:
    """Return how the names of all files of one attempt in the work folder begin."""
    return f"a{attempt:04d}-"


def death_note(work_folder: str | Path, attempt: int) -> Path:
    """Return where it is noted what ended the attempt's ranks."""
    return Path(work_folder, f"{attempt_stem(attempt)}ranks{DEATH_SUFFIX}")


def running_cell(path: Path, system: System = os, *, of_child: bool = False) -> Cell:
    """Create a file of 8 bytes and return it as one memory-mapped integer: setting it is no system call.

    Where the file system cannot make or map a file, the cell is ordinary memory and a death leaves no suspect. A file
    that is ``of_child`` is for the child of an isolated worker to set, and the worker's own cell is always idle.
    """
    with suppress(OSError):
        fd = system.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(system, fd, IDLE.to_bytes(8, "little", signed=True))
            if not of_child:
                return memoryview(mmap.mmap(fd, 8)).cast("q")
        finally:
            system.close(fd)
    return [IDLE]


class Lagging(Protocol):
    """What a keeper keeps up: a journal, or a worker with its journal."""

    def flush(self) -> None:
        """Hand all there is to the operating system."""

    def sync(self) -> None:
        """Have the disk keep it."""


class Keeper(Helper):
    """Keeps journals from lagging: flushed every second, on the disk every five, whatever the workers do.

    A thread and not the timer's handler, so that compute goes on while the disk is waited for. It also ends a process
    whose parent died: an orphan would compute what its successors compute again.
    """

    def __init__(self, journals: Sequence[Lagging], *, parent: int | None = None, daemon: bool = True) -> None:
        super().__init__(name="fullrank-keeper", daemon=daemon)
        self._journals = journals
        self._parent = parent
        self._end = threading.Event()
        self.error: JournalError | None = None

    def run(self) -> None:
        """Flush and sync until :meth:`end`, or until a journal cannot be written."""
        next_sync = time.monotonic() + SYNC_SECONDS
        while not self._end.wait(FLUSH_SECONDS):
            if self._parent is not None and os.getppid() != self._parent:
                self._leave()
            sync = time.monotonic() >= next_sync
            try:
                for journal in self._journals:
                    journal.sync() if sync else journal.flush()
            except JournalError as error:
                self.error = error
                return
            if sync:
                next_sync = time.monotonic() + SYNC_SECONDS

    def _leave(self) -> None:
        with suppress(JournalError):
            for journal in self._journals:
                journal.flush()
        os._exit(75)

    def end(self) -> None:
        """Stop and wait for the thread."""
        self._end.set()
        self.join()


class Worker:
    """One worker of one attempt. Used by one thread; ``keeper``'s thread flushes its journal."""

    def __init__(
        self,
        job: Job,
        number: int,
        *,
        running: Cell,
        interrupts: Interrupts,
        last_output: Callable[[int], str] = lambda _index: "",
        stop_requested: Callable[[], bool] = lambda: False,
        arrival: Arrival | None = None,
        system: System = os,
    ) -> None:
        self._job = job
        self.number = number
        self._interrupts = interrupts
        self._stop_requested = stop_requested
        self._running = running
        self._arrival = arrival or Arrival.now(job.account_start_seconds)
        self._phases = Phases(self._arrival.moment, WORKER_PHASES)
        self._evaluator = self._new_evaluator(last_output)
        self._phases.close("import", time.perf_counter())
        header = {
            "attempt": job.attempt,
            "worker": number,
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "backend": job.backend,
            "platform": platform_features(),
            "n_items": job.sweep.n_items,
            "code_version": job.code_version,
        }
        try:
            self.journal = JournalWriter(
                Path(job.work_folder, file_stem(job.attempt, number) + JOURNAL_SUFFIX),
                header,
                write_interval_seconds=job.journal_interval_seconds,
                system=system,
            )
        except JournalError:
            self.close()
            raise
        self._running_file = self.journal.path.with_suffix(RUNNING_SUFFIX)
        self._recording = threading.Lock()
        self._pace = Pace()
        self._n_claims = 0
        self._told_milliseconds = 0

    def _new_evaluator(self, last_output: Callable[[int], str]) -> "Evaluator | IsolatedEvaluator":
        job = self._job
        if not job.isolate:
            return Evaluator(job, running=self._running, interrupts=self._interrupts, last_output=last_output)
        from fullrank.isolation.evaluator import IsolatedEvaluator

        stem = Path(job.work_folder, file_stem(job.attempt, self.number))
        cell, log = stem.with_suffix(RUNNING_SUFFIX), stem.with_suffix(LOG_SUFFIX)
        return IsolatedEvaluator(job, cell=cell, log=log, interrupts=self._interrupts)

    def run(self, counter: SharedCounter, todo: Todo, keeper: Keeper) -> None:
        """Claim and evaluate until nothing is left or the run is to stop; then close the journal.

        Raises JournalError if the journal cannot be written, and FunctionError if the name of a result is taken, if
        a new child of an isolated worker cannot load the function, or if a signal that an item left behind interrupts
        what is no item; what was written before stays.
        """
        with left_behind_told(self._job.function.written):
            self._run(counter, todo, keeper)

    def _run(self, counter: SharedCounter, todo: Todo, keeper: Keeper) -> None:
        clock, phases = time.perf_counter, self._phases
        begun, cpu_begun = clock(), time.thread_time()
        ended, refusal = begun, ""
        phases.close("start_wait", begun)
        if self._stop_requested():
            counter.stop()
        for positions in self._claims(counter, todo):
            claimed = clock()
            phases.close("claim", claimed)
            self._n_claims += 1
            is_last, busy_before, paused_seconds = False, self._pace.busy_seconds, 0.0
            for evaluation in self._evaluations(todo, positions):
                self._record(evaluation, since=claimed)
                self._count(evaluation, counter)
                is_last, refusal = self._ends_run(evaluation), refusal or evaluation.refusal
                paused_seconds += evaluation.paused_seconds
            before, ended = ended, clock()
            phases.close("count", ended)
            self._pace.add_overhead(ended - before - (self._pace.busy_seconds - busy_before) - paused_seconds)
            if keeper.error is not None:
                raise keeper.error
            if is_last or self._stop_requested():
                counter.stop()
                break
        self._close(begun, ended, cpu_seconds=time.thread_time() - cpu_begun)
        if refusal:
            raise FunctionError(refusal)

    def close(self) -> None:
        """Let go of what evaluates items; whoever makes a worker calls this at last."""
        self._evaluator.close()

    def _record(self, evaluation: Evaluation, *, since: float) -> None:
        """Write down what became of a claim that began at ``since``."""
        evaluated, phases = time.perf_counter(), self._phases
        if not isnan(evaluation.begun):
            phases.close("prepare", evaluation.begun)
        phases.close_two("compute", "encode", seconds=evaluation.busy_seconds, now=evaluated)
        with self._recording:
            if evaluation.frames:
                self.journal.append(b"".join(evaluation.frames), since=since, now=evaluated)
        phases.close("journal", time.perf_counter())
        self._pace.add_items(evaluation.n_finished, evaluation.busy_seconds)

    def _count(self, evaluation: Evaluation, counter: SharedCounter) -> None:
        """Add to the tally; what is lost of the time by rounding is told the next time."""
        before, self._told_milliseconds = self._told_milliseconds, round(1000 * self._pace.busy_seconds)
        counter.add_finished(
            evaluation.n_finished, evaluation.n_failed, busy_milliseconds=self._told_milliseconds - before
        )

    def flush(self) -> None:
        """Write down what the running claim has finished so far, and flush the journal; from the keeper's thread."""
        with self._recording:  # the claim's own frames must not come in between
            for frame in self._evaluator.early_frames():
                now = time.perf_counter()
                self.journal.append(frame, since=now, now=now)
        self.journal.flush()

    def sync(self) -> None:
        """:meth:`flush`, and have the disk keep it; a sign of life for all who look at the running cell's file."""
        with suppress(OSError):  # where files cannot be mapped there may be none
            os.utime(self._running_file)
        self.flush()
        self.journal.sync()

    def _claims(self, counter: SharedCounter, todo: Todo) -> Iterator[range]:
        if self._job.schedule == "guided":
            return guided_claims(
                counter,
                todo.n_items,
                n_workers=self._job.n_workers,
                pace=self._pace,
                clock=time.perf_counter,
                part=todo.part,
                is_fair=todo.is_fair,
            )
        return self._own_block(counter, todo)

    def _own_block(self, counter: SharedCounter, todo: Todo) -> Iterator[range]:
        """Yield the pieces of this worker's share, looking now and then whether the run was stopped."""
        looked = -inf
        shares = todo.shares(self._job.n_workers, self.number)
        for piece in chain.from_iterable(static_claims(share, pace=self._pace) for share in shares):
            if time.perf_counter() - looked > _STATIC_LOOK_SECONDS:
                if counter.stopped():
                    return
                looked = time.perf_counter()
            yield piece

    def _evaluations(self, todo: Todo, positions: range) -> Iterator[Evaluation]:
        """Evaluate one claim, piece by piece."""
        for start in range(0, len(positions), PIECE_ITEMS):
            for evaluation in self._evaluations_of(todo.indices(positions[start : start + PIECE_ITEMS])):
                yield evaluation
                if self._ends_run(evaluation):
                    return

    def _evaluations_of(self, indices: list[int]) -> Iterator[Evaluation]:
        """Evaluate some items: the suspects among them last, in a child process each unless all items are in one."""
        may_be_deadly = self._job.suspects and not self._job.isolate
        suspects = self._job.suspects.intersection(indices) if may_be_deadly else frozenset()
        innocent = [index for index in indices if index not in suspects] if suspects else indices
        for evaluation in self._evaluator.evaluations(innocent) if innocent else ():
            yield evaluation
            if self._ends_run(evaluation):
                return
        for index in suspects:
            from fullrank.contained import evaluate_contained

            evaluation = evaluate_contained(
                self._job,
                index,
                running=self._running,
                interrupts=self._interrupts,
                stop_requested=self._stop_requested,
            )
            yield evaluation
            if self._ends_run(evaluation):
                return

    def _ends_run(self, evaluation: Evaluation) -> bool:
        """Return whether no worker is to claim any more: root's own look, five times a second, would be late."""
        stops_at_failure = self._job.stops_at_failure and evaluation.n_failed > 0
        return bool(evaluation.abandoned or evaluation.refusal or stops_at_failure)

    def _close(self, begun: float, ended: float, *, cpu_seconds: float) -> None:
        arrival = self._arrival
        account = {
            "n_items": self._pace.n_items,
            "n_claims": self._n_claims,
            "launch_seconds": arrival.launch_seconds,
            "startup_seconds": arrival.startup_seconds,
            "root_import_seconds": arrival.root_import_seconds,
            **{f"{phase}_seconds": seconds for phase, seconds in self._phases.seconds.items()},
            "elapsed_seconds": ended - begun,
            "cpu_seconds": cpu_seconds + self._evaluator.cpu_seconds,
            # two moments far apart, so that what no phase has shows
            "account_seconds": arrival.account_seconds + ended - arrival.moment,
            "ended": ended,
        }
        now = time.perf_counter()
        self.journal.append(pack(Kind.ACCOUNT, 0, meta=json.dumps(account).encode()), since=now, now=now)
        self.journal.close()
