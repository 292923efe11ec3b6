"""Whether another job is over, as batch systems answer; the answers are recorded ones."""

import os
from pathlib import Path

import pytest

from fullrank.job_over import job_is_over

COMMANDS = {"slurm": ("squeue", "--noheader --format=%T --job 5"), "sge": ("qstat", "-j 5")}
UNKNOWN_TO_SLURM = "slurm_load_jobs error: Invalid job id specified"
UNKNOWN_TO_GRID_ENGINE = "Following jobs do not exist: \n5"
AWAY = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"


def is_over(folder: Path, job: str, *, out: str = "", err: str = "", code: int = 0) -> bool | None:
    """Ask a batch system that gives this answer if it is asked as it has to be."""
    command, question = COMMANDS[job.partition(":")[0]]
    program = folder / command
    program.write_text(
        f"#!/bin/sh\n[ \"$*\" = '{question}' ] || exit 9\nprintf '%s' '{out}'\nprintf '%s' '{err}' >&2\nexit {code}\n"
    )
    program.chmod(0o755)
    return job_is_over(job, os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"})


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETING", "PENDING"])
def test_job_in_the_queue_of_slurm_is_not_over(tmp_path: Path, state: str) -> None:
    assert is_over(tmp_path, "slurm:5", out=f"{state}\n") is False


def test_job_that_has_left_the_queue_is_over(tmp_path: Path) -> None:
    assert is_over(tmp_path, "slurm:5") is True
    assert is_over(tmp_path, "slurm:5", err=UNKNOWN_TO_SLURM, code=1) is True
    assert is_over(tmp_path, "sge:5[3]", err=UNKNOWN_TO_GRID_ENGINE, code=1) is True


def test_element_of_an_array_that_grid_engine_knows_is_not_over(tmp_path: Path) -> None:
    assert is_over(tmp_path, "sge:5[3]", out="job_number:                 5\n") is False


def test_batch_system_that_does_not_answer_tells_nothing(tmp_path: Path) -> None:
    assert is_over(tmp_path, "slurm:5", err=AWAY, code=1) is None
    assert job_is_over("slurm:5", {"PATH": str(tmp_path / "empty")}) is None
    assert job_is_over("lsf:5", os.environ) is None
