"""Where the time of workers went: clocks against the system's, phases against their ends, runs against sleeps."""

import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import SLOW, Project

from fullrank.account import Arrival, Closing, Phases, process_age_seconds, process_start_seconds, system_seconds
from fullrank.metrics import Account, accounts
from fullrank.schema import AttemptRow, WorkerRow
from fullrank.store import ResultFile, verify

TICK_SECONDS = 0.011
"""The system tells a process's start to 10 ms."""
SLEEPY = """\
import time

time.sleep(0.2)

class Slow(Exception):
    def __str__(self):
        time.sleep(0.03)
        return "slow to tell"

def f(x):
    time.sleep(0.01)
    if x % 4 == 3:
        raise Slow
    return x / 7
"""
"""The import takes 0.2 s, each of 12 items 10 ms, and describing each of three failures 30 ms."""
ONE_DEADLY = """\
import os, signal, time
from pathlib import Path

def f(x):
    time.sleep(0.05)
    if x == 5 and not Path("died").exists():
        Path("died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x
"""

moments = st.lists(st.floats(0, 1e6), min_size=1, max_size=20).map(sorted)


def accounted(project: Project) -> tuple[tuple[WorkerRow, ...], tuple[AttemptRow, ...]]:
    with ResultFile(project.output) as file:
        return file.workers(), file.attempts()


def account_of(worker: WorkerRow, attempts: tuple[AttemptRow, ...]) -> Account:
    (attempt,) = (row for row in attempts if row.attempt == worker.attempt)
    (account,) = accounts([worker], attempt)
    return account


@given(moments, st.data())
def test_phases_leave_no_gap_and_do_not_overlap(moments: list[float], data: st.DataObject) -> None:
    phases = Phases(0.0, ("a", "b", "c"))
    for moment in moments:
        phases.close(data.draw(st.sampled_from("abc")), moment)
    assert math.fsum(phases.seconds.values()) == pytest.approx(moments[-1], abs=1e-6)
    assert min(phases.seconds.values()) >= 0


def test_a_stretch_of_time_can_be_divided_between_two_phases() -> None:
    phases = Phases(1.0, ("compute", "encode"))
    phases.close_two("compute", "encode", seconds=2.5, now=4.5)
    assert phases.seconds == {"compute": 2.5, "encode": 1.0}


def test_start_of_a_process_lies_between_the_moments_before_and_after_it_was_started() -> None:
    program = "from fullrank.account import process_start_seconds; print(process_start_seconds())"
    before = system_seconds()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert before - TICK_SECONDS <= float(done.stdout) <= system_seconds()


def test_age_and_start_of_a_process_agree() -> None:
    before = system_seconds() - process_start_seconds()
    assert before <= process_age_seconds() <= system_seconds() - process_start_seconds()


def test_account_of_a_process_that_root_started_begins_with_root() -> None:
    root_start = process_start_seconds() - 100.0
    arrival = Arrival.now(root_start)
    assert arrival.launch_seconds == pytest.approx(100.0)
    assert 0 <= arrival.startup_seconds <= process_age_seconds()


def test_second_attempt_in_the_same_process_does_not_account_for_the_first_again() -> None:
    first_ended = system_seconds()
    arrival = Arrival.now(first_ended)
    assert arrival.launch_seconds == 0.0
    assert 0 <= arrival.startup_seconds <= system_seconds() - first_ended


def test_a_process_alone_accounts_from_its_own_start() -> None:
    arrival = Arrival.now(None)
    assert arrival.launch_seconds == 0.0
    assert arrival.startup_seconds <= process_age_seconds()


