"""Jobs of a real Grid Engine on three hosts."""

from gridengine import GridEngine
from hosts import until
from user import N_PACED, User

# Grid Engine hands no environment on unless it is asked to; Open MPI refuses to run as root.
SLOTS = ("--", "-pe", "mpi", "6", "-v", "OMPI_ALLOW_RUN_AS_ROOT=1,OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")


def test_submitted_study_has_a_serial_runs_results(grid_engine: GridEngine, grid_engine_user: User) -> None:
    grid_engine_user.has_mandelbrot()
    job = grid_engine_user.submit("--time", "10m", *SLOTS)
    grid_engine.until_empty()
    assert grid_engine_user.hosts() == {"n1", "n2", "n3"}, grid_engine_user.log(job)
    assert grid_engine_user.digest() == grid_engine_user.serial_digest()


def test_job_that_comes_near_its_limit_stops_and_goes_on_as_another(
    grid_engine: GridEngine, grid_engine_mpich_user: User
) -> None:
    grid_engine_mpich_user.has_paced()
    first = grid_engine_mpich_user.submit("--time", "40s", *SLOTS)
    grid_engine_mpich_user.until_begun(24)
    until(lambda: "Your job" in grid_engine_mpich_user.log(first), "the job submits itself again")
    assert 0 < grid_engine_mpich_user.n_finished() < N_PACED
    grid_engine_mpich_user.hurry()
    grid_engine.until_empty()
    assert grid_engine_mpich_user.digest() == grid_engine_mpich_user.serial_digest()


def test_rejected_job_leaves_nothing_behind(grid_engine: GridEngine, grid_engine_mpich_user: User) -> None:
    grid_engine_mpich_user.has_mandelbrot()
    before = grid_engine_mpich_user.files()
    refused = ["-pe", "nowhere", "6"]
    words = grid_engine.cluster.run("qsub", *refused, "-b", "y", "true", expect=1).stderr.strip()
    done = grid_engine_mpich_user.fullrank("submit", "study.toml", "--", *refused, expect=1)
    assert done.stderr.endswith(f"fullrank: error: qsub refused the job (exit code 1): {words}\n")
    assert grid_engine_mpich_user.files() == before
    assert grid_engine.queue() == ""


def test_job_that_its_user_deletes_stays_ended_and_holds_up_no_other(
    grid_engine: GridEngine, grid_engine_mpich_user: User
) -> None:
    grid_engine_mpich_user.has_paced()
    job = grid_engine_mpich_user.submit("--time", "1h", *SLOTS)
    grid_engine_mpich_user.until_begun(24)
    grid_engine.cluster.run("qdel", job)
    grid_engine.until_empty()
    assert 0 < grid_engine_mpich_user.n_finished() < N_PACED
    grid_engine_mpich_user.hurry()
    grid_engine_mpich_user.submit("--time", "1h", *SLOTS)
    grid_engine.until_empty()
    assert grid_engine_mpich_user.digest() == grid_engine_mpich_user.serial_digest()
