"""Nodes that are lost, ranks that are killed, and ranks that do not find each other, under a real Slurm."""

import json
import re

import pytest
from slurm import Slurm
from user import N_PACED, User

END_SECONDS = 60.0
"""Within so long no rank waits for a dead one any more."""


@pytest.mark.parametrize("number", [0, 1], ids=["of root", "of others"])
def test_job_that_loses_a_node_goes_on_without_it(slurm: Slurm, slurm_user: User, number: int) -> None:
    slurm_user.has_paced()
    job = slurm_user.submit("--time", "1h", "--", "--nodes=2", "--ntasks-per-node=2")
    slurm_user.until_begun(24)
    lost = slurm.nodes(job)[number]
    assert slurm.shown(job)["BatchHost"] == slurm.nodes(job)[0]
    slurm.lose(lost)
    try:
        slurm.until_state(job, "PENDING")
        assert json.loads((slurm_user.folder / "results/study.h5.work/lock").read_text())["n_restarts"] == 0
        assert 0 < slurm_user.n_finished() < N_PACED
        slurm_user.hurry()
        slurm.start_again(job)
        assert slurm.until_over(job) == "COMPLETED", slurm_user.log(job)
        assert lost not in slurm.nodes(job)
    finally:
        slurm.mend(lost)
    assert slurm_user.digest() == slurm_user.serial_digest()


def test_ranks_of_srun_do_not_wait_for_one_that_is_killed(slurm: Slurm, mpich_user: User) -> None:
    mpich_user.has_paced()
    command = ["srun", "--mpi=pmi2", "--ntasks=6", mpich_user.venv / "bin/fullrank", "run", "study.toml"]
    ranks = slurm.cluster.start(*command, folder=mpich_user.folder)
    mpich_user.until_begun(24)
    pid = next(pid for host, pid in mpich_user.visits() if host == "n3")
    slurm.cluster.run("kill", "-KILL", pid)
    said = ranks.end(END_SECONDS).stderr
    assert re.search(r"rank \d of 6 \(n3\) died", said), said
    mpich_user.hurry()
    slurm.cluster.run(*command, folder=mpich_user.folder)
    assert mpich_user.digest() == mpich_user.serial_digest()


@pytest.mark.parametrize("pmi", ["none", "pmi2"])
def test_ranks_that_do_not_find_each_other_do_not_begin(slurm: Slurm, slurm_user: User, vendor: str, pmi: str) -> None:
    if (vendor, pmi) == ("MPICH", "pmi2"):
        pytest.skip("these belong together")
    slurm_user.has_mandelbrot()
    before = slurm_user.files()
    words = ["srun", f"--mpi={pmi}", "--ntasks=6", slurm_user.venv / "bin/fullrank", "run", "study.toml"]
    done = slurm.cluster.run(*words, folder=slurm_user.folder, expect=2)
    sentence = "srun started 6 processes, but each is a world of 1 rank: the launcher and the MPI library that mpi4py"
    assert sentence in done.stderr
    assert slurm_user.files() == before
