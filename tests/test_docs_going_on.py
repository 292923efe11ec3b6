"""docs/going-on.md: each row of its table, in the state that it describes, does what its last column says."""

import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from pages import PAGES, commands, names_alone, rows, words
from studies import VISITED, Project

pytestmark = pytest.mark.in_process

PAGE = "docs/going-on.md"
ROWS = {row[0]: row[1:] for row in rows(PAGE, header="what happened")}
RIGHT = f"{VISITED}\ndef f(x, k=1):\n    visited(x)\n    return x / 7 * k\n"
FAILS = RIGHT.replace("return", "if x in (3, 8): raise ValueError(x)\n    return")
OTHER = RIGHT.replace("x / 7", "x / 8")
N_ITEMS = 12
EVERY = set(range(N_ITEMS))


def options(row: str) -> list[str]:
    """The options that a row's command, or what it advises, adds."""
    return re.findall(r"`(--[a-z-]+|-o)`", " ".join(ROWS[row]))


def again(project: Project, row: str, **expected: int) -> str:
    done = project.run("-b", "serial", *options(row), **expected)
    return done.stdout + done.stderr


def runs_again(project: Project) -> set[int]:
    """The items that the function was called for more than once."""
    return {x for x, n in Counter(project.visits()).items() if n > 1}


def stopped(project: Project, row: str) -> None:
    project.write(RIGHT).run("-b", "serial", "--limit", 5)
    assert len(project.visits()) == 5
    again(project, row)
    assert sorted(project.visits()) == sorted(EVERY)
    assert project.read("f").tolist() == [x / 7 for x in range(N_ITEMS)]


def mended(project: Project, row: str) -> None:
    project.write(FAILS).run("-b", "serial", expect=3)
    project.write(OTHER)
    again(project, row)
    assert runs_again(project) == {3, 8}
    assert project.read("f").tolist() == [x / 8 if x in (3, 8) else x / 7 for x in range(N_ITEMS)]
    assert project.read("code_version").tolist() == [1 if x in (3, 8) else 0 for x in range(N_ITEMS)]


def still_right(project: Project, row: str) -> None:
    project.write(RIGHT).run("-b", "serial", "--limit", 5)
    kept = set(project.visits())
    project.write(OTHER, workload="constants = { k = 2 }")
    assert options(row)[0] in project.run("-b", "serial", expect=2).stderr
    again(project, row)
    assert project.read("f").tolist() == [x / 7 if x in kept else x / 8 * 2 for x in range(N_ITEMS)]


def everything_again(project: Project, row: str) -> None:
    project.write(RIGHT).run("-b", "serial")
    before = project.output.read_bytes()
    project.write(OTHER)
    again(project, row)
    assert project.read("f").tolist() == [x / 8 for x in range(N_ITEMS)]
    assert before in project.snapshot().values()


GROWTHS = {
    "replicates": (
        "[sweep]\nreplicates = 2\n[sweep.grid]\nx = [1, 2]",
        "[sweep]\nreplicates = 3\n[sweep.grid]\nx = [1, 2]",
    ),
    "grid": ("[sweep.grid]\nx = [1, 2]\nk = [1, 2]", "[sweep.grid]\nx = [1, 2, 5]\nk = [1, 2]"),
    "zip": ("[sweep.zip]\nx = [1, 2]\nk = [1, 2]", "[sweep.zip]\nx = [1, 2, 4]\nk = [1, 2, 9]"),
    "table": ("x,k\n1,1\n2,2\n", "x,k\n1,1\n2,2\n5,2\n"),
}


def grown(project: Project, row: str) -> None:
    code = RIGHT.replace("k=1", "k=1, seed=0").replace("x / 7", "(x + seed % 1000)")
    for kind, (old, new) in GROWTHS.items():
        assert kind in row
        before = written(project, code, kind, old).run("-b", "serial", "-o", f"{kind}.h5")
        assert before.returncode == 0
        first = project.read("f", f"{kind}.h5")
        n_visits = len(project.visits())
        written(project, code, kind, new).run("-b", "serial", "-o", f"{kind}.h5", *options(row))
        then = project.read("f", f"{kind}.h5")
        assert then[: len(first)].tolist() == first.tolist()
        assert len(project.visits()) - n_visits == then.size - first.size > 0


def written(project: Project, code: str, kind: str, sweep: str) -> Project:
    if kind == "table":
        (project.folder / "points.csv").write_text(sweep)
        sweep = '[sweep.table]\npath = "points.csv"'
    return project.write(code, sweep=sweep, workload="seed = 4")


