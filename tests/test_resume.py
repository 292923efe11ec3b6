"""Killed runs go on where they were; what was finished is not done again; other studies are refused."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from studies import INTERPRETERS, SLOW, STUCK, VISITED, Project, needs_interpreters

pytestmark = pytest.mark.in_process

N_ITEMS = 300
GRID = f"x = {{ range = {N_ITEMS} }}"
EXPECTED = [x * x / 7 for x in range(N_ITEMS)]


def assert_undisturbed(project: Project, finished: set[int]) -> None:
    """The result is a plain loop's, and no item was called again that was on record at the kill."""
    assert project.read("f").tolist() == EXPECTED
    assert (project.read("status") == 1).all()
    times = Counter(project.visits())
    assert set(times) == set(range(N_ITEMS))
    assert {index for index in finished if times[index] > 1} == set()


@pytest.mark.parametrize(
    ("first", "second", "schedule"),
    [
        (("-b", "serial"), ("-b", "processes", "-n", 3), "static"),
        (("-b", "threads", "-n", 3), ("-b", "serial"), "guided"),
        (("-b", "processes", "-n", 2), ("-b", "threads", "-n", 2), "static"),
        pytest.param(("-b", "interpreters", "-n", 2), ("-b", "processes", "-n", 2), "guided", marks=needs_interpreters),
        pytest.param(("-b", "serial"), ("-b", "interpreters", "-n", 2), "static", marks=needs_interpreters),
    ],
)
def test_killed_run_goes_on_with_other_workers_and_finished_items_are_not_done_again(
    project: Project, first: tuple[object, ...], second: tuple[object, ...], schedule: str
) -> None:
    running = project.write(STUCK, grid=GRID, tail=f'[run]\nschedule = "{schedule}"').start_run(*first)
    project.until_visited(12)
    running.send(signal.SIGKILL)
    running.end()
    project.until(lambda: not orphans(project), "the workers have noticed that their parent is dead")
    finished = project.indices_finished()
    assert 0 < len(finished) < N_ITEMS
    project.hurry()
    done = project.run(*second)
    assert f"{len(finished)} of {N_ITEMS} items were finished before" in done.stderr
    assert_undisturbed(project, finished)
    assert project.read("attempts/reason").tolist() == ["killed", "complete"]


