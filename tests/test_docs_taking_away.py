"""docs/taking-away.md: its program's lines and its commands give what the file holds, in the types that it lists."""

import ast
import csv
import io
import re
import shlex
import sys
from typing import Any

import h5py
import numpy as np
import pytest
from pages import PAGES, commands, fenced, in_code, indented, names_alone, rows, words
from studies import Project, Started

import fullrank

pytestmark = pytest.mark.in_process

PAGE = "docs/taking-away.md"
CODE = """\
def f(k, r):
    if k == 2 and r == 0.5: raise ValueError("no")
    return {"energy": r * k, "count": 10 * k, "flag": k > 1, "z": complex(k, r), "spin": [k, r], "field": [[k, r]],
            "path": list(range(k % 3))}
"""
GRID = 'k = { range = 300 }\nr = { values = [0.5, 1.5], units = "m" }'
FAILED = 4
"""Index of the item with k = 2, r = 0.5."""
TYPES = {"float, complex": ("energy", "z"), "integer": ("count",), "bool": ("flag",)}


@pytest.fixture
def study(project: Project) -> Project:
    """A complete study of 600 items, of which one failed."""
    project.write(CODE, grid=GRID).run("-b", "serial", expect=3)
    return project


def program() -> ast.Module:
    (block,) = (block for block in indented(PAGE) if block.startswith("import fullrank"))
    return ast.parse(block)


def test_each_line_of_the_program_gives_what_its_comment_says(study: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.folder)
    names: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for line in program().body:
        text = ast.unparse(line)
        if isinstance(line, ast.Expr):
            values[text] = eval(text, names)
        else:
            exec(text, names)
    result = names["result"]
    with h5py.File(study.output) as file:
        energy, ok = file["energy"][()], file["status"][()] == 1
    assert "300" in repr(values["result"])
    assert "energy" in repr(values["result"])
    np.testing.assert_array_equal(values["result['energy']"], energy)
    assert result.dims == ("k", "r")
    assert values["result['energy'][result.ok].mean()"] == energy[ok].mean()
    axis, unit = values["(result.axes['r'], result.units['r'])"]
    assert (axis.tolist(), unit) == ([0.5, 1.5], "m")
    assert values["result.parameters(412)"] == {"k": 206, "r": 0.5}
    (failures,) = (value for text, value in values.items() if "result.failures" in text)
    assert failures == [(FAILED, "ValueError: no")]
    assert values["result.code_version"].ravel().tolist() == [0] * 600
    assert values["result.to_xarray()"]["energy"].dims == ("k", "r")
    assert len(values["result.to_pandas()"]) == 600
    assert len(values) == 9
    result.close()


def test_counts_say_how_far_a_partial_file_is_and_the_context_manager_closes_it(project: Project) -> None:
    project.write(CODE, grid=GRID).run("-b", "serial", "--limit", 5)
    assert "with fullrank.open_result(path) as result:" in in_code(PAGES[PAGE])
    with fullrank.open_result(project.folder / "results/study.partial.h5") as result:
        assert (result.complete, result.n_items, result.n_ok, result.n_failed, result.n_missing) == (
            False,
            600,
            5,
            0,
            595,
        )
    assert not result.is_open


def test_items_without_a_value_show_what_the_table_says(study: Project) -> None:
    table = {row[0]: row[1:] for row in rows(PAGE, header="type of the result")}
    assert table.keys() == TYPES.keys()
    result = fullrank.open_result(study.output)
    arrays, frame, data = result.to_xarray(), result.to_pandas(), {name: result[name] for name in result.names}
    place = np.unravel_index(FAILED, (300, 2))
    assert table["float, complex"] == ["NaN", "NaN; complex ones as `<name>_re` and `<name>_im`", "NaN"]
    assert np.isnan([data["energy"][place], data["z"][place], frame["energy"][FAILED], frame["z"][FAILED]]).all()
    assert np.isnan([arrays[name].values[place] for name in ("energy", "z_re", "z_im")]).all()
    assert table["integer"] == ["the fill value of [format.md](format.md)", "float with NaN", "NA"]
    assert data["count"][place] == -9223372036854775806
    assert table["bool"] == ["False", "float with NaN", "NA"]
    assert data["flag"][place] == np.False_
    for name in ("count", "flag"):
        assert np.isnan(arrays[name].values[place])
        assert arrays[name].dtype.kind == "f"
        assert str(frame[name][FAILED]) == "<NA>"


