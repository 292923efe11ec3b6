"""The items of one claim as they are evaluated, and the journal frames that record them."""

import json
import os
import struct
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from math import inf
from operator import sub
from typing import Any, NoReturn, Protocol

from fullrank.encode import Group, Layout, Naming, snapshot
from fullrank.journal import Kind, pack
from fullrank.status import Status

IDLE = -1
"""What a running cell holds where no item runs."""


class ItemInterrupted(BaseException):
    """Raised inside the user's function, by a timer or another thread, to end the running item."""


class Cell(Protocol):
    """One integer that outlives the process: the index of the running item."""

    def __getitem__(self, key: int, /) -> int: ...

    def __setitem__(self, key: int, value: int, /) -> None: ...


Batch = Iterator[tuple[int, Any]]
"""Index and arguments of one item after the other."""
Ended = tuple[int, Any, float]
"""Index, value and seconds of an item that returned."""
Failed = tuple[int, float, int, dict[str, str]]
"""Index, seconds, status and description of an item without a result."""


class Claim:
    """The items of one claim as they are evaluated."""

    def __init__(self, claimed: Sequence[int], running: Cell, *, settle: Callable[[], None]) -> None:
        self._claimed = claimed
        self._settle = settle
        self._running = running
        self._pid = os.getpid()
        self.n_visited = 0
        """Items that have ended, with or without a result."""
        self.indices: list[int] = []
        self.values: list[Any] = []
        self.seconds: list[float] = []
        self.failures: list[Failed] = []
        self.current: tuple[int, Any] = (IDLE, ())
        self.abandoned = False
        self.begun = inf
        self._failed_seconds = 0.0
        self._lock = threading.Lock()
        self._live: tuple[float, list[Any], list[float]] | None = None
        """Start, values and ends of the items since the last failure."""
        self._n_told = self._n_failures_told = 0
        self._is_closed = False

    @property
    def has_left(self) -> bool:
        """Whether items are left that have not ended."""
        return self.n_visited < len(self._claimed)

    @property
    def left(self) -> Sequence[int]:
        """The items that have not ended; the running one is the first of them."""
        return self._claimed[self.n_visited :]

    @property
    def is_between_items(self) -> bool:
        """Whether no item runs: the current one has ended, or none has begun."""
        return not self.has_left or self._claimed[self.n_visited] != self.current[0]

    def go(
        self, function: Callable[..., Any], batch: Batch, *, naming: Naming, takes_one: bool = False
    ) -> BaseException | None:
        """Evaluate ``batch`` until it ends (None) or something is raised (returned; ``current`` is the item).

        A process that the user's function forked off, by os.fork, and that came back out of it ends here: it is no
        worker, and what it shares with one is not touched.

        With ``takes_one`` the batch has each item's only argument in place of a tuple.
        """
        running, clock = self._running, time.perf_counter
        values: list[Any] = []
        ends: list[float] = []
        error: BaseException | None = None
        index, arguments = IDLE, ()
        start = clock()
        self.begun = min(self.begun, start)
        self._live = (start, values, ends)
        try:
            try:
                for index, arguments in batch:
                    running[0] = index
                    value = function(arguments) if takes_one else function(*arguments)
                    if type(value) is not float:
                        value = snapshot(value, naming)
                    values.append(value)
                    ends.append(clock())
            except BaseException as caught:
                error = caught
            if os.getpid() != self._pid:
                _leave_fork(error)
            running[0] = IDLE
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
            ended = self._claimed[self.n_visited : self.n_visited + n_ended]
            self.n_visited += n_ended
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
                ended.extend(zip(self._claimed[self.n_visited :], values, seconds, strict=False))
            new, failures = ended[self._n_told :], self.failures[self._n_failures_told :]
            self._n_told, self._n_failures_told = len(ended), len(self.failures)
            return new, failures

    def close(self) -> None:
        """Let :meth:`ended_since_last_time` return nothing any more: the claim is being recorded."""
        with self._lock:
            self._is_closed = True

    def fail(self, status: Status, description: dict[str, str]) -> None:
        """Record the current item as ended without a result."""
        self.n_visited += 1
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


def _leave_fork(error: BaseException | None) -> NoReturn:
    code = error.code if isinstance(error, SystemExit) else error and 1
    os._exit(code if isinstance(code, int) else 1 if code else 0)


def values_frame(group: Group, indices: Sequence[int], seconds: Sequence[float], *, kind: Kind = Kind.VALUES) -> bytes:
    """Return the journal frame of the finished items of one layout."""
    rows = group.rows
    if len(rows) != len(indices):
        indices, seconds = [indices[row] for row in rows], [seconds[row] for row in rows]
    n_rows = len(rows)
    body = b"".join((struct.pack(f"{n_rows}q", *indices), struct.pack(f"{n_rows}f", *seconds), *group.columns))
    return pack(kind, n_rows, meta=_layout_text(group.layout), body=body)


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
