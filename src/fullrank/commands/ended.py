"""What came of ``fullrank run``: told on the terminal or as JSON, and the exit code."""

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from fullrank.console import tell
from fullrank.errors import FailedItems, Stopped, UsageError
from fullrank.request import Request


def ended(ending: Any, request: Request) -> int:
    """Tell what came of the run, and return the exit code."""
    arguments = request.arguments
    code = _exit_code(ending, arguments.allow_failures)
    job = _job_too_short(ending)
    if job:
        code = UsageError.exit_code
    if arguments.json:
        sys.stdout.write(json.dumps(ending.to_dict() | {"exit_code": code}) + "\n")
    _tell_ending(ending, request, as_json=arguments.json)
    if job:
        tell(
            f"fullrank: error: no item has ended before the time limit of job {job}, which would get no further if it "
            f"started again: expected time for at least one item; ask for more, or make the items smaller\n"
        )
    return code


def _job_too_short(ending: Any) -> str:
    """Return the job that its limit ends before any item has ended; "" if it is not so."""
    from fullrank.deadline import is_last_of
    from fullrank.ending import End
    from fullrank.scheduler import job_from

    job = job_from(os.environ) if ending.end is End.STOPPED and ending.is_fruitless else None
    return job.job_id if job is not None and is_last_of(job, os.environ, time.time()) else ""


def _exit_code(ending: Any, n_allowed: int) -> int:
    from fullrank.ending import End

    if ending.end in (End.STOPPED, End.DIED):
        return Stopped.exit_code
    if ending.end is End.SHARD:
        return 0  # what failed is told by the run that gathers
    if ending.end is End.FAILURES or ending.summary.n_failed > n_allowed:
        return FailedItems.exit_code
    return 0


def _tell_ending(ending: Any, request: Request, *, as_json: bool) -> None:
    """Tell what came of the run: what is amiss on standard error, the rest where a person reads standard output."""
    from fullrank.ending import End

    if ending.end is End.STOPPED:
        left = f"{ending.n_finished:,} of {ending.n_items:,} items are finished"
        tell(f"fullrank: stopped; {left}, none is lost. Run the same command to go on\n")
    elif ending.end is End.DIED:
        from fullrank.conduct import died

        tell(f"fullrank: error: {died(request, again='the same command goes on')}\n")
    elif ending.end is End.FAILURES:
        why = (
            "stopped at the first failed item, as run.on_error asks; the same command goes on with the others:"
            if request.config.run.on_error == "stop"
            else "stopped, because too many items failed; mend the function or the study and run the same command "
            "again. The first of them:"
        )
        tell(f"fullrank: error: {why}\n{ending.first_failure}\n")
    elif as_json:
        return
    elif ending.end is End.SHARD:
        sys.stdout.write(f"shard {request.shard} is complete; {_of_others(ending)}\n")
    elif ending.end is End.ALREADY_COMPLETE:
        failed = f", {ending.summary.n_failed:,} of them failed" if ending.summary.n_failed else ""
        retry = "those alone with --retry-failed, all " if failed else ""
        sys.stdout.write(
            f"already complete: {ending.n_items:,} items{failed}; nothing to do. "
            f"Compute again {retry}with --fresh, or into another file with -o\nResult: {ending.output}\n"
        )
    else:
        _print_summary(ending)
    if ending.end is End.LIMIT and not as_json:
        beyond = _beyond(ending.n_finished, request.arguments.limit)
        sys.stdout.write(
            f"{ending.n_finished:,} of {ending.n_items:,} items are finished{beyond}; "
            f"the same command without --limit keeps them and goes on\n"
        )


def _of_others(ending: Any) -> str:
    """Return how far the study is, of which one shard is complete."""
    if ending.summary is not None:
        return f"so are the others, and another run has written the result\nResult: {ending.output}"
    return (
        f"{ending.n_finished:,} of {ending.n_items:,} items are finished, and the last shard writes the result. "
        f"How far they are: fullrank status {shlex.quote(str(_shown(ending.output)))}"
    )


def _beyond(n_finished: int, limit: int) -> str:
    """Return of what the finished items are made up, if they are more than those of the sample."""
    n_beyond = n_finished - limit
    return f": the {limit:,} of the sample, and {n_beyond:,} that earlier runs did beyond it" if n_beyond else ""


def _print_summary(ending: Any) -> None:
    from fullrank.report import brief, report

    sys.stdout.write(brief(ending.report or report(ending.output)))
    if ending.printed is not None:
        sys.stdout.write(f"\nWhat the function printed: {ending.printed}")
    sys.stdout.write(f"\nWhat ran where, and how well: fullrank report {shlex.quote(str(_shown(ending.output)))}")
    sys.stdout.write(f"\nResult: {ending.output}\n")


def _shown(path: Path) -> Path:
    """Return ``path`` as short as it can be written here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
