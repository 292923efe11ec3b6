"""docs/config.md: its file, its axes, its options and its commands, each of them run."""

import csv
import os
import shlex
import tomllib

import h5py
import numpy as np
import pytest
from pages import PAGES, commands, fenced, in_code, names_alone, rows, words
from studies import Project

pytestmark = pytest.mark.in_process

PAGE = "docs/config.md"
SHOWN = [command for command in commands(PAGE) if not names_alone(command)]
SIM = """\
def simulate(r, x0, iterations, **others):
    for _ in range(iterations): x0 = r * x0 * (1 - x0)
    return x0
"""


def file_of_the_page() -> str:
    (block,) = fenced(PAGE, "toml")
    return block


# --- the file


def test_file_of_the_page_runs_with_few_items(project: Project) -> None:
    text = file_of_the_page()
    named = tomllib.loads(text)
    module, _, function = named["workload"]["function"].partition(":")
    assert (module, named["workload"]["setup"]) == ("sim.py", "sim.py:load")
    code = f"def load(iterations):\n    return {{'loaded': iterations}}\n\ndef {function}(r, x0, seed, transient, "
    code += "iterations, potential, loaded):\n    return r * x0 + potential[1] + loaded / iterations + transient\n"
    (project.folder / "sim.py").write_text(code)
    np.save(project.folder / "potential.npy", np.array([0.0, 7.0]))
    for shown, short in {"num = 2000": "num = 5", "replicates = 100": "replicates = 3"}.items():
        assert shown in text
        text = text.replace(shown, short)
    (project.folder / "study.toml").write_text(text)
    project.run("-b", "serial")
    output = named["output"]["path"]
    rs, x0s = np.linspace(2.5, 4.0, 5), named["sweep"]["grid"]["x0"]
    expected = [[[r * x0 + 7.0 + 1.0 + 500 for x0 in x0s] for r in rs]] * 3
    np.testing.assert_array_equal(project.read(function, output), expected)
    with h5py.File(project.folder / output) as file:
        assert file.attrs["title"] == named["title"]
        assert file[function].attrs["long_name"] == named["results"][function]["long_name"]
        assert file["r"].attrs["long_name"] == named["sweep"]["grid"]["r"]["long_name"]


def test_two_keys_are_enough(project: Project) -> None:
    assert "Only `[workload]` with `function` and one table under `[sweep]` have to be there" in PAGES[PAGE]
    project.write("def f(x):\n    return x\n").run("-b", "serial")


def test_unknown_key_is_refused_with_the_nearest(project: Project) -> None:
    project.write("def f(x):\n    return x\n", tail='[run]\nscheduel = "guided"')
    assert "schedule" in project.run(expect=2).stderr.replace("scheduel", "")


RUN_KEYS = {
    "schedule": ['"static"', '"guided"'],
    "order": ['"index"', '"longest-first"\ncost = "sim.py:cost"', '"spread"'],
    "cost": ['"sim.py:cost"\norder = "longest-first"'],
    "item_time_limit_seconds": ["60", "0.5"],
    "isolate": ["true", "false"],
    "item_memory_limit_bytes": ["2_000_000_000"],
    "max_failures": ["100"],
    "on_error": ['"record"', '"stop"'],
}


def test_keys_of_run_are_those_of_the_table_and_their_values_are_taken(project: Project) -> None:
    assert [
        in_code(row[0])[0] for row in rows(PAGE, header="key | value | without it |\n|---|---|---|\n| `schedule`")
    ] == [*RUN_KEYS]
    for key, values in RUN_KEYS.items():
        for value in values:
            isolate = "\nisolate = true" if "memory" in key else ""
            code = "def f(x):\n    return x\n\n\ndef cost(x):\n    return 1.0 + x\n"
            project.write(code, tail=f"[run]\n{key} = {value}{isolate}")
            project.run("-b", "serial", "-o", f"{key}.h5")
    assert project.read("f", "order.h5").tolist() == list(range(12))


# --- axes


