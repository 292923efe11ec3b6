"""When a job ends, where no variable says so: what the batch system answers. Grid Engine's answer is a recorded one."""

import os
from pathlib import Path

import pytest

from fullrank.job_end import job_end
from fullrank.scheduler import job_from

NOW = 10_000.0
JOBS = {
    "slurm": ("squeue", {"SLURM_JOB_ID": "5"}, "--noheader --format=%L --job 5"),
    "pbs": ("qstat", {"PBS_JOBID": "12[3].server"}, "-f 12[3].server"),
    "sge": ("qstat", {"JOB_ID": "7", "SGE_TASK_ID": "2"}, "-j 7"),
    "lsf": ("bjobs", {"LSB_JOBID": "77", "LSB_JOBINDEX": "4"}, "-noheader -WL 77[4]"),
}
GRID_ENGINES = """\
submission_time:            Fri Nov 27 07:24:20 2026
hard resource_list:         h_rt=300
usage         1:            cpu=00:00:00, mem=0.00000 GB s, io=0.00000 GB, vmem=N/A, maxvmem=N/A
"""
PBS = "Job Id: 12[3].server\n    resources_used.walltime = 00:10:05\n    Resource_List.walltime = 01:00:00\n"
LSF = "JOB 77[4] ada RUN normal head a job Nov 27 13:51 {} L\n"


def end(folder: Path, system: str, answer: str, *, code: int = 0, **more: str) -> float | None:
    """Return the job's end by a batch system that gives this answer when it is asked as it has to be."""
    command, environ, question = JOBS[system]
    program = folder / command
    program.write_text(
        f"#!/bin/sh\n[ \"$*\" = '{question}' ] || exit 9\ncat <<'ANSWER'\n{answer}\nANSWER\nexit {code}\n"
    )
    program.chmod(0o755)
    environ = {**environ, "PATH": f"{folder}:{os.environ['PATH']}", **more}
    job = job_from(environ)
    assert job is not None
    return job_end(job, environ, NOW)


@pytest.mark.parametrize(
    ("system", "answer", "left_seconds"),
    [
        ("slurm", "59:30", 3570.0),
        ("slurm", "1-02:03:04", 93784.0),
        ("slurm", "0:07", 7.0),
        ("pbs", PBS, 2995.0),
        ("pbs", "    Resource_List.walltime = 01:00:00", 3600.0),
        ("lsf", LSF.format("0:58"), 3480.0),
        ("lsf", LSF.format("30:00"), 108000.0),
    ],
)
def test_time_that_is_left_is_asked_for(tmp_path: Path, system: str, answer: str, left_seconds: float) -> None:
    assert end(tmp_path, system, answer) == NOW + left_seconds


def test_limit_of_grid_engine_counts_from_the_start_of_the_job(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.touch()
    os.utime(config, (NOW - 40, NOW - 40))
    assert end(tmp_path, "sge", GRID_ENGINES, SGE_JOB_SPOOL_DIR=str(tmp_path)) == NOW + 260
    assert end(tmp_path, "sge", GRID_ENGINES) is None


@pytest.mark.parametrize("system", JOBS)
@pytest.mark.parametrize("answer", ["", "365-00:00:00", "UNLIMITED", "NOT_SET", "INVALID", "0:58 E", "who knows\n-:-"])
def test_answer_that_tells_no_limit_is_none(tmp_path: Path, system: str, answer: str) -> None:
    (tmp_path / "config").touch()
    assert end(tmp_path, system, answer, SGE_JOB_SPOOL_DIR=str(tmp_path)) is None


def test_refusal_is_no_limit(tmp_path: Path) -> None:
    assert end(tmp_path, "slurm", "59:30", code=1) is None


@pytest.mark.parametrize("system", JOBS)
def test_batch_system_without_its_command_is_not_asked(system: str) -> None:
    job = job_from(JOBS[system][1])
    assert job is not None
    assert job_end(job, {"PATH": "/nowhere"}, NOW) is None


def test_what_a_variable_says_is_not_asked_for(tmp_path: Path) -> None:
    assert end(tmp_path, "slurm", "59:30", SLURM_JOB_END_TIME="12000") == 12_000.0
    assert end(tmp_path, "slurm", "59:30", SLURM_JOB_END_TIME="31546000") is None
