"""Status of a study that has grown or changed since its results: what the run command would say, said before."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout

import pytest
from studies import Project

from fullrank.cli import main
from fullrank.config import load
from fullrank.identity import Identity
from fullrank.since import since

SWEEP = {"kind": "grid", "axes": [], "replicates": None}
PARTIAL = "results/study.partial.h5"
CODE = "def f(x): return x / 7\n"
OTHER = "def f(x): return x / 8\n"
FAILS = "def f(x): return 1 / (x - 3)\n"


@pytest.fixture(autouse=True)
def _in_the_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)


def status(*options: str) -> tuple[int, str]:
    """Exit code and standard output of ``fullrank status study.toml --exit-code``."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["status", "study.toml", "--exit-code", *options])
    assert not err.getvalue()
    return code, out.getvalue()


def test_a_study_that_grew_since_its_result_is_not_complete(project: Project) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial")
    project.write(CODE, grid="x = { range = 10 }")
    code, said = status()
    assert code == 75
    assert said.startswith("grown: 4 of 10 items are finished (40%)")
    assert "the same command keeps what is there and computes the new items:" in said
    assert "sweep.grid.x: 0 … 3 in steps of 1 → 0 … 9 in steps of 1" in said
    project.run("-b", "serial")
    assert status()[0] == 0


@pytest.mark.parametrize("limit", [(), ("--limit", 2)], ids=["complete", "half-way"])
def test_a_study_whose_code_changed_is_told_what_the_run_would_say(project: Project, limit: tuple[object, ...]) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial", *limit)
    project.write(OTHER, grid="x = { range = 4 }")
    code, said = status()
    refused = project.run("-b", "serial", expect=2).stderr
    assert code == 2
    assert "the same command is refused:\n  code of sim.py changed" in said
    assert "goes on" not in said
    for option in ("--accept-change", "--fresh"):
        assert option in said
        assert option in refused
    project.run("-b", "serial", "--accept-change")
    assert status()[0] == 0


def test_a_change_that_moves_items_has_one_way_out(project: Project) -> None:
    project.write(CODE, grid="x = [1, 2, 3]").run("-b", "serial")
    project.write(CODE, grid="x = [3, 2, 1]")
    code, said = status()
    assert code == 2
    assert "cannot be kept: the values that axis x had are no longer its first ones" in said
    assert "--accept-change" not in said
    assert "--fresh" in said


def test_a_mended_function_is_offered_its_failed_items(project: Project) -> None:
    project.write(FAILS, grid="x = { range = 6 }").run("-b", "serial", expect=3)
    assert status()[0] == 3
    project.write(CODE, grid="x = { range = 6 }")
    assert "--retry-failed does failed items again" in status()[1]


def test_a_changed_study_without_any_result_starts_anew_as_it_is(project: Project) -> None:
    project.write("def f(x): return 1 / 0\n", grid="x = { range = 3 }").run("-b", "serial", expect=3)
    project.write(CODE, grid="x = { range = 3 }")
    code, said = status()
    assert code == 75
    assert "the same command starts anew" in said
    project.run("-b", "serial")


def test_status_as_json_says_whether_the_run_is_refused_and_why(project: Project) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial")
    assert json.loads(status("--json")[1])["since"]["changes"] == []
    project.write(OTHER, grid="x = { range = 4 }")
    found = json.loads(status("--json")[1])
    assert found["state"] == "changed"
    assert found["since"]["is_refused"]
    assert found["since"]["changes"][0].startswith("code of sim.py changed")


def test_comments_and_options_of_the_run_are_no_change(project: Project) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial")
    project.write(CODE + "# a comment\n", grid="x = { range = 4 }", tail='[run]\nschedule = "static"')
    assert status()[0] == 0


def test_what_the_command_line_had_set_still_holds(project: Project) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial", "--set", "sweep.grid.x.range=3")
    assert status()[0] == 0


def test_a_function_that_is_called_by_its_modules_name_is_not_imported(project: Project) -> None:
    project.write(CODE, grid="x = { range = 3 }", function="sim:f").run("-b", "serial")
    assert status()[0] == 0
    project.write(f"open('imported', 'w')\n{OTHER}", grid="x = { range = 3 }", function="sim:f")
    code, said = status()
    assert code == 2
    assert "code of sim.py changed" in said
    assert not (project.folder / "imported").exists()


