"""Nothing waits for the dead: whatever ends a rank, the run ends soon, says who it was, and keeps what is finished."""

import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from studies import VISITED, Project, Started

pytestmark = pytest.mark.in_process

END_SECONDS = 15.0
N_ITEMS = 60
POISON = 37
EXPECTED = [x / 3 for x in range(N_ITEMS)]
GRID = f"x = {{ range = {N_ITEMS} }}"

UP_TO_MPIEXEC = """\
def mpiexec():
    pid = os.getppid()
    while os.path.basename(open(f"/proc/{pid}/cmdline").read().split("\\0")[0]) not in ("mpiexec", "prterun", "mpirun"):
        pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
    return pid
"""
DEADLY = {
    "leaves by os._exit(0)": "os._exit(0)",
    "crashes": "ctypes.string_at(0)",
    "is killed": "os.kill(os.getpid(), 9)",
}


def poisoned(project: Project, deed: str) -> Project:
    """A study of 5 ms items, of which one, once some others are finished, does a deed unless there is a file `fast`."""
    code = f"""\
{VISITED}
import ctypes
{UP_TO_MPIEXEC}
def f(x):
    visited(x)
    dawdle(0.005)
    if x == {POISON} and not os.path.exists("fast"):
        while os.path.getsize("visits") < 60:
            time.sleep(0.01)
        time.sleep(1.2)  # the finished ones are in the journals
        {deed}
    return x / 3
"""
    return project.write(code, grid=GRID)


def to_its_end(project: Project, running: Started) -> str:
    """Wait for the end, which comes soon, of every rank; return what was said."""
    done = running.end(timeout=END_SECONDS + 10)
    begun = time.monotonic()
    project.until(lambda: not ranks_of(project), "no rank is left")
    assert time.monotonic() - begun < END_SECONDS
    return done.stderr


def ranks_of(project: Project) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == project.folder and b"fullrank" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def assert_goes_on(project: Project, *, n_ranks: int) -> None:
    """The status is true, and the same command, undisturbed, gives a plain loop's results."""
    finished = project.indices_finished()
    assert 0 < len(finished) < N_ITEMS
    status = project.fullrank("status", "study.toml", "--exit-code")
    assert status.returncode == 75
    assert f"stopped: {len(finished)} of {N_ITEMS} items are finished" in status.stdout
    before = project.visits()
    project.hurry()
    project.run(n_ranks=n_ranks)
    assert project.read("f").tolist() == EXPECTED
    assert not finished.intersection(project.visits()[len(before) :])
    assert project.fullrank("status", "study.toml", "--exit-code").returncode == 0


@pytest.mark.parametrize("deed", DEADLY)
def test_rank_that_dies_in_an_item_is_named_with_host_and_item(mpi_project: Project, deed: str) -> None:
    project = poisoned(mpi_project, DEADLY[deed])
    for attempt in range(3):  # on a busy machine the witness of one that is killed after it may wake before its own
        said = to_its_end(project, project.start_run(*(["--fresh"] if attempt else []), n_ranks=3))
        told = [line for line in said.splitlines() if "; the run ends" in line]
        assert len(told) == 1, said
        assert told[0].startswith("fullrank: rank ")
        assert f" of 3 ({os.uname().nodename}) " in told[0]
        if f", in item {POISON}; " in told[0]:
            break
    assert f", in item {POISON}; the run ends" in told[0]
    assert f"in item {POISON}" in project.fullrank("status", "study.toml").stdout
    assert_goes_on(project, n_ranks=2)


def test_killed_mpiexec_leaves_no_orphan_and_the_status_blames_no_rank_and_no_item(mpi_project: Project) -> None:
    project = poisoned(mpi_project, "os.kill(mpiexec(), 9); time.sleep(1000)")
    to_its_end(project, project.start_run(n_ranks=3))
    project.until(lambda: list(project.folder.glob("results/*.work/*.death")), "the death is noted")
    told = project.fullrank("status", "study.toml").stdout.partition("the last attempt ended early: ")[2]
    assert "ended first" in told
    assert re.match(r"(mpiexec|mpirun|prterun|what had started the ranks)", told)
    assert "in item" not in told
    assert "died" not in told
    assert_goes_on(project, n_ranks=2)


def test_stopped_mpiexec_and_dead_ranks_are_ended_by_those_that_started_the_run_again(mpi_project: Project) -> None:
    project = poisoned(mpi_project, "os.kill(mpiexec(), 9); os.close(os.open('fast', os.O_CREAT)); time.sleep(1000)")
    done = project.run("-b", "mpi", "-n", 3)
    assert "started again" in done.stderr
    assert project.read("f").tolist() == EXPECTED
    assert ranks_of(project) == []


