"""What user code leaves running in a worker does not keep a finished run from ending, and is named."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from studies import INTERPRETERS, VISITED, Project

from fullrank import beside

IMPATIENT = "import fullrank.leaving; fullrank.leaving._patience_seconds = 0.5\n"
THREAD = f"""\
{IMPATIENT}
import threading, time
threading.Thread(target=time.sleep, args=(1000,), name="uploader").start()
def f(x):
    return x * 2
"""
HANDLER = f"""\
{IMPATIENT}
import atexit, time
atexit.register(time.sleep, 1000)
def f(x):
    return x * 2
"""
TIDY = """\
import atexit, threading, time
def write():
    time.sleep(0.3)
    open("closed", "w").close()
atexit.register(write)
threading.Thread(target=time.sleep, args=(0.3,)).start()
def f(x):
    return x * 2
"""
DEAF = f"""\
{VISITED}
import ctypes
begun, mutex, library = [], ctypes.create_string_buffer(64), ctypes.PyDLL(None)
def f(x):
    visited(x)
    begun.append(x)
    while len(begun) == 3:  # the second lock waits for ever, keeps the GIL and is not interrupted
        library.pthread_mutex_lock(mutex)
    return x * 2
"""
SHORT = """\
import fullrank.beside
fullrank.beside.ORPHAN_SECONDS = 1.5
fullrank.beside.DEAF_SECONDS = (3.0, 1.0)
"""
BACKENDS = ["serial", "threads", "processes", INTERPRETERS]


@pytest.mark.parametrize("backend", BACKENDS)
def test_thread_that_never_ends_does_not_keep_a_finished_run(project: Project, backend: str) -> None:
    project.write(THREAD)
    done = project.run("-b", backend)
    assert project.read("f").tolist() == [2 * x for x in range(12)]
    if backend != "interpreters":  # its threads are the sub-interpreter's, of which nothing can be asked
        assert "left without the thread 'uploader' of the function, which did not end" in done.stderr


@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_exit_handler_that_never_ends_does_not_keep_a_finished_run(project: Project, backend: str) -> None:
    project.write(HANDLER)
    done = project.run("-b", backend, "-n", 1)
    assert project.read("f").tolist() == [2 * x for x in range(12)]
    assert "left without an exit handler, which did not end" in done.stderr


@pytest.mark.mpi
@pytest.mark.parametrize("code", [THREAD, HANDLER], ids=["thread", "exit handler"])
def test_what_never_ends_keeps_no_rank(mpi_project: Project, code: str) -> None:
    mpi_project.write(code)
    done = mpi_project.run(n_ranks=3)
    assert mpi_project.read("f").tolist() == [2 * x for x in range(12)]
    assert [f"rank {rank} of 3" in done.stderr for rank in range(3)] == [True] * 3


@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_what_ends_soon_is_waited_for(project: Project, backend: str) -> None:
    project.write(TIDY)
    done = project.run("-b", backend, "-n", 1)
    assert (project.folder / "closed").exists()
    assert "left without" not in done.stderr


def test_worker_that_is_deaf_in_c_code_dies_after_its_parent(project: Project) -> None:
    project.write(DEAF)
    running = project.start_run("-b", "processes", "-n", 2, env=with_short_patience(project))
    project.until(lambda: len(project.visits()) == 6, "both hold their GIL")
    workers = [pid for pid, command in project.descendants(running.pid).items() if "backends.child" in command]
    running.send(signal.SIGKILL)
    running.end()
    project.until(lambda: not any(is_there(pid) for pid in workers), "both have ended")


@pytest.mark.mpi
def test_rank_that_is_deaf_in_c_code_dies_after_its_launcher(mpi_project: Project) -> None:
    mpi_project.write(DEAF)
    running = mpi_project.start_run(n_ranks=2, env=with_short_patience(mpi_project))
    mpi_project.until(lambda: len(mpi_project.visits()) == 6, "both hold their GIL")
    under = mpi_project.descendants(running.pid)
    ranks = [pid for pid, command in under.items() if "-m fullrank run" in command]
    for pid in under.keys() - ranks:  # MPICH has a process between mpiexec and the ranks: it would end them
        os.kill(pid, signal.SIGKILL)
    running.send(signal.SIGKILL)
    running.end()
    mpi_project.until(lambda: not any(is_there(pid) for pid in ranks), "both have ended")


@pytest.mark.parametrize("backend", ["serial", "threads"])
def test_second_signal_ends_a_run_that_is_deaf_in_c_code(project: Project, backend: str) -> None:
    project.write(DEAF, grid="x = { range = 5 }")
    running = project.start_run("-b", backend, "-n", 1, env=with_short_patience(project))
    project.until(lambda: len(project.visits()) == 3, "an item holds the GIL")
    time.sleep(1.5)  # what was finished is in the journal, for of so few items each is a claim
    running.send(signal.SIGINT)
    running.send(signal.SIGTERM)
    done = running.end()
    assert done.returncode == -signal.SIGKILL
    assert "was asked to stop and heard nothing, as in C code, and is killed" in done.stderr
    assert len(project.indices_finished()) == 2


@pytest.mark.mpi
def test_second_signal_ends_ranks_that_are_deaf_in_c_code(mpi_project: Project) -> None:
    mpi_project.write(DEAF, grid="x = { range = 11 }")
    running = mpi_project.start_run("-b", "mpi", "-n", 2, env=with_short_patience(mpi_project))
    mpi_project.until(lambda: len(mpi_project.visits()) == 6, "both hold their GIL")
    time.sleep(1.5)
    for _ in range(2):
        running.send(signal.SIGINT)
        time.sleep(0.2)
    assert running.end().returncode == 75
    assert len(mpi_project.indices_finished()) == 4


def test_stop_that_is_heard_kills_nobody(project: Project) -> None:
    project.write("import time\ndef f(x):\n    open('begun', 'w')\n    time.sleep(1000)")
    running = project.start_run("-b", "serial")
    project.until((project.folder / "begun").exists, "an item sleeps")
    running.send(signal.SIGINT)
    done = running.end()
    assert done.returncode == 75
    assert "killed" not in done.stderr


def test_signal_that_nobody_looked_at_on_the_way_out_is_none_that_was_not_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a run that is asked to stop as it ends would be killed ten seconds later, while it writes its file."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    monkeypatch.setattr(beside, "_ends", [writable, writable])
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: None)
    try:
        with beside.listening():
            os.kill(os.getpid(), signal.SIGUSR1)
        hearing, data = beside.Hearing(), os.read(readable, 100)
    finally:
        signal.signal(signal.SIGUSR1, before)
        os.close(readable)
        os.close(writable)
    hearing.take(data[:-1], now=0.0)
    assert hearing.is_deaf(now=1000.0)
    hearing.take(data[-1:], now=0.0)
    assert not hearing.is_deaf(now=1000.0)


def with_short_patience(project: Project) -> dict[str, str]:
    """Have all programs wait less long for one that is deaf; return the environment to start them with."""
    (project.folder / "sitecustomize.py").write_text(SHORT)
    paths = [str(project.folder), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


TAKES_ALL_MEMORY = """\
import resource
def f(x):
    if x == 5:
        with open("/proc/self/statm") as file:
            in_use = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (in_use, in_use))  # there is no room for another thread's stack
    return x * 2
"""


@pytest.mark.parametrize("backend", ["serial", "threads"])
def test_item_that_leaves_no_room_for_a_thread_does_not_keep_the_run_from_ending(
    project: Project, backend: str
) -> None:
    project.write(TAKES_ALL_MEMORY, grid="x = { range = 20 }", tail="[run]\norder = 'index'")
    project.start_run("-b", backend, "-n", 1 if backend == "serial" else 3).end(timeout=40)


LEAKS_ONCE = """\
import os
kept = []
def f(x):
    if x == 5 and not os.path.exists("leaked"):
        os.close(os.open("leaked", os.O_CREAT))
        while True:
            kept.append(os.open("/dev/null", os.O_RDONLY))
    return x * 2
"""


@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_item_that_uses_up_all_descriptors_fails_with_its_own_error(project: Project, backend: str) -> None:
    project.write(LEAKS_ONCE, tail="[run]\norder = 'index'")
    done = project.run("-b", backend, expect=74)
    assert "leaves files open" in done.stderr
    assert "Traceback" not in done.stderr
    project.run("-b", backend, expect=3)
    assert "Too many open files" in project.read("failures/exception")[0]
    assert np.delete(project.read("f"), 5).tolist() == [x * 2 for x in range(12) if x != 5]