def test_of_code_that_cannot_be_read_nothing_is_said_but_of_all_else(project: Project) -> None:
    project.write(CODE, grid="x = { range = 3 }").run("-b", "serial")
    (project.folder / "sim.py").write_text("def f(x:\n")
    assert status()[0] == 0
    project.write("def f(x:\n", grid="x = { range = 4 }")
    assert status()[1].startswith("grown: 3 of 4 items")


def test_names_in_a_file_do_not_steer_the_terminal(project: Project) -> None:
    old = Identity(function="sim.py:f", sweep=SWEEP, constants={"\x1b[2J": 1}, code={})
    project.write(CODE, workload='[workload.constants]\n"b" = 2')
    said = since(load(project.folder / "study.toml"), old).text(n_ok=1, n_failed=0)
    assert "constant '\\x1b[2J' was removed" in said


def test_status_tells_how_many_items_each_version_made(project: Project) -> None:
    project.write(CODE, grid="x = { range = 10 }").run("-b", "serial", "--limit", 4)
    project.write(OTHER, grid="x = { range = 10 }").run("-b", "serial", "--accept-change", "--limit", 7)
    assert "made by 2 versions of the code: 4 items by version 0, 3 items by version 1" in status()[1]
    project.run("-b", "serial")
    assert json.loads(status("--json")[1])["items_by_version"] == {"0": 4, "1": 6}


# --- a file of what is finished, of a study that has changed meanwhile


def gather_partial() -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["gather", "study.toml", "--partial"])
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("change", ["x = { range = 30 }", "x = [3, 2, 1]"])
def test_what_is_finished_is_gathered_as_it_was_after_the_sweep_changed(project: Project, change: str) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial")
    project.write(CODE, grid="x = { range = 10 }").run("-b", "serial", "--limit", 7)
    (project.folder / PARTIAL).unlink()
    project.write(CODE, grid=change)
    code, said, wrong = gather_partial()
    assert code == 0, wrong
    assert "of 10 items ok" in said
    assert "it has changed since" in said
    assert project.read("f", PARTIAL)[:4].tolist() == [x / 7 for x in range(4)]
    assert "range = 10" in str(project.read("config/text", PARTIAL))


def test_a_table_that_changed_under_what_is_finished_is_told_with_the_way_out(project: Project) -> None:
    table = project.folder / "points.csv"
    table.write_text("x\n1\n2\n3\n")
    project.write(CODE, sweep='[sweep.table]\npath = "points.csv"').run("-b", "serial", "--limit", 2)
    table.write_text("x\n1\n2\n3\n4\n")
    code, _, wrong = gather_partial()
    assert code == 2
    assert wrong.rstrip().endswith("put that back, or go on with it: fullrank run study.toml")
    project.run("-b", "serial")


# --- an older result beside a newer attempt


@pytest.fixture
def half_way(project: Project) -> Project:
    """A complete result of 4 items, and an attempt at 10 that was stopped after some."""
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial")
    project.write(CODE, grid="x = { range = 10 }").run("-b", "serial", "--limit", 7)
    return project


