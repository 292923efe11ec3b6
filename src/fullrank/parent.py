"""A process and its parent: it ends with it, in whatever code it is, for the system sees to it; and how it died."""

import os
import signal
import sys
from collections.abc import Callable


def end_with(parent: int, number: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """Return what a child calls to get the signal ``number`` when ``parent`` dies; None where no system call does that.

    To Linux the parent is the thread that started the child, which has to live as long as the child is wanted.
    """
    if sys.platform != "linux":
        return None
    import ctypes

    set_option, parent_death_signal = ctypes.CDLL(None).prctl, 1

    def set_signal() -> None:
        set_option(parent_death_signal, number)
        if os.getppid() != parent:  # it died before the signal was set
            os._exit(1)

    return set_signal


def die_with(parent: int) -> None:
    """Have this process killed when its parent dies; where the system cannot, its keeper thread ends it."""
    if (set_signal := end_with(parent, signal.SIGKILL)) is not None:
        set_signal()


def signal_name(number: int) -> str:
    """Return what a signal is called, of which a process may have died: those for real time have no names in Python.

    >>> signal_name(11), signal_name(40), signal_name(99)
    ('SIGSEGV', 'SIGRTMIN+6', 'signal 99')
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        first = getattr(signal, "SIGRTMIN", number + 1)
        is_known = first < number < getattr(signal, "SIGRTMAX", number)
        return f"SIGRTMIN+{number - first}" if is_known else f"signal {number}"
