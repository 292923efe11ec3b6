"""Clusters for the tests of one module, and users of them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gridengine import GridEngine
from hosts import GRID_ENGINE, SLURM, Cluster, venv_of
from slurm import Slurm
from user import User


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A Slurm cluster of three hosts with two cores each."""
    with Cluster(tmp_path_factory.mktemp("slurm"), SLURM) as cluster:
        yield Slurm(cluster)


@pytest.fixture(params=["MPICH", "Open MPI"])
def vendor(request: pytest.FixtureRequest) -> str:
    """The MPI library: a test that takes this is run with each."""
    return str(request.param)


@pytest.fixture
def slurm_user(slurm: Slurm, vendor: str, tmp_path: Path) -> User:
    """Somebody who has an empty folder, on the head of that cluster."""
    return User(slurm.cluster, tmp_path, venv_of(vendor))


@pytest.fixture
def mpich_user(slurm: Slurm, tmp_path: Path) -> User:
    """The same, with MPICH, where it is not the library that matters."""
    return User(slurm.cluster, tmp_path, venv_of("MPICH"))


@pytest.fixture(scope="module")
def grid_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridEngine]:
    """The same hosts with Grid Engine."""
    with Cluster(tmp_path_factory.mktemp("gridengine"), GRID_ENGINE) as cluster:
        yield GridEngine(cluster)


@pytest.fixture
def grid_engine_user(grid_engine: GridEngine, vendor: str, tmp_path: Path) -> User:
    """Somebody who has an empty folder there."""
    return User(grid_engine.cluster, tmp_path, venv_of(vendor))


@pytest.fixture
def grid_engine_mpich_user(grid_engine: GridEngine, tmp_path: Path) -> User:
    """The same, with MPICH."""
    return User(grid_engine.cluster, tmp_path, venv_of("MPICH"))
