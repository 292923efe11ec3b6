"""Being told to stop, items that are too long, and items that fail."""

import os
import shlex
import signal
import sys
import time
from collections import Counter

import numpy as np
import pytest
from studies import BLIND_ROOT, INTERPRETERS, SLOW, VISITED, Project, Started

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


# --- items that fail

RUBBISH = {
    "raises": ("1 / (x - x)", "ZeroDivisionError: "),
    "leaves": ("sys.exit(4)", "SystemExit: 4"),
    "is interrupted by itself": ("interrupt()", "KeyboardInterrupt"),
    "returns None": ("None", "is None"),
    "returns text": ("'done'", "is text ('done')"),
    "returns another shape": ("[[1, 2], [3, x]]", "array of shape (2, 2)"),
    "returns an object": ("object()", "is of type object"),
    "returns nothing": ("()", "returned nothing"),
    "returns too large an integer": ("10**30", "64 bits"),
    "returns ragged lists": ("[[1], [2, 3]]", "different lengths"),
    "recurses without end": ("f(x)", "RecursionError"),
    "runs out of memory": ("[0] * 10**15", "MemoryError"),
    "raises what cannot be shown": ("throw(Mute())", "Mute"),
}


@pytest.fixture(scope="module")
def rubbish(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study with one item of each kind of rubbish among good ones."""
    project = Project(tmp_path_factory.mktemp("rubbish"))
    branches = "".join(
        f"    if x == {2 * at + 1}:\n        return {what}\n" for at, (what, _) in enumerate(RUBBISH.values())
    )
    code = f"""\
import sys
class Mute(Exception):
    def __str__(self):
        raise ValueError("no words")
def throw(error):
    raise error
def interrupt():
    raise KeyboardInterrupt
def f(x):
{branches}    return x / 3
"""
    project.write(code, grid=f"x = {{ range = {2 * len(RUBBISH) + 1} }}")
    project.done = project.run("-b", "processes", "-n", 2, expect=3)  # type: ignore[attr-defined]
    return project


@pytest.mark.parametrize("how", RUBBISH)
def test_item_that_raises_or_returns_rubbish_fails_with_a_sentence(rubbish: Project, how: str) -> None:
    index = 2 * list(RUBBISH).index(how) + 1
    assert rubbish.read("status")[index] == 2
    (row,) = np.flatnonzero(rubbish.read("failures/index") == index)
    assert RUBBISH[how][1] in rubbish.read("failures/exception")[row]


def test_items_beside_rubbish_are_as_good_as_ever(rubbish: Project) -> None:
    good = list(range(0, 2 * len(RUBBISH) + 1, 2))
    assert (rubbish.read("status")[good] == 1).all()
    assert rubbish.read("f")[good].tolist() == [x / 3 for x in good]


def test_traceback_in_the_file_begins_in_the_users_code(rubbish: Project) -> None:
    (row,) = np.flatnonzero(rubbish.read("failures/index") == 1)
    first, frame, *_ = rubbish.read("failures/traceback")[row].splitlines()
    assert first.startswith("Traceback")
    assert frame.startswith(f'  File "{rubbish.folder}/sim.py", line ')


def test_failed_items_are_no_error_of_the_program(rubbish: Project) -> None:
    done = rubbish.done  # type: ignore[attr-defined]
    assert f"{len(RUBBISH)} failed" in done.stdout
    assert "Traceback" not in done.stderr


POOL = """\
import multiprocessing

def f(x):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return sum(pool.map(abs, range(-x, x)))
"""


@pytest.mark.parametrize("isolate", ["false", "true"])
@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])  # a sub-interpreter cannot fork
def test_items_may_have_a_pool_of_processes_of_their_own(project: Project, backend: str, isolate: str) -> None:
    """A pool ends its workers, which are forks of ours, by SIGTERM, and waits for them."""
    project.write(POOL, grid="x = { range = 40 }", tail=f"[run]\nisolate = {isolate}")
    project.run("-b", backend, "-n", 1 if backend == "serial" else 2)
    assert project.read("f").tolist() == [x * x for x in range(40)]


@pytest.mark.in_process
def test_one_failed_item_is_exit_code_3_unless_it_is_allowed(project: Project) -> None:
    project.write("def f(x):\n    return 1 / (x - 3)").run("-b", "serial", expect=3)
    project.run("-b", "serial", "-o", "allowed.h5", "--allow-failures", 1)
    project.run("-b", "serial", "--allow-failures", 1)
    project.run("-b", "serial", expect=3)


@pytest.mark.in_process
@pytest.mark.parametrize("backend", LOCAL)
def test_typo_that_fails_every_item_stops_the_run_early_and_shows_the_users_traceback(
    project: Project, backend: str
) -> None:
    code = f"{VISITED}\ndef f(x):\n    visited(x)\n    dawdle(0.01)\n    return mth.sqrt(x)\n"
    project.write(code, grid="x = { range = 2000 }")
    done = project.run("-b", backend, "-n", 1 if backend == "serial" else 2, expect=3)
    assert 20 <= len(project.visits()) < 1000
    assert "NameError: name 'mth' is not defined" in done.stderr
    assert f'File "{project.folder}/sim.py"' in done.stderr
    assert "src/fullrank" not in done.stderr.replace(str(project.folder), "")
    assert not project.output.exists()
    project.write(code.replace("mth.", "__import__('math')."), grid="x = { range = 30 }")
    project.run("-b", backend)
    assert (project.read("status") == 1).all()


@pytest.mark.in_process
def test_run_stops_at_the_failures_the_config_allows(project: Project) -> None:
    code = f"{VISITED}\ndef f(x):\n    visited(x)\n    dawdle(0.01)\n    return 1 / (x % 2)\n"
    project.write(code, grid="x = { range = 2000 }", tail="[run]\nmax_failures = 5")
    done = project.run("-b", "processes", "-n", 2, expect=3)
    assert 10 <= len(project.visits()) < 1000
    assert "ZeroDivisionError" in done.stderr
    status = project.fullrank("status", "study.toml").stdout
    assert "stopped for failed items, as run.on_error or run.max_failures asks" in status
    look = shlex.split(status.partition("To look at them: fullrank ")[2].splitlines()[0])
    assert project.fullrank(*look).returncode == 0
    assert (project.read("status", "results/study.partial.h5") == 2).sum() >= 5


@pytest.mark.in_process
@pytest.mark.parametrize("backend", LOCAL)
def test_first_failed_item_stops_the_run_if_the_study_says_so_and_the_same_command_goes_on(
    project: Project, backend: str
) -> None:
    code = f"{VISITED}\ndef f(x):\n    visited(x)\n    dawdle(0.02)\n    return 1 / (x - 7)\n"
    tail = '[run]\non_error = "stop"\norder = "index"'
    project.write(code, grid="x = { range = 1000 }", tail=tail)
    command = ("-b", backend, "-n", 1 if backend == "serial" else 2)
    done = project.run(*command, expect=3)
    assert len(project.visits()) < 500
    assert "stopped at the first failed item, as run.on_error asks" in done.stderr
    assert "item 7 (x=7):\nTraceback (most recent call last):\n" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert not project.output.exists()
    project.hurry()
    project.run(*command, expect=3)
    assert np.flatnonzero(project.read("status") != 1).tolist() == [7]
    assert set(Counter(project.visits()).values()) == {1}


ENDS = {
    "was stopped because all its items failed; mend the function": ("1 / 0", ""),
    "reached its --limit; the same command without --limit goes on": ("x", "--limit 5"),
    "was stopped by a signal or at its time limit; the same command goes on": ("time.sleep(0.2)", "--stop-after 1s"),
    "ended by an error or was killed; the same command goes on": ("os.kill(os.getpid(), 9)", ""),
}


@pytest.mark.parametrize("told", ENDS)
def test_status_says_why_the_last_attempt_ended_and_what_to_do_next(project: Project, told: str) -> None:
    deed, options = ENDS[told]
    project.write(f"import os, time\ndef f(x):\n    return {deed}\n", grid="x = { range = 60 }")
    assert "the last attempt" not in project.fullrank("status", "study.toml").stdout
    project.fullrank("run", "study.toml", "-b", "serial", *options.split())
    assert f"the last attempt {told}" in project.fullrank("status", "study.toml").stdout


@pytest.mark.in_process
@pytest.mark.parametrize("tail", ["", "schedule = 'static'", "isolate = true"])
def test_worker_whose_item_fails_begins_no_other_and_stops_the_claims_of_all(project: Project, tail: str) -> None:
    code = f"{VISITED}\ndef f(x):\n    visited(x)\n    time.sleep(0.001)\n    return 1 / (x - 300)\n"
    project.write(code, grid="x = { range = 100_000 }", tail=f'[run]\non_error = "stop"\norder = "index"\n{tail}')
    project.run("-b", "serial", expect=3)
    assert max(project.visits()) == 300


@pytest.mark.parametrize("backend", LOCAL)
def test_first_failure_stops_the_claims_of_all_workers_while_root_looks_away(project: Project, backend: str) -> None:
    project.write(BLIND_ROOT, grid="x = { range = 4000 }", tail='[run]\non_error = "stop"\norder = "index"')
    project.run("-b", backend, "-n", 1 if backend == "serial" else 2, expect=3)
    assert len(project.visits()) < 3000


@pytest.mark.in_process
def test_study_of_few_items_that_all_fail_ends_with_a_result(project: Project) -> None:
    project.write("def f(x):\n    raise ValueError('no')").run("-n", 2, expect=3)
    assert (project.read("status") == 2).all()
    assert project.fullrank("verify", project.output).returncode == 0


def test_program_leaves_with_its_code_when_nobody_reads_its_output(project: Project) -> None:
    project.write("def f(x):\n    return x").run("-b", "serial")
    report = shlex.join([sys.executable, "-m", "fullrank", "report", str(project.output)])
    done = Started(["bash", "-c", f"set -o pipefail; {report} | true"], cwd=project.folder, env={}).end()
    assert done.returncode == 0
    assert done.stderr == ""
