"""`fullrank run FILE.py:FUNCTION`: the config it stands for, written beside the result."""

import io
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from studies import Project

from fullrank.cli import main

pytestmark = pytest.mark.in_process

COMMAND = ("run", "sim.py:f", "--grid", "x=0:1:5", "--grid", "n=range:3", "--const", "scale=0.5")
CODE = "def f(x, n, scale=1.0):\n    return x * scale + n\n"
CONFIG, OUTPUT = "results/f.toml", "results/f.h5"
EXPECTED = np.linspace(0.0, 1.0, 5)[:, None] * 0.5 + np.arange(3)


def done(project: Project, *args: object, expect: int = 0, n_ranks: int | None = None) -> str:
    """Run a command to its end and return what it wrote."""
    ended = project.fullrank(*args, n_ranks=n_ranks)
    assert ended.returncode == expect, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout + ended.stderr


def test_function_runs_without_a_config(project: Project) -> None:
    done(project.write(CODE), *COMMAND)
    np.testing.assert_array_equal(project.read("f", OUTPUT), EXPECTED)


def test_config_beside_the_result_says_who_wrote_it_and_what_was_asked(project: Project) -> None:
    done(project.write(CODE), *COMMAND, "--seed", 3, "--replicates", 2)
    text = (project.folder / CONFIG).read_text()
    assert text.startswith("# Written by fullrank for a run without a config, and yours to edit.")
    assert tomllib.loads(text) == {
        "workload": {"function": "../sim.py:f", "seed": 3, "constants": {"scale": 0.5}},
        "sweep": {"replicates": 2, "grid": {"x": {"start": 0.0, "stop": 1.0, "num": 5}, "n": {"range": [3]}}},
    }


def test_same_command_and_the_config_both_go_on_with_the_study(project: Project) -> None:
    done(project.write(CODE), *COMMAND, "--limit", 4)
    assert "stopped: 4 of 15 items" in done(project, "status", CONFIG)
    assert "4 of 15 items were finished before" in done(project, *COMMAND)
    assert "already complete" in done(project, "run", CONFIG)
    assert "already complete" in done(project, *COMMAND)


def test_other_command_is_another_study_and_the_results_stay(project: Project) -> None:
    done(project.write(CODE), *COMMAND)
    before = [(project.folder / name).read_bytes() for name in (OUTPUT, CONFIG)]
    told = done(project, "run", "sim.py:f", "--grid", "x=0:2:5", "--grid", "n=range:3", expect=2)
    assert "the results there are of another study" in told
    assert [(project.folder / name).read_bytes() for name in (OUTPUT, CONFIG)] == before


def test_axes_that_are_walked_together(project: Project) -> None:
    done(project.write(CODE), "run", "sim.py:f", "--zip", "x=1,2.5", "--zip", "n=10,20")
    assert project.read("f", OUTPUT).tolist() == [11.0, 22.5]


@pytest.mark.parametrize("present", ["# a study of my own\n", "", "edited"])
def test_config_that_is_not_as_fullrank_wrote_it_is_never_overwritten(project: Project, present: str) -> None:
    done(project.write(CODE), *COMMAND, "--limit", 1)
    path = project.folder / CONFIG
    mine = path.read_text() + "title = 'mine'\n" if present == "edited" else present
    path.write_text(mine)
    told = done(project, "run", "sim.py:f", "--grid", "x=1", "--grid", "n=1", expect=74)
    assert "stays as it is; run it with: fullrank run results/f.toml, or choose another output with -o" in told
    assert path.read_text() == mine


def test_config_that_nobody_edited_is_written_anew_for_another_command(project: Project) -> None:
    done(project.write(CODE), *COMMAND, "--limit", 1)
    done(project, "run", "sim.py:f", "--grid", "x=1", "--grid", "n=1", "--fresh")
    assert tomllib.loads((project.folder / CONFIG).read_text())["sweep"]["grid"] == {"x": [1], "n": [1]}


def test_output_elsewhere_has_its_config_beside_it_which_leads_there(project: Project) -> None:
    done(project.write(CODE), *COMMAND, "-o", "deep/down/my.h5")
    assert project.files() == {"sim.py", "study.toml", "deep", "deep/down", "deep/down/my.h5", "deep/down/my.toml"}
    assert "already complete" in done(project, "run", "deep/down/my.toml")


