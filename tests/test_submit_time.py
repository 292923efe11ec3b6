"""``fullrank submit --time auto``: the time limit of a job, from a pilot of its study."""

import json
from pathlib import Path

import numpy as np
import pytest
from studies import Project

from fullrank.plan.pilot import Pilot
from fullrank.submit import time_limit
from fullrank.submit.script import leave_seconds
from fullrank.submit.time_limit import limit_of, limit_seconds

pytestmark = pytest.mark.in_process

CODE = "import time\ndef f(x):\n    time.sleep(0.02)\n    return x * x / 7\n"
GRID = "x = { range = 400 }"


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fullrank.plan.pilot.usable_cores", lambda: 2)
    monkeypatch.setattr("fullrank.launch.find_mpiexec", lambda: (Path("/opt/mpi/bin/mpiexec"), "MPICH"))
    monkeypatch.setattr("fullrank.submit.site.profile_paths", lambda _environ: [])


def script(project: Project, *args: object, expect: int = 0) -> "tuple[str, str]":
    done = project.fullrank("submit", "study.toml", "--scheduler", "slurm", "--dry-run", "--time", "auto", *args)
    assert done.returncode == expect, done.stderr
    return done.stdout, done.stderr


def n_ok(project: Project) -> int:
    return int(json.loads(project.fullrank("status", "study.toml", "--json").stdout)["n_ok"])


def test_sample_that_is_there_is_taken_and_nothing_is_evaluated(project: Project) -> None:
    project.write(CODE, grid=GRID)
    # started, for the age of its process is the wall time that the sample tells
    assert Project.fullrank(project, "run", "study.toml", "-b", "serial", "--limit", 100).returncode == 0
    text, told = script(project, "-n", 4)
    assert "#SBATCH --time=00:02:00\n" in text  # what is left takes a second; the rest is margin
    assert "on 4 workers, from a pilot of 100 items" in told
    assert n_ok(project) == 100


def test_without_a_sample_a_pilot_is_run_which_the_job_keeps(project: Project) -> None:
    project.write(CODE, grid=GRID)
    text, told = script(project, "-n", 4)
    assert "#SBATCH --time=00:02:00\n" in text
    assert "pilot: 2 items on 2 workers" in told
    assert n_ok(project) >= 40


def test_items_that_are_no_first_ones_of_the_order_are_no_pilot(project: Project) -> None:
    """A sample of those that happened to end would leave out the ones that take long."""
    project.write(CODE, grid=GRID).run("-b", "serial", "--shard", "2/3")
    assert project.fullrank("gather", "study.toml", "--partial").returncode == 0
    assert "pilot: 2 items" in script(project, "-n", 4, expect=0)[1]


def test_sample_of_the_study_without_what_is_set_is_no_pilot(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "PILOT_SECONDS", 0.0)  # for two items, which are too few
    project.write(CODE, grid=GRID)
    assert Project.fullrank(project, "run", "study.toml", "-b", "serial", "--limit", 100).returncode == 0
    assert "pilot: 2 items" in script(project, "-n", 4, "--set", "sweep.grid.x={ range = 800 }", expect=2)[1]


def test_pilot_that_finishes_the_study_leaves_nothing_to_queue(project: Project) -> None:
    project.write(CODE, grid="x = { range = 12 }")
    text, told = script(project, "-n", 2)
    assert text == ""
    assert "nothing was queued: the pilot has finished the study" in told
    assert project.read("f").tolist() == [x * x / 7 for x in range(12)]


def test_pilot_that_tells_nothing_asks_for_a_time(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "PILOT_SECONDS", 0.5)
    project.write("import time\ndef f(x):\n    time.sleep(0.3)\n    return x\n", grid=GRID)
    _, told = script(project, "-n", 4, expect=2)
    assert "the pilot does not tell how long it takes: it has" in told
    assert "say it yourself: --time 2h" in told


@pytest.mark.parametrize(
    ("args", "said"), [((), "how many workers the job"), (("--array", 3), "how many workers each job")]
)
def test_workers_have_to_be_told_for_the_batch_systems_options_are_not_read(
    project: Project, args: tuple[object, ...], said: str
) -> None:
    project.write(CODE, grid=GRID)
    assert said in script(project, *args, expect=2)[1]
    assert not project.output.parent.exists()


@pytest.mark.parametrize(("n_workers", "n_shards", "seconds"), [(1, None, 4000.0), (8, None, 500.0), (2, 4, 500.0)])
def test_items_of_a_second_take_their_number_by_all_workers(
    monkeypatch: pytest.MonkeyPatch, n_workers: int, n_shards: int | None, seconds: float
) -> None:
    pilot = Pilot(4100, 4000, 100, np.arange(100), np.ones(100), 0, 0.0, 0.0, 1.0, 2, (), 0, 0, 0.0)
    monkeypatch.setattr(time_limit, "stored_pilot", lambda *_: pilot)
    nothing: dict[str, object] = {"config": None, "output": None}
    found = limit_of(**nothing, n_workers=n_workers, n_shards=n_shards, say=print)  # type: ignore[arg-type]  # not read
    assert found is not None
    assert found.seconds == limit_seconds(seconds)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 100.0, 800.0, 5000.0, 1e6])
def test_limit_leaves_room_for_the_run_and_its_margin_before_it_is_told_to_stop(seconds: float) -> None:
    limit = limit_seconds(seconds)
    needed = 1.25 * seconds + 60
    assert limit % 60 == 0
    assert needed <= limit - leave_seconds(limit) < needed + 120
