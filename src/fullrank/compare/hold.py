"""The output of a comparison is one comparison's at a time, as that of a run is one run's."""

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from fullrank.errors import Locked
from fullrank.lock import RENEWAL_SECONDS, RunLock
from fullrank.workfolder import WorkFolder


class OutputHold:
    """The right to write a comparison to ``output``; a context manager, which waits for another's end as a run does.

    It is the lock of a run with this output, so no run writes there either. A thread renews it, for one measured run
    may take longer than a lock lasts without a sign of life; :meth:`check` tells if it was lost all the same.
    """

    def __init__(self, output: Path, *, take_over: bool, notify: Callable[[str], object]) -> None:
        self._folder = WorkFolder(output)
        self._lock = RunLock(self._folder.path, take_over=take_over, notify=notify)
        self._ended = Event()
        self._renewing = Thread(target=self._renew, daemon=True)
        self._lost: Locked | None = None

    def __enter__(self) -> Self:
        """Raise Locked if another comparison or run writes there, OutputError if the folder cannot be written."""
        self._folder.create()
        try:
            self._lock.acquire()
        except BaseException:
            self._folder.remove()  # stays where somebody else holds its lock
            raise
        self._renewing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._renewing.join()
        self._lock.release()
        self._folder.remove()

    def check(self) -> None:
        """Look whether the output is still this comparison's, before its file is touched; Locked if it is not."""
        try:
            if self._lost is None:
                self._lock.renew()
        except Locked as lost:
            self._lost = lost
        if self._lost is not None:
            raise self._lost

    def _renew(self) -> None:
        while self._lost is None and not self._ended.wait(RENEWAL_SECONDS):
            try:
                self._lock.renew()
            except Locked as lost:
                self._lost = lost
