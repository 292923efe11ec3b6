"""``fullrank submit --time auto``: the time limit of a job, from a pilot of its study."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import Project

from fullrank.plan.pilot import Pilot, run_pilot
from fullrank.schema import WorkerRow
from fullrank.store import ResultFile
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


@pytest.fixture
def login(tmp_path_factory: pytest.TempPathFactory) -> "Login":
    return Login(tmp_path_factory.mktemp("bin"))


class Login:
    """A login node, whose ``sbatch`` keeps the script that it is given."""

    def __init__(self, folder: Path) -> None:
        self.queued = folder / "queued"
        self.env = {"PATH": f"{folder}:{os.environ['PATH']}"}
        program = folder / "sbatch"
        program.write_text(f"#!/bin/sh\ncat >'{self.queued}'\necho 'Submitted batch job 4711'\n")
        program.chmod(0o755)

    def submit(self, project: Project, *args: object, expect: int = 0) -> str:
        """What ``submit --time auto`` tells on standard error."""
        words = ["submit", "study.toml", "--scheduler", "slurm", "--time", "auto", *args]
        done = project.fullrank(*words, env=self.env)
        assert done.returncode == expect, done.stderr
        assert self.queued.exists() is ("is queued" in done.stdout)
        return str(done.stderr)


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


def test_without_a_sample_a_pilot_is_run_which_the_job_keeps(project: Project, login: Login) -> None:
    project.write(CODE, grid=GRID)
    assert "pilot: 2 items on 2 workers" in login.submit(project, "-n", 4, "--here")
    assert "#SBATCH --time=00:02:00\n" in login.queued.read_text()
    assert n_ok(project) >= 40


def test_pilot_on_a_login_node_asks_for_leave(project: Project, login: Login) -> None:
    project.write(CODE, grid=GRID)
    told = login.submit(project, "-n", 4, "-o", "a b.h5", expect=2)
    assert "looks like the login node of a cluster (sbatch is on the PATH" in told
    assert "Run `fullrank plan study.toml -n 4 -o 'a b.h5'` in a job first" in told
    assert "add --here" in told
    assert not list(project.folder.glob("a b*"))


def test_sample_that_is_there_needs_no_leave(project: Project, login: Login) -> None:
    project.write(CODE, grid=GRID)
    assert Project.fullrank(project, "run", "study.toml", "-b", "serial", "--limit", 100).returncode == 0
    assert "from a pilot of 100 items" in login.submit(project, "-n", 4)


def test_dry_run_evaluates_nothing_and_names_the_command_that_leaves_a_sample(project: Project) -> None:
    project.write(CODE, grid=GRID)
    text, told = script(project, "-n", 4, "--here", "--set", "run.order=index", expect=2)
    assert text == ""
    assert "`fullrank plan study.toml -n 4 --set run.order=index` leaves one" in told
    assert not project.output.parent.exists()


def test_complete_study_needs_no_time(project: Project) -> None:
    project.write("def f(x):\n    return x\n").run("-b", "serial")
    text, told = script(project, "-n", 4)
    assert text == ""
    assert "is complete" in told


def test_pilot_that_finds_its_items_there_takes_start_and_end_from_the_run_that_evaluated_them(
    project: Project, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "PILOT_SECONDS", 0.0)  # for two items, which are there
    project.write(CODE, grid=GRID)
    assert Project.fullrank(project, "run", "study.toml", "-b", "serial", "--limit", 100).returncode == 0
    (project.folder / "results" / "study.partial.h5").unlink()
    found: list[Pilot] = []

    def kept(*args: Any, **options: Any) -> Pilot:
        found.append(run_pilot(*args, **options))
        return found[-1]

    monkeypatch.setattr(time_limit, "run_pilot", kept)
    login.submit(project, "-n", 1, "--here", expect=2)
    (attempt,) = (row for row in read_accounts(project) if row.n_items)
    assert found[0].start_end_seconds == pytest.approx(attempt.account_seconds - attempt.elapsed_seconds)
    assert found[0].n_left == 300


def test_items_that_are_no_first_ones_of_the_order_are_no_pilot(project: Project, login: Login) -> None:
    """A sample of those that happened to end would leave out the ones that take long."""
    project.write(CODE, grid=GRID).run("-b", "serial", "--shard", "2/3")
    assert project.fullrank("gather", "study.toml", "--partial").returncode == 0
    assert "pilot: 2 items" in login.submit(project, "-n", 4, "--here")


def test_sample_of_the_study_without_what_is_set_is_no_pilot(project: Project) -> None:
    project.write(CODE, grid=GRID)
    assert Project.fullrank(project, "run", "study.toml", "-b", "serial", "--limit", 100).returncode == 0
    assert "found none" in script(project, "-n", 4, "--set", "sweep.grid.x={ range = 800 }", expect=2)[1]


def test_pilot_that_finishes_the_study_leaves_nothing_to_queue(project: Project, login: Login) -> None:
    project.write(CODE, grid="x = { range = 12 }")
    told = login.submit(project, "-n", 2, "--here")
    assert "nothing was queued: the pilot has finished the study" in told
    assert not login.queued.exists()
    assert project.read("f").tolist() == [x * x / 7 for x in range(12)]


def test_pilot_that_tells_nothing_asks_for_a_time(
    project: Project, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "PILOT_SECONDS", 0.5)
    project.write("import time\ndef f(x):\n    time.sleep(0.3)\n    return x\n", grid=GRID)
    told = login.submit(project, "-n", 4, "--here", expect=2)
    assert "the pilot does not tell how long it takes: it has" in told
    assert "say it yourself: --time 2h" in told


def read_accounts(project: Project) -> tuple[WorkerRow, ...]:
    with ResultFile(project.folder / "results" / "study.partial.h5") as file:
        return file.workers()


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
    found = limit_of(**nothing, n_workers=n_workers, n_shards=n_shards, ask=list, say=print)  # type: ignore[arg-type]  # not read
    assert found is not None
    assert found.seconds == limit_seconds(seconds)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 100.0, 800.0, 5000.0, 1e6])
def test_limit_leaves_room_for_the_run_and_its_margin_before_it_is_told_to_stop(seconds: float) -> None:
    limit = limit_seconds(seconds)
    needed = 1.25 * seconds + 60
    assert limit % 60 == 0
    assert needed <= limit - leave_seconds(limit) < needed + 120
