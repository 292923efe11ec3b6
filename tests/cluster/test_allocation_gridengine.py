"""``fullrank run`` as the only line of a batch script of a real Grid Engine."""

from user import N_PACED, User


def qsub(user: User, limit: str) -> str:
    """Run the study in a job with such a limit, and return what the job has printed."""
    log, script = user.folder / "log", user.folder / "job.sh"
    script.write_text(f'#!/bin/bash\n{user.venv / "bin" / "fullrank"} run study.toml\necho "exit code $?"\n')
    place = ["-sync", "y", "-cwd", "-S", "/bin/bash", "-j", "y", "-o", log]
    user.cluster.run("qsub", *place, "-pe", "mpi", "6", "-l", f"h_rt={limit}", script, folder=user.folder)
    return log.read_text()


def test_job_stops_before_its_limit_and_the_same_line_goes_on(grid_engine_user: User) -> None:
    grid_engine_user.has_paced()
    said = qsub(grid_engine_user, "0:0:40")
    assert said.endswith("exit code 75\n")
    assert "no item is begun after" in said
    assert 0 < grid_engine_user.n_finished() < N_PACED
    grid_engine_user.hurry()
    assert qsub(grid_engine_user, "0:5:0").endswith("exit code 0\n")
    assert grid_engine_user.hosts() == {"n1", "n2", "n3"}
    assert grid_engine_user.digest() == grid_engine_user.serial_digest()