def test_arrays_have_a_column_an_element_and_a_length_where_it_varies(study: Project) -> None:
    result = fullrank.open_result(study.output)
    named = {name for name in in_code(PAGES[PAGE]) if re.fullmatch(r"(spin|field)(_\d)+", name)}
    assert named == {"spin_0", "spin_1", "field_0_0", "field_0_1"}
    assert named <= set(result.to_pandas().columns)
    assert result.lengths["path"].ravel()[[0, 2, 6]].tolist() == [0, 1, 0]
    result.close()


def test_commands_write_a_row_an_item(study: Project) -> None:
    shown = [command for command in commands(PAGE) if not names_alone(command)]
    assert len(shown) == 3
    for command in shown:
        done = study.fullrank(*words(command))
        assert done.returncode == 0, done.stderr
    table = list(csv.reader(io.StringIO((study.folder / "study.csv").read_text("utf-8"))))
    assert len(table) == 601
    header = table[0]
    assert header[:2] == ["k", "r"]
    assert header[-3:] == ["status", "item_seconds", "item"]  # of one version: no code_version
    assert {"z_re", "z_im", "spin_0", "field_0_1", "path_1"} <= set(header)
    row = dict(zip(header, table[1 + FAILED], strict=True))
    assert (row["status"], row["energy"], row["item"]) == ("failed", "", str(FAILED))
    row = dict(zip(header, table[1 + 412], strict=True))
    assert (row["k"], row["flag"], float(row["energy"]), row["status"]) == ("206", "true", 103.0, "ok")


def test_table_of_columns_names_those_that_a_file_has(project: Project) -> None:
    named = {row[0].strip("`") for row in rows(PAGE, header="columns")}
    assert named == {"replicate", "the parameters", "the results", "status", "item_seconds", "code_version", "item"}
    sweep = '[sweep]\nreplicates = 2\n[sweep.grid]\nx = ["a,b", "c"]\n'
    project.write("def f(x):\n    return 0.1\n", sweep=sweep).run("-b", "serial", "--limit", 1)
    project.write("def f(x):\n    return 0.2\n", sweep=sweep).run("-b", "serial", "--accept-change")
    lines = project.fullrank("export", "study.toml", "--csv", "-").stdout.splitlines()
    assert lines[0] == "replicate,x,f,status,item_seconds,code_version,item"
    assert re.match(r'0,"a,b",0\.[12],ok,', lines[1])


def test_pipe_of_the_page_ends_without_an_error(study: Project) -> None:
    (line,) = (line for line in PAGES[PAGE].splitlines() if line.endswith("--csv - | head"))
    python = f"{shlex.quote(sys.executable)} -m fullrank"
    done = Started(["sh", "-c", line.strip().replace("fullrank", python, 1)], cwd=study.folder, env={}).end()
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 10


def test_all_and_force_do_what_the_page_says(project: Project) -> None:
    assert re.search(r"`--all` gives each a row", PAGES[PAGE])
    project.write(CODE, grid=GRID).run("-b", "serial", "--limit", 5)
    export = ("export", "results/study.partial.h5", "--csv", "t.csv")
    assert project.fullrank(*export).returncode == 0
    assert len((project.folder / "t.csv").read_text().splitlines()) == 6
    assert project.fullrank(*export, "--all").returncode == 2
    assert project.fullrank(*export, "--all", "--force").returncode == 0
    assert len((project.folder / "t.csv").read_text().splitlines()) == 601
    assert project.fullrank(*export[:-1], "results/study.partial.h5", "--force").returncode == 2


def test_page_has_no_program_that_is_not_run_here() -> None:
    assert fenced(PAGE, "python") == []
    assert len([block for block in indented(PAGE) if "import" in block]) == 1
