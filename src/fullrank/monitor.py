"""Root's eyes on a run in progress: how far it is, whether to stop it, and the lock that must be renewed."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from threading import Event
from time import monotonic
from types import TracebackType

from fullrank.backends.base import Handle
from fullrank.dataclass import dataclass
from fullrank.errors import FullrankError
from fullrank.interrupt import Helper
from fullrank.lock import RENEWAL_SECONDS
from fullrank.progress import Display

LOOK_SECONDS = 0.2
SILENCE_LOOK_SECONDS = 30.0
ALL_FAILED_ITEMS = 20
"""A run whose first 20 finished items have all failed is stopped: the cause is rarely the items."""


@dataclass(frozen=True)
class FailureRule:
    """When failures stop a run."""

    max_failures: int | None = None

    def verdict(self, n_finished: int, n_failed: int) -> str:
        """Return why the run is to stop, "" to go on.

        >>> FailureRule().verdict(20, 20), FailureRule().verdict(21, 20), FailureRule(3).verdict(9, 3)
        ('all failed', '', 'too many failures')
        """
        if self.max_failures is not None and n_failed >= self.max_failures:
            return "too many failures"
        if self.max_failures is None and n_finished >= ALL_FAILED_ITEMS and n_failed == n_finished:
            return "all failed"
        return ""


class Monitor(AbstractContextManager[None]):
    """Looks at a run from a thread of root: shows how far it is, keeps its lock, stops it for failures."""

    def __init__(
        self,
        handle: Handle,
        *,
        display: Display,
        rule: FailureRule,
        renew_lock: Callable[[], None],
        silent_workers: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._handle = handle
        self._display = display
        self._rule = rule
        self._renew_lock = renew_lock
        self._silent_workers = silent_workers
        self._end = Event()
        self._thread = Helper(target=self._run, name="fullrank-monitor", daemon=True)
        self.verdict = ""
        """Why it stopped the run; "" if it did not."""
        self.error: FullrankError | None = None
        """What made it stop the run: the lock is lost."""

    def __enter__(self) -> None:
        self._begun = monotonic()
        self._thread.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        renewed = listened = monotonic()
        while not self._end.wait(LOOK_SECONDS):
            self._look()
            if monotonic() - listened > SILENCE_LOOK_SECONDS:
                listened = monotonic()
                for sentence in self._silent_workers():
                    self._display.say(sentence)
            if monotonic() - renewed > RENEWAL_SECONDS:
                renewed = monotonic()
                try:
                    self._renew_lock()
                except FullrankError as error:
                    self.error = error
                    self._handle.stop()
                    return

    def _look(self) -> None:
        tally = self._handle.tally()
        self._display.show(tally, monotonic() - self._begun)
        verdict = self._rule.verdict(tally.n_finished, tally.n_failed)
        if verdict and not self.verdict:
            self.verdict = verdict
            self._handle.stop()
