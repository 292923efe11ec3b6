"""Items evaluated and timed: the only place where the user's function is called for a result."""

import json
import os
import struct
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from math import inf, nan
from operator import sub
from typing import Any, NoReturn, Protocol

from fullrank.encode import Group, Layout, Naming, encode, snapshot
from fullrank.errors import FunctionError
from fullrank.function import Call, FunctionSource, memory_mapped
from fullrank.job import ArrayConstant, Job
from fullrank.journal import Kind, pack
from fullrank.seeds import item_seed, load_global_generators, seed_global_generators
from fullrank.status import Status

IDLE = -1
MAX_TRACEBACK_BYTES = 8192
MAX_DETAILED_FAILURES = 1000
"""A worker describes this many of its failures in full, further ones by their exception alone."""


class ItemInterrupted(BaseException):
    """Raised inside the user's function, by a timer or another thread, to end the running item."""


class Cell(Protocol):
    """One integer that outlives the process: the index of the running item."""

    def __getitem__(self, key: int, /) -> int: ...

    def __setitem__(self, key: int, value: int, /) -> None: ...


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


def load_constants(job: Job) -> dict[str, Any]:
    """Return the constants of one worker: the config's, arrays memory-mapped, and what ``setup`` returns.

    Raises FunctionError if there is no such array, or if ``setup`` fails.
    """
    constants = {
        name: memory_mapped(value.path) if isinstance(value, ArrayConstant) else value
        for name, value in job.constants.items()
    }
    if job.setup is not None:
        wanted = {parameter.name for parameter in job.setup_parameters}
        with users_errors(job.setup):
            loaded = job.setup.load()(**{name: value for name, value in constants.items() if name in wanted})
        if not isinstance(loaded, Mapping | None):
            kind = type(loaded).__name__
            raise FunctionError(f"{job.setup.written}: expected a mapping of constants, it returned {kind}")
        constants.update(loaded or {})
    return constants