def otherwise(project: Project, row: str) -> None:
    code = "def f(x, seed, k=1):\n    return (x / 7, seed % 1000)\n"
    names = '[results]\nnames = ["a", "b"]'
    project.write(code, workload="seed = 1", tail=names).run("-b", "serial")
    changes = {
        "in any other way": {"grid": "x = { range = 11 }"},
        "another seed": {"workload": "seed = 2"},
        "other names of results": {"tail": names.replace('"a"', '"c"')},
    }
    for number, (which, change) in enumerate(changes.items()):
        assert which in row
        project.write(code, **{"workload": "seed = 1", "tail": names} | change)
        before = project.snapshot()
        refused = project.run("-b", "serial", expect=2).stderr
        assert "--accept-change" not in refused
        assert "--fresh" in refused
        assert project.snapshot() == before
        assert options(row) == ["--fresh", "-o"]
        project.run("-b", "serial", "-o", f"other{number}.h5")
        project.run("-b", "serial", "--fresh")
        project.write(code, workload="seed = 1", tail=names).run("-b", "serial", "--fresh")


STATES: dict[str, Callable[[Project, str], None]] = {
    "the run was killed, stopped, or reached `--limit`": stopped,
    "items failed; you mended the function": mended,
    "you changed code or constants, and what is finished is still right": still_right,
    "you changed code or constants, and everything is to be computed again": everything_again,
    "more replicates, more values at the end of a grid's first axis, more rows of a zip or table": grown,
    "a sweep changed in any other way, another seed, other names of results": otherwise,
}


def test_table_has_the_rows_that_are_tried_here() -> None:
    assert ROWS.keys() == STATES.keys()


@pytest.mark.parametrize("row", STATES)
def test_row_of_the_table_holds(row: str, project: Project) -> None:
    STATES[row](project, row)


def test_commands_of_the_page_run_on_a_study_that_two_versions_made(project: Project) -> None:
    project.write(FAILS).run("-b", "serial", expect=3)
    project.write(RIGHT).run("-b", "serial", "--retry-failed")
    shown = [words(command) for command in commands(PAGE) if not names_alone(command)]
    assert {name for name, *_ in shown} == {"run", "status", "gather", "report"}
    for command in shown:
        if command[0] == "gather":  # of a study that is complete there is nothing to gather; see below
            continue
        done = project.fullrank(*command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    noted = [" ".join(project.run("--item", item).stdout.split()) for item in (3, 4)]
    assert "made by version 1 of 2 of the code, which is the present one" in noted[0]
    assert "made by version 0 of 2 of the code" in noted[1]
    assert "sim.py" in noted[1].split("version 0")[1]  # what has changed since
    for told_by in ("report", "verify"):
        assert "version" in project.fullrank(told_by, project.output).stdout
    header = project.fullrank("export", "study.toml", "--csv", "-").stdout.splitlines()[0]
    assert "code_version" in header.split(",")


def test_status_says_beforehand_that_a_study_has_grown(project: Project) -> None:
    project.write(RIGHT).run("-b", "serial")
    project.write(RIGHT, grid="x = { range = 15 }")
    assert "grown" in PAGES[PAGE]
    done = project.fullrank("status", "study.toml", "--exit-code")
    assert (done.returncode, "grown" in done.stdout) == (75, True)


def test_status_says_beforehand_what_changed_and_which_options_it_takes(project: Project) -> None:
    project.write(RIGHT).run("-b", "serial")
    project.write(OTHER)
    done = project.fullrank("status", "study.toml", "--exit-code")
    assert (done.returncode, "changed" in done.stdout) == (2, True)
    assert "--accept-change" in done.stdout
    assert "--fresh" in done.stdout


def test_partial_file_of_a_study_that_has_changed_is_as_it_was(project: Project) -> None:
    project.write(RIGHT).run("-b", "serial", "--limit", 5)
    kept = project.visits()
    project.write(OTHER)
    (command,) = (words(command) for command in commands(PAGE) if "gather" in command)
    assert project.fullrank(*command).returncode == 0
    assert project.read("f", "results/study.partial.h5")[kept].tolist() == [x / 7 for x in kept]


def test_limit_is_the_first_items_of_the_spread_order_whatever_the_order_is(project: Project) -> None:
    project.write(RIGHT).run("-b", "serial", "--limit", 5)
    sample = project.visits()
    assert sample != sorted(sample)
    project.run("-b", "serial", "--fresh", "--limit", 5, "--set", "run.order=index")
    assert sorted(project.visits()[5:]) == sorted(sample)


def test_axis_that_grows_by_its_end_is_refused_where_a_value_moves_and_a_list_is_not(project: Project) -> None:
    was, becomes = re.findall(r"`(\{ start = 0, .*?\})`", PAGES[PAGE])
    assert (was, becomes) == ("{ start = 0, stop = 1, num = 11 }", "{ start = 0, stop = 2, num = 21 }")
    moves = np.linspace(0, 1, 11).tolist() != np.linspace(0, 2, 21)[:11].tolist()
    code = "def f(x):\n    return x\n"
    project.write(code, grid=f"x = {was}").run("-b", "serial")
    project.write(code, grid=f"x = {becomes}").run("-b", "serial", expect=2 if moves else 0)


def test_axis_that_moves_items_is_named(project: Project) -> None:
    project.write(RIGHT, grid="x = [1, 2]\nk = [1, 2]").run("-b", "serial")
    project.write(RIGHT, grid="x = [1, 2]\nk = [1, 2, 3]")
    assert "only the first axis, x, can grow" in project.run("-b", "serial", expect=2).stderr
