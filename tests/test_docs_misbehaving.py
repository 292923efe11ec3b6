"""docs/misbehaving-items.md: what it says of limits, deaths, isolation and stopping, tried in small."""

import re
import signal

import numpy as np
import pytest
from pages import PAGES, commands, in_code, names_alone, rows, words
from studies import SLOW, Project

from fullrank.backends import BACKENDS
from fullrank.durations import duration_seconds

PAGE = "docs/misbehaving-items.md"
PROSE = " ".join(PAGES[PAGE].split())
COSTS = {row[0]: row[1:] for row in rows(PAGE, header="backend | over its time limit")}
LIMIT = "item_time_limit_seconds = 0.5"
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
FINE = [0, 1, 3, 4]

IN_PYTHON = "def f(x):\n    while x == 2: pass\n    return x\n"
IN_C = "import ctypes, signal\ndef f(x):\n    if x == 2: ctypes.CDLL(None).system(b'sleep 0.9')\n    return x\n"
FOR_EVER = IN_C.replace(
    "ctypes.CDLL(None).system(b'sleep 0.9')",
    "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64)); ctypes.CDLL(None).pause()",
)
KILLS = "import os, signal\ndef f(x):\n    if x == 2: os.kill(os.getpid(), signal.SIGKILL)\n    return x\n"


def grid(project: Project, code: str, run: str) -> Project:
    return project.write(code, grid="x = { range = 5 }", tail=f"[run]\n{run}")


def statuses(project: Project) -> list[int]:
    found: list[int] = project.read("status").tolist()
    assert project.read("f")[FINE].tolist() == FINE
    return found


def test_table_has_a_row_for_each_backend_and_one_for_isolation() -> None:
    isolated = "any of these but `interpreters`, `isolate = true`"
    assert COSTS.keys() == {f"`{name}`" for name in BACKENDS} | {isolated}


@pytest.mark.in_process
@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_item_in_python_code_is_ended_at_its_limit(backend: str, project: Project) -> None:
    assert COSTS[f"`{backend}`"][0].startswith("ended")
    grid(project, IN_PYTHON, LIMIT).run("-b", backend, "-n", 1, expect=3)
    assert statuses(project) == [1, 1, 3, 1, 1]


@pytest.mark.in_process
@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_item_in_c_code_is_timed_out_when_it_returns(backend: str, project: Project) -> None:
    assert COSTS[f"`{backend}`"][1] == "counted as timed out when it returns"
    grid(project, IN_C, LIMIT).run("-b", backend, "-n", 1, expect=3)
    assert statuses(project) == [1, 1, 3, 1, 1]


@pytest.mark.in_process
def test_isolation_ends_an_item_that_stays_in_c_code(project: Project) -> None:
    assert COSTS["any of these but `interpreters`, `isolate = true`"][:2] == ["ended", "ended"]
    grid(project, FOR_EVER, f"{LIMIT}\nisolate = true").run("-b", "serial", expect=3)
    assert statuses(project) == [1, 1, 3, 1, 1]


@pytest.mark.in_process
@pytest.mark.parametrize("run", ["isolate = true", "isolate = false"])
def test_item_that_kills_its_process_is_recorded_as_crashed(run: str, project: Project) -> None:
    assert "`its process died twice: SIGKILL (signal 9)`" in PROSE
    grid(project, KILLS, run).run("-b", "serial" if "true" in run else "processes", "-n", 1, expect=3)
    assert statuses(project) == [1, 1, 4, 1, 1]
    assert project.read("failures/exception").tolist() == ["its process died twice: SIGKILL (signal 9)"]


def test_death_ends_a_serial_run_and_the_same_command_goes_on(project: Project) -> None:
    assert COSTS["`serial`"][2].startswith("ends the run; the same command goes on")
    grid(project, KILLS, "on_error = 'record'").run("-b", "serial", expect=-signal.SIGKILL)
    project.run("-b", "serial", expect=3)
    assert statuses(project) == [1, 1, 4, 1, 1]


