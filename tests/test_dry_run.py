"""``run --dry-run``: what the run would do, with nothing started and nothing written."""

import itertools
import json
import os
from typing import Any

import numpy as np
import pytest
from studies import SLOW, VISITED, Project

pytestmark = pytest.mark.in_process

LASTING = f"{VISITED}\ndef f(x):\n    visited(x)\n    dawdle(1000)\n    return x / 7\n"
QUICK = "def f(x, y):\n    return x * y\n"
GRID = "x = { range = 8 }\ny = { start = 0.0, stop = 1.0, num = 3, units = 'm' }"


def preview(project: Project, *args: object, expect: int = 0) -> Any:
    return json.loads(project.run("--dry-run", "--json", *args, expect=expect).stdout)


@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_nothing_is_written_and_no_item_is_run(project: Project, backend: str) -> None:
    project.write(SLOW)
    before = project.files()
    assert "nothing is started, nothing written" in project.run("--dry-run", "-b", backend).stdout
    assert project.files() == before
    assert project.visits() == []


def test_axes_dimensions_and_ends_are_those_of_a_plain_loop(project: Project) -> None:
    found = preview(project.write(QUICK, grid=GRID))
    items = list(itertools.product(range(8), np.linspace(0, 1, 3).tolist()))
    assert found["n_items"] == found["n_todo"] == len(items)
    assert found["first"] == dict(zip("xy", items[0], strict=True))
    assert found["last"] == dict(zip("xy", items[-1], strict=True))
    assert found["axes"] == [
        {"name": "x", "n_values": 8, "first": 0, "last": 7, "units": ""},
        {"name": "y", "n_values": 3, "first": 0.0, "last": 1.0, "units": "m"},
    ]
    project.run("-b", "serial")
    assert list(found["dims"].values()) == list(project.read("f").shape)


def test_replicates_are_the_slowest_dimension(project: Project) -> None:
    project.write(
        "def f(x, seed):\n    return x\n",
        workload="seed = 1",
        sweep="[sweep]\nreplicates = 4\n[sweep.grid]\nx = [5, 6]",
    )
    found = preview(project)
    assert found["dims"] == {"replicate": 4, "x": 2}
    assert found["first"] == {"replicate": 0, "x": 5}
    assert found["last"] == {"replicate": 3, "x": 6}


def test_backend_workers_and_schedule_are_those_of_the_run(project: Project) -> None:
    project.write(QUICK, grid=GRID, tail='[run]\nschedule = "static"')
    found = preview(project, "-b", "threads", "-n", 3, "-o", "out.h5")
    assert (found["backend"], found["n_workers"], found["schedule"]) == ("threads", 3, "static")
    assert found["output"] == str(project.folder / "out.h5")


def test_finished_items_of_a_stopped_study_are_counted(project: Project) -> None:
    project.write(QUICK, grid=GRID).run("--limit", 7, "-b", "serial")
    found = preview(project)
    assert (found["there"]["n_finished"], found["n_todo"]) == (7, 17)
    assert "7 finished items, which are kept" in project.run("--dry-run").stdout


def test_complete_study_has_nothing_to_do(project: Project) -> None:
    project.write(QUICK, grid=GRID).run("-b", "serial")
    before = project.snapshot()
    found = preview(project)
    assert found["there"]["is_complete"] is True
    assert found["n_todo"] == found["needed_bytes"] == 0
    assert project.snapshot() == before


def test_more_values_at_the_end_of_the_first_axis_leave_those_to_do(project: Project) -> None:
    project.write(QUICK, grid="x = { range = 8 }\ny = [1, 2]").run("-b", "serial")
    project.write(QUICK, grid="x = { range = 10 }\ny = [1, 2]")
    assert preview(project)["n_todo"] == 4


@pytest.mark.parametrize("options", [["-b", "serial"], ["-b", "serial", "--limit", 5]])
def test_another_study_is_refused_with_what_changed_as_the_run_refuses_it(
    project: Project, options: list[object]
) -> None:
    project.write(QUICK, grid=GRID).run(*options)
    project.write(QUICK.replace("x * y", "x + y"), grid=GRID)
    dry = project.run("--dry-run", expect=2)
    wet = project.run(expect=2)
    change = "code of sim.py changed"
    assert change in dry.stdout
    assert change in wet.stderr
    assert preview(project, expect=2)["there"]["changes"]


