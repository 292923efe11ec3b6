"""Items that fail: what is told of them, and what they do to the run."""

import shlex
from collections import Counter

import numpy as np
import pytest
from studies import BLIND_ROOT, INTERPRETERS, VISITED, Project

LOCAL = ("serial", "threads", "processes", INTERPRETERS)


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