@pytest.mark.parametrize("command", ["report study.toml --json", "export study.toml --csv -"])
def test_whoever_reads_the_older_result_is_told_of_the_newer_attempt(half_way: Project, command: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert main(command.split()) == 0
    n_finished = json.loads(status("--json")[1])["n_ok"]
    assert err.getvalue().startswith(f"fullrank: this is {half_way.output}, the last complete result; a newer attempt")
    assert f"was stopped at {n_finished} of 10 items: fullrank status study.toml" in err.getvalue()
    assert err.getvalue().count("\n") == 1


def test_nothing_is_said_where_the_result_is_the_newest(project: Project) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial")
    err = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(err):
        main(["report", "study.toml"])
    assert not err.getvalue()


# --- an item computed alone, beside the one that is stored


def item(index: int, *options: str) -> str:
    """Standard output of ``fullrank run study.toml --item K``."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        assert main(["run", "study.toml", "--item", str(index), *options]) == 0
    return out.getvalue()


def test_an_item_alone_says_which_version_made_the_stored_one(project: Project) -> None:
    project.write(CODE, grid="x = { range = 10 }").run("-b", "serial", "--limit", 4)
    project.write(OTHER, grid="x = { range = 10 }").run("-b", "serial", "--accept-change")
    by_version = {version: index for index, version in enumerate(project.read("code_version").tolist())}
    assert "was made by version 0 of 2 of the code; since then: code of sim.py changed" in item(by_version[0])
    assert "was made by version 1 of 2 of the code, which is the present one" in item(by_version[1])
    stored = json.loads(item(by_version[0], "--json"))["stored"]
    assert (stored["version"], stored["path"]) == (0, str(project.output))


def test_an_item_alone_says_that_the_stored_one_is_of_other_code(project: Project) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial")
    assert "the item in" not in item(1)
    project.write(OTHER, grid="x = { range = 4 }")
    assert f"the item in {project.output} was made by version 0 of the code; since then: code of sim.py" in item(1)


def test_an_item_that_another_study_has_stored_is_not_compared(project: Project) -> None:
    project.write(CODE, grid="x = [1, 2, 3]").run("-b", "serial")
    project.write(OTHER, grid="x = [3, 2, 1]")
    assert "the item in" not in item(0)
    assert json.loads(item(0, "--json"))["stored"] is None


def test_result_that_is_whole_again_is_complete_whatever_a_grown_attempt_left(project: Project) -> None:
    project.write(CODE, grid="x = { range = 10 }").run("-b", "serial")
    digest = project.digest()
    project.write(CODE, grid="x = { range = 40 }").run("-b", "serial", "--limit", 26)
    n_kept = len(project.indices_finished())
    assert n_kept > 10
    assert status()[1].startswith(f"stopped: {n_kept} of 40 items")
    project.write(CODE, grid="x = { range = 10 }")
    code, said = status()
    assert (code, said.partition(",")[0]) == (0, "complete: 10 of 10 items are finished (100%)")
    assert f"study.h5.work has {n_kept} of 40 items" in said
    assert "already complete: 10 items" in project.run("-b", "serial").stdout
    assert project.digest() == digest
    project.write(CODE, grid="x = { range = 40 }")
    assert f"{n_kept} of 40 items were finished before" in project.run("-b", "serial").stderr


def test_study_that_shrank_half_way_is_told_in_the_numbers_that_are_on_record(project: Project) -> None:
    project.write(CODE, grid="x = { range = 40 }").run("-b", "serial", "--limit", 26)
    project.write(CODE, grid="x = { range = 10 }")
    code, said = status()
    assert (code, said.partition(",")[0]) == (2, "stopped: 26 of 40 items are finished (65%)")


@pytest.mark.parametrize("limit", [(), ("--limit", 1)], ids=["complete", "half-way"])
def test_keys_that_were_set_are_told_and_what_a_run_without_them_would_say(
    project: Project, limit: tuple[object, ...]
) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial", "--set", "sweep.grid.x=[3.0, 3.5]", *limit)
    code, said = status()
    assert code == (75 if limit else 0)
    assert "as run with: --set 'sweep.grid.x=[3.0, 3.5]'\n" in said
    assert (
        "fullrank run study.toml without it is refused, for it is another study:\n  sweep.grid.x: [3.0, 3.5] →" in said
    )
    assert "another study" in project.run("-b", "serial", expect=2).stderr
    project.run("-b", "serial", "--set", "sweep.grid.x=[3.0, 3.5]")


def test_keys_that_make_no_other_study_are_told_as_such(project: Project) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial", "--set", "run.order=index")
    assert "fullrank run study.toml without it is the same study" in status()[1]
    assert "already complete" in project.run("-b", "serial").stdout


def test_object_of_a_study_has_the_keys_that_were_set(project: Project) -> None:
    project.write(CODE, grid="x = { range = 4 }").run("-b", "serial", "--set", "sweep.grid.x=[3.0, 3.5]")
    recorded = json.loads(status("--json")[1])["recorded"]
    assert recorded["settings"] == ["sweep.grid.x=[3.0, 3.5]"]
    assert recorded["without"]["changes"]