@pytest.mark.parametrize("options", [["--fresh"], ["--accept-change"]])
def test_consent_to_a_change_lets_the_run_begin(project: Project, options: list[object]) -> None:
    project.write(QUICK, grid=GRID).run("-b", "serial", "--limit", 5)
    project.write(QUICK.replace("x * y", "x + y"), grid=GRID)
    before = project.snapshot()
    found = preview(project, *options)
    assert found["n_todo"] == {"--fresh": 24, "--accept-change": 19}[str(options[0])]
    assert project.snapshot() == before


@pytest.mark.parametrize("limit", [["--limit", 30], []], ids=["stopped", "complete"])
def test_failed_items_that_are_evaluated_again_are_counted_and_not_called_kept(
    project: Project, limit: list[object]
) -> None:
    code = f"{VISITED}\ndef f(x):\n    visited(x)\n    return 1 / (x % 10)\n"
    project.write(code, grid="x = { range = 40 }").run("-b", "serial", *limit, expect=3)
    failed, left = np.count_nonzero(np.array(project.visits()) % 10 == 0), 40 - len(project.visits())
    found = preview(project, "--retry-failed")
    assert (found["there"]["n_again"], found["n_todo"]) == (failed, failed + left)
    said = project.run("--dry-run", "--retry-failed").stdout
    assert f"{failed} failed are evaluated again, and the others are kept" in " ".join(said.split())


def test_items_of_an_attempt_that_all_failed_are_counted_as_evaluated_again(project: Project) -> None:
    project.write("def f(x):\n    return x / 0\n", grid="x = { range = 40 }").run("-b", "serial", expect=3)
    found = preview(project)
    assert found["n_todo"] == 40
    assert found["there"]["n_again"] == found["there"]["n_finished"] > 0
    assert "40 items, all to do" in project.run("--dry-run").stdout


def test_file_in_the_way_is_told(project: Project) -> None:
    project.write(QUICK, grid=GRID)
    (project.folder / "mine.txt").write_text("mine")
    assert "mine.txt: is no result of fullrank" in preview(project, "-o", "mine.txt", expect=2)["refusal"]


def test_run_that_is_at_work_is_told_with_its_process(project: Project) -> None:
    running = project.write(LASTING).start_run("-b", "serial")
    project.until_visited(1)
    assert f"pid {running.pid} " in preview(project, expect=2)["there"]["holder"]
    project.hurry()
    assert running.end().returncode == 0


def test_expected_size_holds_the_file_that_the_run_makes(project: Project) -> None:
    project.write("def f(x):\n    return [x / 7] * 50\n", grid="x = { range = 4000 }").run(
        "--limit", 500, "-b", "serial"
    )
    found = preview(project)
    assert found["there"]["is_measured"] is True
    project.run("-b", "serial")
    assert project.output.stat().st_size <= found["needed_bytes"]
    assert found["needed_bytes"] < 4 * 4000 * 50 * 8
    assert 0 < found["free_bytes"] <= os.statvfs(project.folder).f_blocks * os.statvfs(project.folder).f_frsize


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def g(x):\n    return x\n", "there is no 'f' in sim.py"),
        ("def f(z):\n    return z\n", "the axis 'x' is no parameter of sim.py:f"),
        ("import nowhere\n", "importing sim.py failed"),
    ],
)
def test_function_that_cannot_be_called_is_told(project: Project, code: str, said: str) -> None:
    assert said in project.write(code).run("--dry-run", expect=2).stderr


def test_what_the_import_prints_stays_out_of_the_object(project: Project) -> None:
    project.write("print('hello')\n" + QUICK, grid=GRID)
    done = project.run("--dry-run", "--json")
    assert json.loads(done.stdout)["n_items"] == 24
    assert "hello" in done.stderr


def test_more_workers_than_a_backend_has_are_refused(project: Project) -> None:
    assert "one worker" in project.write(QUICK, grid=GRID).run("--dry-run", "-b", "serial", "-n", 2, expect=2).stderr


@pytest.mark.mpi
def test_ranks_of_a_dry_run_leave_without_a_trace(mpi_project: Project) -> None:
    mpi_project.write(QUICK, grid=GRID)
    before = mpi_project.files()
    done = mpi_project.run("--dry-run", "--json", n_ranks=2)
    found = json.loads(done.stdout)
    assert (found["backend"], found["n_workers"]) == ("mpi", 2)
    assert mpi_project.files() == before