def orphans(project: Project) -> list[int]:
    """Processes in the project's folder that no test started itself."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").readlink() == project.folder and b"fullrank" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_killed_worker_is_replaced_and_loses_nothing(project: Project) -> None:
    running = project.write(STUCK, grid=GRID).start_run("-b", "processes", "-n", 2)
    project.until_visited(12)
    os.kill(project.workers(running.pid)[0], signal.SIGKILL)
    project.hurry()
    done = running.end()
    assert done.returncode == 0
    assert "SIGKILL" in done.stderr
    assert "started again" in done.stderr
    assert_undisturbed(project, set())
    assert project.read("attempts/reason").tolist() == ["worker died", "complete"]


def test_result_after_a_kill_is_equal_to_that_of_an_undisturbed_run(project: Project) -> None:
    running = project.write(STUCK, grid=GRID).start_run("-b", "processes", "-n", 2)
    project.until_visited(5)
    running.send(signal.SIGKILL)
    running.end()
    project.hurry()
    project.run("-b", "processes", "-n", 2)
    project.run("-b", "serial", "-o", "undisturbed.h5")
    assert project.digest() == project.digest("undisturbed.h5")
    assert project.fullrank("diff", project.output, "undisturbed.h5").returncode == 0


DEADLY = {
    "os._exit": "os._exit(5)",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "SIGKILL": "os.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize("how", DEADLY)
def test_item_that_kills_its_process_costs_that_item_only(project: Project, how: str) -> None:
    project.write(f"{VISITED}\ndef f(x):\n    if x == 7:\n        {DEADLY[how]}\n    return x / 3\n")
    done = project.run("-b", "processes", "-n", 2, expect=3)
    status = project.read("status")
    assert np.flatnonzero(status == 4).tolist() == [7]
    assert (np.delete(status, 7) == 1).all()
    assert np.delete(project.read("f"), 7).tolist() == [x / 3 for x in range(12) if x != 7]
    (told,) = project.read("failures/exception").tolist()
    assert "died twice" in told
    assert "Traceback" not in done.stderr


def test_any_number_of_deadly_items_costs_those_items_only(project: Project) -> None:
    code = "import os\ndef f(x):\n    if x % 3 == 1:\n        os._exit(1)\n    return x / 3\n"
    project.write(code, grid="x = { range = 24 }")
    project.run("-b", "processes", "-n", 2, expect=3)
    assert np.flatnonzero(project.read("status") == 4).tolist() == list(range(1, 24, 3))


@pytest.mark.in_process(False)
@pytest.mark.parametrize("backend", ["serial", "threads", INTERPRETERS])
def test_item_that_kills_the_only_process_is_crashed_after_the_same_command_again(
    project: Project, backend: str
) -> None:
    project.write("import os\ndef f(x):\n    if x == 7:\n        os.kill(os.getpid(), 9)\n    return x / 3\n")
    project.run("-b", backend, expect=-signal.SIGKILL)
    project.run("-b", backend, expect=3)
    assert np.flatnonzero(project.read("status") == 4).tolist() == [7]


def test_workers_that_always_die_before_they_compute_are_given_up(project: Project) -> None:
    code = "import os\ndef load():\n    os._exit(9)\ndef f(x):\n    return x\n"
    done = project.write(code, workload='setup = "sim.py:load"').run("-b", "processes", "-n", 1, expect=75)
    assert "died 4 times in a row" in done.stderr
    assert "fullrank status" in done.stderr


def test_item_that_was_running_at_a_kill_from_outside_is_no_failure(project: Project) -> None:
    running = project.write(STUCK, grid="x = { range = 40 }").start_run("-b", "processes", "-n", 2)
    project.until_visited(4)
    for child in project.workers(running.pid):
        os.kill(child, signal.SIGKILL)
    project.hurry()
    assert running.end().returncode == 0
    assert (project.read("status") == 1).all()


def test_complete_result_is_left_as_it_is(project: Project) -> None:
    project.write().hurry()
    project.run("-b", "serial")
    before = project.snapshot()
    done = project.run("-b", "processes", "-n", 2)
    assert "already complete" in done.stdout
    assert project.snapshot() == before
    assert len(project.visits()) == 12


CHANGES = {
    "axis": (("range = 12", "range = [1, 13]"), "sweep.grid.x"),
    "constant": (("a = 1", "a = 2"), "constant 'a': 1 → 2"),
    "seed": (("seed = 1", "seed = 3"), "seed: 1 → 3"),
    "function": (("sim.py:f", "sim.py:g"), 'function: "sim.py:f" → "sim.py:g"'),
}
CHANGING = f"{STUCK.replace('f(x)', 'f(x, a, seed)').replace('60', '8')}\ndef g(x, a, seed):\n    return x\n"


def study_to_change(project: Project) -> Project:
    return project.write(CHANGING, workload="seed = 1\n[workload.constants]\na = 1")


@pytest.fixture
def stopped(project: Project) -> Project:
    """A project whose run was killed after some items."""
    running = study_to_change(project).start_run("-b", "serial")
    project.until_visited(3)
    running.send(signal.SIGKILL)
    running.end()
    project.hurry()
    return project


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def assert_refused(project: Project, words: str) -> None:
    before = project.snapshot()
    done = project.run("-b", "serial", expect=2)
    assert words in done.stderr
    assert "--fresh" in done.stderr
    assert "Traceback" not in done.stderr
    assert {name: data for name, data in project.snapshot().items() if "lock" not in name} == {
        name: data for name, data in before.items() if "lock" not in name
    }


def test_every_change_of_a_stopped_study_is_refused_by_its_name(stopped: Project) -> None:
    config = stopped.folder / "study.toml"
    for (old, new), words in CHANGES.values():
        replace(config, old, new)
        assert_refused(stopped, words)
        replace(config, new, old)
    replace(stopped.folder / "sim.py", "x * x", "2 * x")
    assert_refused(stopped, "code of sim.py changed")
    replace(stopped.folder / "sim.py", "2 * x", "x * x")
    stopped.run("-b", "serial")


def test_changed_code_of_a_complete_study_is_refused(project: Project) -> None:
    project.write(SLOW).hurry()
    project.run("-b", "serial")
    replace(project.folder / "sim.py", "x * x", "2 * x")
    assert_refused(project, "code of sim.py changed")


def test_comments_docstrings_and_layout_may_change(stopped: Project) -> None:
    path = stopped.folder / "sim.py"
    replace(path, "def f(x, a, seed):\n", 'def f(x,  a,\n      seed):\n    """Squares."""  # and a seventh\n')
    stopped.run("-b", "serial")
    assert stopped.read("f").tolist() == EXPECTED[:12]


def test_machine_matters_and_words_may_change(stopped: Project) -> None:
    config = stopped.folder / "study.toml"
    config.write_text(f'title = "Another"\n{config.read_text()}\n[run]\nschedule = "static"\norder = "index"\n')
    stopped.run("-b", "threads", "-n", 2)
    assert stopped.attributes()["title"] == "Another"
    assert stopped.read("f").tolist() == EXPECTED[:12]


def test_fresh_moves_a_complete_result_aside_and_deletes_nothing(project: Project) -> None:
    project.write().hurry()
    project.run("-b", "serial")
    old = project.output.read_bytes()
    replace(project.folder / "sim.py", "x * x", "2 * x")
    project.run("-b", "serial", "--fresh")
    assert project.read("f").tolist() == [2 * x / 7 for x in range(12)]
    aside = [path for path in project.output.parent.glob("*.h5") if path != project.output]
    assert [path.read_bytes() for path in aside] == [old]


def test_fresh_moves_journals_aside_and_deletes_nothing(stopped: Project) -> None:
    before = {name: data for name, data in stopped.snapshot().items() if name.endswith(".journal")}
    replace(stopped.folder / "sim.py", "x * x", "2 * x")
    stopped.run("-b", "serial", "--fresh")
    assert stopped.read("f").tolist() == [2 * x / 7 for x in range(12)]
    kept = [data for name, data in stopped.snapshot().items() if name.endswith(".journal")]
    assert kept == list(before.values())


# --- status and gather


def status(project: Project) -> dict[str, object]:
    done = project.fullrank("status", "study.toml", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def standing(project: Project) -> tuple[object, int]:
    return status(project)["state"], project.fullrank("status", "study.toml", "--exit-code").returncode


def test_status_tells_each_state_and_disturbs_nothing(project: Project) -> None:
    project.write(STUCK, grid="x = { range = 200 }")
    assert standing(project) == ("not started", 75)
    assert not project.output.parent.exists()

    running = project.start_run("-b", "processes", "-n", 2)
    project.until_visited(8)
    found = status(project)
    assert found["state"] == "running"
    assert str(running.pid) in str(found["holder"])
    assert found["n_items"] == 200
    assert 0 < int(str(found["n_ok"])) < 200
    assert project.fullrank("status", "study.toml", "--exit-code").returncode == 75

    running.send(signal.SIGKILL)
    running.end()
    project.until(lambda: not orphans(project))
    before = project.snapshot()
    assert standing(project) == ("stopped", 75)
    assert status(project)["n_ok"] == len(project.indices_finished())
    assert {name: data for name, data in project.snapshot().items() if "partial" not in name} == before

    project.hurry()
    project.run("-n", 2)
    assert standing(project) == ("complete", 0)
    by_file = project.fullrank("status", project.output)
    assert "complete" in by_file.stdout
    assert "200 of 200" in by_file.stdout


def test_status_tells_failed_items_by_exit_code_3(project: Project) -> None:
    project.write("def f(x):\n    return 1 / (x - 3)").run("-b", "serial", expect=3)
    assert standing(project) == ("complete", 3)
    assert status(project)["n_failed"] == 1


def test_partial_file_of_a_running_study_holds_what_is_finished_and_disturbs_nothing(project: Project) -> None:
    running = project.write(STUCK, grid=GRID).start_run("-b", "processes", "-n", 2)
    project.until_visited(12)
    finished = project.indices_finished()
    partial = "results/study.partial.h5"
    assert not project.output.exists()
    assert project.attributes(partial)["complete"] == 0
    known = project.read("f", partial)[sorted(finished)]
    assert known.tolist() == [EXPECTED[index] for index in sorted(finished)]
    verified = project.fullrank("verify", partial)
    assert verified.returncode == 0
    assert f"{N_ITEMS - len(finished)} items missing" in verified.stdout
    assert running.is_running()
    project.hurry()
    assert running.end().returncode == 0
    assert_undisturbed(project, set(range(N_ITEMS)) - set(repeated(project)))
    assert repeated(project) == []


def repeated(project: Project) -> list[int]:
    return [index for index, n_times in Counter(project.visits()).items() if n_times > 1]


def test_gather_without_partial_says_what_is_missing(stopped: Project) -> None:
    done = stopped.fullrank("gather", "study.toml")
    assert done.returncode == 75
    assert "--partial" in done.stderr
    assert "fullrank run study.toml" in done.stderr
    assert not list(stopped.output.parent.glob("*.h5"))


def test_gather_calls_nothing_complete_that_is_not(stopped: Project) -> None:
    stopped.fullrank("gather", "study.toml", "--partial")
    (stopped.folder / "notes.h5").write_text("hello")
    for output, told in (("results/study.partial.h5", " is a partial result of "), ("notes.h5", "no result")):
        done = stopped.fullrank("gather", "study.toml", "--partial", "-o", output)
        assert done.returncode != 0
        assert told in done.stderr
        assert "complete" not in done.stderr


def test_partial_file_goes_once_the_result_is_there(stopped: Project) -> None:
    assert stopped.indices_finished()
    stopped.run("-b", "serial")
    assert [path.name for path in stopped.output.parent.iterdir()] == ["study.h5"]


EDITS_ITSELF = """
import os, pathlib
def f(x):
    here = pathlib.Path(__file__)
    if x == 7 and not here.with_name("edited").exists():
        here.with_name("edited").touch()
        here.write_text(EDIT)
        os.kill(os.getpid(), 9)
    return x / 3
