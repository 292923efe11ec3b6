"""Runs on ranks of MPI, started by mpiexec or by fullrank itself; with whatever library is installed."""

import itertools
import os
import pty
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
from studies import BLIND_ROOT, SLOW, STUCK, VISITED, Project, Started

pytestmark = pytest.mark.in_process

N_ITEMS = 300
GRID = f"x = {{ range = {N_ITEMS} }}"
EXPECTED = [x * x / 7 for x in range(N_ITEMS)]


@pytest.mark.parametrize(
    ("n_ranks", "schedule", "order"),
    [(1, "guided", "spread"), (2, "guided", "spread"), (3, "guided", "index"), (3, "static", "spread")],
)
def test_results_are_those_of_a_plain_loop_on_any_number_of_ranks(
    mpi_project: Project, n_ranks: int, schedule: str, order: str
) -> None:
    project = mpi_project.write(
        "import math\ndef f(a, b):\n    return math.sin(a) * b, [a, b]\n",
        grid="a = { start = 0.0, stop = 1.0, num = 31 }\nb = [0.25, 3.0]",
        tail=f'[run]\nschedule = "{schedule}"\norder = "{order}"',
    )
    done = project.run(n_ranks=n_ranks)
    pairs = list(itertools.product(np.linspace(0.0, 1.0, 31).tolist(), [0.25, 3.0]))
    f = project.call()
    np.testing.assert_array_equal(project.read("f_0").ravel(), [f(a, b)[0] for a, b in pairs])
    np.testing.assert_array_equal(project.read("f_1").reshape(-1, 2), pairs)
    assert project.read("attempts/backend").tolist() == ["mpi"]
    assert project.read("attempts/n_workers").tolist() == [n_ranks]
    assert str(project.output) in done.stdout
    project.run("-b", "serial", "-o", "serial.h5")
    assert project.digest("serial.h5") == project.digest()


@pytest.mark.parametrize("options", ["-bserial", "--backend=serial", "--backend serial", "-n 1 -b serial"])
def test_single_rank_may_be_told_another_backend(mpi_project: Project, options: str) -> None:
    project = mpi_project.write("def f(x):\n    return x * x")
    project.run(*options.split(), n_ranks=1)
    assert project.read("attempts/backend").tolist() == ["serial"]


def test_single_rank_takes_no_file_name_for_a_backend(mpi_project: Project) -> None:
    project = mpi_project.write("def f(x):\n    return x * x")
    project.run("-o", "mine -b serial.h5", n_ranks=1)
    assert project.read("attempts/backend", "mine -b serial.h5").tolist() == ["mpi"]


def test_many_tiny_items_and_ranks_without_one_are_no_trouble(mpi_project: Project) -> None:
    project = mpi_project.write("def f(x):\n    return x * x", grid="x = { range = 50000 }")
    project.run(n_ranks=3)
    np.testing.assert_array_equal(project.read("f"), np.arange(50000) ** 2)
    assert project.read("workers/n_items").sum() == 50000
    project.write("def f(x):\n    return x * x", grid="x = [5]").run("-o", "one.h5", n_ranks=3)
    assert project.read("f", "one.h5").tolist() == [25]


def test_ranks_are_started_by_the_mpiexec_that_belongs_to_the_library(mpi_project: Project) -> None:
    project = mpi_project.write("def f(x):\n    return x * x / 7", grid=GRID)
    done = project.run("-b", "mpi", "-n", 2)
    assert project.read("f").tolist() == EXPECTED
    assert project.read("attempts/n_workers").tolist() == [2]
    assert str(project.output) in done.stdout
    again = project.run("-b", "mpi", "-n", 2)
    assert "already complete" in again.stdout


@pytest.mark.parametrize("schedule", ["guided", "static"])
def test_every_rank_computes_root_too(mpi_project: Project, schedule: str) -> None:
    # each of the first three items waits until all three have begun
    code = f"""\
{VISITED}
import sys
def f(x):
    visited(x)
    while os.path.getsize("visits") < 6:
        time.sleep(0.002)
    return "numpy" in sys.modules, "h5py" in sys.modules
"""
    project = mpi_project.write(code, grid="x = { range = 9 }", tail=f'[run]\nschedule = "{schedule}"')
    project.run(n_ranks=3)
    worker = project.read("worker")
    assert set(worker.tolist()) == {0, 1, 2}
    assert not project.read("f_0")[worker > 0].any()
    assert not project.read("f_1")[worker > 0].any()


