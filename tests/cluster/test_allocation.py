"""``fullrank run`` as the only line of a batch script, and in the shells of allocations, of a real Slurm."""

import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest
from slurm import Slurm
from user import PACED, User

ROOM = ("--nodes=3", "--ntasks-per-node=2")
N_LONG = 5000
ALL_HOSTS = {"n1", "n2", "n3"}
DIES_ONCE = """\
import os, signal

def f(x):
    if x == 3 and not os.path.exists("died"):
        open("died", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x / 7
"""
FAILS = "def f(x):\n    return 1 / (x - 3)\n"


def sbatch(user: User, *options: str, line: str = "{} run study.toml") -> str:
    """Queue a script of one line, and return the job's number; its log is where that of `submit` would be."""
    script = user.folder / "job.sh"
    script.write_text(f"#!/bin/bash\n{line.format(user.venv / 'bin' / 'fullrank')}\n")
    words = ("--parsable", "--no-requeue", "--output=study-%j.log", *ROOM, *options)
    return user.cluster.run("sbatch", *words, script, folder=user.folder).stdout.strip()


def has(user: User, code: str, *, n_items: int) -> None:
    (user.folder / "sim.py").write_text(code)
    grid = f"x = {{ range = {n_items} }}"
    (user.folder / "study.toml").write_text(f'[workload]\nfunction = "sim.py:f"\n[sweep.grid]\n{grid}\n')


def has_long(user: User) -> None:
    """Have a study that takes longer than any job here, until it is told to hurry."""
    has(user, PACED, n_items=N_LONG)


def n_workers(user: User) -> int:
    with h5py.File(user.folder / "results" / "study.h5") as file:
        return len(file["workers/host"])


def exit_code(slurm: Slurm, job: str) -> int:
    return int(slurm.shown(job)["ExitCode"].partition(":")[0])


def test_one_line_in_a_script_computes_on_all_of_the_job(slurm: Slurm, slurm_user: User) -> None:
    slurm_user.has_mandelbrot()
    job = sbatch(slurm_user)
    assert slurm.until_over(job) == "COMPLETED", slurm_user.log(job)
    assert slurm_user.hosts() == ALL_HOSTS
    assert n_workers(slurm_user) == 6
    assert slurm_user.digest() == slurm_user.serial_digest()


def stops_and_goes_on(slurm: Slurm, user: User, *options: str) -> None:
    job = sbatch(user, *options)
    assert slurm.until_over(job) == "FAILED", user.log(job)
    assert exit_code(slurm, job) == 75
    assert "no item is begun after" in user.log(job)
    assert 0 < user.n_finished() < N_LONG
    user.hurry()
    again = sbatch(user)
    assert slurm.until_over(again) == "COMPLETED", user.log(again)
    assert user.digest() == user.serial_digest()


def test_job_whose_environment_says_when_it_ends_stops_before_and_goes_on(slurm: Slurm, slurm_user: User) -> None:
    has_long(slurm_user)
    ends = int(time.time()) + 20
    stops_and_goes_on(slurm, slurm_user, f"--export=ALL,SLURM_JOB_END_TIME={ends}")  # as later versions of Slurm do


def test_job_that_only_slurm_knows_the_limit_of_stops_before_and_goes_on(slurm: Slurm, mpich_user: User) -> None:
    has_long(mpich_user)
    stops_and_goes_on(slurm, mpich_user, "--time=1")


def test_signal_to_a_script_that_run_has_replaced_reaches_all_ranks(slurm: Slurm, slurm_user: User) -> None:
    has_long(slurm_user)
    job = sbatch(slurm_user, line="exec {} run study.toml")
    slurm_user.until_begun(24)
    slurm.cluster.run("scancel", "--signal=USR1", "--batch", job)
    assert slurm.until_over(job) == "FAILED", slurm_user.log(job)
    assert exit_code(slurm, job) == 75


def test_exit_code_comes_from_a_root_on_another_host(slurm: Slurm, slurm_user: User) -> None:
    has(slurm_user, FAILS, n_items=12)
    fullrank = slurm_user.venv / "bin" / "fullrank"
    done = slurm.cluster.run("salloc", *ROOM, fullrank, "run", "study.toml", folder=slurm_user.folder, expect=None)
    assert done.returncode == 3, done.stderr
    assert slurm_user.hosts() == ALL_HOSTS
    assert (
        "disagrees with job"
        in slurm.cluster.run(
            "salloc", *ROOM, fullrank, "run", "study.toml", "-n", "7", folder=slurm_user.folder, expect=2
        ).stderr
    )


def test_script_without_the_users_environment_is_no_obstacle(slurm: Slurm, slurm_user: User) -> None:
    slurm_user.has_mandelbrot()
    job = sbatch(slurm_user, "--export=NONE")
    assert slurm.until_over(job) == "COMPLETED", slurm_user.log(job)
    assert slurm_user.hosts() == ALL_HOSTS


@pytest.fixture
def srun_site(mpich_user: User) -> Iterator[User]:
    """A user of a site that has ranks started by srun."""
    profile = Path(mpich_user.cluster.folder, ".config", "fullrank", "site.toml")
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text('launcher = "srun --mpi=pmi2"\n')
    yield mpich_user
    profile.unlink()


def test_launcher_of_the_site_starts_the_ranks(slurm: Slurm, srun_site: User) -> None:
    srun_site.has_mandelbrot()
    job = sbatch(srun_site)
    assert slurm.until_over(job) == "COMPLETED", srun_site.log(job)
    assert srun_site.hosts() == ALL_HOSTS
    assert srun_site.digest() == srun_site.serial_digest()


def test_rank_that_is_killed_under_srun_is_not_waited_for(slurm: Slurm, srun_site: User) -> None:
    has(srun_site, DIES_ONCE, n_items=12)
    job = sbatch(srun_site)
    assert slurm.until_over(job) == "COMPLETED", srun_site.log(job)
    assert "the ranks died; they are started again" in srun_site.log(job)


def test_shell_that_srun_gives_computes_where_it_is(slurm: Slurm, slurm_user: User) -> None:
    slurm_user.has_mandelbrot()
    shell = ["salloc", *ROOM, "srun", "--nodes=1", "--ntasks=1", slurm_user.venv / "bin" / "fullrank", "run"]
    slurm.cluster.run(*shell, "study.toml", folder=slurm_user.folder)
    assert slurm_user.hosts() == {"n1"}
    slurm.cluster.run(*shell, "study.toml", "-b", "mpi", "-o", "mpi.h5", folder=slurm_user.folder)
    assert slurm_user.digest("mpi.h5") == slurm_user.digest()
