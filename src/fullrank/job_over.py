"""Whether another job than that of this process is over, as its batch system answers."""

import os
from collections.abc import Mapping

from fullrank.job_end import ANSWER_SECONDS

_QUESTIONS = {
    "slurm": (("squeue", "--noheader", "--format=%T", "--job"), "Invalid job id"),
    "sge": (("qstat", "-j"), "do not exist"),
}
"""How a batch system is asked for a job, whose number follows, and what it says of one that it knows no more.

The others were not tried.
"""


def job_is_over(job_id: str, environ: Mapping[str, str] = os.environ) -> bool | None:
    """Return whether a job, ``slurm:5`` say, has ended for good; None where its batch system does not tell.

    Of one that is over none of the processes is left on its nodes: a batch system ends them before it calls a job
    ended.
    """
    scheduler, _, number = job_id.partition(":")
    if scheduler not in _QUESTIONS:
        return None
    import subprocess

    words, unknown = _QUESTIONS[scheduler]
    command = [*words, number.partition("[")[0]]  # Grid Engine tells of all elements of an array at once
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=ANSWER_SECONDS, env=environ, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return True if unknown in done.stdout + done.stderr else None
    return not done.stdout.strip()
