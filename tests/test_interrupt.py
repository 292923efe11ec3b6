"""Ending items and runs from inside: what signals and the timer do, and that nothing of it stays armed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import chain, repeat

import pytest

from fullrank import interrupt
from fullrank.claim import IDLE, ItemInterrupted
from fullrank.interrupt import (
    STOP_SIGNALS,
    Helper,
    MainThreadInterrupts,
    RunningItem,
    StopSignals,
    left_behind_told,
    tick_seconds,
)

ENDLESS_SECONDS = 30.0
"""A loop that nothing ends fails its test after this long."""


@pytest.fixture(autouse=True)
def _nothing_stays_armed() -> Iterator[None]:
    numbers = (*STOP_SIGNALS, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    timer = signal.getitimer(signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, 0)  # pytest's own, for the time of a test that does not use it
    yield
    left = signal.getitimer(signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, *timer)
    assert left == (0.0, 0.0)
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_time_to_stop_counts_as_the_first_signal_and_arms_the_timer_then_only() -> None:
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None, stop_at=time.time() + 0.2)
    with signals.installed():
        (until_first, _) = signal.getitimer(signal.ITIMER_REAL)
        assert 0 < until_first <= 0.2
        assert not signals.requested
        loop(until=lambda: signals.requested)
        assert signals.abandon_at < float("inf")
    late = StopSignals(stop_at=time.time() - 1)
    late.look_at_clock()
    first = late.abandon_at
    late.look_at_clock()
    assert (late.requested, late.abandon_at) == (True, first)


def loop(until: Callable[[], bool] = lambda: False) -> None:
    deadline = time.monotonic() + ENDLESS_SECONDS
    while not until():
        if time.monotonic() > deadline:
            pytest.fail("nothing ended the loop")


def receive(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("limit_seconds", "expected"), [(None, 0.1), (0.001, 0.01), (0.4, 0.02), (1.0, 0.05), (60.0, 0.1)]
)
def test_the_running_item_is_looked_at_often_enough_for_its_limit(limit_seconds: float | None, expected: float) -> None:
    assert tick_seconds(limit_seconds) == pytest.approx(expected)


def test_an_item_runs_since_it_was_first_seen() -> None:
    running = [IDLE]
    item = RunningItem(running)
    assert item.look(10.0)[0] == IDLE
    running[0] = 4
    assert item.look(11.0) == (4, 0.0)
    assert item.look(13.5) == (4, 2.5)
    running[0] = 5
    assert item.look(14.0) == (5, 0.0)
    running[0] = IDLE
    assert item.look(15.0) == (IDLE, 0.0)
    running[0] = 5
    assert item.look(16.0) == (5, 0.0)


# --- asked to stop


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_asks_for_a_stop_and_leaves_items_their_grace(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = StopSignals(grace_seconds=5.0)
    assert (signals.requested, signals.abandon_at) == (False, float("inf"))
    with signals.installed():
        monkeypatch.setattr(interrupt.time, "monotonic", lambda: 100.0)
        receive(number)
        assert (signals.requested, signals.abandon_at) == (True, 105.0)
        monkeypatch.setattr(interrupt.time, "monotonic", lambda: 101.0)
        receive(number)  # a second one means it
        assert signals.abandon_at == 101.0
        monkeypatch.setattr(interrupt.time, "monotonic", lambda: 102.0)
        receive(number)
        assert signals.abandon_at == 101.0


def test_only_the_chosen_signals_are_handled() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopSignals(numbers=(signal.SIGTERM,)).installed():
        assert signal.getsignal(signal.SIGINT) is before


def test_handlers_are_put_back_after_an_error() -> None:
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=1.0)
    with pytest.raises(ZeroDivisionError), signals.installed():
        raise ZeroDivisionError


# --- in the main thread


def test_an_item_over_its_limit_is_interrupted_in_the_middle_of_python_code() -> None:
    running = [7]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=0.03)
    with signals.installed():
        with pytest.raises(ItemInterrupted):
            loop()
        running[0] = IDLE
    assert signals.interrupts.overdue == {7}
    assert not signals.interrupts.stop


def test_an_item_over_its_limit_is_interrupted_while_it_sleeps() -> None:
    signals = MainThreadInterrupts(running=[7], item_time_limit_seconds=0.03)
    with signals.installed(), pytest.raises(ItemInterrupted):
        time.sleep(ENDLESS_SECONDS)


def timers_armed(
    monkeypatch: pytest.MonkeyPatch, then: Callable[[float], object] = lambda _seconds: None
) -> list[float]:
    """Return a list that grows by the seconds for which the timer is set."""
    armed: list[float] = []
    set_timer = signal.setitimer

    def noting(which: int, seconds: float, interval: float = 0.0) -> None:
        set_timer(which, seconds, interval)
        armed.append(seconds)
        then(seconds)

    monkeypatch.setattr(signal, "setitimer", noting)
    return armed


def test_an_item_that_swallows_the_interruption_is_interrupted_again() -> None:
    running = [7]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=0.02)
    n_swallowed = 0
    with signals.installed():
        while n_swallowed < 3:
            with pytest.raises(ItemInterrupted):
                loop()
            n_swallowed += 1
        running[0] = IDLE  # the handler is there a little longer


def test_nothing_is_raised_while_no_item_runs() -> None:
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=0.0)
    signals._tick_seconds = 0.001
    n_ticks = 0
    on_tick = signals._on_tick

    def counted(number: int, frame: object) -> None:
        nonlocal n_ticks
        n_ticks += 1
        on_tick(number, frame)  # type: ignore[arg-type]

    signals._on_tick = counted  # type: ignore[method-assign]
    with signals.installed():
        receive(signal.SIGTERM)
        receive(signal.SIGTERM)
        loop(until=lambda: n_ticks >= 20)
    assert signals.interrupts.overdue == set()


def test_items_within_their_limit_are_left_alone() -> None:
    running = [0]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=ENDLESS_SECONDS)
    signals._tick_seconds = 0.001
    with signals.installed():
        for index in range(50):
            running[0] = index
            time.sleep(0.001)
    assert signals.interrupts.overdue == set()


def test_without_a_limit_the_timer_runs_from_the_first_signal_on() -> None:
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None)
    with signals.installed():
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        receive(signal.SIGUSR1)
        assert signal.getitimer(signal.ITIMER_REAL)[1] > 0


def test_who_is_served_says_when_the_next_time_is(monkeypatch: pytest.MonkeyPatch) -> None:
    armed = timers_armed(monkeypatch)
    wanted = chain([0.002, 0.03, 0.2], repeat(9.0))
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None)
    with signals.installed():
        signals.serve(lambda: next(wanted))
        loop(until=lambda: len(armed) == 4)
    assert armed[:4] == [0.001, 0.002, 0.03, 0.2]
    assert armed[-1] == 0


def test_a_time_limit_is_looked_at_as_often_whatever_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    armed = timers_armed(monkeypatch)
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=0.4)
    with signals.installed():
        signals.serve(lambda: 7.0)
        loop(until=lambda: len(armed) == 3)
    assert armed[:3] == [pytest.approx(0.02), 0.001, pytest.approx(0.02)]
    assert max(armed) == pytest.approx(0.02)


@pytest.mark.parametrize("stop_at", [None, 0.0])
def test_a_tick_on_the_way_out_arms_no_timer(monkeypatch: pytest.MonkeyPatch, stop_at: float | None) -> None:
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None)
    with monkeypatch.context() as patch:
        armed = timers_armed(patch, then=lambda seconds: signal.raise_signal(signal.SIGALRM) if seconds == 0 else None)
        with signals.installed():
            if stop_at is None:
                signals.serve(lambda: 0.05)
            else:
                signals._stop_at = stop_at  # it comes in the last moment
    assert armed[-1] == 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("error", [RecursionError, ValueError])
def test_who_is_served_is_served_again_after_an_exception(error: type[Exception]) -> None:
    """An item that has a raising handler of its own may have it raised in there; its depth is no fault of the item."""
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None)
    n_served = 0

    def serve() -> float:
        nonlocal n_served
        n_served += 1
        if n_served == 1:
            raise error
        return 0.001

    with signals.installed():
        signals.serve(serve)
        with pytest.raises(ValueError) if error is ValueError else nullcontext():
            loop(until=lambda: n_served > 0)
        loop(until=lambda: n_served > 3)


@pytest.mark.parametrize(
    "take",
    [
        lambda: signal.alarm(0),
        lambda: signal.alarm(60),
        lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
        lambda: with_textbook_timeout(lambda: time.sleep(0.01)),
    ],
)
def test_who_is_served_is_served_between_items_that_take_the_timer(take: Callable[[], object]) -> None:
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None)
    n_served = 0

    def serve() -> float:
        nonlocal n_served
        n_served += 1
        return 7.0

    with signals.installed():
        signals.serve(serve)
        loop(until=lambda: n_served == 1)  # the next tick is far away
        for number in range(5):
            take()
            assert not signals.requested_now()
            assert n_served == number + 2


def with_textbook_timeout(work: Callable[[], object]) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.alarm(5)
    work()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_time_limit_is_looked_at_again_after_an_item_that_took_the_timer() -> None:
    running = [IDLE]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=0.05)
    with signals.installed():
        signal.alarm(0)
        signals.requested_now()
        running[0] = 3
        with pytest.raises(ItemInterrupted):
            loop()
        running[0] = IDLE
    assert signals.interrupts.overdue == {3}


def test_time_to_stop_is_seen_between_items_that_take_the_timer() -> None:
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None, stop_at=time.time() + 0.05)
    with signals.installed():
        assert not signals.requested_now()
        with_textbook_timeout(lambda: time.sleep(0.06))
        assert signals.requested_now()


@pytest.mark.parametrize("serves", [True, False])
def test_a_stop_ends_an_item_that_took_the_timer(serves: bool) -> None:
    running = [3]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=None, grace_seconds=0.05)
    with signals.installed():
        if serves:
            signals.serve(lambda: 7.0)
        signal.alarm(0)
        receive(signal.SIGTERM)
        with pytest.raises(ItemInterrupted):
            loop()
        running[0] = IDLE
    assert signals.interrupts.abandoned == {3}


def test_a_signal_does_not_put_off_who_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None)
    with signals.installed():
        signals.serve(lambda: 0.05)
        armed = timers_armed(monkeypatch)
        receive(signal.SIGUSR1)
        assert 0.1 not in armed


@pytest.mark.parametrize(("grace_seconds", "n_signals"), [(0.05, 1), (1000.0, 2), (0.0, 1)])
def test_an_item_is_abandoned_after_its_grace_or_a_second_signal(grace_seconds: float, n_signals: int) -> None:
    running = [3]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=None, grace_seconds=grace_seconds)
    signals._tick_seconds = 0.005
    with signals.installed():
        for _ in range(n_signals):
            receive(signal.SIGINT)
        with pytest.raises(ItemInterrupted):
            loop()
        running[0] = IDLE
    assert signals.interrupts.stop
    assert signals.interrupts.abandoned == {3}
    assert signals.interrupts.overdue == set()


def test_an_item_may_end_within_its_grace() -> None:
    running = [3]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=None, grace_seconds=1000.0)
    signals._tick_seconds = 0.001
    with signals.installed():
        receive(signal.SIGTERM)
        time.sleep(0.02)
        running[0] = IDLE
    assert signals.requested
    assert not signals.interrupts.stop


def test_no_signal_goes_to_a_helper_and_the_main_thread_hears_as_before() -> None:
    # the system may give a signal to any thread; the main one, in a system call, would not notice
    heard: list[set[int]] = []
    helper = Helper(target=lambda: heard.append(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    helper.start()
    helper.join()
    assert heard[0] >= {*STOP_SIGNALS, signal.SIGALRM}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.parametrize("limit_seconds", [None, 30.0])
def test_an_alarm_that_an_item_left_behind_does_not_ring_after_the_look_between_items(
    limit_seconds: float | None,
) -> None:
    heard: list[int] = []

    def ring(number: int, _frame: object) -> None:
        heard.append(number)

    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=limit_seconds)
    with signals.installed():
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        assert not signals.requested_now()
        if limit_seconds is None:
            assert signal.getsignal(signal.SIGALRM) == ring  # it may be for all items
        time.sleep(0.3)
    assert heard == []


def test_what_fullranks_own_handler_raises_is_not_called_the_users() -> None:
    def fail() -> float:
        raise OSError("no progress")

    signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None)
    with signals.installed(), pytest.raises(OSError, match="no progress"), left_behind_told("sim:f"):
        signals.serve(fail)
        loop()
