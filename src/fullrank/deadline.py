"""Until when a run hands out items: what the user said, and when its batch job ends."""

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
