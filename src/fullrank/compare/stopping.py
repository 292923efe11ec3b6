"""A comparison that is asked to stop: heard at once, obeyed between two runs."""

import os
import signal
import subprocess
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from fullrank.interrupt import STOP_SIGNALS

N_ASKED_TO_KILL = 3
"""Who asks so often waits for a run that does not end by itself."""


class StopRequest:
    """Remembers that a signal asked to stop; a context manager, for the main thread.

    Its handler raises nothing: what is raised while Python forks or finalises an object is lost. It passes the
    request on to the run that is being measured, which ends its workers and ranks; the next :meth:`check` raises.
    """

    def __init__(self) -> None:
        self._n_asked = 0
        self._running: subprocess.Popen[bytes] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._hear) for number in STOP_SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal asked to stop."""
        if self._n_asked:
            raise KeyboardInterrupt

    def wait(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait for the end of a run that leads a session, and return its exit code."""
        self._running = process
        try:
            if self._n_asked:  # while it was started
                self._pass_on()
            return process.wait()
        finally:
            self._running = None

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self._n_asked += 1
        self._pass_on()

    def _pass_on(self) -> None:
        if self._running is None:
            return
        if self._n_asked < N_ASKED_TO_KILL:
            self._running.terminate()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)
