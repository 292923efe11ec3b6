"""What ``plan`` predicted beside what the run took: kept in the work folder, then in the result, told by ``report``."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import Project

from fullrank.predicted import Predicted, WallTime, from_facts, from_note
from fullrank.report.prediction import prediction, prediction_lines
from fullrank.schema import AttemptRow, WorkerRow

pytestmark = pytest.mark.in_process

NAP = "import time\ndef f(x):\n    time.sleep(0.002)\n    return x * x / 7\n"
SECONDS = st.floats(0, 1e9)
WALLS = st.lists(st.builds(WallTime, st.integers(1, 10**6), SECONDS, SECONDS, SECONDS), max_size=4)


def attempt(number: int, *, n_workers: int = 2, wall_seconds: float = 9.0) -> AttemptRow:
    return AttemptRow(number, "", "", "processes", n_workers, "guided", "spread", "complete", wall_seconds)


def worker(
    number: int, *, n_items: int, elapsed: float, host: str = "a", cpu: str = "P", until: float = 5.0
) -> WorkerRow:
    known: dict[str, Any] = {"platform": cpu, "account_seconds": until}
    return WorkerRow(number, 0, host, 1, "processes", n_items, 1, 0.0, 0.0, elapsed, 0.0, 0.0, elapsed, 0.0, **known)


PLAN = Predicted(1, 90, 2.0, (2, 16), (WallTime(2, 10.0, 11.0, 12.0), WallTime(16, 3.0, 4.0, 5.0)))


@given(st.integers(1, 99), st.integers(1, 10**9), SECONDS, WALLS)
def test_note_is_read_as_it_was_written(after: int, n_items: int, seconds: float, walls: "list[WallTime]") -> None:
    found = Predicted(after, n_items, seconds, tuple(wall.n_workers for wall in walls), tuple(walls))
    assert from_note(found.to_note()) == found


@pytest.mark.parametrize(
    "text", [None, "", "null", "[]", "[1, 2]", '[1, 2, 3, [["a", 1, 2, 3]]]', "[1, 2, 3, [[1, 2]]]", "{"]
)
def test_note_that_is_none_or_damaged_is_no_prediction(text: "str | None") -> None:
    assert from_note(text) is None


def test_result_keeps_the_prediction_for_its_own_number_of_workers() -> None:
    found = from_facts(PLAN.facts(16), 16)
    assert found == Predicted(1, 90, 2.0, (2, 16), (WallTime(16, 3.0, 4.0, 5.0),))
    assert from_facts({}, 16) is None


def test_wall_time_is_from_the_start_to_the_file_and_makespan_without_start_and_end() -> None:
    workers = [worker(1, n_items=10, elapsed=1.0), worker(2, n_items=90, elapsed=8.5, until=11.5)]
    found = prediction(PLAN.facts(2), [attempt(1), attempt(2)], workers)
    assert found is not None
    assert found.wall is not None
    assert found.makespan is not None
    assert (found.wall.actual_seconds, found.wall.verdict) == (11.5, "inside the interval")
    assert [found.makespan.least_seconds, found.makespan.predicted_seconds, found.makespan.most_seconds] == [8, 9, 10]
    assert (found.makespan.actual_seconds, found.makespan.verdict) == (8.5, "inside the interval")


@pytest.mark.parametrize(("until", "verdict"), [(9.9, "less than the interval"), (12.1, "more than the interval")])
def test_time_outside_the_interval_is_told(until: float, verdict: str) -> None:
    workers = [worker(2, n_items=90, elapsed=8.5, until=until)]
    found = prediction(PLAN.facts(2), [attempt(1), attempt(2)], workers)
    assert verdict in "\n".join(prediction_lines(found, 100))


def test_attempts_of_one_run_are_added_up() -> None:
    workers = [worker(2, n_items=40, elapsed=3.0, until=4.0), worker(3, n_items=50, elapsed=5.0, until=6.5)]
    attempts = [attempt(1), attempt(2, wall_seconds=1.0), attempt(3, wall_seconds=1.0)]
    found = prediction(PLAN.facts(2), attempts, workers)
    assert found is not None
    assert found.wall is not None
    assert found.makespan is not None
    assert (found.wall.actual_seconds, found.makespan.actual_seconds) == (10.5, 8.0)


@pytest.mark.parametrize(
    ("n_workers", "n_items", "told"),
    [
        (3, 90, "it was for 2, 16 workers, and 3 did the rest: plan for as many as are to run"),
        (2, 80, "it was for 90 items, and 80 were evaluated after the pilot"),
    ],
)
def test_what_cannot_be_compared_is_told(n_workers: int, n_items: int, told: str) -> None:
    workers = [worker(2, n_items=n_items, elapsed=8.5)]
    attempts = [attempt(1), attempt(2, n_workers=n_workers)]
    found = prediction(PLAN.facts(n_workers), attempts, workers)
    assert told in " ".join(" ".join(prediction_lines(found, 100)).split())


@pytest.mark.parametrize(
    ("host", "cpu", "told"),
    [
        ("b", "Q", "The pilot ran on P, the run on Q: other CPUs take other times."),
        ("b", "P", "The pilot ran on a, the run also on b: CPUs of the same model."),
    ],
)
def test_pilot_on_other_cpus_is_told(host: str, cpu: str, told: str) -> None:
    workers = [worker(1, n_items=10, elapsed=1.0), worker(2, n_items=90, elapsed=8.5, host=host, cpu=cpu)]
    found = prediction(PLAN.facts(2), [attempt(1), attempt(2)], workers)
    assert told in " ".join(" ".join(prediction_lines(found, 200)).split())


def test_report_of_a_planned_run_tells_what_was_predicted_and_what_it_took(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fullrank.plan.pilot.usable_cores", lambda: 2)
    project.write(NAP, grid="x = { range = 300 }")
    done = project.fullrank("plan", "study.toml", "--here", "-n", "2,3", "--pilot", "60", "--json")
    forecast = json.loads(done.stdout)["forecasts"][0]
    project.run("-b", "processes", "-n", 2)
    told = json.loads(project.fullrank("report", project.output, "--json").stdout)
    found = told["prediction"]
    wall = [found["wall"][name] for name in ("least_seconds", "predicted_seconds", "most_seconds")]
    assert wall == [forecast["wall"][name] for name in ("least", "median", "most")]
    assert (found["problem"], found["n_items"], found["n_workers"]) == ("", 100, 2)
    assert found["makespan"]["actual_seconds"] == told["work"]["makespan_seconds"]
    assert found["wall"]["actual_seconds"] > found["makespan"]["actual_seconds"]
    assert "\nPrediction\n" in project.fullrank("report", project.output).stdout
    assert project.fullrank("verify", project.output).returncode == 0


def test_report_of_a_run_without_a_plan_tells_of_none(project: Project) -> None:
    project.write(NAP, grid="x = { range = 4 }").run("-b", "serial")
    assert "Prediction" not in project.fullrank("report", project.output).stdout


def test_plan_that_can_predict_nothing_takes_back_the_one_before(project: Project) -> None:
    project.write(NAP, grid="x = { range = 300 }")
    folder = project.folder / "results" / "study.h5.work"
    project.fullrank("plan", "study.toml", "--here", "-n", "2", "--pilot", "60")
    assert from_note((folder / "predicted.json").read_text()) is not None
    project.fullrank("plan", "study.toml", "--here", "-n", "1", "--pilot", "60")
    assert [wall.n_workers for wall in from_note((folder / "predicted.json").read_text()).walls] == [1]  # type: ignore[union-attr]
    project.run("-b", "serial")
    assert not folder.exists()
