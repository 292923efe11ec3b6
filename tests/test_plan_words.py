"""A plan in words, of pilots that are made up."""

import json
from typing import Any

import numpy as np
import pytest

from fullrank.plan.conduct import Plan
from fullrank.plan.pilot import Pilot, items_in
from fullrank.plan.predict import forecasts, refusal
from fullrank.plan.words import text, to_dict


def plan(seconds: np.ndarray, *, n_left: int = 900, uneven: tuple[str, ...] = (), **facts: Any) -> Plan:
    """A plan for 4 and 16 workers from a pilot with items of these durations."""
    known: dict[str, Any] = {
        "n_items": n_left + len(seconds),
        "n_left": n_left,
        "n_run": len(seconds),
        "indices": np.arange(len(seconds)),
        "item_seconds": seconds,
        "n_failed": 0,
        "overhead_seconds": 0.0,
        "start_end_seconds": 1.5,
        "spent_seconds": 61.0,
        "n_workers": 2,
        "platforms": ("glibc 2.36, Some CPU, features 01",),
        "worker_bytes": 50_000_000,
        "disk_bytes": 2_000_000,
        "others_cores": 0.0,
    }
    pilot = Pilot(**known | facts)
    found = forecasts(seconds, n_left=n_left, counts=[4, 16], start_end_seconds=1.5, n_draws=20) if n_left else ()
    return Plan(pilot, found, refusal(seconds), uneven)


def words(*args: Any, **facts: Any) -> str:
    """What a person reads of it, on one line."""
    return " ".join(text(plan(*args, **facts), width=90).replace("\n  - ", "\n").split())


EQUAL = np.full(100, 2.0)
EVEN = np.random.default_rng(1).uniform(0.5, 1.5, 100)
HEAVY = 1 + np.random.default_rng(2).pareto(0.8, 400)


def test_person_reads_wall_time_interval_speed_up_and_bound_of_each_number_of_workers() -> None:
    lines = text(plan(EQUAL), width=90).splitlines()
    row = next(line for line in lines if line.split()[:1] == ["4"])
    # 225 rounds of 2 s and 1.5 s around them; one worker takes 1800 s and 1.5 s
    assert row.split("  ")[-1].strip() == "7 min 30 s"
    assert "7 min 32 s" in row
    assert "3.99×" in row


def test_person_reads_the_limit_of_workers_the_unseen_the_cpu_the_memory_and_the_disk() -> None:
    read = words(EVEN)
    useful = round(900 * EVEN.mean() / EVEN.max())
    assert f"more than {useful} workers cannot help" in read
    assert "was not seen with a chance of 90.0 %" in read
    assert "Some CPU" in read
    assert "at most 50 MB a worker" in read
    assert "at most 2 MB for journals and result" in read


def test_heavy_tail_is_said_not_to_be_predictable_and_no_bound_is_shown() -> None:
    read = words(HEAVY)
    assert "cannot be predicted from this pilot: a few items take most of the time" in read
    assert "cannot help" not in read
    assert to_dict(plan(HEAVY))["forecasts"][0]["wall"] is None


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"others_cores": 1.26}, "other programs kept 1.3 cores busy"),
        ({"n_failed": 3}, "3 items failed"),
        ({"uneven": ("row",)}, "the pilot is uneven over row"),
        ({"n_run": 700}, "An item (of 100 that are looked at)"),
    ],
)
def test_what_is_amiss_is_said_and_only_then(facts: dict[str, Any], told: str) -> None:
    assert told in words(EVEN, **facts)
    assert told not in words(EVEN)


def test_pilot_that_has_finished_the_study_says_so() -> None:
    assert "nothing is left to plan" in words(EVEN, n_left=0)


def test_what_is_not_known_is_null_in_json() -> None:
    told = to_dict(plan(HEAVY, others_cores=float("nan")))
    json.dumps(told, allow_nan=False)
    assert told["forecasts"][0]["speedup"] is None
    assert told["pilot"]["others_cores"] is None


def test_programs_read_all_of_it_as_json() -> None:
    told = json.loads(json.dumps(to_dict(plan(EQUAL))))
    assert told["pilot"]["item_seconds"] == EQUAL.tolist()
    assert told["longest_item_unseen"] == pytest.approx(0.9)
    assert told["most_useful_workers"] == 900
    assert told["forecasts"][0]["wall"]["most"] == pytest.approx(451.5)
    assert told["confidence"] == 0.9


@pytest.mark.parametrize(
    ("seconds", "mean_seconds", "n_sampled", "expected"),
    [(10.0, 1.0, 8, 28), (10.0, 0.001, 8, 80), (0.0, 1.0, 8, 8), (10.0, 0.0, 8, 80), (1e6, 1.0, 99, 990)],
)
def test_pilot_grows_into_its_budget_at_most_tenfold(
    seconds: float, mean_seconds: float, n_sampled: int, expected: int
) -> None:
    found = items_in(seconds, mean_seconds=mean_seconds, n_workers=2, n_sampled=n_sampled, n_most=1000)
    assert found == expected