def test_death_that_the_launcher_overlooks_ends_the_other_ranks_through_the_work_folder(mpi_project: Project) -> None:
    # as under plain srun: the launcher sees to nothing, the note of a rank's witness is all there is
    deed = "open('results/study.h5.work/a0001-ranks.death', 'w').write('rank 7 died'); time.sleep(1000)"
    project = poisoned(mpi_project, deed)
    said = to_its_end(project, project.start_run(n_ranks=3))
    assert "another process of the run is dead" in said
    assert "the last attempt ended early: rank 7 died" in project.fullrank("status", "study.toml").stdout
    assert_goes_on(project, n_ranks=2)


def test_error_outside_any_item_on_one_rank_ends_all_and_names_it(mpi_project: Project) -> None:
    # what records the items is broken on one rank: no error of an item, and none that fullrank foresees
    project = poisoned(mpi_project, "import fullrank.worker; fullrank.worker.Worker._record = None")
    said = to_its_end(project, project.start_run(n_ranks=3))
    assert re.search(rf"(rank [12] of 3|root) \({os.uname().nodename}\): the run ends here", said)
    assert "TypeError" in said
    assert said.count("the run ends") == 1
    assert "TypeError outside any item" in project.fullrank("status", "study.toml").stdout
    assert_goes_on(project, n_ranks=2)


@pytest.mark.in_process(False)
def test_mpi_library_that_one_host_lacks_is_named_with_its_rank(mpi_project: Project) -> None:
    (mpi_project.folder / "mpi4py.py").write_text(
        "import os\nif '1' in (os.environ.get('PMI_RANK'), os.environ.get('OMPI_COMM_WORLD_RANK')):\n"
        "    raise ImportError('this host has none')\n"
        "import sys, importlib\nsys.path.pop(0)\ndel sys.modules['mpi4py']\n"
        "sys.modules['mpi4py'] = importlib.import_module('mpi4py')\n"
    )
    project = mpi_project.write("def f(x):\n    return x / 3")
    said = to_its_end(project, project.start_run(n_ranks=3, env={"PYTHONPATH": str(project.folder)}))
    assert f"rank 1 of 3 ({os.uname().nodename}): mpi4py cannot load an MPI library: this host has none" in said
    assert not project.output.exists()


@pytest.mark.in_process(False)
@pytest.mark.parametrize(("rank", "module"), [(0, "fullrank.cli"), (1, "fullrank.interrupt")])
def test_rank_that_cannot_import_a_module_ends_the_others_with_its_traceback(
    mpi_project: Project, rank: int, module: str
) -> None:
    (mpi_project.folder / "sitecustomize.py").write_text(
        f"import os, sys\nif {str(rank)!r} in (os.environ.get('PMI_RANK'), os.environ.get('OMPI_COMM_WORLD_RANK')):\n"
        f"    sys.modules[{module!r}] = None\n"
    )
    project = mpi_project.write("def f(x):\n    return x / 3")
    said = to_its_end(project, project.start_run(n_ranks=3, env={"PYTHONPATH": str(project.folder)}))
    assert re.search(rf"(ModuleNotFound|Import)Error: import of {re.escape(module)} halted", said)
    assert not project.output.exists()


def test_poison_item_on_four_ranks_costs_that_item_alone(mpi_project: Project) -> None:
    project = mpi_project.write(
        f"import ctypes\ndef f(x):\n    if x == {POISON}:\n        ctypes.string_at(0)\n    return x / 3\n", grid=GRID
    )
    done = project.run("-b", "mpi", "-n", 4, expect=3)
    assert "the ranks died; they are started again" in done.stderr
    assert np.flatnonzero(project.read("status") == 4).tolist() == [POISON]
    assert np.delete(project.read("f"), POISON).tolist() == np.delete(EXPECTED, POISON).tolist()


def test_ranks_that_only_wait_for_others_end_when_mpiexec_is_killed(mpi_project: Project) -> None:
    # rank 0 is stuck in its first item's import, before any worker computes
    code = (
        f"{VISITED}\nvisited(0)\nwhile not os.path.exists('fast'):\n    time.sleep(0.01)\ndef f(x):\n    return x / 3\n"
    )
    project = mpi_project.write(code, grid=GRID)
    running = project.start_run(n_ranks=3)
    project.until_visited(1)
    running.send(signal.SIGKILL)
    to_its_end(project, running)
    assert not project.output.exists()
