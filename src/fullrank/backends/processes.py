"""N child processes of this one, started afresh (never forked); the parent sleeps and supervises."""

import os
import pickle
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from fullrank.backends.answers import Answers, wait_for_answers
from fullrank.backends.base import Death, Outcome, Watch
from fullrank.backends.cells import ProcessCounter, create_cells
from fullrank.backends.child import DONE_UNTOLD, FOR_PARENT
from fullrank.contained import describe_death
from fullrank.interrupt import KILL_SECONDS, StopSignals
from fullrank.job import Job
from fullrank.launcher import python_module, stripped_environment, thread_limits
from fullrank.schedule import Todo
from fullrank.witness import running_index
from fullrank.worker import RUNNING_SUFFIX, file_stem

_LOOK_SECONDS = 0.2
_EXIT_SECONDS = 0.5
"""Between the end of a child's pipe and its own."""


class _Child:
    """One worker's process, as its parent sees it."""

    def __init__(self, job: Job, number: int, *, cells: int, finished: bytes | None) -> None:
        self.number = number
        self.answers = Answers(number)
        self._running = Path(job.work_folder, file_stem(job.attempt, number) + RUNNING_SUFFIX)
        environment = stripped_environment(os.environ)
        blocked_before = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_PARENT)
        try:
            self.process = subprocess.Popen(
                python_module(
                    "fullrank.backends.child",
                    str(cells),
                    str(self.answers.writable),
                    folders=job.function.folders,
                ),
                stdin=subprocess.PIPE,
                env=environment | thread_limits(environment),
                pass_fds=[cells, self.answers.writable],
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked_before)
            os.close(self.answers.writable)
        self._message = pickle.dumps((job, number, finished))
        self.says_more = True
        """Whether its end of the pipe is open; user code may have closed it and gone on."""
        self.ended = False
        self._told_to_end = False

    def send_job(self) -> None:
        """Hand over the job; a child that is dead already is noticed later."""
        self._write(self._message)
        self._message = b""

    def _write(self, data: bytes) -> None:
        pipe = self.process.stdin
        if pipe is not None:
            try:
                pipe.write(data)
                pipe.flush()
            except BrokenPipeError:
                return

    def hear(self) -> None:
        """Read what the child says; ``ended`` if it has, and so closed its end."""
        self.says_more = self.answers.hear()
        if not self.says_more:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_EXIT_SECONDS)
                self.ended = True

    def go(self) -> None:
        """Let it compute."""
        self._write(b"!")

    def death(self) -> Death | None:
        """Return how it died, if it did without telling."""
        if self.answers.told:
            return None
        code, index = self.process.returncode, running_index(self._running)
        # one that is still being set up has no handler of the signal yet
        is_our_doing = self._told_to_end and code in (-signal.SIGTERM, -signal.SIGKILL)
        if (code == DONE_UNTOLD or is_our_doing) and index is None:
            return None
        return Death(self.number, os.uname().nodename, describe_death(code), index)

    def end(self, number: signal.Signals) -> None:
        """Have it end by a signal."""
        self._told_to_end = True
        self.process.send_signal(number)

    def close(self) -> None:
        """Kill it if it still runs, and free the pipes."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        os.close(self.answers.readable)


def run(job: Job, todo: Todo, watch: Watch) -> Outcome:
    """Evaluate all items in child processes; see :class:`fullrank.backends.base.Backend`."""
    cells = create_cells()
    counter = ProcessCounter(cells)
    signals = StopSignals(stop_at=job.stop_at)
    with ExitStack() as stack:
        stack.callback(os.close, cells)
        stack.enter_context(signals.installed())
        children = []
        for number in range(job.n_workers):
            child = _Child(job, number, cells=cells, finished=todo.finished)
            stack.callback(child.close)
            children.append(child)
        for child in children:
            child.send_job()
        while not all(child.answers.ready or child.ended for child in children) and not signals.requested:
            _hear(children)
            signals.look_at_clock()
        with watch(counter):
            signals.stop_claims(counter)
            for child in children:
                child.go()
            _supervise(children, counter, signals)
    for child in children:
        if (error := child.answers.error()) is not None:
            raise error
    deaths = tuple(death for child in children if (death := child.death()) is not None)
    return Outcome(stopped=signals.requested, deaths=deaths)


def _hear(children: list[_Child]) -> None:
    """Sleep until a child says something or ends, at most for a moment."""
    living = [child for child in children if not child.ended]
    exited = [child for child in living if child.process.poll() is not None]
    speaking = {child.answers: child for child in living if child.says_more}
    heard = wait_for_answers(speaking, 0 if exited else _LOOK_SECONDS)
    for answers in heard:
        speaking[answers].hear()
    for child in exited:  # a process that its items had forked may hold the pipe open and never end
        child.ended = not child.says_more or child.answers not in heard


def _supervise(children: list[_Child], counter: ProcessCounter, signals: StopSignals) -> None:
    """Sleep until all children have ended; pass on a request to stop, ever more firmly."""
    told = False
    while not all(child.ended for child in children):
        _hear(children)
        now = time.monotonic()
        signals.stop_claims(counter)
        if now >= signals.abandon_at and not told:
            told = True
            for child in children:
                child.end(signal.SIGTERM)
        if now >= signals.abandon_at + KILL_SECONDS:
            for child in children:
                child.end(signal.SIGKILL)
