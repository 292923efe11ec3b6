"""Until when a run hands out items: what the user said, and when its batch job ends."""

from collections.abc import Mapping

from fullrank.scheduler import job_from

STOP_AT_VARIABLE = "FULLRANK_STOP_AT"
"""Time (of time.time()) that a command hands on to the ranks it starts: theirs is not the start that counts."""
LEAVE_SECONDS = 60.0
"""Before the job ends: for running items, and for journals that go to a slow disk."""
_LEAVE_SHARE = 0.1
"""Of the time the job has left when the run begins, at most that much."""


def stop_time(now: float, *, begun: float, stop_after_seconds: float | None, job_ends_at: float | None) -> float | None:
    """Return the time from which no items are handed out, None for never; all times are those of time.time().

    ``--stop-after`` counts from ``begun``, the start of the command. Of it and the job's own end the earlier counts.

    >>> stop_time(1010.0, begun=1000.0, stop_after_seconds=300.0, job_ends_at=None)
    1300.0
    >>> stop_time(1010.0, begun=1000.0, stop_after_seconds=None, job_ends_at=4610.0)
    4550.0
    """
    times = []
    if stop_after_seconds is not None:
        times.append(begun + stop_after_seconds)
    if job_ends_at is not None:
        times.append(job_ends_at - min(LEAVE_SECONDS, max(0.0, _LEAVE_SHARE * (job_ends_at - now))))
    return min(times, default=None)


def stop_time_told(
    environ: Mapping[str, str], now: float, *, begun: float, stop_after_seconds: float | None
) -> float | None:
    """Return :func:`stop_time` for a command in this environment, or what the command that started it has found."""
    try:
        return float(environ[STOP_AT_VARIABLE])
    except (KeyError, ValueError):
        job = job_from(environ)
    return stop_time(
        now, begun=begun, stop_after_seconds=stop_after_seconds, job_ends_at=job.ends_at if job is not None else None
    )
