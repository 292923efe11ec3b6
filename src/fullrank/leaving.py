"""The end of a process: what user code has left running in it may take a while, but not for ever.

Python waits for threads that are no daemons and for exit handlers. For one that never ends a finished run would not
end either, and with it the other ranks, the launcher and the batch job.
"""

import _thread
import os
import sys
import time

TYPE_CHECKING = False  # typing's own opens a dozen files
if TYPE_CHECKING:
    from typing import NoReturn

LEAVE_SECONDS = 10.0
"""So long after its work a process waits for what user code has left running."""

_patience_seconds = LEAVE_SECONDS


def leave_behind() -> None:
    """Have :func:`see_off` wait for nothing: some thread here is known not to end."""
    global _patience_seconds
    _patience_seconds = 0.0


def see_off(exit_code: int, who: str, *, is_rank: bool = False) -> None:
    """See to it that this process, which is about to end, does so within ten seconds, and with ``exit_code``."""
    if not _patience_seconds:
        _end_now(exit_code, is_rank=False)
    try:
        # a Thread would wait until the new one says that it runs, which without memory it never does
        _thread.start_new_thread(_end_late, (exit_code, who, is_rank))
    except (RuntimeError, MemoryError):  # user code has left no room for it
        _end_now(exit_code, is_rank=is_rank)


def _end_late(exit_code: int, who: str, is_rank: bool) -> None:
    time.sleep(_patience_seconds)
    try:
        os.write(2, f"fullrank: {who} {_left_running()} did not end within {_patience_seconds:g} s\n".encode())
    finally:
        _end(exit_code, is_rank=is_rank)


def _end_now(exit_code: int, *, is_rank: bool) -> "NoReturn":
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        _end(exit_code, is_rank=is_rank)


def _end(exit_code: int, *, is_rank: bool) -> "NoReturn":
    try:
        if is_rank:  # MPICH takes its leave of the launcher in an exit handler of C; without, it counts as a crash
            import ctypes

            ctypes.CDLL(None).exit(exit_code)
    finally:
        os._exit(exit_code)


def _left_running() -> str:
    import threading

    main = threading.main_thread()
    names = [repr(thread.name) for thread in threading.enumerate() if not thread.daemon and thread is not main]
    if not names:
        return "left without an exit handler, which"
    return f"left without the thread{'s' * (len(names) > 1)} {', '.join(names)} of the function, which"
