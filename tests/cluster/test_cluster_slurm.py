"""Jobs of a real Slurm on three hosts: queued, stopped before their limit, refused, cancelled."""

from slurm import Slurm
from user import User

NODES = ("--", "--nodes=3", "--ntasks-per-node=2")


def test_submitted_study_has_a_serial_runs_results(slurm: Slurm, slurm_user: User) -> None:
    slurm_user.has_mandelbrot()
    job = slurm_user.submit("--time", "10m", *NODES)
    assert slurm.until_over(job) == "COMPLETED", slurm_user.log(job)
    assert slurm_user.hosts() == {"n1", "n2", "n3"}
    assert slurm_user.digest() == slurm_user.serial_digest()