@pytest.mark.in_process
def test_line_at_which_c_code_killed_the_process_is_told(project: Project) -> None:
    assert "in which line of your function it was" in PROSE
    code = "import ctypes\ndef f(x):\n    if x == 2:\n        ctypes.string_at(0)\n    return x\n"
    grid(project, code, "isolate = true").run("-b", "serial", expect=3)
    (exception,), (trace,) = project.read("failures/exception"), project.read("failures/traceback")
    assert "SIGSEGV" in exception
    assert "line 4" in exception + trace


LEAVES_A_SIGNAL = """
import os, signal, sys, time
class LeftBehind(Exception): pass
{handler}
theirs = {where}
def ours(*args):
    {where} = theirs
    signal.raise_signal(signal.SIGUSR2)
    return theirs(*args)
def f(x):
    time.sleep(0.01)
    if x == 2 and not os.path.exists("mended"):
        signal.signal(signal.SIGUSR2, handler)
        {where} = ours
    return x
"""
RAISES = "def handler(number, frame): raise LeftBehind"


@pytest.mark.parametrize(
    ("backend", "isolate", "handler"),
    [
        ("serial", "false", RAISES),
        ("serial", "true", RAISES),
        ("serial", "false", "def handler(number, frame): raise TimeoutError('LeftBehind')"),  # as a full disk's OSError
        ("processes", "false", "def handler(number, frame): sys.exit('LeftBehind')"),
        ("serial", "false", "class Handler:\n    def __call__(self, *_): raise LeftBehind\nhandler = Handler()"),
        (
            "serial",
            "false",
            "from functools import partial\ndef ring(*_): raise LeftBehind\nhandler = partial(ring, 1)",
        ),
    ],
)
def test_signal_that_an_item_left_behind_ends_the_run_with_a_sentence_while_no_item_runs(
    backend: str, isolate: str, handler: str, project: Project
) -> None:
    assert "while fullrank itself is at work it ends the run with a sentence" in PROSE
    where = "time.process_time" if isolate == "true" else "os.write"  # after a claim
    code = LEAVES_A_SIGNAL.format(handler=handler, where=where)
    told = grid(project, code, f"isolate = {isolate}").run("-b", backend, "-n", 1, expect=2).stderr
    assert "a signal handler that an item left behind raised this while no item ran" in told
    assert "LeftBehind" in told
    assert "error inside fullrank" not in told
    (project.folder / "mended").touch()
    project.run("-b", backend)
    assert statuses(project) == [1, 1, 1, 1, 1]


@pytest.mark.in_process
def test_isolation_and_interpreters_are_refused_together_in_a_sentence(project: Project) -> None:
    assert "`run` refuses `isolate` with `interpreters` in a sentence" in PROSE
    done = grid(project, IN_PYTHON, "isolate = true").run("-b", "interpreters", expect=2)
    assert "isolate" in done.stderr or "interpreters" in done.stderr


@pytest.mark.in_process
def test_isolation_changes_no_bit_and_may_be_turned_on_in_the_middle(project: Project) -> None:
    code = "def f(x):\n    return x / 7\n"
    project.write(code).run("-b", "serial", "-o", "plain.h5")
    project.write(code).run("-b", "serial", "--limit", 5)
    project.write(code, tail="[run]\nisolate = true").run("-b", "serial")
    assert project.digest() == project.digest("plain.h5")


@pytest.mark.in_process
def test_guard_of_the_page_lets_a_function_lead_a_session_anywhere(project: Project) -> None:
    (guard,) = (text for text in in_code(PROSE) if "getsid" in text)
    code = f"import os\ndef f(x):\n    {guard}: os.setsid()\n    return x\n"
    grid(project, code, "isolate = true").run("-b", "serial")
    unguarded = "import os\ndef f(x):\n    os.setsid()\n    return x\n"
    grid(project, unguarded, "isolate = true").run("-b", "serial", "-o", "unguarded.h5", expect=3)
    assert {text.split(":")[0] for text in project.read("failures/exception", "unguarded.h5")} == {"PermissionError"}


