"""Items in a child process of their worker: whatever becomes of one, the others are as they would be without it."""

import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from studies import VISITED, Project

pytestmark = pytest.mark.in_process

WORKERS = {"serial": 1, "threads": 2, "processes": 2}
BACKENDS = tuple(WORKERS)
ISOLATE = "[run]\nisolate = true"
N_ITEMS = 40
GRID = f"x = {{ range = {N_ITEMS} }}"
TOP = f"{VISITED}\nimport ctypes, signal\n"
TOLD_SECONDS = 0.05
"""An item that takes far more than ten times what telling of the one before does, which is half a millisecond where
caches are cold: it is told as soon as it has ended, and the death of a later one of its claim does not cost it."""


def study(body: str, *, top: str = TOP, seconds: float = 0.004) -> str:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return f"{top}\ndef f(x):\n    visited(x)\n    time.sleep({seconds})\n{lines}    return x / 7\n"


def run(
    project: Project,
    body: str,
    *,
    backend: str,
    run_keys: str = "",
    expect: int = 0,
    top: str = TOP,
    seconds: float = 0.004,
) -> str:
    """Run a study whose function takes so long and has this body, in isolation; return what it said."""
    project.write(study(body, top=top, seconds=seconds), grid=GRID, tail=f"{ISOLATE}\n{run_keys}")
    done = project.run("-b", backend, "-n", WORKERS[backend], expect=expect)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def failures(project: Project) -> dict[int, tuple[int, str]]:
    """Return status and exception of each item without a result, after a look at the others."""
    status = project.read("status")
    good = status == 1
    assert project.read("f")[good].tolist() == [x / 7 for x in np.flatnonzero(good)]
    exceptions = dict(zip(project.read("failures/index").tolist(), project.read("failures/exception"), strict=True))
    return {index: (int(status[index]), exceptions[index]) for index in np.flatnonzero(~good).tolist()}


# --- items that kill or block their process

DEATHS = {
    "segfault": ("ctypes.string_at(0)", "SIGSEGV (signal 11)"),
    "exit": ("os._exit(0)", "it left with code 0"),
    "abort": ("os.abort()", "SIGABRT (signal 6)"),
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL (signal 9)"),
    "real-time signal": ("os.kill(os.getpid(), 40)", f"SIGRTMIN+{40 - signal.SIGRTMIN} (signal 40)"),
}


STACKS = ((3, "segfault"), (13, "abort"))
"""The items whose end leaves Python time to write down where they were."""


