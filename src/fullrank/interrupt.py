"""Ending an item that is over its time limit, or a run that is asked to stop, from inside the process.

One periodic timer and a few signals, handled by the main thread between two bytecodes. Handlers set flags and raise
:class:`~fullrank.claim.ItemInterrupted` while an item runs; they never print. A function that is inside C code
hears nothing until it is back in Python.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import CodeType, FrameType, TracebackType
from typing import Any, Protocol

from fullrank.beside import STOP_SIGNALS as STOP_SIGNALS
from fullrank.beside import listening, tell_heard
from fullrank.claim import IDLE, Cell, ItemInterrupted
from fullrank.errors import FunctionError
from fullrank.evaluate import Interrupts
from fullrank.function import users_traceback

GRACE_SECONDS = 5.0
"""After the first signal the running item gets this long to end by itself; a second signal ends it at once."""
KILL_SECONDS = 5.0
"""After that a worker that is deaf, because it is inside C code, gets this long until it is killed or left behind."""
_TICK_SECONDS = 0.1
_AT_ONCE_SECONDS = 0.001
LEFT_BEHIND = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGUSR1, signal.SIGUSR2)
"""The signals that items have handlers for, as a rule, and leave behind."""
_FOR_MAIN_THREAD = (*STOP_SIGNALS, *LEFT_BEHIND)


def tick_seconds(item_time_limit_seconds: float | None) -> float:
    """Return how often to look at the running item."""
    if item_time_limit_seconds is None:
        return _TICK_SECONDS
    return min(_TICK_SECONDS, max(0.01, item_time_limit_seconds / 20))


@contextmanager
def interruptible() -> Iterator[None]:
    """Let each signal that asks a run to stop raise KeyboardInterrupt: while nothing but user code runs."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_stopping_to_worker() -> None:
    """Have a worker's child go on when it hears what asks a run to stop: its worker hears it too, and judges."""
    for number in STOP_SIGNALS:  # no SIG_IGN, which what user code starts would inherit
        signal.signal(number, _for_worker)


def _for_worker(_number: int, _frame: FrameType | None) -> None:
    """Do nothing."""


@contextmanager
def left_behind_told(written: str) -> Iterator[None]:
    """Turn what a handler raises whose signal an item of the function ``written`` left behind into a FunctionError."""
    try:
        yield
    except BaseException as caught:  # it may well exit
        error = _of_users_handler(caught)
        if error is None:
            raise
        raise FunctionError(
            f"{written}: a signal handler that an item left behind raised this while no item ran. Cancel its alarm "
            f"before the function returns, signal.alarm(0) say; what was written down before is kept:\n"
            f"{users_traceback(error).rstrip()}"
        ) from None


def _of_users_handler(error: BaseException | None) -> BaseException | None:
    """Return what a handler raised that is none of fullrank's: ``error``, or what that was made of; None if none did.

    A TimeoutError is an error of the system to whoever writes a file.
    """
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {_code_of(handler) for handler in handlers if not _is_own(handler)} - {None}
    while error is not None and not _goes_through(error.__traceback__, codes):
        error = error.__cause__ or error.__context__
    return error


def _goes_through(trace: TracebackType | None, codes: Container[CodeType | None]) -> bool:
    while trace is not None and trace.tb_frame.f_code not in codes:
        trace = trace.tb_next
    return trace is not None


def _code_of(handler: Any) -> CodeType | None:
    """Return the code of a function, a method, a partial of one, or an object that can be called; None of others."""
    while isinstance(handler, partial):
        handler = handler.func
    call = getattr(type(handler), "__call__", None)  # noqa: B004  # its code is wanted
    return getattr(handler, "__code__", None) or getattr(call, "__code__", None)


def _is_own(handler: Any) -> bool:
    return handler is _for_worker or isinstance(getattr(handler, "__self__", None), StopSignals)


