"""docs/format.md: its programs, commands and tables against files that fullrank writes."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
from pages import PAGES, commands, in_code, indented, names_alone, rows, words
from studies import Project

import fullrank

pytestmark = pytest.mark.in_process

PAGE = "docs/format.md"
CODE = """\
def f(k, r):
    if k == 2: raise ValueError("no")
    print("k", k)
    return {"energy": r * k, "count": k, "flag": k > 1, "z": complex(k, r), "spin": [k, r], "path": list(range(k))}
"""
GRID = "k = { range = 4 }\nr = [0.5, 1.5]"


@pytest.fixture
def folder(project: Project) -> Path:
    """A folder with the files that the page speaks of: of a complete study of which two items failed."""
    project.write(CODE, grid=GRID).run("-b", "serial", "-o", "run.h5", expect=3)
    for name in ("a.h5", "b.h5"):
        shutil.copy(project.folder / "run.h5", project.folder / name)
    return project.folder


@pytest.fixture
def file(folder: Path):
    with h5py.File(folder / "run.h5") as opened:
        yield opened


# --- programs and commands


def test_program_of_the_digest_agrees_and_notices_a_change(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (program,) = (block for block in indented(PAGE) if block.startswith("import hashlib"))
    exec(program, {})
    with h5py.File("run.h5", "r+") as opened:
        opened["energy"][0, 1] = 7.0
    with pytest.raises(AssertionError):
        exec(program, {})


def test_commands_of_the_page_run(project: Project, folder: Path) -> None:
    shown = [command for command in commands(PAGE) if not names_alone(command)]
    shutil.copy(Path(__file__).parent / "data/compare-before-trials.h5", folder / "compare.h5")
    assert [words(command)[0] for command in shown] == ["export", "verify", "diff", "report"]
    for command in shown:
        done = project.fullrank(*words(command))
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


TOOLS = {row[0]: in_code(row[1]) for row in rows(PAGE, header="tool")}


def test_lines_of_python_of_the_tools_read_the_result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    expected = [[r * k if k != 2 else np.nan for r in (0.5, 1.5)] for k in range(4)]
    with xarray_opened(TOOLS["xarray"][0]) as study:
        np.testing.assert_array_equal(study["energy"], expected)
    with xarray_opened(TOOLS["xarray"][0].replace(")", f", {TOOLS['xarray'][1]})")) as workers:
        assert workers["n_items"].values.tolist() == [8]
    for tool in ("h5py", "Python without any of these"):
        np.testing.assert_array_equal(eval(TOOLS[tool][0], {"h5py": h5py, "fullrank": fullrank}), expected)


def xarray_opened(expression: str) -> Any:
    return eval(expression, {"xarray": xarray})


@pytest.mark.parametrize("tool", ["ncdump", "h5dump"])
def test_header_is_shown_by(tool: str, folder: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} on the PATH")
    command = TOOLS[tool][0].split()
    assert command[0] == tool
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "energy" in done.stdout


# --- tables


DTYPES = {"f8": "<f8", "f4": "<f4", "i8": "<i8", "i4": "<i4", "i2": "<i2", "i1": "|i1"}


@pytest.mark.parametrize("group", ["failures", "workers", "attempts"])
def test_group_has_the_columns_that_its_rows_describe_and_no_other(group: str, file: h5py.File) -> None:
    (part,) = (text for text in PAGES[PAGE].split("\n\n") if "`failures/index`" in text)
    listed = {name: row for row in part.splitlines() for name in re.findall(rf"`({group}/\w+)`", row.split("|")[1])}
    assert {f"{group}/{name}" for name in file[group]} == listed.keys()
    for name, row in listed.items():
        dtype, unit = (cell.strip() for cell in row.split("|")[2:4])
        found = file[name]
        text = h5py.check_string_dtype(found.dtype) is not None
        assert text if dtype == "text" else found.dtype.str == DTYPES[dtype], name
        assert found.attrs["units"] == (unit or "1"), name


def test_datasets_of_items_are_as_described(file: h5py.File) -> None:
    table = {
        in_code(row[0])[0]: row[1:]
        for row in rows(PAGE, header="dataset | shape | dtype | unit | meaning |\n|---|---|---|---|---|\n| `/<result>`")
    }
    assert [*table] == ["/<result>", "/<result>_length", "/status", "/item_seconds", "/worker", "/code_version"]
    for name, (shape, dtype, unit, *_) in table.items():
        if name == "/<result>":
            continue
        found = file[name.replace("<result>", "path")]
        assert (shape, found.shape) == ("S", (4, 2))
        assert found.dtype.str == DTYPES[dtype]
        assert found.attrs["units"] == unit
    assert file["spin"].shape == (4, 2, 2)
    assert file["path_length"][2].tolist() == [0, 0]
    assert file["worker"][()].min() == 0
    assert {"z_re", "z_im"} <= file.keys()


def test_cells_without_a_value_hold_the_fill_values_of_the_table(file: h5py.File) -> None:
    (header,) = (line for line in PAGES[PAGE].splitlines() if line.startswith("| i1 |"))
    kinds = [kind.strip() for kind in header.strip("|").split("|")]
    (values,) = rows(PAGE, header="i1 |")
    fills = dict(zip(kinds, values, strict=True))
    assert np.isnan(file["energy"][2]).all()
    assert fills["f4, f8"] == "NaN"
    assert file["count"][2].tolist() == [int(fills["i8"])] * 2 == [file["count"].attrs["_FillValue"]] * 2
    assert file["flag"][2].tolist() == [int(fills["i1"])] * 2
    netcdf = pytest.importorskip("netCDF4").default_fillvals
    for kind in kinds[:8]:
        assert int(netcdf[kind]) == int(fills[kind]), kind


def test_status_has_the_codes_of_the_page(file: h5py.File) -> None:
    (row,) = (line for line in PAGES[PAGE].splitlines() if line.startswith("| `/status`"))
    codes = dict(re.findall(r"(\d) (\w+)", row.split("ended:")[1]))
    assert [str(value) for value in file["status"].attrs["flag_values"]] == [*codes]
    assert str(file["status"].attrs["flag_meanings"]).split() == [*codes.values()]


def test_attributes_of_the_root_are_those_of_the_table(file: h5py.File) -> None:
    table = {name: row[1] for row in rows(PAGE, header="attribute | type") for name in in_code(row[0])}
    assert file.attrs.keys() == table.keys()
    for name, kind in table.items():
        dtype = getattr(file.attrs[name], "dtype", None)
        assert kind.startswith("text") if kind not in DTYPES else dtype.str == DTYPES[kind], name


def test_texts_that_hdf5_cannot_hold_are_written_as_the_page_says(project: Project) -> None:
    assert r"`\x00` and `\udc80`" in PAGES[PAGE]
    project.write("def f(x):\n    raise ValueError('a\\0b\\udc80')\n", grid="x = [1]").run("-b", "serial", expect=3)
    assert project.read("failures/exception").tolist() == [r"ValueError: a\x00b\udc80"]


def test_versions_stand_in_the_file_only_where_there_was_more_than_one(project: Project) -> None:
    project.write("def f(x):\n    return x\n").run("-b", "serial", "--limit", 3)
    with h5py.File(project.folder / "results/study.partial.h5") as file:
        assert set(file["config"]) == {"text", "identity"}
    project.write("def f(x):\n    return x + 1\n").run("-b", "serial", "--accept-change")
    with h5py.File(project.output) as file:
        assert set(file["config"]) == {"text", "identity", "versions", "version"}
        assert file["config/versions"].asstr()[-1] == file["config/identity"].asstr()[()]


def test_account_of_a_worker_is_the_sum_that_the_page_shows(file: h5py.File) -> None:
    (shown,) = (block for block in indented(PAGE) if block.startswith("account_seconds"))
    parts = re.findall(r"\w+", shown.split("=")[1].split("what")[0])
    attempts = {"gather", "write"}
    total = sum(file[f"{'attempts' if part in attempts else 'workers'}/{part}_seconds"][0] for part in parts)
    account = file["workers/account_seconds"][0]
    assert 0.0 < total <= account * 1.02 + 0.02
    second = re.findall(r"\w+", shown.splitlines()[1])
    assert file["workers/elapsed_seconds"][0] == pytest.approx(
        sum(file[f"workers/{part}_seconds"][0] for part in second)
    )


# --- the file of a comparison


def test_groups_of_a_comparison_have_what_the_page_lists(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("def f(x):\n    return x\n")
    done = project.fullrank("compare", "study.toml", "--backends", "serial", "--rounds", 1, "--budget", "60s", "--here")
    assert done.returncode == 0, done.stderr
    text = PAGES[PAGE][PAGES[PAGE].index("# The file of a comparison") :]
    with h5py.File(project.folder / "compare.h5") as file:
        for group in ("variants", "measurements", "trials"):
            assert set(file[group]) == set(re.findall(rf"`{group}/(\w+)`", text))
        listed = set(re.findall(r"(?m)^\| `(\w+)` \| (?:text|i\d)", text)) - {"variants"}
        assert set(file.attrs) <= listed
        assert listed - set(file.attrs) <= {"notes"}
        assert set(file["machine"].attrs) <= set(re.findall(r"`(\w+)`", text.split("Attributes of `machine`")[1]))
    monkeypatch.chdir(project.folder)
    (expression,) = re.findall(r"`(xarray\..*?)`", text)
    with xarray_opened(expression) as measured:
        assert measured["round"].size == 1
