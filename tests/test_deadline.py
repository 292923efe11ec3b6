"""Until when items are handed out, and what a backend or system cannot do."""

import pytest

from fullrank.abilities import check_abilities
from fullrank.config import RunOptions
from fullrank.deadline import LEAVE_SECONDS, STOP_AT_VARIABLE, stop_time, stop_time_told
from fullrank.errors import BackendError


def test_without_a_wish_or_a_job_that_ends_there_is_no_deadline() -> None:
    assert stop_time(50.0, begun=40.0, stop_after_seconds=None, job_ends_at=None) is None


def test_stop_after_counts_from_the_start_of_the_command() -> None:
    assert stop_time(50.0, begun=40.0, stop_after_seconds=3300.0, job_ends_at=None) == 3340.0


def test_a_job_is_left_three_minutes_before_it_ends_and_a_short_one_after_most_of_it() -> None:
    assert stop_time(0.0, begun=0.0, stop_after_seconds=None, job_ends_at=7200.0) == 7200.0 - LEAVE_SECONDS
    assert stop_time(0.0, begun=0.0, stop_after_seconds=None, job_ends_at=100.0) == pytest.approx(80.0)
    assert stop_time(100.0, begun=0.0, stop_after_seconds=None, job_ends_at=90.0) == 90.0


@pytest.mark.parametrize(
    ("after_seconds", "expected"), [(60.0, 60.0), (7199.0, 7199.0), (9000.0, 7200.0 - LEAVE_SECONDS)]
)
def test_what_is_asked_for_counts_if_the_job_lasts_that_long(after_seconds: float, expected: float) -> None:
    assert stop_time(0.0, begun=0.0, stop_after_seconds=after_seconds, job_ends_at=7200.0) == expected


def told(environ: dict[str, str]) -> float | None:
    return stop_time_told(environ, 0.0, begun=0.0, stop_after_seconds=500.0)


def test_ranks_stop_when_the_command_that_started_them_has_to() -> None:
    job = {"SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": "300"}
    assert told({}) == 500.0
    assert told(job) == 240.0
    assert told(job | {STOP_AT_VARIABLE: "123.5"}) == 123.5
    assert told({STOP_AT_VARIABLE: "soon"}) == 500.0


# --- abilities

LIMITED = RunOptions(item_time_limit_seconds=1.0)
ISOLATED = RunOptions(isolate=True)


@pytest.mark.parametrize("backend", ["serial", "threads", "processes", "mpi"])
@pytest.mark.parametrize("options", [LIMITED, ISOLATED])
def test_processes_and_threads_can_do_what_a_study_asks_for(backend: str, options: RunOptions) -> None:
    check_abilities(backend, options)


def test_what_a_backend_cannot_do_is_refused_with_the_way_out() -> None:
    check_abilities("interpreters", LIMITED)
    with pytest.raises(BackendError, match=r"^run.isolate: backend 'interpreters' does not .* -b processes$"):
        check_abilities("interpreters", ISOLATED)


def test_a_memory_limit_needs_linux() -> None:
    options = RunOptions(isolate=True, item_memory_limit_bytes=10**9)
    check_abilities("processes", options, platform="linux")
    with pytest.raises(BackendError, match=r"^run.item_memory_limit_bytes: needs Linux, this is darwin"):
        check_abilities("processes", options, platform="darwin")
