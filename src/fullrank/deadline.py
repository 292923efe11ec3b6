"""Until when a run hands out items: what the user said, and when its batch job ends."""

from collections.abc import Mapping

from fullrank.job_end import job_end
from fullrank.scheduler import Job, job_from

STOP_AT_VARIABLE = "FULLRANK_STOP_AT"
"""Time (of time.time()) that a command hands on to the ranks it starts: theirs is not the start that counts."""
LEAVE_SECONDS = 180.0
"""Before a job ends: for running items, and for journals and a result that go to a slow disk."""
SIGNAL_SECONDS = 60.0
"""So much earlier Slurm may send a signal than it was told to."""
LEAVE_SHARE = 0.2
"""Of the time that the job has, or has left when a run begins, at most that much."""


def leave_seconds(left_seconds: float) -> float:
    """Return how long before its end a job that has so much time begins to stop, in s.

    >>> leave_seconds(3600.0), leave_seconds(300.0)
    (180.0, 60.0)
    """
    return max(0.0, min(LEAVE_SECONDS, LEAVE_SHARE * left_seconds))


def stop_time(now: float, *, begun: float, stop_after_seconds: float | None, job_ends_at: float | None) -> float | None:
    """Return the time from which no items are handed out, None for never; all times are those of time.time().

    ``--stop-after`` counts from ``begun``, the start of the command, and holds if the job lasts that long; else the job
    is left :func:`leave_seconds` before its end.

    >>> stop_time(1010.0, begun=1000.0, stop_after_seconds=300.0, job_ends_at=None)
    1300.0
    >>> stop_time(1010.0, begun=1000.0, stop_after_seconds=None, job_ends_at=4610.0)
    4430.0
    """
    wished = None if stop_after_seconds is None else begun + stop_after_seconds
    if job_ends_at is None or (wished is not None and wished < job_ends_at):
        return wished
    return job_ends_at - leave_seconds(job_ends_at - now)


def is_last_of(job: Job, environ: Mapping[str, str], now: float) -> bool:
    """Return whether a job has only the time left that it is told to stop in; False where nothing tells its end."""
    ends_at = job_end(job, environ, now)
    return ends_at is not None and ends_at - now <= LEAVE_SECONDS + SIGNAL_SECONDS


def stop_time_told(
    environ: Mapping[str, str], now: float, *, begun: float, stop_after_seconds: float | None
) -> float | None:
    """Return :func:`stop_time` for a command in this environment, or what the command that started it has found."""
    try:
        return float(environ[STOP_AT_VARIABLE])
    except (KeyError, ValueError):
        job = job_from(environ)
    ends_at = job_end(job, environ, now) if job is not None else None
    return stop_time(now, begun=begun, stop_after_seconds=stop_after_seconds, job_ends_at=ends_at)
