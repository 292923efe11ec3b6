"""Arrays of jobs of one node each, which run shards of a study, on a real Slurm."""

from hosts import until
from slurm import Slurm
from user import User

WHOLE_NODE = ("--", "--cpus-per-task=2")


def restarts(slurm: Slurm, job: str, n_elements: int) -> list[str]:
    return [slurm.shown(f"{job}_{number}")["Restarts"] for number in range(1, n_elements + 1)]


def test_array_of_shards_has_a_serial_runs_results(slurm: Slurm, mpich_user: User) -> None:
    mpich_user.has_mandelbrot()
    job = mpich_user.submit("--array", 4, "--time", "10m", *WHOLE_NODE)
    until(lambda: slurm.queue() == "", "all elements are over")
    states = {slurm.state(f"{job}_{number}") for number in range(1, 5)}
    assert states == {"COMPLETED"}, mpich_user.log()
    assert mpich_user.hosts() == {"n1", "n2", "n3"}
    assert mpich_user.digest() == mpich_user.serial_digest()


def test_element_that_comes_near_its_limit_goes_back_to_the_queue_alone(slurm: Slurm, mpich_user: User) -> None:
    mpich_user.has_paced(3000)
    job = mpich_user.submit("--array", 3, "--time", "1h", *WHOLE_NODE)
    mpich_user.until_begun(60)
    slurm.update(f"{job}_2", "EndTime=now+45")  # to be told 3 min before; it looks every 30 s, whatever is set
    slurm.until_state(f"{job}_2", "PENDING")
    assert restarts(slurm, job, 3) == ["0", "1", "0"], mpich_user.log()
    mpich_user.hurry()
    slurm.start_again(f"{job}_2")
    until(lambda: slurm.queue() == "", "all elements are over")
    assert mpich_user.digest() == mpich_user.serial_digest()


def test_element_whose_node_is_lost_goes_on_on_another_one(slurm: Slurm, mpich_user: User) -> None:
    mpich_user.has_paced(3000)
    job = mpich_user.submit("--array", 3, "--time", "1h", *WHOLE_NODE)
    mpich_user.until_begun(60)
    (lost,) = slurm.nodes(f"{job}_2")
    slurm.lose(lost)
    try:
        until(lambda: slurm.shown(f"{job}_2")["Restarts"] == "1", "the element goes back to the queue")
        mpich_user.hurry()
        slurm.start_again(f"{job}_2")
        until(lambda: slurm.queue() == "", "all elements are over")
    finally:
        slurm.mend(lost)
    assert mpich_user.digest() == mpich_user.serial_digest(), mpich_user.log()
