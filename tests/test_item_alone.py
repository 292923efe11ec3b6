"""``run --item K``, its debugger and its object; and the command that every message of a failure ends with."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys

import pytest
from studies import Project

from fullrank import interrupt

pytestmark = pytest.mark.in_process

FAILS = """\
def inverse(x):
    shifted = x - 3
    return 1 / shifted

def f(x):
    return inverse(x)
"""


def on_a_terminal(project: Project, *args: object, answers: str, ctrl_c_after: str = "") -> str:
    """What ``fullrank ARGS`` shows on a terminal where somebody types ``answers``, and Ctrl-C before."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "fullrank", *map(str, args)]
    with subprocess.Popen(
        command, cwd=project.folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        if not ctrl_c_after:
            os.write(ours, answers.encode())
        shown = b""
        try:
            while data := os.read(ours, 1 << 16):
                shown += data
                if ctrl_c_after and ctrl_c_after.encode() in shown:
                    process.send_signal(signal.SIGINT)
                    os.write(ours, answers.encode())
                    ctrl_c_after = ""
        except OSError:  # the other side is closed
            pass
        process.wait(60)
    os.close(ours)
    return shown.decode()


def test_debugger_stands_at_the_users_frame_that_raised(project: Project) -> None:
    project.write(FAILS)
    shown = on_a_terminal(
        project, "run", "study.toml", "--item", 3, "--pdb", answers="p 40 + shifted + 2\nu\np 100 + x\nu\nq\n"
    )
    assert "ZeroDivisionError" in shown
    assert "\n42" in shown.replace("\r", "")
    assert "\n103" in shown.replace("\r", "")
    assert "Oldest frame" in shown
    assert "src/fullrank" not in shown


def test_item_with_a_result_needs_no_debugger(project: Project) -> None:
    shown = on_a_terminal(project.write(FAILS), "run", "study.toml", "--item", 5, "--pdb", answers="")
    assert "f = 0.5" in shown
    assert "(Pdb)" not in shown


def test_item_that_raises_nothing_has_no_frame_to_look_at(project: Project) -> None:
    shown = on_a_terminal(
        project.write("def f(x):\n    return None\n"), "run", "study.toml", "--item", 5, "--pdb", answers=""
    )
    assert "no frame to look at" in shown
    assert "(Pdb)" not in shown


HANGS = """\
def wait(x):
    steps = 7
    open("begun", "w").close()
    while True:
        pass

def f(x):
    return wait(x)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_an_item_at_once_and_shows_where_it_was(project: Project, number: signal.Signals) -> None:
    started = project.write(HANGS).start_run("--item", 3)
    project.until((project.folder / "begun").exists, "the item is begun")
    started.send(number)
    done = started.end(timeout=interrupt.GRACE_SECONDS - 0.5)  # which items of a run are given
    assert done.returncode == 75
    assert "item 3 (x=3): stopped after " in done.stdout
    assert "in f\n    return wait(x)\n" in done.stdout
    assert "in wait\n" in done.stdout
    assert "fullrank/" not in done.stdout
    assert "ItemInterrupted" not in done.stdout


def test_object_of_a_stopped_item_says_so(project: Project) -> None:
    started = project.write(HANGS).start_run("--item", 3, "--json")
    project.until((project.folder / "begun").exists, "the item is begun")
    started.send(signal.SIGINT)
    found = json.loads(started.end().stdout)
    assert (found["is_stopped"], found["results"]) == (True, {})
    assert "return wait(x)" in found["failure"]["traceback"]


def test_item_that_ends_in_spite_of_the_signal_is_stopped_too(project: Project) -> None:
    code = "def f(x):\n    open('begun', 'w').close()\n    try:\n        while True: pass\n    except BaseException:\n"
    started = project.write(f"{code}        return 1.0\n").start_run("--item", 3)
    project.until((project.folder / "begun").exists, "the item is begun")
    started.send(signal.SIGINT)
    assert started.end().returncode == 75


def test_debugger_stands_where_ctrl_c_stopped_the_item(project: Project) -> None:
    project.write(HANGS.replace('open("begun", "w").close()', 'print("begun", flush=True)', 1))
    shown = on_a_terminal(
        project,
        "run",
        "study.toml",
        "--item",
        3,
        "--pdb",
        answers="p 40 + steps\nu\np 100 + x\nq\n",
        ctrl_c_after="begun",
    )
    assert "\n47" in shown.replace("\r", "")
    assert "\n103" in shown.replace("\r", "")
    assert "interrupt.py" not in shown


def test_debugger_stands_where_the_time_limit_ended_the_item(project: Project) -> None:
    project.write(HANGS, tail="[run]\nitem_time_limit_seconds = 0.5")
    shown = on_a_terminal(project, "run", "study.toml", "--item", 3, "--pdb", answers="p 40 + steps\nq\n")
    assert "\n47" in shown.replace("\r", "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--item", 3, "--pdb"], "--pdb: the debugger needs a terminal"),
        (["--pdb"], "--pdb: expected --item K beside it"),
        (["--item", 12], "--item 12: expected an item of the study, 0 to 11"),
        (["--item", -1], "--item: expected an integer >= 0, got -1"),
    ],
)
def test_wrong_use_is_a_sentence(project: Project, options: list[object], said: str) -> None:
    done = project.write(FAILS).run(*options, expect=2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.folder / "results").exists()


def test_object_of_an_item_has_its_parameters_and_result_and_no_prints(project: Project) -> None:
    project.write("def f(x):\n    print('hello')\n    return x / 7\n")
    done = project.run("--item", 5, "--json")
    found = json.loads(done.stdout)
    assert (found["index"], found["parameters"], found["results"]) == (5, {"x": 5}, {"f": 5 / 7})
    assert "hello" in done.stderr


def test_object_of_an_item_is_json_also_where_the_result_is_nan(project: Project) -> None:
    project.write("def f(x):\n    return float('nan')\n")
    done = project.run("--item", 5, "--json")
    assert json.loads(done.stdout, parse_constant=pytest.fail)["results"] == {"f": None}


def test_object_of_a_failed_item_has_its_traceback(project: Project) -> None:
    found = json.loads(project.write(FAILS).run("--item", 3, "--json", expect=3).stdout)
    assert found["failure"]["exception"] == "ZeroDivisionError: division by zero"
    assert "return 1 / shifted" in found["failure"]["traceback"]


@pytest.mark.parametrize("tail", ['on_error = "stop"', "max_failures = 1", ""])
def test_run_that_failures_stop_ends_with_the_command_that_repeats_the_first(project: Project, tail: str) -> None:
    code = FAILS.replace("shifted = x - 3", "import time; time.sleep(0.05); shifted = x - x")
    project.write(code, grid="x = { range = 40 }", tail=f'[run]\norder = "index"\n{tail}')
    said = project.run("-b", "serial", expect=3).stderr
    words = shlex.split(said.splitlines()[-1].partition("To repeat it: ")[2])
    assert words[:2] == ["fullrank", "run"]
    assert "ZeroDivisionError" in project.fullrank(*words[1:]).stdout


def test_object_of_a_complete_run_has_counts_and_digest(project: Project) -> None:
    done = project.write(FAILS).run("--json", "-b", "serial", expect=3)
    found = json.loads(done.stdout)
    assert found["output"] == str(project.output)
    assert found["results_sha256"] == project.digest()
    assert (found["end"], found["exit_code"]) == ("complete", 3)
    assert (found["n_items"], found["n_finished"], found["n_ok"], found["n_failed"]) == (12, 12, 11, 1)
    again = json.loads(project.run("--json", "-b", "serial", expect=3).stdout)
    assert again["end"] == "already complete"


def test_object_of_a_run_that_failures_stopped_has_the_first_of_them(project: Project) -> None:
    project.write(FAILS, tail='[run]\norder = "index"\non_error = "stop"')
    found = json.loads(project.run("--json", "-b", "serial", expect=3).stdout)
    assert found["end"] == "stopped for failures"
    assert (found["n_finished"], found["n_ok"], found["n_failed"]) == (4, 3, 1)
    assert "ZeroDivisionError" in found["first_failure"]


@pytest.mark.mpi
def test_object_of_a_run_of_ranks_is_the_only_output(mpi_project: Project) -> None:
    mpi_project.write(FAILS)
    found = json.loads(mpi_project.run("--json", "-b", "mpi", "-n", 2, "--allow-failures", 1).stdout)
    assert (found["end"], found["n_ok"], found["exit_code"]) == ("complete", 11, 0)


def test_options_of_a_run_that_mean_nothing_beside_an_item_are_told(project: Project) -> None:
    done = project.write(FAILS).run("--item", 5, "--fresh", "--limit", 3, "-b", "serial")
    assert "fullrank: --fresh, --limit, -b mean nothing beside --item, " in done.stderr
    assert "f = 0.5" in done.stdout
    assert "mean" not in project.run("--item", 5).stderr
