"""Arrays of jobs of one node each, which run shards of a study, on a real Grid Engine."""

from gridengine import GridEngine
from hosts import until
from user import User


def test_array_of_grid_engine_has_a_serial_runs_results(grid_engine: GridEngine, grid_engine_mpich_user: User) -> None:
    grid_engine_mpich_user.has_mandelbrot()
    grid_engine_mpich_user.submit("--array", 4, "--time", "10m")
    grid_engine.until_empty()
    assert grid_engine_mpich_user.digest() == grid_engine_mpich_user.serial_digest(), grid_engine_mpich_user.log()


def test_element_of_grid_engine_that_was_stopped_submits_itself_alone(
    grid_engine: GridEngine, grid_engine_mpich_user: User
) -> None:
    grid_engine_mpich_user.has_paced(1500)
    grid_engine_mpich_user.submit("--array", 2, "--time", "25s")
    until(lambda: grid_engine_mpich_user.log().count("Your job") == 2, "both elements submit themselves again")
    assert 0 < grid_engine_mpich_user.n_finished() < 1500
    grid_engine_mpich_user.hurry()
    grid_engine.until_empty()
    assert len(list(grid_engine_mpich_user.folder.glob("study-*.log"))) == 4, grid_engine_mpich_user.log()
    assert grid_engine_mpich_user.digest() == grid_engine_mpich_user.serial_digest()