def test_ranks_keep_to_one_core_and_hash_alike_and_print_to_their_logs(mpi_project: Project) -> None:
    code = """\
import os
def f(x):
    print("hello from", x)
    os.system("echo from a child")
    return int(os.environ["OMP_NUM_THREADS"]), hash("fullrank")
"""
    project = mpi_project.write(code, grid="x = { range = 8 }")
    unset = {"OMP_NUM_THREADS": "", "PYTHONHASHSEED": ""}
    done = project.run(n_ranks=2, env=unset)
    assert set(project.read("f_0").tolist()) == {1}
    assert len(set(project.read("f_1").tolist())) == 1
    text = project.log.read_text()
    for x in range(8):
        assert f"--- item {x}\nhello from {x}\nfrom a child\n" in text
    assert "hello" not in done.stdout + done.stderr
    assert "from a child" not in done.stdout + done.stderr


# --- deaths


def rank_pid(project: Project, running: Started, rank: int) -> int:
    """Return the process of one rank, as the running attempt's journals name it."""
    name = f"a0001-w{rank:05d}.journal"
    for folder in project.descendants(running.pid):
        try:
            opened = [os.readlink(f"/proc/{folder}/fd/{fd}") for fd in os.listdir(f"/proc/{folder}/fd")]  # noqa: PTH115, PTH208
        except OSError:
            continue
        if any(path.endswith(name) for path in opened):
            return folder
    pytest.fail(f"no process of rank {rank}")


def assert_undisturbed(project: Project, finished: set[int]) -> None:
    """The result is a plain loop's, and no item was called again that was on record at the kill."""
    assert project.read("f").tolist() == EXPECTED
    assert (project.read("status") == 1).all()
    times = Counter(project.visits())
    assert {index for index in finished if times[index] > 1} == set()


@pytest.mark.parametrize(
    ("victim", "again"),
    [("mpiexec", "3 ranks"), ("root", "processes"), ("rank 1", "2 ranks"), ("fullrank run -b mpi", "2 ranks")],
)
def test_killed_job_ends_and_goes_on_elsewhere(mpi_project: Project, victim: str, again: str) -> None:
    project = mpi_project.write(STUCK, grid=GRID)
    running = project.start_run("-b", "mpi", "-n", 2) if "fullrank" in victim else project.start_run(n_ranks=2)
    project.until_visited(12)
    ranks = [rank_pid(project, running, rank) for rank in range(2)]
    os.kill({"root": ranks[0], "rank 1": ranks[1]}.get(victim, running.pid), signal.SIGKILL)
    assert running.end().returncode != 0
    project.until(lambda: not any(os.path.exists(f"/proc/{rank}") for rank in ranks), "no rank is left")  # noqa: PTH110
    finished = project.indices_finished()
    assert 0 < len(finished) < N_ITEMS
    project.hurry()
    if again == "processes":
        project.run("-b", "processes", "-n", 2)
    else:
        project.run(n_ranks=int(again[0]))
    assert_undisturbed(project, finished)
    first, last = project.read("attempts/reason")
    # an mpiexec whose own parent is killed is told to end, and may tell the ranks to stop
    assert (first, last) in {("killed", "complete"), ("stopped", "complete")}


def test_ranks_that_die_are_started_again_by_the_run_that_started_them(mpi_project: Project) -> None:
    project = mpi_project.write(STUCK, grid=GRID)
    running = project.start_run("-b", "mpi", "-n", 2)
    project.until_visited(12)
    os.kill(rank_pid(project, running, 1), signal.SIGKILL)
    project.hurry()
    done = running.end()
    assert done.returncode == 0, done.stderr
    assert "started again" in done.stderr
    assert_undisturbed(project, set())


DEADLY = {"leaves without a word": "os._exit(0)", "is killed": "os.kill(os.getpid(), 9)"}


@pytest.mark.parametrize("how", DEADLY)
def test_item_that_kills_its_rank_costs_that_item_only(mpi_project: Project, how: str) -> None:
    project = mpi_project.write(f"{VISITED}\ndef f(x):\n    if x == 7:\n        {DEADLY[how]}\n    return x / 3\n")
    project.run("-b", "mpi", "-n", 2, expect=3)
    assert np.flatnonzero(project.read("status") == 4).tolist() == [7]
    assert np.delete(project.read("f"), 7).tolist() == [x / 3 for x in range(12) if x != 7]


