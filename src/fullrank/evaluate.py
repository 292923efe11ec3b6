"""Items evaluated and timed: the only place where the user's function is called for a result."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import nan
from typing import Any

from fullrank.claim import Batch, Cell, Claim, Failed, ItemInterrupted, failures_frame, values_frame
from fullrank.dataclass import dataclass, field
from fullrank.encode import NameTaken, Unusable, encode
from fullrank.errors import FunctionError, beginning
from fullrank.function import Call, memory_mapped, users_errors, users_traceback
from fullrank.job import ArrayConstant, Job, may_be_edited
from fullrank.journal import Kind
from fullrank.seeds import item_seed, load_global_generators, seed_global_generators
from fullrank.status import Status

MAX_TRACEBACK_CHARACTERS = 8192
MAX_EXCEPTION_CHARACTERS = 2000
MAX_DETAILED_FAILURES = 1000
"""A worker describes this many of its failures in full, further ones by their exception alone."""

_MOST_SPARED = 10
"""How often an item begins anew for what was raised and is not of its making; where that never ends it is."""


@dataclass
class Interrupts:
    """What whoever interrupts items tells the evaluator, before it raises ItemInterrupted there."""

    overdue: set[int] = field(default_factory=set)
    """The items that were interrupted for being over their time limit."""
    abandoned: set[int] = field(default_factory=set)
    """The items that were interrupted for a stop: what they make of that is no result of theirs."""
    stop: bool = False
    """The run is to stop now: the running item is abandoned."""

    def settle(self) -> None:
        """Called when no item runs any more: from here on no interruption may arrive."""


@dataclass(frozen=True)
class Evaluation:
    """What became of one claim."""

    frames: list[bytes]
    n_finished: int
    n_failed: int
    busy_seconds: float
    abandoned: bool = False
    """The run is to stop: the running item was interrupted and the rest of the claim left alone."""
    begun: float = nan
    """Moment when the first item began, on the host's clock; NaN where none did."""
    paused_seconds: float = 0.0
    """Between items, for what longer claims do not make less."""
    refusal: str = ""
    """Why the run is to stop: the name of a result is taken. The items that had one are not finished."""


def load_constants(job: Job) -> dict[str, Any]:
    """Return the constants of one worker: the config's, arrays memory-mapped, and what ``setup`` returns.

    Raises FunctionError if there is no such array, if ``setup`` fails, or returns what is no constant.
    """
    constants = {
        name: memory_mapped(value.path) if isinstance(value, ArrayConstant) else value
        for name, value in job.constants.items()
    }
    if job.setup is not None:
        wanted = {parameter.name for parameter in job.setup_parameters}
        with users_errors(job.setup.written, _failed_here()):
            loaded = job.setup.load()(**{name: value for name, value in constants.items() if name in wanted})
        if not isinstance(loaded, Mapping | None):
            kind = type(loaded).__name__
            raise FunctionError(f"{job.setup.written}: expected a mapping of constants, it returned {kind}")
        for name in loaded or ():
            if name in job.axis_names:
                raise FunctionError(
                    f"{job.setup.written}: returned '{name}', which each item has of its own; expected constants, "
                    f"leave it out"
                )
        constants.update(loaded or {})
    return constants


def _check_unedited(job: Job) -> None:
    """Raise FunctionError if the code or an array that was just loaded is not what root has told of.

    A worker may be started, or started again, hours after the run began.
    """
    for source in job.sources:
        if may_be_edited(source):
            from fullrank.codebase import is_edited

            if is_edited(source):
                what = "code" if source.is_code else "numbers"
                raise FunctionError(
                    f"{source.path}: was edited since this run began, and another worker would now compute with other "
                    f"{what}. What is finished is kept; run the same command again, it says what can be done with it"
                )


