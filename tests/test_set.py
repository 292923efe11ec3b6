"""``--set KEY=VALUE``: a key of the study's file with another value, checked, recorded and repeated."""

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import Project

from fullrank.arguments import parser
from fullrank.compare.measure import Bench
from fullrank.compare.records import Variant
from fullrank.config.settings import read_setting
from fullrank.errors import ConfigError

pytestmark = pytest.mark.in_process

TIMES_N = "def f(x, n=1):\n    return x * n\n"
FAILS = "def f(x, n=1):\n    return n / (x - 3)\n"


@pytest.mark.parametrize(
    "value", ["500", "0.25", "true", "[0.1, 0.2]", '"two words"', "{ range = 7 }", "1e-3", "'a=b'"]
)
def test_value_is_what_toml_says_of_it(value: str) -> None:
    assert read_setting(f"a.b={value}").value == tomllib.loads(f"x = {value}")["x"]


@pytest.mark.parametrize("word", ["index", "results/b.h5", "sim.py:f", "two words", "-"])
def test_bare_word_is_a_text(word: str) -> None:
    assert read_setting(f"a.b={word}").value == word


@pytest.mark.parametrize(
    ("key", "keys"),
    [("a", ("a",)), ("a.b-c.d_1", ("a", "b-c", "d_1")), ('a."b.c"', ("a", "b.c")), ("a . 'b = c'", ("a", "b = c"))],
)
def test_key_is_what_toml_says_of_it(key: str, keys: tuple[str, ...]) -> None:
    assert read_setting(f"{key}=1").keys == keys


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("run.order", "expected KEY=VALUE"),
        ("=index", "expected KEY=VALUE"),
        ("run..order=index", "expected KEY=VALUE"),
        ('a."\\q"=1', "expected a key as in the study's file"),
        ("run.order=", "expected a value behind the ="),
        ("sweep.grid.x=[1, 2", "a quote or bracket is not closed"),
        ("workload.constants.dt=.5", "expected a number as TOML has them"),
        ("run.isolate=True", "expected true, got True"),
        ("run.order=1\nb = 2", "expected one key"),
    ],
)
def test_slip_of_the_pen_is_told_and_is_no_text(written: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_setting(written)
    assert str(caught.value).startswith(f"--set {written}: ")
    assert said in str(caught.value)


def test_set_keys_hold_instead_of_those_of_the_file(project: Project) -> None:
    project.write(TIMES_N, workload="constants = { n = 2 }", tail='[output]\npath = "no.h5"')
    project.run("--set", "workload.constants.n=7", "--set", "sweep.grid.x=[5, 6]", "--set", "output.path=yes.h5")
    assert project.read("f", "yes.h5").tolist() == [35, 42]
    assert project.files() == {"sim.py", "study.toml", "yes.h5"}


def test_later_setting_of_a_key_holds(project: Project) -> None:
    project.write(TIMES_N).run("--set", "workload.constants.n=2", "--set", "workload.constants.n=3", "-b", "serial")
    assert project.read("f").tolist() == [3 * x for x in range(12)]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("run.oder=index", "study.toml: run.oder (--set): unknown key, expected "),
        ("run.oder=index", "did you mean 'order'?"),
        ("run.order=indx", 'study.toml: run.order (--set): expected "spread", "index" or "longest-first"'),
        ("sweep.grid.x.num=3", "study.toml: sweep.grid.x.num (--set): expected a table at sweep.grid.x, got a list"),
        ("sweep.grid.x=[]", "study.toml: sweep.grid.x (--set): expected at least one value"),
        ("workload.constants.m=1", "the constant 'm' is no parameter of sim.py:f, which takes x, n"),
    ],
)
def test_wrong_setting_is_told_by_its_key_and_where_it_is_from(project: Project, setting: str, said: str) -> None:
    project.write(TIMES_N, grid="x = [1, 2]")
    assert said in project.run("--set", setting, expect=2).stderr
    assert not (project.folder / "results").exists()


def test_key_of_the_file_is_not_said_to_be_set(project: Project) -> None:
    done = project.write(TIMES_N, tail="[run]\norder = 1").run("--set", "title=other", expect=2)
    assert "study.toml: run.order: expected text" in done.stderr


def test_settings_are_recorded_in_the_result(project: Project) -> None:
    project.write(TIMES_N).run("--set", "run.order=index", "--set", "title=two words", "-b", "serial")
    report = json.loads(project.fullrank("report", "--json", project.output).stdout)
    assert shlex.split(report["provenance"]["settings"]) == ["run.order=index", "title=two words"]
    assert project.read("attempts/order").tolist() == ["index"]
    assert report["title"] == "two words"


def test_command_that_repeats_a_failed_item_sets_the_same(project: Project) -> None:
    project.write(FAILS).run("--set", "sweep.grid.x=[1, 3]", "-b", "serial", expect=3)
    said = project.fullrank("report", project.output).stdout
    command = next(line for line in said.splitlines() if " --item " in line)
    words = shlex.split(command)
    assert words[-2:] == ["--item", "1"]
    assert "ZeroDivisionError" in project.fullrank(*words[1:]).stdout


def test_stopped_study_is_gathered_and_told_by_its_output_as_it_was_set(project: Project) -> None:
    project.write(TIMES_N)
    project.run("--set", "sweep.grid.x={ range = 30 }", "--limit", 4, "-b", "serial")
    assert json.loads(project.fullrank("status", "--json", project.output).stdout)["n_items"] == 30
    assert json.loads(project.fullrank("status", "--json", "study.toml").stdout)["n_items"] == 30
    said = project.fullrank("report", project.folder / "results/study.partial.h5").stdout
    assert shlex.split(said[said.index("fullrank run") :].splitlines()[0])[3:] == [
        "--set",
        "sweep.grid.x={ range = 30 }",
    ]
    (project.folder / "results/study.partial.h5").unlink()
    for study in (project.output, "study.toml"):
        assert project.fullrank("gather", study, "--partial").returncode == 0
    status = project.read("status", "results/study.partial.h5")
    assert status.shape == (30,)
    assert np.count_nonzero(status) == 4


def test_other_setting_of_a_constant_is_another_study(project: Project) -> None:
    project.write(TIMES_N).run("--set", "workload.constants.n=2", "-b", "serial")
    done = project.run("--set", "workload.constants.n=3", "-b", "serial", expect=2)
    assert "constant 'n': 2 → 3" in done.stderr


def test_runs_of_a_comparison_are_told_the_same(tmp_path: Path) -> None:
    never: Any = None
    settings = ["run.order=index", "sweep.grid.x=[1, 2]"]
    with Bench(Path("study.toml"), beside=tmp_path / "c.h5", stop=never, settings=settings) as bench:
        words = bench._command(Variant("threads", 2), 3, tmp_path / "out.h5")
    assert parser().parse_args(words[words.index("run") :]).settings == settings


@pytest.mark.mpi
def test_settings_reach_a_run_of_ranks(mpi_project: Project) -> None:
    mpi_project.write(TIMES_N)
    mpi_project.run("--set", "workload.constants.n=4", n_ranks=2)
    mpi_project.run("--set", "workload.constants.n=5", "-b", "mpi", "-n", 2, "-o", "started.h5")
    assert mpi_project.read("f").tolist() == [4 * x for x in range(12)]
    assert mpi_project.read("f", "started.h5").tolist() == [5 * x for x in range(12)]