@pytest.mark.parametrize("backend", BACKENDS)
def test_items_that_kill_their_process_cost_these_items_only(project: Project, backend: str) -> None:
    deadly = {3 + 5 * number: death for number, death in enumerate(DEATHS.values())}
    body = "\n".join(f"if x == {x}: {code}" for x, (code, _) in deadly.items())
    run(project, body, backend=backend, expect=3, seconds=TOLD_SECONDS)
    assert failures(project) == {x: (4, f"its process died twice: {told}") for x, (_, told) in deadly.items()}
    lines = [text.splitlines() for text in project.read("failures/traceback")]
    assert [found[2].strip() for found in lines if found] == [f"if x == {x}: {DEATHS[how][0]}" for x, how in STACKS]
    # each item was called once, and a deadly one twice: the others of its claim were kept
    assert Counter(project.visits()) == {x: 2 if x in deadly else 1 for x in range(N_ITEMS)}
    assert project.read("attempts/reason").tolist() == ["complete"]
    assert (project.read("item_seconds")[list(deadly)] > 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_item_over_its_time_limit_in_c_code_costs_that_item_only(project: Project, backend: str) -> None:
    in_c = "if x == 5:\n    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\n    ctypes.CDLL(None).pause()"
    run(project, in_c, backend=backend, run_keys="item_time_limit_seconds = 0.3", expect=3)
    assert failures(project) == {5: (3, "time limit of 0.3 s exceeded")}
    assert set(Counter(project.visits()).values()) == {1}
    assert project.read("item_seconds")[5] >= 0.3


def test_an_item_over_its_time_limit_in_python_code_keeps_its_process(project: Project) -> None:
    top = TOP + "visited(-1)\n"
    run(
        project,
        "while x == 5: pass",
        backend="serial",
        run_keys="item_time_limit_seconds = 0.3",
        expect=3,
        top=top,
    )
    assert failures(project) == {5: (3, "time limit of 0.3 s exceeded")}
    assert project.read("failures/traceback")[0].startswith("Traceback")
    assert Counter(project.visits())[-1] == 2  # root imported the module, and one child


@pytest.mark.parametrize(
    "body",
    [
        "if x == 5: os.closerange(3, 1 << 16)",
        "if x == 5 and os.fork() == 0:\n    time.sleep(3)\n    os._exit(0)\nif x == 5: os._exit(1)",
        "if x == 5:\n    open('parent', 'w').write(str(os.getppid()))\n    os.kill(os.getpid(), signal.SIGSTOP)",
    ],
    ids=["closes all files", "leaves a process that holds the pipe", "stops itself"],
)
def test_whatever_an_item_does_to_its_process_costs_that_item_only(project: Project, body: str) -> None:
    run(project, body, backend="processes", run_keys="item_time_limit_seconds = 1.5", expect=3)
    assert failures(project).keys() == {5}


def test_a_kill_from_outside_changes_no_result(project: Project) -> None:
    body = (
        "if x == 5 and project_visits(5) == 1:\n    open('victim', 'w').write(str(os.getpid()))\n    time.sleep(1000)"
    )
    count = "def project_visits(x):\n    return open('visits').read().split().count(str(x))\n"
    project.write(study(body, top=TOP + count, seconds=TOLD_SECONDS), grid=GRID, tail=ISOLATE)
    running = project.start_run("-b", "processes", "-n", 2)
    victim = project.folder / "victim"
    project.until(lambda: victim.exists() and victim.read_text(), "the item runs")
    os.kill(int(victim.read_text()), signal.SIGKILL)
    done = running.end()
    assert done.returncode == 0, done.stderr
    assert failures(project) == {}
    assert Counter(project.visits()) == {x: 2 if x == 5 else 1 for x in range(N_ITEMS)}


# --- memory


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_item_over_its_memory_limit_costs_that_item_only(project: Project, backend: str) -> None:
    limit = "item_memory_limit_bytes = 300_000_000"
    run(project, "if x == 5: bytearray(400_000_000)", backend=backend, run_keys=limit, expect=3)
    assert failures(project) == {5: (2, "MemoryError: over the limit of 300,000,000 bytes")}


def test_what_a_memory_error_says_is_kept_beside_the_limit(project: Project) -> None:
    limit = "item_memory_limit_bytes = 300_000_000"
    run(project, "if x == 5: raise MemoryError('no room for it')", backend="serial", run_keys=limit, expect=3)
    assert failures(project) == {5: (2, "MemoryError: no room for it (under the limit of 300,000,000 bytes)")}


def test_what_earlier_items_left_in_memory_is_not_held_against_an_item(project: Project) -> None:
    limit = "item_memory_limit_bytes = 400_000_000"
    run(project, "kept.append(bytearray(60_000_000))", backend="serial", run_keys=limit, top=TOP + "kept = []\n")
    assert failures(project) == {}


def test_a_memory_limit_that_leaves_no_room_is_refused(project: Project) -> None:
    told = run(project, "", backend="processes", run_keys="item_memory_limit_bytes = 1_000_000", expect=2)
    assert "run.item_memory_limit_bytes: expected at least" in told
    assert "got 1_000_000" in told


# --- items that do no harm

RANDOM = """\
import os, random
def load(scale):
    with open("visits", "ab") as file:
        file.write(b"-1\\n")
    return {"table": [scale * k for k in range(100)]}
def f(x, y, table):
    return random.random() * table[x], hash(str(y)), [random.gauss(0, 1), 0.1 * y]
"""


@pytest.mark.in_process(False)
@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_the_same_to_the_last_bit_with_and_without_isolation(project: Project, backend: str) -> None:
    options = {"grid": "x = { range = 25 }\ny = [0.5, -2.0]", "workload": 'seed = 7\nsetup = "sim.py:load"'}
    tail = "[workload.constants]\nscale = 0.3\n"
    project.write(RANDOM, tail=tail, **options).run("-b", "serial", "-o", "plain.h5")
    n_setups = len(project.visits())
    project.write(RANDOM, tail=tail + ISOLATE, **options).run("-b", backend, "-n", WORKERS[backend])
    assert project.digest() == project.digest("plain.h5")
    assert len(project.visits()) == n_setups + WORKERS[backend]  # once in each child


def test_tiny_items_pass_in_whole_claims(project: Project) -> None:
    project.write("def f(x):\n    return x * x", grid="x = { range = 100000 }", tail=ISOLATE).run("-n", 2)
    np.testing.assert_array_equal(project.read("f"), np.arange(100_000) ** 2)
    assert project.read("workers/n_claims").sum() < 2000


def test_the_cpu_time_of_children_is_their_workers(project: Project) -> None:
    code = "import time\ndef f(x):\n    begun = time.process_time()\n    sum(range(300_000))\n"
    code += "    return time.process_time() - begun\n"
    project.write(code, grid="x = { range = 30 }", tail=ISOLATE).run("-b", "processes", "-n", 2)
    assert project.read("workers/cpu_seconds").sum() > project.read("f").sum()


# --- what goes wrong outside items


def test_a_module_that_kills_its_process_at_import_ends_the_run_with_a_sentence(project: Project) -> None:
    # root's own import is spared: what is to be told is what the children tell
    top = TOP + 'if os.path.exists("results"): os._exit(9)\n'
    told = run(project, "", backend="processes", expect=2, top=top)
    assert "sim.py:f: the process that was to load it ended: it left with code 9" in told


def test_finished_items_survive_the_death_of_a_worker_and_no_child_stays_behind(project: Project) -> None:
    body = "dawdle(0.05 if os.path.getsize('visits') < 60 else 1000)"
    project.write(study(body), grid=GRID, tail=ISOLATE)
    running = project.start_run("-b", "processes", "-n", 2)
    project.until_visited(20)
    os.kill(running.pid, signal.SIGKILL)
    running.end()
    project.until(lambda: "running" not in project.fullrank("status", "study.toml").stdout, "the run is over")
    finished = project.indices_finished()
    assert finished
    project.hurry()
    project.run("-b", "serial")
    assert failures(project) == {}
    times = Counter(project.visits())
    assert {index for index in finished if times[index] > 1} == set()


@pytest.mark.parametrize("backend", BACKENDS)
def test_child_in_c_code_that_lets_no_thread_run_ends_with_its_worker(project: Project, backend: str) -> None:
    project.write(study("if x == 7:\n    open('stuck', 'w').close()\n    sum(range(10**13))"), grid=GRID, tail=ISOLATE)
    running = project.start_run("-b", backend, "-n", WORKERS[backend])
    project.until(lambda: (project.folder / "stuck").exists(), "the item is in C code")
    children = project.descendants(running.pid)
    assert any("fullrank.isolation.child" in words for words in children.values())
    for pid in [running.pid, *(pid for pid, words in children.items() if "isolation" not in words)]:
        os.kill(pid, signal.SIGKILL)
    running.end()
    project.until(lambda: not any(is_there(pid) for pid in children), "no child is left", limit_seconds=10)


def is_there(pid: int) -> bool:
    """Whether the process lives; one that waits to be asked for by whoever adopted it does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
