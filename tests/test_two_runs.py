"""Two runs on one output at once: the second waits, then refuses, or finds the result."""

import os

from studies import STUCK, Project


def test_second_run_waits_and_refuses_and_the_first_is_not_disturbed(project: Project) -> None:
    first = project.write(STUCK, grid="x = { range = 400 }").start_run("-b", "serial")
    project.until_visited(1)
    refused = project.run("-b", "processes", "-n", 2, expect=74)
    assert first.is_running()
    for said in (f"pid {first.pid}", os.uname().nodename, "another run writes here", "--take-over"):
        assert said in refused.stderr
    assert "waiting 5 s" in refused.stderr
    assert "Traceback" not in refused.stderr
    project.hurry()
    assert first.end().returncode == 0
    assert project.read("f").tolist() == [x * x / 7 for x in range(400)]
    assert len(project.visits()) == 400


def test_second_run_finds_the_result_if_the_first_ends_meanwhile(project: Project) -> None:
    first = project.write(STUCK, grid="x = { range = 400 }").start_run("-b", "serial")
    project.until_visited(1)
    second = project.start_run("-b", "processes", "-n", 2)
    project.until(lambda: "waiting" in second.stderr, "the second run waits")
    project.hurry()
    assert first.end().returncode == 0
    done = second.end()
    assert done.returncode == 0, done.stderr
    assert "already complete" in done.stdout
    assert len(project.visits()) == 400
    assert [path.name for path in project.output.parent.iterdir()] == ["study.h5"]


def test_result_of_others_that_is_put_there_during_a_run_is_kept(project: Project) -> None:
    project.write("def f(x):\n    return x * 777.0\n", grid="x = { range = 30 }").run("-o", "theirs.h5")
    first = project.write(STUCK, grid="x = { range = 60 }").start_run("-b", "serial")
    project.until_visited(1)
    theirs = (project.folder / "theirs.h5").read_bytes()
    project.output.write_bytes(theirs)
    project.hurry()
    done = first.end()
    assert done.returncode == 0
    assert project.read("f").tolist() == [x * x / 7 for x in range(60)]
    (aside,) = project.output.parent.glob("study.*.h5")
    assert aside.read_bytes() == theirs
    assert f"is kept in {aside}" in done.stderr