def test_item_that_kills_a_rank_of_the_users_job_is_crashed_after_the_same_command_again(mpi_project: Project) -> None:
    project = mpi_project.write(
        "import os\ndef f(x):\n    if x == 7:\n        os.kill(os.getpid(), 9)\n    return x / 3\n"
    )
    project.fullrank("run", "study.toml", n_ranks=2)
    assert not project.output.exists()
    project.fullrank("run", "study.toml", n_ranks=2)
    assert np.flatnonzero(project.read("status") == 4).tolist() == [7]
    assert project.fullrank("status", "study.toml", "--exit-code").returncode == 3


# --- being told to stop


def test_usr1_to_mpiexec_lets_short_items_end_and_the_same_command_goes_on(mpi_project: Project) -> None:
    project = mpi_project.write(SLOW, grid=GRID)
    running = project.start_run(n_ranks=2)
    project.until_visited(12)
    running.send(signal.SIGUSR1)
    done = running.end()
    n_visited = len(project.visits())
    assert f"{n_visited} of {N_ITEMS} items are finished" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.fullrank("status", "study.toml", "--exit-code").returncode == 75
    project.hurry()
    project.run(n_ranks=3)
    assert_undisturbed(project, set(range(N_ITEMS)))


def test_stop_signals_to_the_run_that_started_the_ranks_reach_them(mpi_project: Project) -> None:
    project = mpi_project.write(SLOW, grid=GRID)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        n_before = len(project.visits())
        running = project.start_run("-b", "mpi", "-n", 2)
        project.until_visited(n_before + 5)
        running.send(number)
        done = running.end()
        assert done.returncode == 75, done.stderr
        assert f"{len(project.visits())} of {N_ITEMS} items are finished" in done.stderr
        assert "Traceback" not in done.stderr
    project.hurry()
    project.run("-b", "mpi", "-n", 2)
    assert_undisturbed(project, set(range(N_ITEMS)))
    assert project.read("attempts/reason").tolist() == [*3 * ["stopped"], "complete"]


def test_ctrl_c_before_the_ranks_compute_ends_the_run_and_starts_nothing_again(mpi_project: Project) -> None:
    project = mpi_project.write(f"{VISITED}\nvisited(0)\nwhile True:\n    time.sleep(0.005)\n")
    running = project.start_run("-b", "mpi", "-n", 2)
    project.until_visited(1)
    running.send(signal.SIGINT)
    done = running.end()
    assert done.returncode == 75
    assert "started again" not in done.stderr
    assert project.visits() == [0]


def test_item_over_its_time_limit_is_ended_on_every_rank(mpi_project: Project) -> None:
    code = "def f(x):\n    while x in (3, 8):\n        pass\n    return x / 3\n"
    project = mpi_project.write(code, tail="[run]\nitem_time_limit_seconds = 0.3")
    project.run(n_ranks=2, expect=3)
    status = project.read("status")
    assert np.flatnonzero(status == 3).tolist() == [3, 8]
    assert (np.delete(status, [3, 8]) == 1).all()


def test_second_signal_ends_long_items_on_every_rank_at_once_and_loses_no_finished_one(mpi_project: Project) -> None:
    project = mpi_project.write(STUCK, grid=GRID)
    running = project.start_run("-b", "mpi", "-n", 2)
    project.until_visited(12)
    for number in (signal.SIGINT, signal.SIGTERM):
        running.send(number)
    done = running.end()
    assert done.returncode == 75, done.stderr
    finished = project.indices_finished()
    assert len(finished) >= len(project.visits()) - 2
    project.hurry()
    project.run(n_ranks=2)
    assert_undisturbed(project, finished)


@pytest.mark.parametrize("n_ranks", [None, 2])
def test_stop_after_ends_all_ranks_and_the_same_command_goes_on(mpi_project: Project, n_ranks: int | None) -> None:
    project = mpi_project.write(STUCK, grid=GRID)
    launch = ("-b", "mpi", "-n", 2) if n_ranks is None else ()
    done = project.fullrank("run", "study.toml", *launch, "--stop-after", "3s", n_ranks=n_ranks)
    if n_ranks is None:
        assert done.returncode == 75, done.stderr
    assert "the same command" in done.stderr
    finished = project.indices_finished()
    assert len(finished) >= len(project.visits()) - 2
    project.hurry()
    project.run(n_ranks=2)
    assert_undisturbed(project, finished)
    assert project.read("attempts/reason").tolist() == ["stopped", "complete"]