"""


@pytest.mark.parametrize(("backend", "tail"), [("processes", ""), ("serial", "isolate = true")])
def test_worker_that_is_started_again_does_not_compute_with_edited_code(
    project: Project, backend: str, tail: str
) -> None:
    edit = "here.read_text()[:-3] + chr(52) + chr(10)"  # x / 3 becomes x / 4
    project.write(EDITS_ITSELF.replace("EDIT", edit), tail=f"[run]\n{tail}\norder = 'index'")
    done = project.run("-b", backend, "-n", 1, expect=2)
    assert "sim.py: was edited since this run began" in done.stderr
    assert "Traceback" not in done.stderr
    assert "--accept-change" in project.run("-b", backend, expect=2).stderr
    project.run("-b", backend, "--accept-change", "-n", 1)
    versions = project.read("code_version")
    assert project.read("f").tolist() == [x / 3 if versions[x] == 0 else x / 4 for x in range(12)]
    assert set(versions.tolist()) == {0, 1}


def test_edited_comment_keeps_no_worker_from_being_started_again(project: Project) -> None:
    project.write(EDITS_ITSELF.replace("EDIT", 'here.read_text() + "# a third"'), tail="[run]\norder = 'index'")
    project.run("-b", "processes", "-n", 1)
    assert project.read("f").tolist() == [x / 3 for x in range(12)]


CHANGES_ARRAY = """
import os
import numpy as np
def f(x, data):
    if x == 7 and not os.path.exists("changed"):
        open("changed", "w").close()
        np.save("new.npy", data + 1.0)
        CHANGE
    return float(data[0]) + x
"""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('os.replace("new.npy", "data.npy"); os.kill(os.getpid(), 9)', "was edited since this run began"),
        ('os.replace("new.npy", "data.npy")', "was changed while the run computed"),
        (
            'open("data.npy", "r+b").write(open("new.npy", "rb").read())',
            "was changed while the run computed",
        ),
    ],
)
def test_array_that_changes_during_a_run_is_no_part_of_a_result(project: Project, change: str, told: str) -> None:
    np.save(project.folder / "data.npy", np.zeros(1000))
    project.write(
        CHANGES_ARRAY.replace("CHANGE", change),
        workload='constants = { data = { npy = "data.npy" } }',
        tail="[run]\norder = 'index'",
    )
    done = project.run("-b", "processes", "-n", 1, expect=2)
    assert f"data.npy: {told}" in done.stderr
    assert not project.output.exists()
    assert "the array in its file changed" in project.run(expect=2).stderr
