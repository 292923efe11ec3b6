"""Jobs of a real Slurm on three hosts: queued, stopped before their limit, refused, cancelled."""

import pytest
from hosts import until
from slurm import Slurm
from user import N_PACED, SERIAL_SECONDS, WHOLE_SECONDS, User

NODES = ("--", "--nodes=3", "--ntasks-per-node=2")


def test_job_that_comes_near_its_limit_stops_and_goes_on_through_the_queue(slurm: Slurm, slurm_user: User) -> None:
    slurm_user.has_paced()
    job = slurm_user.submit("--time", "1h", *NODES)
    slurm_user.until_begun(24)
    slurm.update(job, "EndTime=now+45")  # to be told 3 min before; it looks every 30 s, whatever is set
    slurm.until_state(job, "PENDING")
    n_finished = slurm_user.n_finished()
    assert 0 < n_finished < N_PACED
    slurm_user.hurry()
    slurm.start_again(job)
    assert slurm.until_over(job) == "COMPLETED", slurm_user.log(job)
    assert slurm.shown(job)["Restarts"] == "1"
    assert slurm_user.digest() == slurm_user.serial_digest()


def test_rejected_job_leaves_nothing_behind(slurm: Slurm, mpich_user: User) -> None:
    mpich_user.has_mandelbrot()
    before = mpich_user.files()
    told = slurm.cluster.run("sbatch", "--partition=nowhere", "--wrap=true", expect=1).stderr
    done = mpich_user.fullrank("submit", "study.toml", "--", "--partition=nowhere", expect=1)
    assert done.stderr.endswith(f"fullrank: error: sbatch refused the job (exit code 1): {told}")
    assert mpich_user.files() == before
    assert slurm.queue() == ""


def test_job_that_its_user_cancels_stays_ended_and_holds_up_no_other(slurm: Slurm, slurm_user: User) -> None:
    slurm_user.has_paced()
    job = slurm_user.submit("--time", "1h", *NODES)
    slurm_user.until_begun(24)
    slurm.cluster.run("scancel", job)
    assert slurm.until_over(job) == "CANCELLED"
    until(lambda: slurm.queue() == "", "the queue is empty")
    assert 0 < slurm_user.n_finished() < N_PACED
    slurm_user.hurry()
    again = slurm_user.submit("--time", "1h", *NODES)
    assert slurm.until_over(again) == "COMPLETED", slurm_user.log(again)
    assert slurm_user.digest() == slurm_user.serial_digest()
    assert slurm.shown(job)["Restarts"] == "0"


@pytest.mark.timeout(WHOLE_SECONDS + SERIAL_SECONDS)
def test_study_that_ships_is_submitted_as_it_is_and_has_a_serial_runs_results(
    slurm: Slurm, slurm_user: User, mandelbrot_digest: str
) -> None:
    job = slurm_user.submit_mandelbrot("--time", "1h", *NODES)
    assert slurm.until_over(job, limit_seconds=WHOLE_SECONDS) == "COMPLETED", slurm_user.log(job)
    assert slurm_user.hosts() == {"n1", "n2", "n3"}
    assert slurm_user.digest() == mandelbrot_digest