class Helper(threading.Thread):
    """A thread to which no signal goes.

    The system gives a signal to any thread that does not block it, and Python's handler waits for the main thread,
    which then sleeps on in whatever call it is in.
    """

    def start(self) -> None:
        """Start the thread with signals blocked."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_MAIN_THREAD)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class RunningItem:
    """How long a worker's running cell has held the same item, as seen by somebody who looks now and then."""

    def __init__(self, running: Cell) -> None:
        self._running = running
        self._seen = IDLE
        self._since = 0.0

    def look(self, now: float) -> tuple[int, float]:
        """Return the running item's index, or IDLE, and for how many seconds it has been seen."""
        index = self._running[0]
        if index != self._seen:
            self._seen, self._since = index, now
        return index, now - self._since


class Stoppable(Protocol):
    """A counter from which items are claimed."""

    def stop(self) -> None:
        """Let every later claim of any worker find nothing."""

    def stopped(self) -> bool:
        """Return whether there is nothing left to claim."""


class StopSignals:
    """What asks a run to stop: the first signal lets running items end, a second one ends them at once.

    The time ``stop_at`` (of time.time(), which all hosts share) counts as a signal. The clock is looked at when
    the handlers are installed, and from then on by who uses this.
    """

    def __init__(
        self,
        *,
        grace_seconds: float = GRACE_SECONDS,
        numbers: Sequence[signal.Signals] = STOP_SIGNALS,
        stop_at: float | None = None,
    ) -> None:
        self._numbers = numbers
        self._stop_at = float("inf") if stop_at is None else stop_at
        self.requested = False
        self.abandon_at = float("inf")
        """Time (of time.monotonic) from which running items are abandoned."""
        self._grace_seconds = grace_seconds

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals within this context; afterwards all is as it was."""
        before = {number: signal.signal(number, self.on_signal) for number in self._numbers}
        try:
            with listening():
                self.look_at_clock()
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def requested_now(self) -> bool:
        """Return whether a stop was requested; called between items, by the main thread.

        An item may have left handlers of its own behind, which would keep the run from being stopped.
        """
        for number in self._numbers:
            if signal.getsignal(number) != self.on_signal:
                signal.signal(number, self.on_signal)
                tell_heard()
        return self.requested

    def look_at_clock(self) -> None:
        """Note that the time to stop has come, if it has and no signal came before."""
        if not self.requested and time.time() >= self._stop_at:
            self.on_signal(0, None)

    def stop_claims(self, counter: Stoppable) -> None:
        """Let no item be claimed any more if a stop was requested or its time has come."""
        self.look_at_clock()
        if self.requested and not counter.stopped():
            counter.stop()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Note one signal."""
        grace_seconds = 0.0 if self.requested else self._grace_seconds
        self.requested = True
        tell_heard()
        self.abandon_at = min(self.abandon_at, time.monotonic() + grace_seconds)


class EarlySignals(StopSignals):
    """What asks a process to stop before it is ready to: kept for the run that begins.

    To be installed before MPI is loaded, whose library has handlers of its own that would swallow it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Handle the signals until :meth:`remove`, also those whose handlers others have replaced meanwhile."""
        for number in self._numbers:
            self._before.setdefault(number, signal.signal(number, self.on_signal))

    def remove(self) -> None:
        """Let all be as it was, and forget."""
        while self._before:
            signal.signal(*self._before.popitem())
        self.requested = False


EARLY = EarlySignals()


