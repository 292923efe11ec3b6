"""The counter that root keeps and answers by messages: what ranks on several hosts over a network use."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from studies import VISITED, Project

# A rank has loaded the function before it makes a counter.
OVER_A_NETWORK = f"""\
{VISITED}
import fullrank.backends.mpi.team as team
team.spans_hosts = lambda comm: True
team.is_answered_without_root = lambda comm, window: False
IS_ROOT = team.MPI.COMM_WORLD.rank == 0
"""
SQUARES = f"{OVER_A_NETWORK}\ndef f(x):\n    visited(x)\n    return x * x / 7\n"


@pytest.mark.parametrize("schedule", ["guided", "static"])
def test_every_item_is_evaluated_once(mpi_project: Project, schedule: str) -> None:
    project = mpi_project.write(SQUARES, grid="x = { range = 500 }", tail=f'[run]\nschedule = "{schedule}"')
    done = project.run("--json", n_ranks=3)
    assert json.loads(done.stdout)["n_finished"] == 500
    assert sorted(project.visits()) == list(range(500))
    assert project.read("f").tolist() == [x * x / 7 for x in range(500)]


def test_others_claim_all_there_is_while_root_is_inside_one_item(mpi_project: Project) -> None:
    code = f"""{OVER_A_NETWORK}
def f(x):
    visited(x)
    end = time.monotonic() + 20
    while IS_ROOT and os.path.getsize("visits") < 86 and time.monotonic() < end:  # two digits and their line feeds
        pass
    return os.path.getsize("visits")
"""
    project = mpi_project.write(code, grid="x = { range = [10, 39] }")
    project.run(n_ranks=2)
    assert sorted(project.visits()) == list(range(10, 39))
    of_root = project.read("f")[project.read("worker") == 0]
    assert len(of_root) == 1
    assert of_root[0] >= 86


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("where", ["Iprobe", "Recv", "Send"])
def test_what_is_raised_anywhere_in_an_answer_loses_none_and_counts_none_twice(
    mpiexec: Path, where: str, moment: str, number: int
) -> None:
    script = Path(__file__).with_name("owed_replies.py")
    done = subprocess.run(
        [sys.executable, script, where, moment, str(number)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["raised"] == 1
    assert found["told"] == [7, 3, 4]
    by_number = {number: (rank, position) for rank, position, number in found["sent"]}  # a rank takes each once
    assert by_number == {700: (1, 0), 800: (2, 5), 701: (1, 8), 801: (2, 15)}
    assert len(found["sent"]) == 4 + (where == "Send" and moment == "after")


def test_recursion_to_the_limit_on_root_keeps_nobody_waiting(mpi_project: Project) -> None:
    """Where it ends root may be in the middle of an answer."""
    code = f"""{OVER_A_NETWORK}
import sys
sys.setrecursionlimit(250)

def deeper(n):
    return deeper(n + 1)

def f(x):
    visited(x)
    if IS_ROOT:
        for _ in range(300):
            try:
                deeper(0)
            except RecursionError:
                pass
    return x
"""
    project = mpi_project.write(code, grid="x = { range = 3000 }")
    project.run(n_ranks=2)
    assert sorted(project.visits()) == list(range(3000))
    assert project.read("f").tolist() == list(range(3000))


def test_failure_of_another_rank_stops_all(mpi_project: Project) -> None:
    code = f"{OVER_A_NETWORK}\ndef f(x):\n    visited(x)\n    time.sleep(0.002)\n    return 1 / (x - 300)\n"
    project = mpi_project.write(code, grid="x = { range = 20_000 }", tail='[run]\non_error = "stop"\norder = "index"')
    done = project.run(n_ranks=3, expect=3)
    assert "ZeroDivisionError" in done.stderr
    assert len(project.visits()) < 5000
