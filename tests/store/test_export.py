"""fullrank export: CSV as Python's csv and pandas read it, against the numbers that were stored."""

import csv
import io
import json
import struct
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from kinds import KINDS, arrays_study, rows_study
from store_samples import Study, grid_study, numbers_study, sweep_of

from fullrank import export
from fullrank.axes import RangeAxis
from fullrank.cli import main
from fullrank.schema import Field
from fullrank.status import Status
from fullrank.store import ResultFile
from fullrank.sweep import Sweep


def call(*arguments):
    """Exit code, standard output and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["export", *map(str, arguments)])
    return code, out.getvalue(), err.getvalue()


def rows_of(study, path, *options):
    """Rows that csv reads from what is written of a study, as dicts of texts."""
    study.write(path / "a.h5")
    code, out, err = call(path / "a.h5", "--csv", "-", *options)
    assert code == 0, err
    return list(csv.DictReader(io.StringIO(out, newline="")))


def one_result(values, dtype, **options):
    values = np.asarray(values, dtype)
    sweep = Sweep("grid", (RangeAxis("x", start=0, stop=len(values)),))
    return Study(sweep, [Field("a", values.dtype.str, values.shape[1:], **options)], {"a": values})


@pytest.mark.parametrize("kind", KINDS)
def test_every_item_has_a_row_with_its_parameters(tmp_path, kind):
    study = KINDS[kind]()
    sweep, found = study.sweep, rows_of(study, tmp_path, "--all")
    assert [int(row["item"]) for row in found] == list(range(sweep.n_items))
    assert [row["status"] for row in found] == [Status(code).name.lower() for code in study.status]
    read = {float: float, int: int, str: str, bool: lambda text: {"true": True, "false": False}[text]}
    for axis in sweep.axes:
        values = [read[axis.value_type](row[axis.name]) for row in found]
        assert values == [sweep.parameters(index)[axis.name] for index in range(sweep.n_items)]


def test_columns_are_parameters_then_results_then_what_happened(tmp_path):
    assert list(rows_of(arrays_study(), tmp_path)[0]) == [
        "x", "flag", "m_0_0", "m_0_1", "m_1_0", "m_1_1", "z_re", "z_im", "level", "status", "item_seconds", "item",
    ]  # fmt: skip
    assert list(rows_of(rows_study("zip", 2), tmp_path)[4].items()) == [
        ("replicate", "1"), ("r", "0.5"), ("site", "two\r\nlines"), ("energy", "0.5714285714285714"),
        ("status", "ok"), ("item_seconds", "0.5"), ("item", "4"),
    ]  # fmt: skip


def test_items_without_an_end_are_left_out_unless_asked_for(tmp_path):
    study = grid_study().with_ends({0: 0, 4: 0, 5: 2})
    assert [int(row["item"]) for row in rows_of(study, tmp_path)] == [1, 2, 3, *range(5, 12)]
    missing = rows_of(study, tmp_path, "--all")[4]
    assert {name for name, cell in missing.items() if cell} == {"r", "site", "status", "item"}
    _, out, err = call(tmp_path / "a.h5", "--csv", "-")
    assert err == "fullrank: 2 items have no end yet and are left out; --all gives each a row with empty cells\n"
    assert len(out.splitlines()) == 11


def test_failed_item_has_its_status_and_empty_cells(tmp_path):
    row = rows_of(grid_study().with_ends({7: 4}), tmp_path)[7]
    assert (row["r"], row["status"], row["item_seconds"]) == ("3.5", "crashed", "0.5")
    assert [row[name] for name in ("energy", "hits_0", "stable", "trace_0")] == [""] * 4


def test_bools_are_words(tmp_path):
    assert [row["stable"] for row in rows_of(grid_study(), tmp_path)] == ["false", "true"] * 6


def test_padding_is_empty_and_a_nan_that_was_returned_is_not(tmp_path):
    values = np.array([[np.nan, 1.0], [2.0, 0.0], [0.0, 0.0]])
    study = one_result(values, "<f8", varying=True)
    study.lengths["a"] = np.array([2, 1, 0])
    assert [(row["a_0"], row["a_1"]) for row in rows_of(study, tmp_path)] == [("nan", "1.0"), ("2.0", ""), ("", "")]


@pytest.mark.parametrize(("dtype", "code"), [("<f8", "d"), ("<f4", "f")])
def test_floats_read_back_to_the_same_bits(tmp_path, dtype, code):
    bits = np.random.default_rng(1).integers(0, 256, (5_000, int(dtype[2])), np.uint8)
    values = bits.reshape(-1).view(dtype)
    values = np.concatenate([values[~np.isnan(values)], np.array([0.0, -0.0, np.inf, -np.inf, 5e-324, 0.1], dtype)])
    found = [float(row["a"]) for row in rows_of(one_result(values, dtype), tmp_path)]
    assert struct.pack(f"<{len(found)}{code}", *found) == values.tobytes()


@pytest.mark.parametrize("dtype", ["|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"])
def test_integers_of_every_type_are_exact(tmp_path, dtype):
    ends = [np.iinfo(dtype).min, np.iinfo(dtype).max]
    assert [int(row["a"]) for row in rows_of(one_result(ends, dtype), tmp_path)] == ends


def test_small_blocks_write_what_one_block_does(tmp_path, monkeypatch):
    study = numbers_study(sweep_of((3, 5, 7), replicates=2)).with_ends({4: 0, 11: 2})
    study.write(tmp_path / "a.h5")
    with ResultFile(tmp_path / "a.h5") as file:
        (head, *whole) = [line for lines in export.csv_blocks(file, with_missing=True) for line in lines]
        monkeypatch.setattr(export, "N_CELLS", 4 * len(export.column_names(file)))
        pieces = list(export.csv_blocks(file, with_missing=True))
    assert max(map(len, pieces)) == 4
    assert [line for lines in pieces for line in lines] == [head, *whole]
    assert len(whole) == 210


def test_pandas_reads_the_same_numbers(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    grid_study().write(tmp_path / "a.h5")
    assert call(tmp_path / "a.h5", "--csv", tmp_path / "a.csv")[0] == 0
    frame = pandas.read_csv(tmp_path / "a.csv", converters={"energy": float})
    assert frame["energy"].tolist() == [k / 7 for k in range(12)]
    assert frame["stable"].tolist() == [k % 2 == 1 for k in range(12)]


def test_file_is_told_of(tmp_path):
    rows_study("table").write(tmp_path / "a.h5")
    code, out, err = call(tmp_path / "a.h5", "--csv", tmp_path / "a.csv")
    columns = "r, site, energy, status, item_seconds, item"
    assert (code, err) == (0, "")
    assert out == f"{tmp_path / 'a.csv'}\n3 rows, one an item, of 6 columns: {columns}\n"
    code, out, err = call(tmp_path / "a.h5", "--csv", tmp_path / "b.csv", "--json")
    told = {"path": str(tmp_path / "b.csv"), "n_rows": 3, "columns": columns.split(", "), "n_left_out": 0}
    assert json.loads(out) == told
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_existing_file_is_kept_without_force(tmp_path):
    rows_study("table").write(tmp_path / "a.h5")
    (tmp_path / "a.csv").write_text("mine")
    code, _, err = call(tmp_path / "a.h5", "--csv", tmp_path / "a.csv")
    assert (code, (tmp_path / "a.csv").read_text()) == (2, "mine")
    assert "it is there already; name another file, or overwrite it with --force" in err
    assert call(tmp_path / "a.h5", "--csv", tmp_path / "a.csv", "--force")[0] == 0
    assert (tmp_path / "a.csv").read_text().startswith("r,site,energy,")
    assert {path.name for path in tmp_path.iterdir()} == {"a.h5", "a.csv"}


def test_result_is_never_overwritten(tmp_path):
    rows_study("table").write(tmp_path / "a.h5")
    rows_study("zip").write(tmp_path / "b.h5")
    before = (tmp_path / "a.h5").read_bytes(), (tmp_path / "b.h5").read_bytes()
    for target in ("a.h5", "b.h5"):
        code, _, err = call(tmp_path / "a.h5", "--csv", tmp_path / target, "--force")
        assert code == 2
        assert "that is a result of fullrank, which is never overwritten; name another file" in err
    assert ((tmp_path / "a.h5").read_bytes(), (tmp_path / "b.h5").read_bytes()) == before


@pytest.mark.parametrize(
    ("target", "words"),
    [("none/a.csv", "there is no folder"), (".", "expected a file, got a folder; name a file in it")],
)
def test_place_that_is_none_is_refused(tmp_path, target, words):
    rows_study("table").write(tmp_path / "a.h5")
    code, _, err = call(tmp_path / "a.h5", "--csv", tmp_path / target)
    assert code == 2
    assert words in err


def test_damage_leaves_no_table(tmp_path, monkeypatch):
    numbers_study(sweep_of((20_000,))).write(tmp_path / "a.h5")
    data = bytearray((tmp_path / "a.h5").read_bytes())
    with ResultFile(tmp_path / "a.h5") as file:
        place = file._dataset("energy").id.get_chunk_info(0).byte_offset
    data[place + 100 : place + 200] = bytes(100)
    (tmp_path / "a.h5").write_bytes(data)
    code, _, err = call(tmp_path / "a.h5", "--csv", tmp_path / "a.csv")
    assert code == 74
    assert "/energy is damaged" in err
    assert {path.name for path in tmp_path.iterdir()} == {"a.h5"}


def test_arrays_of_a_great_many_elements_are_refused_with_a_cure(tmp_path):
    one_result(np.zeros((2, 80, 80)), "<f8").write(tmp_path / "a.h5")
    code, out, err = call(tmp_path / "a.h5", "--csv", "-")
    assert (code, out) == (2, "")
    assert "expected at most 5,000 columns, one for each element of a result, got 6,404; 'a' alone has 80 × 80" in err
    assert "read it as arrays with fullrank.open_result or xarray" in err


@pytest.mark.parametrize("other", ["a_0", "x"])
def test_columns_of_one_name_are_refused(tmp_path, other):
    axis = RangeAxis("a_1" if other == "x" else "x", start=0, stop=2)
    fields, values = [Field("a", "<f8", (2,))], {"a": np.zeros((2, 2))}
    if other == "a_0":
        fields, values = [*fields, Field("a_0", "<f8")], values | {"a_0": np.ones(2)}
    Study(Sweep("grid", (axis,)), fields, values).write(tmp_path / "a.h5")
    code, _, err = call(tmp_path / "a.h5", "--csv", "-")
    assert code == 2
    assert f"two columns would be called {'a_1' if other == 'x' else 'a_0'!r}" in err


def test_json_and_standard_output_exclude_each_other(tmp_path):
    rows_study("table").write(tmp_path / "a.h5")
    code, out, err = call(tmp_path / "a.h5", "--csv", "-", "--json")
    assert (code, out) == (2, "")
    assert "standard output is where --csv - goes" in err


def test_pipe_that_nobody_reads_is_no_error(tmp_path):
    numbers_study(sweep_of((200_000,))).write(tmp_path / "a.h5")
    command = [sys.executable, "-m", "fullrank", "export", str(tmp_path / "a.h5"), "--csv", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"axis0,energy,status,item_seconds,item\n"
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""
