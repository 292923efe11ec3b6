"""Jobs of a real Grid Engine on three hosts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gridengine import GridEngine
from hosts import GRID_ENGINE, Cluster, until, venv_of
from user import N_PACED, User

# Grid Engine hands no environment on unless it is asked to; Open MPI refuses to run as root.
SLOTS = ("--", "-pe", "mpi", "6", "-v", "OMPI_ALLOW_RUN_AS_ROOT=1,OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")


@pytest.fixture(scope="module")
def grid_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridEngine]:
    with Cluster(tmp_path_factory.mktemp("gridengine"), GRID_ENGINE) as cluster:
        yield GridEngine(cluster)


@pytest.fixture
def user(grid_engine: GridEngine, vendor: str, tmp_path: Path) -> User:
    return User(grid_engine.cluster, tmp_path, venv_of(vendor))


@pytest.fixture
def mpich_user(grid_engine: GridEngine, tmp_path: Path) -> User:
    return User(grid_engine.cluster, tmp_path, venv_of("MPICH"))


def test_submitted_study_has_a_serial_runs_results(grid_engine: GridEngine, user: User) -> None:
    user.has_mandelbrot()
    job = user.submit("--time", "10m", *SLOTS)
    grid_engine.until_empty()
    assert user.hosts() == {"n1", "n2", "n3"}, user.log(job)
    assert user.digest() == user.serial_digest()


def test_job_that_comes_near_its_limit_stops_and_goes_on_as_another(grid_engine: GridEngine, mpich_user: User) -> None:
    mpich_user.has_paced()
    first = mpich_user.submit("--time", "40s", *SLOTS)
    mpich_user.until_begun(24)
    until(lambda: "Your job" in mpich_user.log(first), "the job submits itself again")
    assert 0 < mpich_user.n_finished() < N_PACED
    mpich_user.hurry()
    grid_engine.until_empty()
    assert mpich_user.digest() == mpich_user.serial_digest()


def test_rejected_job_leaves_nothing_behind(grid_engine: GridEngine, mpich_user: User) -> None:
    mpich_user.has_mandelbrot()
    before = mpich_user.files()
    refused = ["-pe", "nowhere", "6"]
    words = grid_engine.cluster.run("qsub", *refused, "-b", "y", "true", expect=1).stderr.strip()
    done = mpich_user.fullrank("submit", "study.toml", "--", *refused, expect=1)
    assert done.stderr.endswith(f"fullrank: error: qsub refused the job (exit code 1): {words}\n")
    assert mpich_user.files() == before
    assert grid_engine.queue() == ""


def test_job_that_its_user_deletes_stays_ended(grid_engine: GridEngine, mpich_user: User) -> None:
    mpich_user.has_paced()
    job = mpich_user.submit("--time", "1h", *SLOTS)
    mpich_user.until_begun(24)
    grid_engine.cluster.run("qdel", job)
    grid_engine.until_empty()
    assert 0 < mpich_user.n_finished() < N_PACED
