"""Ending an item from another thread of its interpreter: CPython raises an exception in the thread that runs it."""

import threading

from fullrank.claim import IDLE, Cell, ItemInterrupted
from fullrank.dataclass import dataclass, field
from fullrank.evaluate import Interrupts
from fullrank.interrupt import RunningItem


def _raise_in_thread(identity: int, exception: type[BaseException] | None) -> None:
    """Have CPython raise ``exception`` in another thread, or take back what has not been raised yet (None)."""
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(identity), ctypes.py_object(exception) if exception else None
    )


@dataclass
class ThreadInterrupts(Interrupts):
    """Interruptions sent by the main thread; :meth:`settle` takes back one that comes too late."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _identity: int = 0
    _sent: bool = False

    def attach(self) -> None:
        """Let interruptions go to the calling thread."""
        self._identity = threading.get_ident()

    def send(self, running: Cell, index: int) -> None:
        """Interrupt the attached thread if it still runs item ``index``."""
        with self._lock:
            if self._identity and running[0] == index:
                if self.stop:
                    self.abandoned.add(index)
                self._sent = True
                _raise_in_thread(self._identity, ItemInterrupted)

    def settle(self) -> None:
        """Take back what was sent and has not arrived."""
        with self._lock:
            if self._sent:
                _raise_in_thread(self._identity, None)
                self._sent = False


class Guard:
    """One worker's running item, watched from another thread: interrupted where it is over its limit or in the way."""

    def __init__(self, running: Cell, interrupts: ThreadInterrupts, *, item_time_limit_seconds: float | None) -> None:
        self._running = running
        self._interrupts = interrupts
        self._item = RunningItem(running)
        self._limit_seconds = item_time_limit_seconds

    def look(self, now: float, *, abandon: bool) -> None:
        """Interrupt the running item if it is over its limit, or if items are to be abandoned."""
        index, seconds = self._item.look(now)
        self._interrupts.stop = abandon
        if index == IDLE:
            return
        overdue = self._limit_seconds is not None and seconds >= self._limit_seconds
        if overdue:
            self._interrupts.overdue.add(index)
        if overdue or abandon:
            self._interrupts.send(self._running, index)