class Evaluator:
    """One worker's function with its constants, ready for claims.

    ``running`` holds the index of the item being evaluated, else ``IDLE``; ``last_output`` returns what that item
    printed last.
    """

    def __init__(
        self,
        job: Job,
        *,
        running: Cell,
        interrupts: Interrupts | None = None,
        last_output: Callable[[int], str] = lambda _index: "",
    ) -> None:
        self.cpu_seconds = 0.0
        """Spent in other processes than this one."""
        self._job = job
        self._running = running
        self._interrupts = interrupts or Interrupts()
        self._last_output = last_output
        self._n_described = 0
        self._claim: Claim | None = None
        self._items: Batch = iter(())
        self._paused_seconds = 0.0
        with users_errors(job.function.written, _failed_here()):
            function = job.function.load()
        constants = load_constants(job)
        _check_unedited(job)
        self._call = Call(function, job.call_plan(constants), axes=job.axis_names, constants=constants)
        self._function = self._call.function
        if self._seeds_global:
            load_global_generators()
            self._function = self._seeded(self._function)

    @property
    def _seeds_global(self) -> bool:
        return self._job.seed is not None and not self._job.takes_seed

    def _seeded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` with the global generators seeded for the running item before each call."""
        seed, running = self._job.seed, self._running

        def seeded(*arguments: Any) -> Any:
            seed_global_generators(item_seed(seed or 0, running[0]))
            return function(*arguments)

        return seeded

    def evaluate(self, indices: Sequence[int]) -> Evaluation:
        """Evaluate the items ``indices`` one after the other and return the frames for the journal.

        Where the first failure is to stop the run the items after it are left alone.
        """
        _at_work.add(self)
        try:
            return self._evaluate(indices)
        finally:
            _at_work.discard(self)

    def _evaluate(self, indices: Sequence[int]) -> Evaluation:
        claim = self._claim = Claim(indices, self._running, settle=self._interrupts.settle)
        self._items = self._batch(indices)
        self._paused_seconds = 0.0
        n_spared, spared_at = 0, 0
        while True:
            error = claim.go(self._function, self._items, naming=self._job.naming, takes_one=self._call.takes_one)
            if error is None and not claim.has_left:
                break
            if error is None:
                self._pause()
                continue
            index, interrupted = claim.current[0], isinstance(error, ItemInterrupted)
            if index in self._interrupts.abandoned or (interrupted and self._interrupts.stop):
                self._abandon(claim, error)
                break
            # meant for an item that has ended, or of a signal that one left behind: this one did nothing wrong
            is_nobodys = claim.is_between_items or (interrupted and index not in self._interrupts.overdue)
            n_spared, spared_at = n_spared + 1 if claim.n_visited == spared_at else 1, claim.n_visited
            if is_nobodys and n_spared <= _MOST_SPARED:
                self._items = self._batch(claim.left)
            elif claim.is_between_items:
                raise error
            elif index in self._interrupts.overdue:  # also where the user's code made another error of it
                claim.fail(Status.TIMED_OUT, self._overdue_text(error, index))
            else:
                claim.fail(Status.FAILED, self._describe(error, index))
            error.__traceback__ = None  # one instance raised for item after item would collect the frames of all
            if claim.failures and self._job.stops_at_failure:
                break
        return self._finish(claim)

    def end_copy(self) -> None:
        """Have the running claim end after its running item: in a process that this item forks off.

        If that comes back out of the user's function, it would evaluate on, and tell others by the running cell, which
        it shares with this one, what it is at.
        """
        deque(self._items, maxlen=0)

    def _batch(self, indices: Sequence[int]) -> Batch:
        columns = self._job.sweep.columns(indices)
        if self._job.takes_seed:
            columns.append([item_seed(self._job.seed or 0, index) for index in indices])
        call = self._call
        arguments = call.only_arguments(columns) if call.takes_one else call.arguments(columns)
        return zip(indices, arguments, strict=False)

    def _pause(self) -> None:
        """Called where a batch has ended before its claim, to do what is no item's time; then it goes on.

        Batches of this class do not: without items that are to come this would never end.
        """
        raise AssertionError("a batch has ended before its claim")

    def _abandon(self, claim: Claim, _error: BaseException) -> None:
        """Leave the running item and the rest of the claim alone, for the run is to stop."""
        claim.abandoned = True

    def _is_over_limit(self, seconds: float) -> bool:
        limit = self._job.item_time_limit_seconds
        return limit is not None and seconds > limit

    def _overdue_text(self, error: BaseException, index: int) -> dict[str, str]:
        described = self._describe(error, index)
        limit = self._job.item_time_limit_seconds
        return described | {"exception": f"time limit of {limit:g} s exceeded" if limit else "interrupted"}

    def _describe(self, error: BaseException, index: int) -> dict[str, str]:
        """Return what the file tells of a failed item."""
        try:
            kind = type(error).__qualname__
            text = str(error)
            exception = f"{kind}: {text}" if text else kind
        except BaseException:  # the user's own __str__ may raise anything
            exception = type(error).__name__
        self._n_described += 1
        if self._n_described > MAX_DETAILED_FAILURES:
            return {"exception": beginning(exception, 200)}
        return {
            "exception": beginning(exception, MAX_EXCEPTION_CHARACTERS),
            "traceback": users_traceback(error)[-MAX_TRACEBACK_CHARACTERS:],
            "output": self._last_output(index),
        }

    def evaluations(self, indices: Sequence[int]) -> Iterator[Evaluation]:
        """Yield :meth:`evaluate`: here a claim ends in one piece."""
        yield self.evaluate(indices)

    def close(self) -> None:
        """Free nothing; see :meth:`fullrank.isolation.evaluator.IsolatedEvaluator.close`."""

    def early_frames(self) -> list[bytes]:
        """Return journal frames of the running claim's items that have ended since the last call; from any thread.

        The claim's own frames, at its end, count instead of them: an item that was interrupted may still become a
        time-out.
        """
        claim, undecided = self._claim, self._interrupts.overdue | self._interrupts.abandoned
        if claim is None:
            return []
        ended, failures = claim.ended_since_last_time()
        ended = [row for row in ended if row[0] not in undecided and not self._is_over_limit(row[2])]
        frames = []
        if ended:
            indices, values, seconds = zip(*ended, strict=True)
            groups, unusable = encode(values, self._job.naming)
            frames = [values_frame(group, indices, seconds, kind=Kind.EARLY_VALUES) for group in groups]
            failures = failures + _unusable(unusable, indices, seconds)
        if failures:
            frames.append(failures_frame(failures, kind=Kind.EARLY_FAILURES))
        return frames

    def _finish(self, claim: Claim) -> Evaluation:
        claim.close()
        overdue = _of_claim(self._interrupts.overdue, claim)
        if self._job.item_time_limit_seconds is not None:
            overdue |= {index for index, seconds in claim.durations() if self._is_over_limit(seconds)}
        for index in overdue:
            # in C code, swallowed the interruption, or ended while that was under way: over the limit all the same
            claim.fail_ended(index, self._overdue_text(ItemInterrupted(), index))
        for index in _of_claim(self._interrupts.abandoned, claim):
            claim.drop_ended(index)
        groups, unusable = encode(claim.values, self._job.naming) if claim.values else ([], [])
        frames = [values_frame(group, claim.indices, claim.seconds) for group in groups]
        failures = claim.failures + _unusable(unusable, claim.indices, claim.seconds)
        refused = [(claim.indices[row], reason) for row, reason in unusable if isinstance(reason, NameTaken)]
        if failures:
            frames.append(failures_frame(failures))
        busy_seconds = sum(claim.seconds) + sum(seconds for _, seconds, _, _ in claim.failures)
        n_finished = len(claim.values) + len(claim.failures) - len(refused)
        refusal = self._refusal(*refused[0]) if refused else ""
        return Evaluation(
            frames,
            n_finished,
            len(failures),
            busy_seconds,
            claim.abandoned,
            claim.begun,
            self._paused_seconds,
            refusal,
        )

    def _refusal(self, index: int, reason: NameTaken) -> str:
        return f"{self._job.function.written}: item {index}: {reason}. Items that have ended with a result are kept"


def _of_claim(indices: set[int], claim: Claim) -> set[int]:
    """Return those of ``indices`` that returned in the claim; mostly there are none to look for among its many."""
    return indices.intersection(claim.indices) if indices else set()


def _unusable(
    unusable: Sequence[tuple[int, Unusable]], indices: Sequence[int], seconds: Sequence[float]
) -> list[Failed]:
    """Return the failures of items whose results cannot be stored."""
    return [
        (indices[row], seconds[row], Status.FAILED, {"exception": str(reason)})
        for row, reason in unusable
        if not isinstance(reason, NameTaken)
    ]


def _failed_here() -> str:
    return f"it failed on {os.uname().nodename}"


_at_work: set[Evaluator] = set()


def _end_copies() -> None:
    for evaluator in _at_work:
        evaluator.end_copy()


os.register_at_fork(after_in_child=_end_copies)
