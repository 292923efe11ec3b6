"""The worker's half: claims go to a child process; what becomes of their items when it dies, or never answers."""

import mmap
import os
import pickle
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from fullrank.claim import IDLE, Cell, Failed, failures_frame
from fullrank.contained import DEATHS_UNTIL_CRASHED, describe_death
from fullrank.dataclass import replace
from fullrank.errors import FunctionError
from fullrank.evaluate import Evaluation, Interrupts
from fullrank.fatal import FatalStack
from fullrank.interrupt import tick_seconds
from fullrank.isolation.early import EarlyFrames, items_in, settled
from fullrank.isolation.memory import OUT_OF_MEMORY_CODE
from fullrank.isolation.messages import CLAIMED, EARLY, READY, UNREADY
from fullrank.isolation.process import IsolationProcess
from fullrank.isolation.watch import Claim, Watch
from fullrank.job import Job
from fullrank.journal import Kind
from fullrank.status import Status


class IsolatedEvaluator:
    """Evaluates claims as :class:`~fullrank.evaluate.Evaluator` does, in a child process that may die of them.

    Used by one thread; :meth:`early_frames` by any. ``cell`` is the file of the worker's running cell, which the child
    sets; ``log`` is where the child writes what items print.
    """

    def __init__(self, job: Job, *, cell: Path, log: Path, interrupts: Interrupts) -> None:
        self._job = job
        self._log = log
        self._interrupts = interrupts
        self._tick_seconds = tick_seconds(job.item_time_limit_seconds)
        self._early = EarlyFrames()
        self.cpu_seconds = 0.0
        """Spent by children on claims that came back."""
        self._child: IsolationProcess | None = None
        self._stack = FatalStack()
        self._cell = _shared_cell(cell)
        self._running: Cell = memoryview(mmap.mmap(self._cell, 8)).cast("q")
        try:
            self._started(self._watch())
        except BaseException:
            self.close()
            raise

    def evaluations(self, indices: Sequence[int]) -> Iterator[Evaluation]:
        """Evaluate the items ``indices``; yield what became of them, in several parts if the child dies on the way.

        An item whose process dies twice is ``crashed``; one that is deaf to its time limit is ``timed out``. The items
        that had ended are kept, the others go on in a new child.
        """
        claim = Claim(indices)
        while claim.left:
            part, watch = claim.part, self._watch()
            evaluation = self._ask(part, watch)
            early = self._early.take()
            if evaluation is None:
                claim.drop(items_in(early))
                failure = None if watch.is_abandoned else self._verdict(claim, watch)
                if failure is not None:
                    claim.drop({failure[0]})
                    early.append(failures_frame([failure], kind=Kind.EARLY_FAILURES))
                evaluation = replace(settled(early), abandoned=watch.is_abandoned)
            else:
                claim.drop(set(part))
            yield evaluation
            if evaluation.abandoned:
                return

    def _watch(self) -> Watch:
        return Watch(self._running, self._interrupts, limit_seconds=self._job.item_time_limit_seconds)

    def _ask(self, part: Sequence[int], watch: Watch) -> Evaluation | None:
        """Let the child evaluate ``part``; None if it died before it was done. What it told meanwhile is kept.

        Raises FunctionError if a signal that an item left behind interrupted what is no item.
        """
        child = self._child
        if child is None or not child.is_alive:
            child = self._started(watch)
        child.ask(part)
        watch.hear(time.monotonic())
        while True:
            for kind, body in child.hear(self._tick_seconds):
                if kind == EARLY:
                    self._early.add(body)
                    watch.hear(time.monotonic())
                elif kind == CLAIMED:
                    evaluation, cpu_seconds = pickle.loads(body)
                    self.cpu_seconds += cpu_seconds
                    return evaluation  # type: ignore[no-any-return]  # pickled by our own child
                elif kind == UNREADY:
                    raise pickle.loads(body)
            _look(child, watch)
            if child.ended:
                return None

    def _started(self, watch: Watch) -> IsolationProcess:
        """Return a new child that has loaded the function, or was abandoned while it did.

        Raises FunctionError and what else loading the function raises.
        """
        if self._child is not None:
            self._child.close()
        self._running[0] = IDLE
        child = self._child = IsolationProcess(self._job, self._cell, stack=self._stack.fileno(), log=self._log)
        while not child.ended:
            for kind, body in child.hear(self._tick_seconds):
                if kind == READY:
                    return child
                if kind == UNREADY:
                    raise pickle.loads(body)
            _look(child, watch)
        if not watch.is_abandoned:
            death = describe_death(child.return_code)
            raise FunctionError(f"{self._job.function.written}: the process that was to load it ended: {death}")
        return child

    def _verdict(self, claim: Claim, watch: Watch) -> Failed | None:
        """Return the failure of the item that the child died of; None if it is to be tried again."""
        child, stack = self._child, self._stack.take()
        if watch.overdue != IDLE:
            if watch.overdue not in claim.left:  # it ended after all, while it was too late for the child
                return None
            text = f"time limit of {self._job.item_time_limit_seconds:g} s exceeded"
            return watch.overdue, watch.silent_seconds, Status.TIMED_OUT, {"exception": text}
        index = claim.blamed(self._running[0])
        if index == IDLE or child is None:
            return None
        claim.put_first(index)
        if child.return_code == OUT_OF_MEMORY_CODE or claim.count_death(index) < DEATHS_UNTIL_CRASHED:
            return None
        text = f"its process died twice: {describe_death(child.return_code)}"
        return index, watch.silent_seconds, Status.CRASHED, {"exception": text, **stack}

    def early_frames(self) -> list[bytes]:
        """Return journal frames of the running claim's items that have ended since the last call; from any thread."""
        return self._early.new()

    def close(self) -> None:
        """End the child and free what is shared with it; further calls do nothing."""
        if self._child is not None:
            self._child.close()
            self._child = None
        self._stack.close()
        if self._cell >= 0:
            os.close(self._cell)
            self._cell = -1


def _look(child: IsolationProcess, watch: Watch) -> None:
    number = watch.look(time.monotonic())
    if number is not None:
        child.signal(number)


def _shared_cell(path: Path) -> int:
    """Return the descriptor of a running cell: the worker's own, or nameless memory if its file cannot be mapped."""
    fd = os.open(path, os.O_RDWR)
    try:
        mmap.mmap(fd, 8).close()
    except OSError:
        os.close(fd)
        with TemporaryFile() as file:
            file.truncate(8)
            return os.dup(file.fileno())
    return fd
