"""A sample or a shard that ends before it is done: what is told is what is finished of the whole study."""

import json

import pytest
from studies import VISITED, Project

PARTS = pytest.mark.parametrize("part", [("--limit", "20"), ("--shard", "1/4")])
ASKS_TO_STOP = f"""{VISITED}
import signal
def f(x):
    visited(x)
    if os.path.getsize("visits") >= 6:
        os.kill(os.getpid(), signal.SIGUSR1)
    return x / 7
"""


@PARTS
@pytest.mark.in_process(False)
def test_stopped_part_tells_as_many_finished_items_as_were_evaluated(project: Project, part: tuple[str, str]) -> None:
    project.write(ASKS_TO_STOP, grid="x = { range = 100 }")
    done = project.run("-b", "serial", *part, "--json", expect=75)
    n_visited = len(project.visits())
    assert 0 < n_visited < 20
    assert json.loads(done.stdout)["n_finished"] == json.loads(done.stdout)["n_ok"] == n_visited
    assert f"{n_visited} of 100 items are finished" in done.stderr
    again = project.run("-b", "serial", *part, "--json", expect=75)
    assert json.loads(again.stdout)["n_finished"] == len(project.visits()) > n_visited


@PARTS
@pytest.mark.in_process
def test_part_all_of_whose_items_failed_counts_them_alone(project: Project, part: tuple[str, str]) -> None:
    project.write("def f(x):\n    return x / 0\n", grid="x = { range = 100 }")
    told = json.loads(project.run("-b", "serial", *part, "--json", expect=3).stdout)
    n_of_part = 20 if "--limit" in part else 25
    assert (told["n_finished"], told["n_ok"], told["n_failed"]) == (n_of_part, 0, n_of_part)
