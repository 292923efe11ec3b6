"""Who holds the lock of a working folder, and whether that may be a run that is dead: looked at, never taken."""

import time
from pathlib import Path

from fullrank.job_over import job_is_over
from fullrank.lock import RENEWAL_SECONDS
from fullrank.owner import Owner, Verdict, judge, owner_from, process_start, this_process

_QUIET_SECONDS = 4 * RENEWAL_SECONDS
"""Of a holder that renews its lock less often the batch system is asked: of all it would be too often."""


def holder_of(folder: Path) -> str | None:
    """Return who holds the lock of ``folder``; None if nobody does, or a process that is gone."""
    owner = _owner_of(folder)
    if owner is None:
        return None
    verdict = judge(owner, this_process(), process_start)
    if verdict is Verdict.UNKNOWN and owner.job and _is_quiet(folder) and job_is_over(owner.job):
        verdict = Verdict.GONE
    return None if verdict is Verdict.GONE else str(owner)


def _is_quiet(folder: Path) -> bool:
    try:
        return time.time() - (folder / "lock").stat().st_mtime > _QUIET_SECONDS
    except OSError:
        return False


def may_be_stale(folder: Path) -> bool:
    """Return whether the holder of the lock of ``folder`` is out of sight, and not in a job that is known to go on."""
    owner = _owner_of(folder)
    if owner is None or judge(owner, this_process(), process_start) is not Verdict.UNKNOWN:
        return False
    return not owner.job or job_is_over(owner.job) is not False


def _owner_of(folder: Path) -> Owner | None:
    try:
        return owner_from((folder / "lock").read_text(errors="replace"))
    except OSError:
        return None