def test_partial_file_can_be_written_and_read_at_any_time_while_ranks_compute(mpi_project: Project) -> None:
    xarray = pytest.importorskip("xarray", reason="reads the file as users do")
    n_items = 20_000
    expected = np.arange(n_items) ** 2 / 7
    project = mpi_project.write(SLOW, grid=f"x = {{ range = {n_items} }}")
    running = project.start_run("-b", "mpi", "-n", 2)
    project.until_visited(4)
    seen = [0]
    while len(seen) < 6:
        written = project.fullrank("gather", "study.toml", "--partial")
        assert written.returncode == 0, written.stderr
        with xarray.open_dataset(project.folder / "results/study.partial.h5") as data:
            is_ok = data["status"].values == 1
            np.testing.assert_array_equal(data["f"].values[is_ok], expected[is_ok])
            seen.append(int(is_ok.sum()))
    assert running.is_running()
    assert seen == sorted(seen)
    assert seen[-1] > 0
    project.hurry()
    assert running.end().returncode == 0
    np.testing.assert_array_equal(project.read("f"), expected)
    assert set(Counter(project.visits()).values()) == {1}
    assert not (project.folder / "results/study.partial.h5").exists()


def test_item_in_c_code_is_timed_out_when_it_returns(mpi_project: Project) -> None:
    code = """\
import ctypes
def f(x):
    if x == 3:
        ctypes.CDLL(None).system(b"sleep 0.6; echo > back")
    return x / 3
"""
    project = mpi_project.write(code, tail="[run]\nitem_time_limit_seconds = 0.2")
    project.run(n_ranks=2, expect=3)
    assert np.flatnonzero(project.read("status") == 3).tolist() == [3]
    assert (project.folder / "back").exists()


# --- isolation


def test_isolated_items_that_kill_or_block_their_process_leave_the_ranks_alone(mpi_project: Project) -> None:
    code = f"""\
{VISITED}
import ctypes, signal
def f(x):
    visited(x)
    if x == 5:
        ctypes.string_at(0)
    if x == 11:
        os._exit(0)
    if x == 17:
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
        ctypes.CDLL(None).pause()
    time.sleep(0.05)
    return x * x / 7
"""
    tail = "[run]\nisolate = true\nitem_time_limit_seconds = 0.5"
    project = mpi_project.write(code, grid="x = { range = 60 }", tail=tail)
    done = project.fullrank("run", "study.toml", n_ranks=2)
    assert "Traceback" not in done.stderr
    status = project.read("status")
    assert {index: status[index] for index in np.flatnonzero(status != 1).tolist()} == {5: 4, 11: 4, 17: 3}
    assert np.delete(project.read("f"), [5, 11, 17]).tolist() == np.delete(EXPECTED[:60], [5, 11, 17]).tolist()
    assert Counter(project.visits()) == {x: 2 if x in (5, 11) else 1 for x in range(60)}
    assert project.read("attempts/reason").tolist() == ["complete"]


@pytest.mark.in_process(False)
def test_isolated_results_are_the_same_to_the_last_bit(mpi_project: Project) -> None:
    code = "import random\ndef f(x):\n    return random.random() * x, hash(str(x))\n"
    project = mpi_project.write(code, grid=GRID, workload="seed = 3")
    project.run("-b", "serial", "-o", "plain.h5")
    project.write(code, grid=GRID, workload="seed = 3", tail="[run]\nisolate = true").run(n_ranks=3)
    assert project.digest() == project.digest("plain.h5")


# --- errors


def told(project: Project, *args: object, n_ranks: int = 2) -> str:
    """Return what a run on ranks says that ends early without a result, and without a hang."""
    done = project.fullrank("run", "study.toml", *args, n_ranks=n_ranks)
    assert done.returncode != 0
    assert not project.output.exists()
    assert "src/fullrank" not in done.stderr
    return done.stderr


def test_errors_of_the_user_end_all_ranks_with_a_sentence(mpi_project: Project) -> None:
    project = mpi_project.write("def f(x):\n    return x")
    assert "-n 3 disagrees with" in told(project, "-n", 3)
    assert "backend 'threads' runs in one process" in told(project, "-b", "threads")
    assert "the output folder cannot be written" in told(project, "-o", "sim.py/out.h5")
    assert "the axis 'x' is no parameter" in told(project.write("def f(y):\n    return y"))


def test_module_that_one_rank_cannot_load_ends_all_with_its_traceback(mpi_project: Project) -> None:
    code = """\
import os
if "1" in (os.environ.get("PMI_RANK"), os.environ.get("OMPI_COMM_WORLD_RANK")):
    import a_library_this_node_lacks
def f(x):
    return x
"""
    said = told(mpi_project.write(code))
    assert "No module named 'a_library_this_node_lacks'" in said
    assert f'File "{mpi_project.folder}/sim.py", line 3' in said