def test_where_the_system_does_not_tell_a_start_the_account_begins_with_the_arrival(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert process_age_seconds() == 0.0
    arrival = Arrival.now(123.0)
    assert arrival.account_seconds == 0.0


def test_end_of_the_workers_is_one_moment_for_one_member_and_one_of_each_rank_for_many() -> None:
    assert [Closing((5.0,), 7.0, gather_seconds=1.0).of_worker(n) for n in range(3)] == [5.0] * 3
    ranks = Closing((5.0, 105.0, 205.0), 7.0, gather_seconds=1.0)
    assert [ranks.of_worker(n) for n in range(3)] == [5.0, 105.0, 205.0]
    assert ranks.after_seconds == 2.0


@pytest.mark.parametrize(("backend", "n_workers"), [("serial", 1), ("threads", 2), ("processes", 1), ("processes", 2)])
def test_account_holds_what_is_known_to_have_been_slept(project: Project, backend: str, n_workers: int) -> None:
    begun = time.perf_counter()
    project.write(SLEEPY).run("-b", backend, "-n", n_workers, "--allow-failures", 3)
    wall_seconds = time.perf_counter() - begun
    workers, attempts = accounted(project)
    parts = [account_of(worker, attempts) for worker in workers]
    assert all(part.import_seconds >= 0.2 for part in parts)
    assert sum(part.compute_seconds for part in parts) >= 12 * 0.01
    assert sum(part.encode_seconds for part in parts) >= 3 * 0.03
    for worker, part in zip(workers, parts, strict=True):
        assert part.total_seconds <= wall_seconds + TICK_SECONDS
        assert part.unexplained_seconds >= -1e-6
        assert min(part.phases().values()) >= -1e-6
        loop = (worker.claim_seconds, worker.prepare_seconds, worker.compute_seconds, worker.encode_seconds)
        assert math.fsum((*loop, worker.journal_seconds, worker.count_seconds)) == pytest.approx(worker.elapsed_seconds)
    # root started them all, and closed all their accounts at one moment
    assert max(part.total_seconds for part in parts) - min(part.total_seconds for part in parts) < 1e-3


def test_account_of_ranks_holds_what_is_known_to_have_been_slept(mpi_project: Project) -> None:
    begun = time.perf_counter()
    mpi_project.write(SLEEPY).run("--allow-failures", 3, n_ranks=2)
    wall_seconds = time.perf_counter() - begun
    workers, attempts = accounted(mpi_project)
    parts = [account_of(worker, attempts) for worker in workers]
    assert len(parts) == 2
    assert all(part.import_seconds >= 0.2 for part in parts)
    assert sum(part.encode_seconds for part in parts) >= 3 * 0.03
    assert all(worker.launch_seconds == 0 for worker in workers)
    assert all(part.total_seconds <= wall_seconds + TICK_SECONDS for part in parts)
    assert all(part.unexplained_seconds >= -1e-6 for part in parts)


def test_attempts_of_one_command_have_accounts_that_follow_each_other(project: Project) -> None:
    begun = time.perf_counter()
    project.write(ONE_DEADLY).run("-b", "processes", "-n", 2)
    wall_seconds = time.perf_counter() - begun
    workers, attempts = accounted(project)
    by_attempt = {number: [row for row in workers if row.attempt == number] for number in (1, 2)}
    killed = [math.isnan(row.account_seconds) for row in by_attempt[1]]
    assert sorted(killed) == [False, True]
    survivor = by_attempt[1][killed.index(False)]
    assert survivor.account_seconds + by_attempt[2][0].account_seconds <= wall_seconds + TICK_SECONDS
    assert [attempt.write_seconds > 0 for attempt in attempts] == [False, True]
    assert min(account_of(survivor, attempts).phases().values()) >= -1e-6


def test_attempt_of_an_earlier_command_keeps_its_own_account(project: Project) -> None:
    started = project.write(SLOW).start_run("-b", "serial")
    project.until_visited(3)
    started.send(signal.SIGTERM)
    assert started.end().returncode == 75
    project.hurry()
    project.run("-b", "serial")
    workers, attempts = accounted(project)
    assert [worker.attempt for worker in workers] == [1, 2]
    parts = [account_of(worker, attempts) for worker in workers]
    assert [part.write_seconds > 0 for part in parts] == [False, True]
    assert all(part.total_seconds > 0 for part in parts)
    assert min(min(part.phases().values()) for part in parts) >= -1e-6


def test_file_from_before_the_account_is_verified_and_read_with_nan() -> None:
    path = Path(__file__).parent / "data" / "before-the-account.h5"
    assert verify(path).n_ok == 11
    with ResultFile(path) as file:
        workers, attempts = file.workers(), file.attempts()
    assert [worker.attempt for worker in workers] == [1, 1, 2, 2]
    assert all(math.isnan(worker.account_seconds) for worker in workers)
    assert all(math.isnan(attempt.gather_seconds) for attempt in attempts)
    assert workers[2].compute_seconds > 0.75