def test_results_behind_a_link_find_the_function(project: Project, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (project.write(CODE).folder / "results").symlink_to(tmp_path / "scratch")
    done(project, *COMMAND)
    assert "already complete" in done(project, "run", CONFIG)


def test_array_is_found_from_where_the_command_was_given(project: Project) -> None:
    np.save(project.folder / "v.npy", np.arange(4.0))
    project.write("def f(x, v):\n    return x * float(v.sum())")
    done(project, "run", "sim.py:f", "--grid", "x=1,2", "--const", 'v={ npy = "v.npy" }')
    assert project.read("f", OUTPUT).tolist() == [6.0, 12.0]


def test_module_of_the_working_directory_is_found(project: Project) -> None:
    done(project.write(CODE), "run", "sim:f", *COMMAND[2:])
    np.testing.assert_array_equal(project.read("f", OUTPUT), EXPECTED)


def test_item_alone_writes_nothing(project: Project) -> None:
    before = project.write(CODE).files()
    assert "f = 1.5" in done(project, *COMMAND, "--item", 13)  # x = 1, n = 1
    assert project.files() == before


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["sim.py:f"], "expected at least one axis, as in --grid r=2.5:4:2000"),
        (["sim.py:f", "--grid", "x=1", "--zip", "n=1"], "got both"),
        (["sim.py:f", "--grid", "x=1:2"], "--grid x=1:2: expected START:STOP:NUM"),
        (["sim.py:f", "--grid", "x"], "--grid x: expected NAME=AXIS"),
        (["sim.py:f", "--grid", "x=1", "--grid", "x=2"], "'x' is given twice"),
        (["sim.py:f", "--grid", "x=0:1:0"], "sim.py:f: --grid x: num: expected an integer >= 1"),
        (["sim.py:f", "--grid", "x=1", "--const", "n=[1"], "expected a value as TOML writes it"),
        (
            ["sim.py:f", "--grid", "x=1"],
            "sim.py:f: nothing gives its parameter 'n'; make it an axis with --grid or a constant",
        ),
        (["sim.py:g", "--grid", "x=1"], "error: sim.py:g: there is no 'g' in sim.py\n"),
        (["sim.py:f", "--grid", "z=1", "--grid", "n=1"], "error: the axis 'z' is no parameter of sim.py:f, which"),
        (["sim.py:f", "--grid", "x=1", "-o", "x.toml"], "expected a name for the result, such as x.h5"),
        (["sin.py:f", "--grid", "x=1"], "there is no file sin.py; did you mean 'sim.py'?"),
        (["sim.py"], "Without one: fullrank run sim.py:FUNCTION --grid"),
        (["study.toml", "--grid", "x=1"], "--grid is for a function without a config"),
        (["study.toml", "--seed", "0"], "study.toml says itself what is computed: change it there"),
    ],
)
def test_wrong_command_is_refused_in_a_sentence(project: Project, args: list[str], sentence: str) -> None:
    told = done(project.write(CODE), "run", *args, expect=2)
    assert sentence in told
    assert "f.toml" not in told  # which is not there
    assert "../" not in told


def test_missing_seed_is_asked_for_as_an_option(project: Project) -> None:
    project.write("def f(x):\n    return x\ndef g(x, seed):\n    return x\n")
    told = done(project, "run", "sim.py:g", "--grid", "x=1", expect=2)
    assert "sim.py:g: nothing gives its parameter 'seed'; add --seed 1 (or another one)\n" in told
    told = done(project, "run", "sim.py:f", "--grid", "x=1", "--replicates", 2, "-b", "serial")
    assert "replicates without a seed cannot be repeated; add --seed 1 (or another one)\n" in told


@pytest.mark.parametrize("n_ranks", [None, 2])
def test_function_runs_on_ranks(mpi_project: Project, n_ranks: int | None) -> None:
    backend = ["-b", "mpi", "-n", 2] if n_ranks is None else []
    done(mpi_project.write(CODE), *COMMAND, *backend, n_ranks=n_ranks)
    np.testing.assert_array_equal(mpi_project.read("f", OUTPUT), EXPECTED)
    assert mpi_project.read("attempts/n_workers", OUTPUT).tolist() == [2]


def told_of(*words: str, expect: int = 0) -> str:
    """Run a command in this process and return what it wrote."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        assert main(words) == expect, out.getvalue()
    return out.getvalue()


def test_commands_know_the_study_by_its_function(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    done(project.write(CODE), *COMMAND, "--limit", 4)
    monkeypatch.chdir(project.folder)
    assert "stopped: 4 of 15 items" in told_of("status", "sim.py:f")
    assert "4 of 15 items ok" in told_of("gather", "sim.py:f", "--partial")
    assert told_of("clean", "sim.py:f", "--yes").endswith("deleted\n")
    done(project, *COMMAND, "-b", "serial")
    assert "15 items" in told_of("report", "sim.py:f")
    assert told_of("export", "sim.py:f", "--csv", "-").count("\n") == 16


def test_study_elsewhere_is_known_by_its_output(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    done(project.write(CODE), *COMMAND, "-o", "deep/my.h5", "-b", "serial")
    monkeypatch.chdir(project.folder)
    assert "complete: 15 of 15" in told_of("status", "sim.py:f", "-o", "deep/my.h5")
    said = told_of("status", "sim.py:f", expect=2)
    assert "sim.py:f: expected the config that a run of this function has written" in said
    assert "there is no results/f.toml; name the config, or with -o the output, if it is another\n" in said


def test_command_to_copy_is_quoted_for_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "my sim.py:f"]) == 2
    assert capsys.readouterr().err.endswith("fullrank new --function 'my sim.py:f'\n")


def test_function_is_compared_without_a_config(project: Project) -> None:
    words = ("--backends", "threads", "-n", 1, "--rounds", 1)
    told = done(project.write(CODE), "compare", *COMMAND[1:], *words)
    assert "15 of 15 items, 1 round of 2 ways" in told
    assert tomllib.loads((project.folder / CONFIG).read_text())["sweep"]["grid"]["n"] == {"range": [3]}


def test_comparison_leaves_the_config_of_another_study_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    done(project.write(CODE), *COMMAND, "-b", "serial")
    monkeypatch.chdir(project.folder)
    before = (project.folder / CONFIG).read_bytes()
    said = told_of("compare", "sim.py:f", "--grid", "x=1", "--grid", "n=1", "--here", expect=74)
    assert "results/f.toml: is of the same function with other axes or constants" in said
    assert (project.folder / CONFIG).read_bytes() == before


def test_comparison_of_another_files_function_is_not_told_of_other_axes(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(project.write(CODE), *COMMAND, "-b", "serial")
    (project.folder / "other.py").write_text(CODE)
    monkeypatch.chdir(project.folder)
    said = told_of("compare", "other.py:f", *COMMAND[2:], "--here", expect=74)
    assert "results/f.toml: is of another function, ../sim.py:f; move it and its result away" in said
    assert "axes" not in said
