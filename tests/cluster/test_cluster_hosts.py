"""Several hosts without a batch system, over TCP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import Cluster, venv_of
from user import User

N_RANKS = 6


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("hosts")) as cluster:
        yield cluster


@pytest.fixture
def user(hosts: Cluster, vendor: str, tmp_path: Path) -> User:
    return User(hosts, tmp_path, venv_of(vendor))


@pytest.fixture
def launcher(hosts: Cluster, user: User, vendor: str) -> list[object]:
    """What starts ranks on all hosts, by ssh."""
    mpiexec = user.venv / "bin/mpiexec"
    if vendor == "MPICH":
        # in its eyes the hosts are one machine, whose ranks share memory: they have to be kept from it
        settings = [f"HYDRA_LAUNCHER_EXEC={hosts.ssh}", "UCX_TLS=tcp,self", "MPIR_CVAR_CH4_NETMOD=ofi"]
        return ["env", *settings, mpiexec, "-f", hosts.folder / "hostfile", "-n", N_RANKS]
    lines = (hosts.folder / "hostfile").read_text().replace(":", " slots=")
    (user.folder / "hostfile").write_text(lines)
    return ["env", f"PRTE_MCA_plm_ssh_agent={hosts.ssh}", mpiexec, "--hostfile", "hostfile", "-n", N_RANKS]


def test_ranks_on_hosts_without_a_batch_system_have_a_serial_runs_results(
    hosts: Cluster, user: User, launcher: list[object]
) -> None:
    user.has_mandelbrot()
    before = hosts.n_bytes_received("n2")
    hosts.run(*launcher, user.venv / "bin/fullrank", "run", "study.toml", folder=user.folder)
    assert hosts.n_bytes_received("n2") > before
    assert user.hosts() == {"n1", "n2", "n3"}
    assert user.digest() == user.serial_digest()
