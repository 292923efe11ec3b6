"""Shards of a study on ranks of MPI, each an mpiexec of its own."""

from studies import Project


def test_shards_on_ranks_and_without_give_the_result_of_one_run(mpi_project: Project) -> None:
    project = mpi_project.write("def f(x):\n    return x * x / 7\n", grid="x = { range = 90 }")
    project.run("-b", "serial", "-o", "whole.h5")
    done = project.run("--shard", "1/3", n_ranks=2)
    assert "shard 1/3 is complete; 30 of 90 items are finished" in done.stdout
    project.run("--shard", "2/3", "-b", "processes", "-n", 2)
    done = project.run("--shard", "3/3", "-b", "mpi", "-n", 2)
    assert "Result: " in done.stdout
    assert project.digest() == project.digest("whole.h5")
    assert sorted(project.read("attempts/backend").tolist()) == ["mpi", "mpi", "processes"]
    assert [path.name for path in project.output.parent.iterdir()] == ["study.h5"]


def test_shards_on_ranks_that_run_beside_each_other_leave_one_to_gather(mpi_project: Project) -> None:
    project = mpi_project.write("def f(x):\n    return x * x / 7\n", grid="x = { range = 60 }")
    runs = [project.start_run("--shard", f"{number}/2", n_ranks=2) for number in (1, 2)]
    ends = [run.end() for run in runs]
    assert [end.returncode for end in ends] == [0, 0], [end.stderr for end in ends]
    assert project.read("f").tolist() == [x * x / 7 for x in range(60)]