AXES = {
    "[0.1, 0.2]": [0.1, 0.2],
    '["a", "b"]': ["a", "b"],
    '{ values = [0.1, 0.2], units = "m" }': [0.1, 0.2],
    "{ start = 0.0, stop = 1.0, num = 11 }": np.linspace(0.0, 1.0, 11).tolist(),
    '{ start = 1e-3, stop = 1e3, num = 7, scale = "log" }': [1e-3, 1e-2, 1e-1, 1, 10, 100, 1e3],
    "{ range = 600 }": list(range(600)),
    "{ range = [10, 600] }": list(range(10, 600)),
    "{ range = [10, 600, 5] }": list(range(10, 600, 5)),
}


def test_axes_tried_here_are_those_of_the_table() -> None:
    assert [text for row in rows(PAGE, header="axis | values") for text in in_code(row[0])] == [*AXES]


@pytest.mark.parametrize("axis", AXES)
def test_axis_has_the_values_that_the_table_says(axis: str, project: Project) -> None:
    project.write("def f(x):\n    return 1\n", grid=f"x = {axis}").run("-b", "serial", "--limit", 1)
    found = project.read("x", "results/study.partial.h5").tolist()
    assert found == (pytest.approx(AXES[axis], rel=1e-15) if "log" in axis else AXES[axis])


