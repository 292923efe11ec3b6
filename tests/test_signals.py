"""Being told to stop, and items that are too long."""

import os
import shlex
import signal
import sys
import time
from collections import Counter

import numpy as np
import pytest
from studies import INTERPRETERS, SLOW, VISITED, Project, Started

from fullrank.interrupt import GRACE_SECONDS

LOCAL = ("serial", "threads", "processes", INTERPRETERS)
ISOLATING = ("serial", "threads", "processes")
ENDLESS = f"""\
{VISITED}
def f(x):
    visited(x)
    while not os.path.exists("fast"):
        time.sleep(0.005)
    return x
"""
IN_C_CODE = """\
import ctypes
def f(x):
    if x == 3:
        ctypes.CDLL(None).system(b"sleep 0.6; echo > back")
    return x / 3
"""


def stopped(project: Project, running: Started, number: signal.Signals, *, n_visits: int) -> str:
    """Send a signal once so many items were begun; return what is said at the end."""
    project.until_visited(n_visits)
    running.send(number)
    done = running.end()
    assert done.returncode == 75, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_second_interrupt_while_workers_start_is_told_as_no_death(project: Project) -> None:
    code = "import time\ndef load():\n    open('loading', 'w').close()\n    time.sleep(300)\ndef f(x):\n    return x\n"
    running = project.write(code, workload='setup = "sim.py:load"').start_run("-b", "processes", "-n", 2)
    project.until((project.folder / "loading").exists, "a worker is being set up")
    for number in (signal.SIGINT, signal.SIGTERM):  # two of one kind may arrive as one
        running.send(number)
    done = running.end()
    assert done.returncode == 75, done.stderr
    assert "died" not in done.stderr
    assert "0 of 12 items are finished" in done.stderr


@pytest.mark.in_process
@pytest.mark.parametrize("backend", LOCAL)
def test_stop_signals_let_short_items_end_and_the_same_command_goes_on(project: Project, backend: str) -> None:
    project.write(SLOW, grid="x = { range = 400 }")
    command = ("-b", backend, "-n", 1 if backend == "serial" else 2)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        n_before = len(project.visits())
        said = stopped(project, project.start_run(*command), number, n_visits=n_before + 5)
        assert f"{len(project.visits())} of 400 items are finished" in said
        assert "the same command" in said
    project.hurry()
    project.run(*command)
    assert project.read("f").tolist() == [x * x / 7 for x in range(400)]
    assert set(Counter(project.visits()).values()) == {1}
    assert project.read("attempts/reason").tolist() == [*3 * ["stopped"], "complete"]


@pytest.mark.parametrize("backend", LOCAL)
def test_stop_after_lets_short_items_end_and_the_same_command_goes_on(project: Project, backend: str) -> None:
    goes_on_after_its_time(project, backend=backend)


@pytest.mark.parametrize("tail", ["[run]\nisolate = true", '[run]\nschedule = "static"'])
def test_stop_after_holds_for_every_way_of_working(project: Project, tail: str) -> None:
    goes_on_after_its_time(project, backend="processes", tail=tail)


def goes_on_after_its_time(project: Project, *, backend: str, tail: str = "") -> None:
    project.write(SLOW, grid="x = { range = 2000 }", tail=tail)
    command = ("-b", backend, "-n", 1 if backend == "serial" else 2)
    done = project.run(*command, "--stop-after", "2s", expect=75)
    assert "no item is begun after" in done.stderr
    visits = project.visits()
    assert len(visits) < 2000
    assert f"{len(visits)} of 2,000 items are finished" in done.stderr
    project.hurry()
    project.run(*command, "--stop-after", "1:00:00")
    assert set(Counter(project.visits()).values()) == {1}
    assert project.read("attempts/reason").tolist() == ["stopped", "complete"]


def test_time_to_stop_that_has_come_before_the_first_item_is_a_stop_too(project: Project) -> None:
    done = project.write(SLOW).run("-n", 2, "--stop-after", "0.001", expect=75)
    assert "the same command" in done.stderr
    project.hurry()
    project.run("-n", 2)