def test_typo_that_fails_every_item_stops_all_ranks(mpi_project: Project) -> None:
    code = f"{VISITED}\ndef f(x):\n    visited(x)\n    dawdle(0.01)\n    return mth.sqrt(x)\n"
    said = told(mpi_project.write(code, grid="x = { range = 2000 }"))
    assert 20 <= len(mpi_project.visits()) < 1000
    assert "NameError: name 'mth' is not defined" in said


@pytest.mark.parametrize("isolate", ["false", "true"])
def test_result_whose_name_is_taken_stops_all_ranks_and_keeps_the_others(mpi_project: Project, isolate: str) -> None:
    code = f"{VISITED}\ndef f(x):\n    visited(x)\n    dawdle(0.01)\n    return {{'y' if x < 20 else 'status': x}}\n"
    tail = f'[run]\norder = "index"\nmax_failures = 1000\nisolate = {isolate}'
    said = told(mpi_project.write(code, grid="x = { range = 1000 }", tail=tail))
    assert "the result name 'status' is taken by an axis or by the file itself; rename it" in said
    assert "sim.py:f: item " in said
    assert len(mpi_project.visits()) < 500
    assert mpi_project.indices_finished() == set(range(20))


def test_changed_study_is_refused_on_ranks_too(mpi_project: Project) -> None:
    project = mpi_project.write("def f(x):\n    return x")
    project.run("-b", "serial")
    before = project.output.read_bytes()
    project.write("def f(x):\n    return 2 * x")
    done = project.fullrank("run", "study.toml", n_ranks=2)
    assert "code of sim.py changed" in done.stderr
    assert project.output.read_bytes() == before
    project.run("--fresh", n_ranks=2)
    assert project.read("f").tolist() == [2 * x for x in range(12)]
    fresh = project.run("--fresh", "-b", "mpi", "-n", 2)
    assert "moved aside" in fresh.stderr
    assert len(list(project.output.parent.glob("*.h5"))) == 3


def test_first_failure_stops_the_claims_of_all_ranks_while_root_looks_away(mpi_project: Project) -> None:
    tail = '[run]\non_error = "stop"\norder = "index"'
    project = mpi_project.write(BLIND_ROOT, grid="x = { range = 4000 }", tail=tail)
    project.run(n_ranks=2, expect=3)
    assert len(project.visits()) < 3000


def test_bar_is_seen_on_a_terminal_that_does_not_know_its_size(mpi_project: Project) -> None:
    # as a serial console's, or that of a container: it says that it has no columns
    project = mpi_project.write("def f(x):\n    return x / 7")
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "fullrank", "run", "study.toml", "-b", "mpi", "-n", "2"]
    subprocess.run(words, cwd=project.folder, stdout=subprocess.DEVNULL, stderr=theirs, timeout=60, check=True)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # how Linux tells that the other end is closed
        while data := os.read(ours, 4096):
            shown += data
    os.close(ours)
    assert b"12/12 items" in shown


ASKS_FOR_A_STOP = """
import os, signal, sys
class JustAfterMpiInit:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "fullrank.backends.mpi.team":  # what loads MPI was imported before it
            os.kill(os.getpid(), signal.NAME)
sys.meta_path.insert(0, JustAfterMpiInit)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_stop_that_is_asked_for_while_ranks_start_is_heard(mpi_project: Project, name: str) -> None:
    project = mpi_project.write("import time\ndef f(x):\n    time.sleep(0.05)\n    return x / 3", grid=GRID)
    (project.folder / "sitecustomize.py").write_text(ASKS_FOR_A_STOP.replace("NAME", name))
    done = project.run(n_ranks=2, env={"PYTHONPATH": str(project.folder)}, expect=75)
    assert "none is lost" in done.stderr


LEAVES_AN_ALARM = """
import os, signal, time
def ring(number, frame):
    raise TimeoutError
def f(x):
    if x:
        while not os.path.exists("begun"):
            time.sleep(0.01)
        signal.signal(signal.SIGALRM, ring)
        signal.alarm(1)
    else:
        open("begun", "w").close()
        time.sleep(2)
    return x
"""


def test_alarm_that_an_item_left_behind_does_not_ring_while_its_rank_waits_for_the_others(mpi_project: Project) -> None:
    project = mpi_project.write(LEAVES_AN_ALARM, grid="x = { range = 2 }")
    project.run(n_ranks=2)
    assert project.read("f").tolist() == [0, 1]
