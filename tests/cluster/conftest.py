"""Clusters for the tests of one module, and users of them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gridengine import GridEngine
from hosts import GRID_ENGINE, SLURM, Cluster, venv_of
from slurm import Slurm
from user import MANDELBROT, SERIAL_SECONDS, User


@pytest.fixture(scope="session", autouse=True)
def serial_mandelbrot(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Path]]:
    """What waits for a serial run of the whole of configs/mandelbrot.toml, and returns its result.

    It takes two minutes of one core, and other tests wait most of their time: so it is begun before the first of them,
    if any will ask for it, and gives way to them.
    """
    output = tmp_path_factory.mktemp("serial") / "mandelbrot.h5"
    run = [venv_of("MPICH") / "bin" / "fullrank", "run", MANDELBROT, "-b", "serial", "-o", output, "--quiet", "--here"]
    is_wanted = any("mandelbrot_digest" in item.fixturenames for item in request.session.items)
    with subprocess.Popen(["nice", "-n", "19", *run] if is_wanted else ["true"], stdout=subprocess.DEVNULL) as process:

        def result() -> Path:
            assert process.wait(SERIAL_SECONDS) == 0
            return output

        yield result
        process.kill()


@pytest.fixture
def mandelbrot_digest(serial_mandelbrot: Callable[[], Path]) -> str:
    """The digest of that run."""
    with h5py.File(serial_mandelbrot()) as file:
        return str(file.attrs["results_sha256"])


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A Slurm cluster of three hosts with two cores each."""
    with Cluster(tmp_path_factory.mktemp("slurm"), SLURM) as cluster:
        yield Slurm(cluster)


@pytest.fixture(params=["MPICH", "Open MPI"])
def vendor(request: pytest.FixtureRequest) -> str:
    """The MPI library: a test that takes this is run with each."""
    return str(request.param)


def _user(cluster: Cluster, folder: Path, vendor: str) -> Iterator[User]:
    """Yield a user; what the jobs of one have printed is shown of a test that fails."""
    user = User(cluster, folder, venv_of(vendor))
    yield user
    print(user.log())


@pytest.fixture
def slurm_user(slurm: Slurm, vendor: str, tmp_path: Path) -> Iterator[User]:
    """Somebody who has an empty folder, on the head of that cluster."""
    yield from _user(slurm.cluster, tmp_path, vendor)


@pytest.fixture
def mpich_user(slurm: Slurm, tmp_path: Path) -> Iterator[User]:
    """The same, with MPICH, where it is not the library that matters."""
    yield from _user(slurm.cluster, tmp_path, "MPICH")


@pytest.fixture(scope="module")
def grid_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridEngine]:
    """The same hosts with Grid Engine."""
    with Cluster(tmp_path_factory.mktemp("gridengine"), GRID_ENGINE) as cluster:
        yield GridEngine(cluster)


@pytest.fixture
def grid_engine_user(grid_engine: GridEngine, vendor: str, tmp_path: Path) -> Iterator[User]:
    """Somebody who has an empty folder there."""
    yield from _user(grid_engine.cluster, tmp_path, vendor)


@pytest.fixture
def grid_engine_mpich_user(grid_engine: GridEngine, tmp_path: Path) -> Iterator[User]:
    """The same, with MPICH."""
    yield from _user(grid_engine.cluster, tmp_path, "MPICH")