def test_end_of_the_batch_job_stops_the_run_before_it(project: Project) -> None:
    project.write(SLOW, grid="x = { range = 2000 }")
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": str(int(time.time()) + 6)}
    project.run("-b", "processes", "-n", 2, env=job, expect=75)
    assert len(project.visits()) < 2000
    project.hurry()
    project.run("-n", 2)
    assert set(Counter(project.visits()).values()) == {1}


NOTED = f"{VISITED}\ndef f(x):\n    visited(x)\n    return x * x / 7\n"


@pytest.mark.in_process
@pytest.mark.parametrize("tail", ["", '[run]\nschedule = "static"'])
@pytest.mark.parametrize("backend", LOCAL)
def test_no_item_is_begun_in_a_batch_job_whose_time_is_over(project: Project, backend: str, tail: str) -> None:
    command = ("-b", backend, "-n", 1 if backend == "serial" else 2)
    job = {"SLURM_JOB_ID": "5", "SLURM_JOB_END_TIME": "1000"}
    done = project.write(NOTED, tail=tail).run(*command, env=job, expect=2)
    assert "no item is begun after 1970-" in done.stderr
    assert "no item has ended before the time limit of job slurm:5" in done.stderr
    assert project.visits() == []
    project.run(*command)
    assert project.read("f").tolist() == [x * x / 7 for x in range(12)]


def test_no_rank_begins_an_item_once_the_time_is_over(mpi_project: Project) -> None:
    command = ("-b", "mpi", "-n", 2)
    mpi_project.write(NOTED).run(*command, "--stop-after", "0.001", expect=75)
    assert mpi_project.visits() == []
    mpi_project.run(*command)
    assert mpi_project.read("f").tolist() == [x * x / 7 for x in range(12)]


@pytest.mark.in_process
def test_duration_that_is_none_is_refused_in_a_sentence(project: Project) -> None:
    done = project.write(SLOW).run("--stop-after", "1:30", expect=2)
    assert "--stop-after: expected a duration > 0 such as 90, 90s, 15m, 1h30m or 1:30:00, got '1:30'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.in_process
@pytest.mark.parametrize("backend", ISOLATING)
def test_second_ctrl_c_ends_an_isolated_item_in_c_code_and_loses_no_finished_one(
    project: Project, backend: str
) -> None:
    code = f"""\
{VISITED}
import ctypes, signal
def f(x):
    visited(x)
    if open("visits").read().count("\\n") > 8 and not os.path.exists("fast"):
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
        ctypes.CDLL(None).pause()
    return x
"""
    project.write(code, grid="x = { range = 60 }", tail="[run]\nisolate = true")
    command = ("-b", backend, "-n", 1 if backend == "serial" else 2)
    running = project.start_run(*command)
    project.until_visited(9)
    for number in (signal.SIGINT, signal.SIGTERM):
        running.send(number)
    done = running.end()
    assert done.returncode == 75, done.stderr
    finished = project.indices_finished()
    assert f"{len(finished)} of 60 items are finished" in done.stderr
    n_stuck = 1 if backend == "serial" else 2
    assert len(finished) >= len(project.visits()) - n_stuck
    project.hurry()
    project.run(*command)
    times = Counter(project.visits())
    assert {index for index in finished if times[index] > 1} == set()


@pytest.mark.in_process
@pytest.mark.parametrize("backend", LOCAL)
def test_second_ctrl_c_ends_long_items_at_once_and_they_are_done_again(project: Project, backend: str) -> None:
    project.write(ENDLESS)
    command = ("-b", backend, "-n", 1 if backend == "serial" else 2)
    running = project.start_run(*command)
    project.until_visited(1 if backend == "serial" else 2)
    for number in (signal.SIGINT, signal.SIGTERM):  # two of one kind may arrive as one
        running.send(number)
    done = running.end(timeout=GRACE_SECONDS)
    assert done.returncode == 75, done.stderr
    assert "0 of 12 items are finished" in done.stderr
    project.hurry()
    project.run(*command)
    assert (project.read("status") == 1).all()