PRIVATE_MB = r"""
import re
def f(x):
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(kb) for kb in re.findall(r"^Private_\w+: +(\d+) kB", file.read(), re.M)) / 1000
"""


@pytest.mark.in_process
def test_child_takes_as_much_memory_as_the_page_says(project: Project) -> None:
    assert "less than 10 MB of its own and what the function needs" in PROSE
    grid(project, PRIVATE_MB, "isolate = true").run("-b", "serial")
    taken = project.read("f")
    assert taken.max() < 10
    assert taken.min() > 2


@pytest.mark.in_process
def test_memory_limit_is_a_memory_error_and_maps_of_arrays_do_not_count(project: Project) -> None:
    assert "item_memory_limit_bytes = 2_000_000_000" in in_code(PROSE)
    np.save(project.folder / "big.npy", np.zeros(40_000_000))  # 320 MB
    code = "def f(x, big):\n    if x == 2: bytearray(400_000_000)\n    return x + float(big[-1])\n"
    run = "[run]\nisolate = true\nitem_memory_limit_bytes = 200_000_000"
    workload = 'constants = { big = { npy = "big.npy" } }'
    project.write(code, grid="x = { range = 5 }", workload=workload, tail=run).run("-b", "serial", expect=3)
    assert statuses(project) == [1, 1, 2, 1, 1]
    assert project.read("failures/exception").tolist()[0].startswith("MemoryError")


@pytest.mark.in_process
@pytest.mark.parametrize("key", ["max_failures = 3", 'on_error = "stop"', "without it"])
def test_failures_stop_the_run_as_said_and_the_exit_code_is_3(key: str, project: Project) -> None:
    assert key.replace("= 3", "= 100") in PROSE
    code = "import time\ndef f(x):\n    time.sleep(0.03)\n    raise ValueError(x)\n"
    tail = "" if key == "without it" else f"[run]\n{key}"
    done = project.write(code, grid="x = { range = 200 }", tail=tail).run("-b", "serial", expect=3)
    assert "ValueError" in done.stdout + done.stderr
    assert project.fullrank("gather", "study.toml", "--partial").returncode == 0
    n_failed = int(project.attributes("results/study.partial.h5")["n_failed"])
    least = {"max_failures = 3": 3, 'on_error = "stop"': 1, "without it": 20}[key]
    assert least <= n_failed < 200
    if least == 1:
        assert n_failed == 1


@pytest.mark.parametrize("number", STOPS)
def test_signal_of_the_page_stops_a_run_with_75_and_the_same_command_goes_on(
    number: signal.Signals, project: Project
) -> None:
    assert number.name in PROSE
    running = project.write(SLOW, grid="x = { range = 200 }").start_run("-b", "serial")
    project.until_visited(3)
    running.send(number)
    assert running.end().returncode == 75
    (command,) = (words(command) for command in commands(PAGE) if not names_alone(command))
    assert project.fullrank(*command).returncode == 0
    project.hurry()
    project.run("-b", "serial")
    assert sorted(project.visits()) == list(range(200))


def test_hangup_is_no_request_to_stop_but_the_same_command_goes_on(project: Project) -> None:
    assert "SIGHUP" in PROSE
    running = project.write(SLOW, grid="x = { range = 200 }").start_run("-b", "serial")
    project.until_visited(3)
    running.send(signal.SIGHUP)
    assert running.end().returncode == -signal.SIGHUP
    project.hurry()
    project.run("-b", "serial")


@pytest.mark.in_process
def test_durations_of_the_page_are_taken() -> None:
    (shown,) = re.findall(r"\((90, 90s, 15m, 1h30m or 1:30:00)\)", PROSE)
    seconds = [duration_seconds(text) for text in re.split(r", | or ", shown)]
    assert seconds == [90, 90, 15 * 60, 5400, 5400]
    assert duration_seconds(re.findall(r"`--stop-after (\w+)`", PROSE)[0]) == 55 * 60
