"""The child of the ``processes`` backend: ``python -m fullrank.backends.child COUNTER_FD ANSWERS_FD``.

It reads the pickled job from its standard input, answers ``ready``, and computes once a byte arrives. The pipes are
its parent's and its own.
"""

import os
import pickle
import signal
import sys
import traceback
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from fullrank.backends.answers import DONE, READY, tell_error
from fullrank.backends.cells import ProcessCounter
from fullrank.beside import accompanied, tell_heard
from fullrank.claim import Cell
from fullrank.errors import FullrankError
from fullrank.interrupt import MainThreadInterrupts
from fullrank.job import Job
from fullrank.leaving import see_off
from fullrank.output import ItemLog, descriptors_replaced, streams_replaced, tell_fatal_signals
from fullrank.worker import LOG_SUFFIX, RUNNING_SUFFIX, Keeper, Worker, file_stem, running_cell

DONE_UNTOLD = os.EX_PROTOCOL
"""Exit code of a worker that is done and cannot say so."""
FOR_PARENT = (signal.SIGINT, signal.SIGUSR1)
"""What the terminal or a scheduler sends to all is for the parent to judge. It starts children with these blocked."""


class _FromParent(MainThreadInterrupts):
    """Time limit, and the parent's SIGTERM, which it sends once it has stopped the claims and waited.

    Any other SIGTERM is left to the parent: a batch system's reaches it too, and one that an item sends its own process
    is no request to a run.
    """

    def __init__(self, counter: ProcessCounter, *, running: Cell, item_time_limit_seconds: float | None) -> None:
        super().__init__(
            running=running,
            item_time_limit_seconds=item_time_limit_seconds,
            grace_seconds=0.0,
            numbers=(signal.SIGTERM,),
        )
        self._counter = counter
        self._was_left = False

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Note one signal if it is the parent's."""
        if self._counter.stopped():
            super().on_signal(_number, _frame)
        else:
            self._was_left = True
            tell_heard()

    def _on_tick(self, _number: int, _frame: FrameType | None) -> None:
        if self._was_left:  # from then on the process beside this one waits for a word after each tick
            tell_heard()
        super()._on_tick(_number, _frame)


def main() -> int:
    """Be one worker; return the process's exit code."""
    with accompanied(may_be_orphan=False):
        return _be_worker()


def _be_worker() -> int:
    for number in FOR_PARENT:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FOR_PARENT)
    counter, answers = ProcessCounter(int(sys.argv[1])), int(sys.argv[2])
    try:
        job, number, finished = pickle.load(sys.stdin.buffer)
    except (EOFError, pickle.UnpicklingError):  # the parent was killed before it had sent it
        return os.EX_OK
    try:
        _work(job, number, counter=counter, finished=finished, answers=answers)
    except BaseException as error:
        try:
            counter.stop()
            tell_error(answers, error)
        except BrokenPipeError:  # the parent was killed, and nobody else wants to know
            return os.EX_OK
        except OSError:  # user code has closed what leads to the others: its log has to do
            traceback.print_exc()
        return error.exit_code if isinstance(error, FullrankError) else 70
    try:
        os.write(answers, DONE)
        code = 0
    except OSError:  # user code has closed the pipe
        code = DONE_UNTOLD
    see_off(code, f"worker {number}")
    return code


def _work(job: Job, number: int, *, counter: ProcessCounter, finished: bytes | None, answers: int) -> None:
    stem = Path(job.work_folder, file_stem(job.attempt, number))
    running = running_cell(stem.with_suffix(RUNNING_SUFFIX), of_child=job.isolate)
    signals = _FromParent(counter, running=running, item_time_limit_seconds=job.item_time_limit_seconds)
    log = ItemLog(stem.with_suffix(LOG_SUFFIX), running)
    with ExitStack() as stack:
        stack.enter_context(descriptors_replaced(log))
        stack.enter_context(streams_replaced(log))
        tell_fatal_signals()
        worker = Worker(
            job,
            number,
            running=running,
            interrupts=signals.interrupts,
            last_output=log.last_output,
            stop_requested=lambda: signals.requested_now() or counter.stopped(),
        )
        stack.callback(worker.close)
        todo = job.todo(finished)
        keeper = Keeper([worker], parent=os.getppid())
        os.write(answers, READY)
        sys.stdin.buffer.read(1)
        _close_standard_input()
        keeper.start()
        stack.callback(keeper.end)
        stack.enter_context(signals.installed())
        worker.run(counter, todo, keeper)


def _close_standard_input() -> None:
    """Give user code that asks for input an end of file: nobody will ever answer on the parent's pipe."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


if __name__ == "__main__":
    sys.exit(main())
