"""The end of a process: what user code has left running in it may take a while, but not for ever.

Python waits for threads that are no daemons and for exit handlers. For one that never ends a finished run would not
end either, and with it the other ranks, the launcher and the batch job.
"""

import os
import sys

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
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    import threading

    late = threading.Thread(target=_end_late, args=(exit_code, who, is_rank), name="fullrank-leaving", daemon=True)
    late.start()


def _end_late(exit_code: int, who: str, is_rank: bool) -> None:
    import time

    time.sleep(_patience_seconds)
    os.write(2, f"fullrank: {who} {_left_running()} did not end within {_patience_seconds:g} s\n".encode())
    if is_rank:  # MPICH takes its leave of the launcher in an exit handler of C; without, it counts as a crash
        import ctypes

        ctypes.CDLL(None).exit(exit_code)
    os._exit(exit_code)


def _left_running() -> str:
    import threading

    main = threading.main_thread()
    names = [repr(thread.name) for thread in threading.enumerate() if not thread.daemon and thread is not main]
    if not names:
        return "left without an exit handler, which"
    return f"left without the thread{'s' * (len(names) > 1)} {', '.join(names)} of the function, which"
