"""Commands that need no ranks, started on several: they speak and change things once."""

import json

import pytest
from studies import Project


@pytest.fixture
def half_done(mpi_project: Project) -> Project:
    mpi_project.write("def f(x):\n    return x").run("-b", "serial", "--limit", 5)
    return mpi_project


def test_status_is_told_once_and_its_exit_code_is_that_of_the_launch(half_done: Project) -> None:
    done = half_done.fullrank("status", "study.toml", "--json", "--exit-code", n_ranks=2)
    assert json.loads(done.stdout)["n_ok"] == 5  # else there are two objects
    assert done.stderr.count("rank 0 of 2 alone carries out status") == 1
    assert done.returncode == 75


@pytest.mark.parametrize(
    ("command", "code"), [(["status", "study.toml", "--exit-code"], 75), (["verify", "no.h5"], 74)]
)
def test_other_ranks_end_with_the_same_exit_code_and_say_nothing(
    half_done: Project, command: list[str], code: int
) -> None:
    for launcher in ("PMI_RANK=1 PMI_SIZE=2 MPI_LOCALRANKID=1", "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2"):
        done = half_done.fullrank(*command, env=dict(word.split("=") for word in launcher.split()))
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_other_ranks_change_nothing(half_done: Project) -> None:
    before = half_done.files()
    rank = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}
    for command in (["clean", "study.toml", "--all", "--yes"], ["gather", "study.toml", "--partial"], ["new", "mine"]):
        done = half_done.fullrank(*command, env=rank)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert half_done.files() == before
