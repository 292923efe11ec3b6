"""``fullrank plan``: a pilot that is kept, what it predicts, and what it refuses."""

import json
import re

import numpy as np
import pytest
from studies import Project

from fullrank.store import ResultFile

pytestmark = pytest.mark.in_process

QUICK = "import time\ndef f(x):\n    time.sleep(0.002)\n    return x * x / 7\n"


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pilot begin with two items, whatever machine this is."""
    monkeypatch.setattr("fullrank.plan.pilot.usable_cores", lambda: 2)


def plan(project: Project, *args: object, expect: int = 0) -> str:
    """What ``fullrank plan study.toml ARGS`` writes: its standard output, or its error."""
    done = project.fullrank("plan", "study.toml", "--here", *args)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stderr if expect else done.stdout


def plan_as_json(project: Project, *args: object) -> dict:
    return json.loads(plan(project, *args, "--json"))


def test_pilot_is_kept_by_the_run_that_follows(project: Project) -> None:
    project.write(QUICK, grid="x = { range = 300 }")
    pilot = plan_as_json(project, "-n", "4", "--pilot", "60")["pilot"]
    assert [pilot["n_sampled"], pilot["n_left"]] == [200, 100]
    in_file = project.read("item_seconds", "results/study.partial.h5")
    known = in_file[np.isfinite(in_file)]
    np.testing.assert_allclose(pilot["item_seconds"], known)
    assert min(known) >= 0.002
    done = project.run("--json")
    assert json.loads(done.stdout)["n_finished"] == 300
    np.testing.assert_array_equal(project.read("item_seconds")[np.isfinite(in_file)], known)


def start_end_seconds(project: Project) -> float:
    """Of the latest attempt that evaluated items, by what the partial result tells of its workers."""
    with ResultFile(project.folder / "results/study.partial.h5") as file:
        workers = [row for row in file.workers() if row.n_items]
    latest = [row for row in workers if row.attempt == max(row.attempt for row in workers)]
    return max(row.account_seconds for row in latest) - max(row.elapsed_seconds for row in latest)


@pytest.mark.parametrize(("budget", "n_sampled"), [("60", 200), ("0.001", 2)])
def test_plan_again_predicts_from_the_run_that_evaluated_the_items(
    project: Project, budget: str, n_sampled: int
) -> None:
    """Its own runs find their items there, so how long they take tells nothing."""
    project.write(QUICK, grid="x = { range = 300 }")
    first = plan_as_json(project, "-n", "4", "--pilot", "60")
    again = plan_as_json(project, "-n", "4", "--pilot", budget)
    assert again["pilot"]["n_sampled"] == n_sampled
    assert again["pilot"]["start_end_seconds"] == pytest.approx(start_end_seconds(project))
    assert again["pilot"]["overhead_seconds"] == first["pilot"]["overhead_seconds"]
    if n_sampled == 200:  # of two items nothing is predicted
        median, median_again = (
            plan["forecasts"][0]["wall"]["median"] - plan["pilot"]["start_end_seconds"] for plan in (first, again)
        )
        assert median_again == pytest.approx(median)


def test_plan_after_another_run_takes_start_and_end_of_that_run(project: Project) -> None:
    project.write(QUICK, grid="x = { range = 300 }")
    assert Project.fullrank(project, "run", "study.toml", "-b", "serial", "--limit", 200).returncode == 0
    pilot = plan_as_json(project, "-n", "4", "--pilot", "60")["pilot"]
    assert pilot["n_sampled"] == 200
    assert pilot["start_end_seconds"] == pytest.approx(start_end_seconds(project))


def test_plan_for_a_person_names_workers_interval_cpu_memory_and_what_was_not_seen(project: Project) -> None:
    project.write(QUICK, grid="x = { range = 400 }")
    words = " ".join(plan(project, "-n", "16", "--pilot", "60").split())
    for expected in ("200 of 400 items", "90% interval", "was not seen with a chance of 50.0 %", "memory: at most"):
        assert expected in words
    assert "features" in words


def test_plan_of_a_function_writes_the_config_that_its_run_goes_on_with(project: Project) -> None:
    project.write(QUICK)
    done = project.fullrank("plan", "sim.py:f", "--grid", "x=range:400", "-n", "2", "--pilot", "60", "--here")
    assert done.returncode == 0, done.stderr
    assert "200 of 400 items" in " ".join(done.stdout.split())
    again = project.fullrank("run", "sim.py:f", "--grid", "x=range:400", "--json")
    assert json.loads(again.stdout)["n_finished"] == 400


def test_pilot_of_few_items_is_told_to_be_too_small(project: Project) -> None:
    project.write("import time\ndef f(x):\n    time.sleep(0.4)\n    return x\n", grid="x = { range = 400 }")
    words = " ".join(plan(project, "-n", "3", "--pilot", "1").split())
    assert re.search(r"cannot be predicted from this pilot: it has \d+ items with an end, and 40 are needed", words)


def test_pilot_that_finishes_the_study_says_so_and_leaves_its_result(project: Project) -> None:
    project.write(QUICK, grid="x = { range = 12 }")
    assert "The pilot has finished the study" in plan(project, "-n", "3", "--pilot", "60")
    assert project.read("f").tolist() == [x * x / 7 for x in range(12)]


def test_failed_items_count_and_are_told(project: Project) -> None:
    code = "def f(x):\n    if x % 2:\n        raise ValueError('odd')\n    return x\n"
    project.write(code, grid="x = { range = 400 }")
    planned = plan_as_json(project, "-n", "2", "--pilot", "60")
    finished = project.read("status", "results/study.partial.h5")
    assert planned["pilot"]["n_failed"] == np.count_nonzero(finished == 2)
    assert planned["pilot"]["n_sampled"] == np.count_nonzero(finished)


def test_function_that_always_fails_ends_the_pilot_with_its_error(project: Project) -> None:
    project.write("def f(x):\n    raise ValueError('boom')\n", grid="x = { range = 400 }")
    said = plan(project, "-n", "2", "--pilot", "60", expect=3)
    assert "ValueError: boom" in said
    assert "src/fullrank" not in said


def test_function_that_is_not_there_is_the_runs_own_error(project: Project) -> None:
    project.write(QUICK, function="sim.py:g")
    assert "sim.py" in plan(project, "-n", "2", expect=2)


def test_complete_study_is_not_planned(project: Project) -> None:
    project.write(QUICK)
    project.run("-b", "serial")
    assert "is complete, so there is nothing to plan" in plan(project, "-n", "2", expect=2)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["-n", "0"], "expected an integer >= 1, got 0"),
        (["-n", "4,x"], "expected an integer >= 1, got x"),
        (["-n", "4,,8"], "expected an integer >= 1, got"),
        (["-n", "2.5"], "expected an integer >= 1, got 2.5"),
        ([], "-n"),
        (["-n", "13"], "-n 13: the study has 12 items"),
        (["-n", "4", "--pilot", "soon"], "--pilot"),
    ],
)
def test_numbers_that_are_none_are_refused_before_the_pilot(project: Project, given: list[str], told: str) -> None:
    project.write(QUICK)
    assert told in plan(project, *given, expect=2)
    assert not (project.folder / "results").exists()
