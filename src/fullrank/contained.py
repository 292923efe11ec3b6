"""One item in a process of its own, so that only that process dies if the item is deadly.

``python -m fullrank.contained ANSWERS_FD STACK_FD PARENT_PID`` is the child: it reads a pickled job and an index from
its standard input and writes the pickled evaluation to the first descriptor, and to the second where it was if it dies
of C code. Both ends are ours; nothing else is unpickled.
"""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing

from fullrank.claim import IDLE, Cell, ItemInterrupted, failures_frame
from fullrank.errors import FullrankError
from fullrank.evaluate import Evaluation, Evaluator, Interrupts
from fullrank.fatal import FatalStack
from fullrank.interrupt import STOP_SIGNALS, MainThreadInterrupts, leave_stopping_to_worker
from fullrank.job import Job
from fullrank.launcher import python_module, stripped_environment
from fullrank.output import tell_fatal_signals
from fullrank.parent import die_with, signal_name
from fullrank.status import Status

DEATHS_UNTIL_CRASHED = 2
_UNTIL_HEARD_SECONDS = 1.0
"""So long what asked a run to stop, and ended a child, may take until the child's worker knows of it."""
_STARTED = b"!"
"""What the child sends first, before the pickled evaluation."""
_UNFINISHED = Evaluation([], 0, 0, 0.0, abandoned=True)


def evaluate_contained(
    job: Job, index: int, *, running: Cell, interrupts: Interrupts, stop_requested: Callable[[], bool]
) -> Evaluation:
    """Evaluate item ``index`` in a child process and return what became of it.

    Whatever the child dies of counts; after two deaths the item is ``crashed``. Only if ``stop_requested`` tells that
    the run is asked to stop, which may have killed the child too, is the item left unfinished and the evaluation
    ``abandoned``. Raises FunctionError if no child can load the function.
    """
    begun = time.perf_counter()
    code, evaluation, interrupted = 0, None, False
    stack: dict[str, str] = {}
    try:
        try:
            code, evaluation, stack = _tries(job, index, running, stop_requested=stop_requested)
        finally:  # from here on no interruption may arrive; one that is under way does so in settle
            running[0] = IDLE
            interrupts.settle()
    except ItemInterrupted:
        interrupted = True
    if evaluation is not None:
        return evaluation
    if interrupted and index in interrupts.overdue:
        limit = job.item_time_limit_seconds or 0.0
        return _without_result(index, begun, Status.TIMED_OUT, f"time limit of {limit:g} s exceeded")
    if interrupted:
        return _UNFINISHED
    return _without_result(index, begun, Status.CRASHED, f"its process died twice: {describe_death(code)}", **stack)


def describe_death(code: int) -> str:
    """Return what a process's return code tells.

    >>> describe_death(-11), describe_death(-40), describe_death(3)
    ('SIGSEGV (signal 11)', 'SIGRTMIN+6 (signal 40)', 'it left with code 3')
    """
    if code < 0:
        return f"{signal_name(-code)} (signal {-code})"
    return f"it left with code {code}"


def _without_result(index: int, begun: float, status: Status, exception: str, **more: str) -> Evaluation:
    seconds = time.perf_counter() - begun
    frame = failures_frame([(index, seconds, status, {"exception": exception, **more})])
    return Evaluation([frame], 1, 1, seconds, begun=begun)


def _tries(
    job: Job, index: int, running: Cell, *, stop_requested: Callable[[], bool]
) -> tuple[int, Evaluation | None, dict[str, str]]:
    """Return the last child's return code, what it sent (None if it died before that), and where it died."""
    with closing(FatalStack()) as stack:
        for _ in range(DEATHS_UNTIL_CRASHED):
            running[0] = IDLE
            code, evaluation = _one_try(job, index, running, stack=stack.fileno())
            died = stack.take()
            if evaluation is not None:
                break
            running[0] = IDLE  # what follows is no time of the item
            if _is_stopping(code, stop_requested):
                return code, _UNFINISHED, {}
        return code, evaluation, died


def _is_stopping(code: int, stop_requested: Callable[[], bool]) -> bool:
    """Return whether the run is asked to stop: a child that ended with ``code`` may have died of that, not of its item.

    What a batch system sends to all of a job reaches the child first now and then.
    """
    until = time.monotonic() + (_UNTIL_HEARD_SECONDS if -code in STOP_SIGNALS else 0.0)
    while not stop_requested():
        if time.monotonic() >= until:
            return False
        time.sleep(0.01)
    return True


def _one_try(job: Job, index: int, running: Cell, *, stack: int) -> tuple[int, Evaluation | None]:
    """Evaluate the item in one child. ``running`` is set once it has imported the function: that is no item's time.

    Raises FunctionError if the child cannot load the function.
    """
    readable, writable = os.pipe()
    with os.fdopen(readable, "rb") as answers:
        child = subprocess.Popen(
            python_module(
                "fullrank.contained",
                str(writable),
                str(stack),
                str(os.getpid()),
                folders=job.function.folders,
            ),
            stdin=subprocess.PIPE,
            env=stripped_environment(os.environ),
            pass_fds=[writable, stack],
            start_new_session=True,  # a Ctrl-C on the terminal is for the parent to judge
        )
        os.close(writable)
        try:
            _send(child, pickle.dumps((job, index)))
            answer = _wait(child, answers.fileno(), started=lambda: running.__setitem__(0, index))
        except BaseException:
            running[0] = IDLE  # the timer ticks on, and must not interrupt this
            child.kill()
            child.wait()
            raise
    message = answer.removeprefix(_STARTED)
    evaluation = pickle.loads(message) if message and child.returncode == 0 else None
    if isinstance(evaluation, FullrankError):
        raise evaluation
    return child.returncode, evaluation


def _send(child: "subprocess.Popen[bytes]", message: bytes) -> None:
    assert child.stdin is not None  # it was opened as a pipe
    try:
        child.stdin.write(message)
        child.stdin.close()
    except BrokenPipeError:
        return


def _wait(child: "subprocess.Popen[bytes]", answers: int, *, started: Callable[[], None]) -> bytes:
    """Return all that the child sends until it ends; in short sleeps, so that an interruption is heard."""
    os.set_blocking(answers, False)
    received: list[bytes] = []
    sleep_seconds = 0.0005
    while True:
        ended = child.poll() is not None
        try:
            while data := os.read(answers, 1 << 20):
                if not received:
                    started()
                received.append(data)
        except BlockingIOError:
            pass
        if ended:
            return b"".join(received)
        time.sleep(sleep_seconds)
        sleep_seconds = min(1.3 * sleep_seconds, 0.02)


def main() -> None:
    """Be the child: evaluate one item and send the evaluation back."""
    from fullrank.worker import Keeper

    answers, stack = int(sys.argv[1]), int(sys.argv[2])
    parent = int(sys.argv[3])  # os.getppid() would not tell that it is dead already
    leave_stopping_to_worker()
    tell_fatal_signals(stack)
    die_with(parent)
    Keeper([], parent=parent).start()
    job, index = pickle.load(sys.stdin.buffer)
    running: list[int] = [IDLE]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=job.item_time_limit_seconds, numbers=())
    os.dup2(2, 1)
    try:
        evaluator = Evaluator(job, running=running, interrupts=signals.interrupts)
        os.write(answers, _STARTED)
        with signals.installed():
            answer: Evaluation | FullrankError = evaluator.evaluate([index])
    except FullrankError as error:
        answer = error
    sys.stdout.flush()
    message = memoryview(pickle.dumps(answer))
    while message:
        message = message[os.write(answers, message) :]


if __name__ == "__main__":
    main()