@contextmanager
def users_errors(source: FunctionSource) -> Iterator[None]:
    """Turn what the user's code raises outside items into a FunctionError with the user's own traceback."""
    try:
        yield
    except FunctionError:
        raise
    except (Exception, SystemExit) as error:
        where = os.uname().nodename
        raise FunctionError(f"{source.written}: it failed on {where}:\n{_user_traceback(error).rstrip()}") from None


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
        self._pid = os.getpid()
        self._claim: _Claim | None = None
        with users_errors(job.function):
            function = job.function.load()
        constants = load_constants(job)
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
        """Evaluate the items ``indices`` one after the other and return the frames for the journal."""
        batch = self._batch(indices)
        claim = self._claim = _Claim(indices, self._running, settle=self._interrupts.settle)
        while True:
            error = claim.go(self._function, batch, naming=self._job.naming)
            if os.getpid() != self._pid:
                _leave_fork(error)
            if error is None:
                break
            index, interrupted = claim.current[0], isinstance(error, ItemInterrupted)
            if index in self._interrupts.abandoned or (interrupted and self._interrupts.stop):
                claim.abandoned = True
                break
            if interrupted and claim.current_has_ended:
                continue
            if index in self._interrupts.overdue:  # also where the user's code made another error of it
                claim.fail(Status.TIMED_OUT, self._overdue_text(error, index))
            elif interrupted:  # meant for an item that ended meanwhile: this one did nothing wrong
                batch = chain([claim.current], batch)
            else:
                claim.fail(Status.FAILED, self._describe(error, index))
            error.__traceback__ = None  # one instance raised for item after item would collect the frames of all
        return self._finish(claim)

    def _batch(self, indices: Sequence[int]) -> "Batch":
        columns = self._job.sweep.columns(indices)
        if self._job.takes_seed:
            columns.append([item_seed(self._job.seed or 0, index) for index in indices])
        return zip(indices, self._call.arguments(columns), strict=False)

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
            return {"exception": exception[:200]}
        return {
            "exception": exception[:2000],
            "traceback": _user_traceback(error)[-MAX_TRACEBACK_BYTES:],
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
            failures = failures + [
                (indices[row], seconds[row], Status.FAILED, {"exception": reason}) for row, reason in unusable
            ]
        if failures:
            frames.append(failures_frame(failures, kind=Kind.EARLY_FAILURES))
        return frames

    def _finish(self, claim: "_Claim") -> Evaluation:
        claim.close()
        overdue = self._interrupts.overdue.intersection(claim.indices)
        if self._job.item_time_limit_seconds is not None:
            overdue |= {index for index, seconds in claim.durations() if self._is_over_limit(seconds)}
        for index in overdue:
            # in C code, swallowed the interruption, or ended while that was under way: over the limit all the same
            claim.fail_ended(index, self._overdue_text(ItemInterrupted(), index))
        for index in self._interrupts.abandoned.intersection(claim.indices):
            claim.drop_ended(index)
        groups, unusable = encode(claim.values, self._job.naming) if claim.values else ([], [])
        frames = [values_frame(group, claim.indices, claim.seconds) for group in groups]
        failures = claim.failures + [
            (claim.indices[row], claim.seconds[row], Status.FAILED, {"exception": reason}) for row, reason in unusable
        ]
        if failures:
            frames.append(failures_frame(failures))
        busy_seconds = sum(claim.seconds) + sum(seconds for _, seconds, _, _ in claim.failures)
        n_finished = len(claim.values) + len(claim.failures)
        return Evaluation(frames, n_finished, len(failures), busy_seconds, claim.abandoned, claim.begun)


def _leave_fork(error: BaseException | None) -> NoReturn:
    """End a process that the user's function forked off and that came back out of it: it is no worker."""
    code = error.code if isinstance(error, SystemExit) else error and 1
    os._exit(code if isinstance(code, int) else 1 if code else 0)


Batch = Iterator[tuple[int, tuple[Any, ...]]]
"""Index and arguments of one item after the other."""
Ended = tuple[int, Any, float]
"""Index, value and seconds of an item that returned."""
Failed = tuple[int, float, int, dict[str, str]]
"""Index, seconds, status and description of an item without a result."""


class _Claim:
    """The items of one claim as they are evaluated."""

    def __init__(self, claimed: Sequence[int], running: Cell, *, settle: Callable[[], None]) -> None:
        self._claimed = claimed
        self._settle = settle
        self._running = running
        self._n_visited = 0
        self.indices: list[int] = []
        self.values: list[Any] = []
        self.seconds: list[float] = []
        self.failures: list[Failed] = []
        self.current: tuple[int, tuple[Any, ...]] = (IDLE, ())
        self.current_has_ended = False
        self.abandoned = False
        self.begun = inf
        self._failed_seconds = 0.0
        self._lock = threading.Lock()
        self._live: tuple[float, list[Any], list[float]] | None = None
        """Start, values and ends of the items since the last failure."""
        self._n_told = self._n_failures_told = 0
        self._is_closed = False

    def go(self, function: Callable[..., Any], batch: Batch, *, naming: Naming) -> BaseException | None:
        """Evaluate ``batch`` until it ends (None) or something is raised (returned; ``current`` is the item)."""
        running, clock = self._running, time.perf_counter
        values: list[Any] = []
        ends: list[float] = []
        add_value, add_end = values.append, ends.append
        error: BaseException | None = None
        index, arguments = self.current
        start = clock()
        self.begun = min(self.begun, start)
        self._live = (start, values, ends)
        try:
            try:
                for index, arguments in batch:
                    running[0] = index
                    value = function(*arguments)
                    if type(value) is not float:
                        value = snapshot(value, naming)
                    add_value(value)
                    add_end(clock())
                running[0] = IDLE
            except BaseException as caught:
                running[0] = IDLE
                error = caught
            self._settle()
        except ItemInterrupted as caught:  # it came when no item ran any more
            running[0] = IDLE
            error = error or caught
        self.current = (index, arguments)
        self._failed_seconds = clock() - (ends[-1] if ends else start)
        self._keep(values, start, ends)
        return error

    def _keep(self, values: list[Any], start: float, ends: list[float]) -> None:
        """Keep the items that ended: those with an end; a value without one belongs to an interrupted item."""
        n_ended = len(ends)
        with self._lock:
            self._live = None
            ended = self._claimed[self._n_visited : self._n_visited + n_ended]
            self.current_has_ended = bool(ended) and ended[-1] == self.current[0]
            self._n_visited += n_ended
            self.indices.extend(ended)
            self.values.extend(values[:n_ended])
            self.seconds.extend(map(sub, ends, chain([start], ends)))

    def ended_since_last_time(self) -> tuple[list[Ended], list[Failed]]:
        """Return what has ended since the last call, while the claim is not closed; from any thread."""
        with self._lock:
            if self._is_closed:
                return [], []
            ended: list[Ended] = list(zip(self.indices, self.values, self.seconds, strict=True))
            if self._live is not None:
                start, values, ends = self._live
                ends = ends[:]  # its owner goes on appending; a value is there before its end is
                seconds = map(sub, ends, chain([start], ends))
                ended.extend(zip(self._claimed[self._n_visited :], values, seconds, strict=False))
            new, failures = ended[self._n_told :], self.failures[self._n_failures_told :]
            self._n_told, self._n_failures_told = len(ended), len(self.failures)
            return new, failures

    def close(self) -> None:
        """Let :meth:`ended_since_last_time` return nothing any more: the claim is being recorded."""
        with self._lock:
            self._is_closed = True

    def fail(self, status: Status, description: dict[str, str]) -> None:
        """Record the current item as ended without a result."""
        self._n_visited += 1
        self.failures.append((self.current[0], self._failed_seconds, status, description))

    def durations(self) -> Iterator[tuple[int, float]]:
        """Return index and seconds of each item that returned."""
        return zip(self.indices, self.seconds, strict=True)

    def fail_ended(self, index: int, description: dict[str, str]) -> None:
        """Record an item that returned as timed out all the same."""
        self.failures.append((index, self._drop(index), Status.TIMED_OUT, description))

    def drop_ended(self, index: int) -> None:
        """Leave an item unfinished that returned although it was to be abandoned."""
        self._drop(index)
        self.abandoned = True

    def _drop(self, index: int) -> float:
        row = self.indices.index(index)
        del self.indices[row], self.values[row]
        return self.seconds.pop(row)


def values_frame(group: Group, indices: Sequence[int], seconds: Sequence[float], *, kind: Kind = Kind.VALUES) -> bytes:
    """Return the journal frame of the finished items of one layout."""
    rows = group.rows
    if len(rows) != len(indices):
        indices, seconds = [indices[row] for row in rows], [seconds[row] for row in rows]
    body = b"".join((array("q", indices).tobytes(), array("f", seconds).tobytes(), *group.columns))
    return pack(kind, len(rows), meta=_layout_text(group.layout), body=body)


@lru_cache(maxsize=64)  # most studies have one layout, and every claim writes it down
def _layout_text(layout: Layout) -> bytes:
    return json.dumps(layout).encode()


def failures_frame(failures: Sequence[Failed], *, kind: Kind = Kind.FAILURES) -> bytes:
    """Return the journal frame of items that ended without a result."""
    indices, seconds, statuses, descriptions = zip(*failures, strict=True)
    body = b"".join(
        (
            array("q", indices).tobytes(),
            array("f", seconds).tobytes(),
            struct.pack(f"{len(statuses)}b", *statuses),
        )
    )
    return pack(kind, len(failures), meta=json.dumps(descriptions).encode(), body=body)


def _user_traceback(error: BaseException) -> str:
    """Return the traceback from the user's first frame on, without fullrank's own."""
    import traceback

    trace = error.__traceback__
    own = (__file__, sys.modules[Call.__module__].__file__)
    while trace is not None and trace.tb_frame.f_code.co_filename in own:
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:  # the user's own __str__ may raise anything
        return f"{type(error).__name__} (its text cannot be shown)\n"
