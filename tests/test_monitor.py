"""Root's eyes on a run: what it shows, when it stops a run, how it keeps the lock."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from fullrank import monitor
from fullrank.backends.base import Tally
from fullrank.errors import Locked
from fullrank.monitor import FailureRule, Monitor


@dataclass
class Run:
    """A run in progress whose tally the test decides."""

    now: Tally = field(default_factory=lambda: Tally(0, 0, 0.0))
    n_stops: int = 0

    def tally(self) -> Tally:
        return self.now

    def stop(self) -> None:
        self.n_stops += 1


@dataclass
class Screen:
    """A display that remembers."""

    shown: list[tuple[Tally, float]] = field(default_factory=list)

    def begin(self, n_todo: int, n_finished_before: int, *, n_workers: int) -> None: ...

    def show(self, tally: Tally, elapsed_seconds: float) -> None:
        self.shown.append((tally, elapsed_seconds))

    def end(self) -> None: ...


@dataclass
class Lock:
    """A lock that may be lost."""

    n_renewals: int = 0
    lost: bool = False

    def renew(self) -> None:
        self.n_renewals += 1
        if self.lost:
            raise Locked("another run took it")


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "LOOK_SECONDS", 0.001)


def watching(run: Run, **options: object) -> Monitor:
    settings: dict[str, object] = {"display": Screen(), "rule": FailureRule(), "renew_lock": Lock().renew}
    return Monitor(run, **(settings | options))  # type: ignore[arg-type]


def eventually(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.001)
    return true()


# --- the rule


@pytest.mark.parametrize(
    ("max_failures", "n_finished", "n_failed", "verdict"),
    [
        (None, 0, 0, ""),
        (None, 19, 19, ""),
        (None, 20, 20, "all failed"),
        (None, 5000, 5000, "all failed"),
        (None, 20, 19, ""),
        (None, 5000, 4999, ""),
        (100, 5000, 99, ""),
        (100, 5000, 100, "too many failures"),
        (100, 20, 20, ""),
        (1, 1, 1, "too many failures"),
    ],
)
def test_failures_stop_a_run_by_the_rule_and_no_earlier(
    max_failures: int | None, n_finished: int, n_failed: int, verdict: str
) -> None:
    assert FailureRule(max_failures).verdict(n_finished, n_failed) == verdict


# --- looking


def test_progress_is_shown_while_the_run_goes_on_and_once_more_at_its_end() -> None:
    run, screen = Run(), Screen()
    with watching(run, display=screen):
        run.now = Tally(3, 0, 1.0)
        assert eventually(lambda: bool(screen.shown) and screen.shown[-1][0].n_finished == 3)
        run.now = Tally(4, 0, 1.5)
    assert screen.shown[-1][0] == Tally(4, 0, 1.5)
    elapsed = [seconds for _, seconds in screen.shown]
    assert elapsed == sorted(elapsed)
    assert elapsed[0] >= 0


def test_a_run_whose_failures_are_too_many_is_stopped_once() -> None:
    run = Run()
    seen = watching(run, rule=FailureRule(2))
    with seen:
        assert eventually(lambda: threading.active_count() > 1)
        assert (seen.verdict, run.n_stops) == ("", 0)
        run.now = Tally(10, 2, 0.0)
        assert eventually(lambda: run.n_stops == 1)
        run.now = Tally(20, 9, 0.0)
    assert (seen.verdict, run.n_stops) == ("too many failures", 1)


def test_failures_of_a_run_that_is_over_at_once_are_judged_too() -> None:
    run = Run(Tally(20, 20, 0.0))
    seen = watching(run)
    with seen:
        pass
    assert seen.verdict == "all failed"


def test_the_lock_is_renewed_while_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "RENEWAL_SECONDS", 0.002)
    lock = Lock()
    with watching(Run(), renew_lock=lock.renew):
        assert eventually(lambda: lock.n_renewals >= 3)


def test_the_lock_is_not_renewed_at_every_look() -> None:
    lock, screen = Lock(), Screen()
    with watching(Run(), display=screen, renew_lock=lock.renew):
        assert eventually(lambda: len(screen.shown) > 20)
    assert lock.n_renewals == 0


def test_a_run_that_lost_its_lock_is_stopped_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "RENEWAL_SECONDS", 0.0)
    run = Run()
    seen = watching(run, renew_lock=Lock(lost=True).renew)
    with seen:
        assert eventually(lambda: run.n_stops == 1)
    assert str(seen.error) == "another run took it"


def test_an_error_of_the_run_passes_and_the_thread_ends() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), watching(Run()):
        raise ZeroDivisionError
    assert threading.active_count() == before
