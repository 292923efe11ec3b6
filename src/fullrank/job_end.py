"""When the job ends that this process runs in: as its environment says, else as its batch system answers."""

import re
from collections.abc import Callable, Mapping

from fullrank.dataclass import dataclass
from fullrank.scheduler import Job

ANSWER_SECONDS = 10.0
"""A batch system that takes longer to answer is not waited for."""
_IN_SECONDS = (1, 60, 3600, 86400)
_NO_LIMIT_SECONDS = 364 * 86400.0
"""Slurm says of jobs without a limit that they end in a year."""


@dataclass(frozen=True)
class _Question:
    """How a batch system is asked for a job's limit."""

    command: tuple[str, ...]
    """The job's number follows."""
    left_seconds: Callable[[str, Mapping[str, str], float], float | None]
    """The time that is left, in s, by the answer, the environment and the time now; None if there is no limit."""


def job_end(job: Job, environ: Mapping[str, str], now: float) -> float | None:
    """Return the time (of time.time()) at which a job ends; None where nothing says so."""
    if job.ends_at is not None:
        left: float | None = job.ends_at - now
    else:
        question = _QUESTIONS[job.scheduler]
        left = question.left_seconds(_answer([*question.command, _number(job)], environ), environ, now)
    return None if left is None or left >= _NO_LIMIT_SECONDS else now + left


def _number(job: Job) -> str:
    number = job.job_id.partition(":")[2]
    return number.partition("[")[0] if job.scheduler == "sge" else number  # which tells of all tasks at once


def _answer(command: list[str], environ: Mapping[str, str]) -> str:
    import subprocess

    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=ANSWER_SECONDS, env=environ, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _left_by_squeue(answer: str, _environ: Mapping[str, str], _now: float) -> float | None:
    """Read days-hours:minutes:seconds, or UNLIMITED.

    >>> [_left_by_squeue(answer, {}, 0.0) for answer in ("1-02:03:04", "59:30", "UNLIMITED")]
    [93784.0, 3570.0, None]
    """
    return _seconds(answer.strip()) if re.fullmatch(r"[\d:-]+", answer.strip()) else None


def _left_by_pbs(answer: str, _environ: Mapping[str, str], _now: float) -> float | None:
    r"""Read the limit and what is used of it, which is told from the first minutes on.

    >>> _left_by_pbs("  Resource_List.walltime = 01:00:00\n  resources_used.walltime = 00:10:00\n", {}, 0.0)
    3000.0
    """
    limit = re.search(r"Resource_List\.walltime = ([\d:]+)", answer)
    used = re.search(r"resources_used\.walltime = ([\d:]+)", answer)
    return None if limit is None else _seconds(limit[1]) - (_seconds(used[1]) if used else 0.0)


def _left_by_grid_engine(answer: str, environ: Mapping[str, str], now: float) -> float | None:
    """Read the limit in seconds, which counts from when the job's folder on this node was made."""
    from pathlib import Path

    limit = re.search(r"^hard resource_list: .*\bh_rt=(\d+)", answer, re.MULTILINE)
    try:
        started = Path(environ["SGE_JOB_SPOOL_DIR"], "config").stat().st_mtime
    except (KeyError, OSError):
        return None
    return None if limit is None else started + float(limit[1]) - now


def _left_by_lsf(answer: str, _environ: Mapping[str, str], _now: float) -> float | None:
    """Read hours:minutes, and that they are those of a limit.

    >>> _left_by_lsf("77 ada RUN normal head a job Nov 27 13:51 0:58 L", {}, 0.0), _left_by_lsf("0:58 E", {}, 0.0)
    (3480.0, None)
    """
    found = re.search(r"(\d+:\d+) +L\s*$", answer)
    return None if found is None else 60.0 * _seconds(found[1])


def _seconds(text: str) -> float:
    """Return what a time of the form days-hours:minutes:seconds means in s, whatever is left out at its beginning."""
    parts = [int(part) for part in re.split("[:-]", text) if part]
    return float(sum(part * unit for part, unit in zip(reversed(parts), _IN_SECONDS, strict=False)))


_QUESTIONS = {
    "slurm": _Question(("squeue", "--noheader", "--format=%L", "--job"), _left_by_squeue),
    "pbs": _Question(("qstat", "-f"), _left_by_pbs),
    "sge": _Question(("qstat", "-j"), _left_by_grid_engine),
    "lsf": _Question(("bjobs", "-noheader", "-WL"), _left_by_lsf),
}
"""Of PBS and LSF by their documentation only. What limits a queue alone is told by none but Slurm and LSF."""
