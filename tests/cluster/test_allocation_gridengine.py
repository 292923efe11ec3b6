"""``fullrank run`` as the only line of a batch script of a real Grid Engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gridengine import GridEngine
from hosts import GRID_ENGINE, Cluster, venv_of
from user import N_PACED, User


@pytest.fixture(scope="module")
def grid_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridEngine]:
    with Cluster(tmp_path_factory.mktemp("gridengine"), GRID_ENGINE) as cluster:
        yield GridEngine(cluster)


@pytest.fixture
def user(grid_engine: GridEngine, vendor: str, tmp_path: Path) -> User:
    return User(grid_engine.cluster, tmp_path, venv_of(vendor))


def qsub(user: User, limit: str) -> str:
    """Run the study in a job with such a limit, and return what the job has printed."""
    log, script = user.folder / "log", user.folder / "job.sh"
    script.write_text(f'#!/bin/bash\n{user.venv / "bin" / "fullrank"} run study.toml\necho "exit code $?"\n')
    place = ["-sync", "y", "-cwd", "-S", "/bin/bash", "-j", "y", "-o", log]
    user.cluster.run("qsub", *place, "-pe", "mpi", "6", "-l", f"h_rt={limit}", script, folder=user.folder)
    return log.read_text()


def test_job_stops_before_its_limit_and_the_same_line_goes_on(user: User) -> None:
    user.has_paced()
    said = qsub(user, "0:0:40")
    assert said.endswith("exit code 75\n")
    assert "no item is begun after" in said
    assert 0 < user.n_finished() < N_PACED
    user.hurry()
    assert qsub(user, "0:5:0").endswith("exit code 0\n")
    assert user.hosts() == {"n1", "n2", "n3"}
    assert user.digest() == user.serial_digest()
