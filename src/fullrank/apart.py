"""A command that reads files of others, in a process of its own, which HDF5 may take down, or keep for ever.

HDF5 is C code: in some files that were damaged, or made so on purpose, it dies of a signal, and while it computes no
handler of Python's hears a Ctrl-C. The process that was started loads none of it and outlives it.
"""

import os
import shlex
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from fullrank.errors import OutputError, Stopped
from fullrank.parent import die_with, signal_name

_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT)
_DEAF_SECONDS = 1.0
"""A command that has heard a Ctrl-C, which reaches both processes, has long ended by then."""
_LOOK_SECONDS = 0.01


def apart(command: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Carry out ``command(argv)`` in a child and return its exit code; say what it died of.

    To be called before threads and large imports.
    """
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        die_with(parent)
        return command(argv)
    is_interrupted = False
    try:
        status = os.waitpid(child, 0)[1]
    except KeyboardInterrupt:
        status, is_interrupted = _ended(child), True
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    if number in _CRASHES:
        _say(
            f"error: fullrank {shlex.join(argv)}: HDF5 died of {signal_name(number)} while it read; "
            f"the file is damaged, or made so on purpose: take another copy or run the study again"
        )
        return OutputError.exit_code
    _say("interrupted" if is_interrupted else f"ended by {signal_name(number)}")
    return Stopped.exit_code


def _say(sentence: str) -> None:
    with suppress(OSError):  # standard error may be closed
        os.write(2, f"fullrank: {sentence}\n".encode(errors="surrogateescape"))


def _ended(child: int) -> int:
    """Return how the child ended once it had time to hear the Ctrl-C itself; a deaf one is killed."""
    end = time.monotonic() + _DEAF_SECONDS
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(_LOOK_SECONDS)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]