@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_handler_that_an_item_has_left_behind_does_not_keep_the_run_from_stopping(
    project: Project, backend: str
) -> None:
    project.write(
        f"""\
{VISITED}
import signal
def f(x):
    visited(x)
    if not os.path.exists("left"):
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open("left", "w").close()
    dawdle(0.2)
    return x
"""
    )
    running = project.start_run("-b", backend, "-n", 1)
    project.until_visited(2)
    running.send(signal.SIGINT)
    assert running.end().returncode == 75


def test_worker_that_dies_after_ctrl_c_is_not_started_again(project: Project) -> None:
    running = project.write(ENDLESS).start_run("-b", "processes", "-n", 2)
    project.until_visited(2)
    running.send(signal.SIGINT)
    os.kill(project.workers(running.pid)[0], signal.SIGKILL)
    project.hurry()
    done = running.end()
    assert done.returncode == 75, done.stderr
    assert "died" in done.stderr
    assert "started again" not in done.stderr


def test_ctrl_c_while_the_users_module_is_imported_is_no_traceback(project: Project) -> None:
    project.write(f"{VISITED}\nvisited(0)\nwhile True:\n    time.sleep(0.005)\n")
    assert "interrupted" in stopped(project, project.start_run(), signal.SIGINT, n_visits=1)


@pytest.mark.parametrize("backend", LOCAL)
def test_item_over_its_time_limit_is_ended_and_costs_that_item_only(project: Project, backend: str) -> None:
    code = """\
import time

def f(x):
    if x == 3:
        while True:
            pass
    if x == 5:
        try:
            while True:
                time.sleep(0.01)
        except:
            return 5.0
    return x / 3
"""
    tail = "[run]\nitem_time_limit_seconds = 0.3"
    done = project.write(code, tail=tail).run("-b", backend, "-n", 1 if backend == "serial" else 2, expect=3)
    status = project.read("status")
    assert np.flatnonzero(status == 3).tolist() == [3, 5]
    assert (np.delete(status, [3, 5]) == 1).all()
    assert np.delete(project.read("f"), [3, 5]).tolist() == [x / 3 for x in range(12) if x not in (3, 5)]
    assert set(project.read("failures/exception").tolist()) == {"time limit of 0.3 s exceeded"}
    assert (project.read("item_seconds")[[3, 5]] >= 0.3).all()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("then", ["raise", "raise ValueError('late')"])
def test_traceback_of_an_item_over_its_time_limit_ends_in_the_users_code(project: Project, then: str) -> None:
    code = f"def f(x):\n    try:\n        while x == 3: pass\n    except BaseException:\n        {then}\n    return x\n"
    project.write(code, tail="[run]\nitem_time_limit_seconds = 0.2").run("-b", "serial", expect=3)
    (text,) = project.read("failures/traceback")
    frames = [line for line in text.splitlines() if line.startswith('  File "')]
    assert {frame.split('"')[1] for frame in frames} == {str(project.folder / "sim.py")}
    assert "while x == 3: pass" in text


@pytest.mark.parametrize("backend", LOCAL)
def test_item_in_c_code_is_timed_out_when_it_returns(project: Project, backend: str) -> None:
    project.write(IN_C_CODE, tail="[run]\nitem_time_limit_seconds = 0.2")
    project.run("-b", backend, "-n", 1 if backend == "serial" else 2, expect=3)
    assert np.flatnonzero(project.read("status") == 3).tolist() == [3]
    assert (project.folder / "back").exists()


def test_program_leaves_with_its_code_when_nobody_reads_its_output(project: Project) -> None:
    project.write("def f(x):\n    return x").run("-b", "serial")
    report = shlex.join([sys.executable, "-m", "fullrank", "report", str(project.output)])
    done = Started(["bash", "-c", f"set -o pipefail; {report} | true"], cwd=project.folder, env={}).end()
    assert done.returncode == 0
    assert done.stderr == ""
