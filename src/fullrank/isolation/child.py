"""The child: ``python -m fullrank.isolation.child ANSWERS_FD CELL_FD STACK_FD``.

It evaluates claims until its worker is gone.
"""

import mmap
import os
import pickle
import signal
import sys
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from fullrank.beside import out_of_reach
from fullrank.claim import Batch, Cell
from fullrank.errors import FullrankError, FunctionError
from fullrank.evaluate import Evaluator, Interrupts
from fullrank.interrupt import LEFT_BEHIND, MainThreadInterrupts, leave_stopping_to_worker, left_behind_told
from fullrank.isolation.memory import OUT_OF_MEMORY_CODE, MemoryLimit, check_room, counted_bytes
from fullrank.isolation.messages import CLAIMED, EARLY, READY, UNREADY, received, send
from fullrank.isolation.watch import ABANDON
from fullrank.job import Job
from fullrank.output import ItemLog, descriptors_replaced, streams_replaced, tell_fatal_signals
from fullrank.parent import die_with

_UNTOLD_SECONDS = 0.001
"""Items that end within so long are told together."""
_TELLING_SHARE = 0.1
"""Of the time, that may be spent on telling. The keeper tells every second, whatever telling takes."""


class _Pausing:
    """Items of a claim, that pause where it is time to tell which have ended: the time of telling is no item's.

    A pause is a StopIteration after which it goes on, once ``pause_at`` is later.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.pause_at = time.perf_counter() + _UNTOLD_SECONDS

    def __iter__(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        return self

    def __next__(self) -> tuple[int, tuple[Any, ...]]:
        if time.perf_counter() >= self.pause_at:
            raise StopIteration
        return next(self._batch)


class _TellingEvaluator(Evaluator):
    """An evaluator that tells its worker what has ended while the claim goes on: its own death loses nothing of it."""

    def __init__(self, job: Job, answers: int, *, running: Cell, interrupts: Interrupts, log: ItemLog) -> None:
        super().__init__(job, running=running, interrupts=interrupts, last_output=log.last_output)
        self._answers = answers
        self._telling = threading.Lock()
        self._cpu_seconds = time.process_time()
        self._first: int | None = None
        self._memory = MemoryLimit(job.item_memory_limit_bytes)
        self._memory.apply()

    def answer(self, indices: list[int]) -> None:
        """Evaluate a claim and send what became of it."""
        if self._first is None:
            self._first = indices[0]
        evaluation = self.evaluate(indices)
        before, self._cpu_seconds = self._cpu_seconds, time.process_time()
        message = pickle.dumps((evaluation, self._cpu_seconds - before))
        with self._telling:  # an early frame that came later would be taken for the next claim's
            self._send(CLAIMED, message)

    def refuse(self, error: FullrankError) -> None:
        """Send why the run is to end."""
        with self._telling:
            self._send(UNREADY, pickle.dumps(error))

    def _send(self, kind: bytes, body: bytes) -> None:
        """Send a whole message, whatever signal an item left behind."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_BEHIND)
        try:
            send(self._answers, kind, body)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def flush(self) -> None:
        """Send what has ended and was not told yet; from any thread."""
        with self._telling:
            for frame in self.early_frames():
                self._send(EARLY, frame)

    def sync(self) -> None:
        """:meth:`flush`; the journal is the worker's."""
        self.flush()

    def _batch(self, indices: Sequence[int]) -> Batch:
        self._pausing = _Pausing(super()._batch(indices))
        return self._pausing

    def _pause(self) -> None:
        paused_at, begun = time.perf_counter(), time.thread_time()  # without what others on this core do meanwhile
        self.flush()
        cost_seconds, now = time.thread_time() - begun, time.perf_counter()
        self._paused_seconds += now - paused_at
        self._pausing.pause_at = now + max(_UNTOLD_SECONDS, cost_seconds / _TELLING_SHARE)

    def _describe(self, error: BaseException, index: int) -> dict[str, str]:
        if not (isinstance(error, MemoryError) and self._memory.limit_bytes):
            return super()._describe(error, index)
        with self._memory.lifted():
            if index != self._first:  # items before it may have left too little: a fresh process judges
                self.flush()
                self._running[0] = index
                os._exit(OUT_OF_MEMORY_CODE)
            described, limit = super()._describe(error, index), f"the limit of {self._memory.limit_bytes:,} bytes"
            exception = described["exception"]  # of Python's own the type alone; numpy's says for what there is no room
            told = f"{exception}: over {limit}" if exception == "MemoryError" else f"{exception} (under {limit})"
            return described | {"exception": told}


def main() -> int:
    """Be the child; return its exit code."""
    from fullrank.worker import Keeper

    die_with(os.getppid())  # the keeper's thread does not run while an item holds the GIL in C code
    leave_stopping_to_worker()
    answers, cell, stack_file = (int(argument) for argument in sys.argv[1:4])
    running: Cell = memoryview(mmap.mmap(cell, 8)).cast("q")
    os.close(cell)
    os.set_inheritable(answers, False)
    os.set_inheritable(stack_file, False)
    answers, stack_file = out_of_reach(answers), out_of_reach(stack_file)
    tell_fatal_signals(stack_file)
    messages = received(_own_standard_input())
    first = next(messages, None)
    if first is None:  # the worker was killed before it had sent it
        return os.EX_OK
    job, log_path = pickle.loads(first[1])
    signals = MainThreadInterrupts(
        running=running,
        item_time_limit_seconds=job.item_time_limit_seconds,
        grace_seconds=0.0,
        numbers=(ABANDON,),
    )
    log = ItemLog(Path(log_path), running)
    with ExitStack() as stack:
        stack.enter_context(descriptors_replaced(log))
        stack.enter_context(streams_replaced(log))
        try:
            evaluator = _TellingEvaluator(job, answers, running=running, interrupts=signals.interrupts, log=log)
            check_room(job.item_memory_limit_bytes, counted_bytes())
        except FullrankError as error:
            send(answers, UNREADY, pickle.dumps(error))
            return error.exit_code
        keeper = Keeper([evaluator], parent=os.getppid())
        keeper.start()
        stack.callback(keeper.end)
        stack.enter_context(signals.installed())
        send(answers, READY, b"")
        try:
            with left_behind_told(job.function.written):
                for _, claim in messages:
                    evaluator.answer(array("q", claim).tolist())
                    signals.regain_timer()
        except FunctionError as error:
            evaluator.refuse(error)
            return error.exit_code
    return 0


def _own_standard_input() -> int:
    """Return the pipe from the worker; user code that asks for input finds an end of file."""
    own, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return out_of_reach(own)


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # the worker is gone, and nobody else wants to know
        sys.exit(main())