class MainThreadInterrupts(StopSignals):
    """Time limit and stop signals for items that run in the main thread."""

    def __init__(
        self,
        *,
        running: Cell,
        item_time_limit_seconds: float | None,
        grace_seconds: float = GRACE_SECONDS,
        numbers: Sequence[signal.Signals] = STOP_SIGNALS,
        stop_at: float | None = None,
    ) -> None:
        super().__init__(grace_seconds=grace_seconds, numbers=numbers, stop_at=stop_at)
        self.interrupts = Interrupts()
        self._serve: Callable[[], float] | None = None
        self._is_serving = self._is_installed = False
        self._item = RunningItem(running)
        self._limit_seconds = item_time_limit_seconds
        self._tick_seconds = self._armed_seconds = tick_seconds(item_time_limit_seconds)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals and the timer within this context; afterwards no timer is armed."""
        before = signal.signal(signal.SIGALRM, self._on_tick)
        self._is_installed = True
        if self._limit_seconds is not None:
            self._arm()
        elif self._stop_at < float("inf"):  # no ticks before it is time
            self._arm(first_seconds=max(self._stop_at - time.time(), _AT_ONCE_SECONDS))
        try:
            with super().installed():
                yield
        finally:
            # an armed timer would kill the process once Python's handlers are gone
            self._is_installed = False  # a tick that comes now must not arm it again
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def serve(self, serve: Callable[[], float]) -> None:
        """Call ``serve`` at once and, until the signals are no longer handled, so many seconds later as it returned."""
        self._serve = serve
        self._arm(first_seconds=_AT_ONCE_SECONDS)

    def _arm(self, *, first_seconds: float | None = None) -> None:
        if self._is_installed:
            self._armed_seconds = first_seconds or self._tick_seconds
            signal.setitimer(signal.ITIMER_REAL, self._armed_seconds, self._tick_seconds)

    def requested_now(self) -> bool:
        """:meth:`StopSignals.requested_now`, by the clock too, and :meth:`regain_timer`."""
        if self._is_installed:
            self.look_at_clock()
            self.regain_timer()
        return super().requested_now()

    def regain_timer(self) -> None:
        """Have ticks come again if an item took the timer for itself; called between items, and after the last one.

        Where none are needed the item's handler may stay, for it may be for all items; its alarm may not.
        """
        if self._is_timer_lost():
            signal.signal(signal.SIGALRM, self._on_tick)
            self._arm()
            self._serve_others()  # now, for the next item may take it again
        elif signal.getsignal(signal.SIGALRM) != self._on_tick:
            signal.setitimer(signal.ITIMER_REAL, 0)

    @property
    def _looks_at_item(self) -> bool:
        """Whether the running item may have to be interrupted."""
        return self._limit_seconds is not None or self.requested

    def _is_timer_lost(self) -> bool:
        """Return whether ticks are needed all the while, and the next one would not come."""
        if self._serve is None and not self._looks_at_item:
            return False
        is_armed = 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= self._armed_seconds
        return not is_armed or signal.getsignal(signal.SIGALRM) != self._on_tick

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Note one signal, and look at the running item from now on."""
        super().on_signal(_number, _frame)
        if self._serve is None or self._is_timer_lost():  # else the next tick comes soon enough, or sooner
            self._arm()

    def _on_tick(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_serving:  # it took longer than a tick, and must not be left half-way
            return
        self._serve_others()
        if self.requested:
            tell_heard()
        self.look_at_clock()
        now = time.monotonic()
        index, seconds = self._item.look(now)
        self.interrupts.stop = now >= self.abandon_at
        if index == IDLE:
            return
        if self.interrupts.stop:
            self.interrupts.abandoned.add(index)
            raise ItemInterrupted
        if self._limit_seconds is not None and seconds >= self._limit_seconds:
            self.interrupts.overdue.add(index)
            raise ItemInterrupted

    def _serve_others(self) -> None:
        """Serve, if somebody is to be served, and have the next tick come when that is wanted again."""
        if self._serve is None:
            return
        self._is_serving = True
        try:
            wanted_seconds = self._serve()
            self._arm(first_seconds=min(wanted_seconds, self._tick_seconds) if self._looks_at_item else wanted_seconds)
        except RecursionError:  # the item's own depth, which is no fault of its: the next tick goes on
            pass
        finally:
            self._is_serving = False


class _ForkGuard(threading.local):
    """Gives processes that user code forks off the signals of a plain Python process.

    ``multiprocessing.Pool`` ends its workers by SIGTERM: one that noted it as a request to stop would live on, and be
    waited for. Signals are blocked meanwhile, for one that comes in between would be noted before the child's handlers
    are its own, and lost to it.
    """

    def __init__(self) -> None:
        self._masks: list[set[int]] = []

    def before(self) -> None:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_MAIN_THREAD)
        self._masks.append(set(blocked))

    def in_parent(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop())

    def in_child(self) -> None:
        for number in _FOR_MAIN_THREAD:
            handler = signal.getsignal(number)
            if _is_own(handler):
                plain = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                with suppress(ValueError):  # forked off by a thread of which Python does not know yet that it is alone
                    signal.signal(number, plain)
        self.in_parent()


_forks = _ForkGuard()
os.register_at_fork(before=_forks.before, after_in_parent=_forks.in_parent, after_in_child=_forks.in_child)