TABLES = {
    "points.csv": "x,y\n1,0.5\n2,1.5\n",
    "points.dat": "# x y\n1 0.5\n2 1.5\n",
    "points.txt": "# x y\n1 0.5\n2 1.5\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_table_takes_one_row_an_item(name: str, project: Project) -> None:
    assert '`path = "points.csv"`' in PAGES[PAGE]
    (project.folder / name).write_text(TABLES[name])
    project.write("def f(x, y):\n    return x + y\n", sweep=f'[sweep.table]\npath = "{name}"').run("-b", "serial")
    assert project.read("f").tolist() == [1.5, 3.5]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_columns_stand_apart_by_comma_semicolon_or_tab(mark: str, project: Project) -> None:
    with (project.folder / "points.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=mark).writerows([["x", "word"], [3, "ab"], [4, "c"]])
    sweep = '[sweep.table]\npath = "points.csv"'
    project.write("def f(x, word):\n    return x * len(word)\n", sweep=sweep).run("-b", "serial")
    assert project.read("f").tolist() == [6, 4]


# --- without a file, and keys from the command line


def test_commands_of_the_page_run_one_after_the_other(project: Project) -> None:
    config = "[workload]\nfunction = 'sim.py:simulate'\nconstants = { iterations = 500 }\n[sweep.grid]\n"
    (project.folder / "study.toml").write_text(config + "r = [2.5, 3.0]\nx0 = [0.1, 0.2]\n")
    (project.folder / "sim.py").write_text(SIM)
    assert [words(command)[0] for command in SHOWN] == ["new", "new", "run", "run", "status", "run", "run", "run"]
    for command in SHOWN:
        done = project.fullrank(*words(command), *(["-b", "threads"] if words(command)[0] == "run" else []))
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert project.read("simulate", "results/simulate.h5").shape == (2000, 2)
    assert {"simulate.toml", "pendulum.toml", "pendulum.py"} <= project.files()
    assert "run.order=index" in project.fullrank("report", project.output, "--json").stdout


OPTIONS = {
    "--grid r=2.5:4:2000": {"r": {"start": 2.5, "stop": 4, "num": 2000}},
    "--grid k=log:1e-3:1e3:7": {"k": {"start": 1e-3, "stop": 1e3, "num": 7, "scale": "log"}},
    "--grid n=range:600": {"n": {"range": [600]}},
    "--grid n=range:10:600:5": {"n": {"range": [10, 600, 5]}},
    "--grid x0=0.1,0.2": {"x0": [0.1, 0.2]},
    "--grid x0=0.1": {"x0": [0.1]},
    "--grid kind=fast,exact": {"kind": ["fast", "exact"]},
}
SETTINGS = {
    "--const iterations=500": {"iterations": 500},
    "--const method=leapfrog": {"method": "leapfrog"},
    "weights=[1, 2]": {"weights": [1, 2]},
    'v={ npy = "v.npy" }': {"v": {"npy": "v.npy"}},
}


def table_of_options() -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in rows(PAGE, header="option | as in the file")]


def written(project: Project, *options: str) -> dict[str, object]:
    """The config that a command with these options writes."""
    (project.folder / "results").mkdir(exist_ok=True)
    np.save(project.folder / "v.npy", np.arange(3.0))
    (project.folder / "sim.py").write_text("def simulate(seed=0, **given):\n    return len(given)\n")
    done = project.fullrank("run", "sim.py:simulate", *options, "-b", "serial", "--limit", 1)
    assert done.returncode == 0, done.stderr
    return tomllib.loads((project.folder / "results/simulate.toml").read_text())


@pytest.mark.parametrize("option", OPTIONS)
def test_option_for_an_axis_stands_in_the_file_as_the_table_says(option: str, project: Project) -> None:
    cell, meant = next(row for row in table_of_options() if f"`{option}`" in row[0])
    grid = written(project, *shlex.split(option))["sweep"]["grid"]
    assert grid == OPTIONS[option]
    shown = [tomllib.loads(text) for text in in_code(meant) if " = " in text]
    assert grid in shown
    assert len(shown) == len(in_code(cell)) or "kind" in cell


def test_text_with_marks_in_it_stands_in_quotes(project: Project) -> None:
    (cell,) = (meant for option, meant in table_of_options() if "kind" in option)
    quoted = in_code(cell)[-1]
    grid = written(project, "--grid", *shlex.split(quoted))["sweep"]["grid"]
    assert grid == {"kind": ["a,b", "c:d"]}


def test_zip_stands_in_the_file_instead_of_the_grid(project: Project) -> None:
    (option,) = (in_code(option)[0] for option, meant in table_of_options() if "[sweep.zip]" in meant)
    assert written(project, *shlex.split(option))["sweep"] == {"zip": {"x": [1, 2], "y": [10, 20]}}


@pytest.mark.parametrize("option", SETTINGS)
def test_constant_stands_in_the_file(option: str, project: Project) -> None:
    assert any(option in row for row in PAGES[PAGE].splitlines() if row.startswith("| `--const"))
    given = shlex.split(option) if option.startswith("--") else ["--const", option]
    constants = written(project, "--grid", "x=1,2", *given)["workload"]["constants"]
    (name,) = SETTINGS[option]
    if name == "v":
        constants["v"]["npy"] = os.path.relpath(project.folder / "results" / constants["v"]["npy"], project.folder)
    assert constants == SETTINGS[option]


def test_seed_and_replicates_stand_in_the_file(project: Project) -> None:
    (cell, meant) = next(row for row in table_of_options() if "--seed" in row[0])
    config = written(project, "--grid", "x=1,2", *shlex.split(" ".join(in_code(cell))))
    assert (config["workload"]["seed"], config["sweep"]["replicates"]) == (1, 8)
    assert in_code(meant) == ["[workload]", "seed = 1", "[sweep]", "replicates = 8"]


def test_file_that_was_edited_stays_and_the_command_is_refused(project: Project) -> None:
    written(project, "--grid", "x=1,2")
    path = project.folder / "results/simulate.toml"
    path.write_text(path.read_text() + "# mine\n")
    done = project.fullrank("run", "sim.py:simulate", "--grid", "x=1,2,3", "-b", "serial")
    assert (done.returncode, "choose another output with -o" in done.stderr) == (74, True)
    assert path.read_text().endswith("# mine\n")
    done = project.fullrank("run", "sim.py:simulate", "--grid", "x=1,2,3", "-b", "serial", "-o", "results/b.h5")
    assert done.returncode == 0, done.stderr


def test_errors_of_a_set_key_name_where_it_was_set(project: Project) -> None:
    project.write("def f(x):\n    return x\n")
    assert "(--set)" in project.run("--set", "run.order=5", expect=2).stderr


def test_title_results_run_and_output_may_change_at_any_time(project: Project) -> None:
    code = "def f(x):\n    return x\n"
    project.write(code).run("-b", "serial", "--limit", 3)
    project.write(
        code, tail='[results.f]\nunits = "m"\n[run]\nschedule = "static"\n[output]\npath = "results/study.h5"'
    )
    path = project.folder / "study.toml"
    path.write_text('title = "new"\n' + path.read_text())
    project.run("-b", "serial")
    assert project.attributes()["title"] == "new"
