"""Which version of the code made which item: told by every command that shows results, not by the raw file alone."""

import csv
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise
from math import nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fullrank
from fullrank.axes import RangeAxis
from fullrank.cli import main
from fullrank.identity import Identity
from fullrank.schema import Block, Field, Tables, WorkerRow
from fullrank.store import FileWriter
from fullrank.sweep import Sweep
from fullrank.versions import N_SPANS_KEPT, VersionScan

SWEEP = Sweep("grid", (RangeAxis("x", start=0, stop=6),))
WORKER = WorkerRow(1, 0, "node01", 1, "serial", 5, 1, *[nan] * 7)
MADE_BY = [0, 0, 1, 1, -1, 0]
"""Version that made each item; one is missing."""


def identity(digest: str) -> str:
    return Identity(function="sim.py:f", sweep=SWEEP.describe(), constants={}, code={"sim.py": digest}).to_json()


def written(path: Path, made_by: list[int] = MADE_BY, *, n_versions: int = 2) -> Path:
    versions = np.array(made_by, np.int16)
    is_there = versions >= 0
    values = np.where(is_there, np.arange(6.0), nan)
    block = Block(
        0,
        is_there.astype(np.int8),
        values.astype(np.float32),
        np.where(is_there, 0, -1).astype(np.int32),
        versions,
        {"f": values},
        {},
    )
    identities = tuple(identity(str(number)) for number in range(n_versions))
    with FileWriter(path, sweep=SWEEP, fields=[Field("f", "<f8", ())], variables={}, title="study") as file:
        file.write(block)
        by_version = identities if n_versions > 1 else ()
        file.finish(Tables((), (WORKER,), (), identity=identities[-1], versions=by_version))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "a.h5")


@pytest.fixture
def of_one(tmp_path: Path) -> Path:
    return written(tmp_path / "one.h5", [0, 0, 0, 0, -1, 0], n_versions=1)


def shown(*arguments: object) -> str:
    """Standard output of a command that is to succeed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([*map(str, arguments)])
    assert code == 0, err.getvalue()
    return out.getvalue()


def test_report_tells_which_version_made_which_items_and_what_had_changed(path: Path) -> None:
    lines = shown("report", path).splitlines()
    at = lines.index("Made by 2 versions of the code")
    assert lines[at + 1] == "  version 0  3 items (0 to 1, 5)"
    assert lines[at + 2].startswith("  version 1  2 items (2 to 3); since the version before: code of sim.py changed")


def test_report_says_nothing_of_versions_where_there_was_one(of_one: Path) -> None:
    assert "version 0" not in shown("report", of_one)
    assert json.loads(shown("report", of_one, "--json"))["versions"] == []


def test_report_as_json_has_the_versions(path: Path) -> None:
    versions = json.loads(shown("report", path, "--json"))["versions"]
    assert [(found["version"], found["n_items"], found["spans"]) for found in versions] == [
        (0, 3, [[0, 1], [5, 5]]),
        (1, 2, [[2, 3]]),
    ]


def test_a_version_that_made_nothing_yet_is_told(tmp_path: Path) -> None:
    lines = shown("report", written(tmp_path / "a.h5", [0, 0, 0, 0, -1, 0])).splitlines()
    at = lines.index("Made by 1 version of the code")
    assert lines[at + 2].startswith("  version 1  no item; since the version before: code of sim.py changed")


def test_export_has_a_column_with_the_version_of_each_item(path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(shown("export", path, "--csv", "-", "--all"))))
    assert [row["code_version"] for row in rows] == ["0", "0", "1", "1", "", "0"]
    assert list(rows[0]) == ["x", "f", "status", "item_seconds", "code_version", "item"]


def test_export_of_one_version_has_no_such_column(of_one: Path) -> None:
    assert shown("export", of_one, "--csv", "-").startswith("x,f,status,item_seconds,item\n")


def test_verify_notes_the_versions(path: Path, of_one: Path) -> None:
    told = "  made by 2 versions of the code: version 0: 3 items (0 to 1, 5); version 1: 2 items (2 to 3)\n"
    assert told in shown("verify", path)
    assert "versions of the code" not in shown("verify", of_one)
    numbers = [[made["n_items"] for made in found["versions"]] for found in json.loads(shown("verify", "--json", path))]
    assert numbers == [[3, 2]]


def test_an_open_result_has_the_version_of_each_item(path: Path, of_one: Path) -> None:
    with fullrank.open_result(path) as result:
        assert result.code_version.tolist() == MADE_BY
        assert [found.n_items for found in result.code_versions] == [3, 2]
    with fullrank.open_result(of_one) as result:
        assert result.code_versions == ()


def test_pandas_has_a_column_with_the_version_of_each_item(path: Path, of_one: Path) -> None:
    pandas = pytest.importorskip("pandas")
    with fullrank.open_result(path) as result, fullrank.open_result(of_one) as other:
        column = result.to_pandas()["code_version"]
        assert [None if pandas.isna(version) else version for version in column] == [0, 0, 1, 1, None, 0]
        assert "code_version" not in other.to_pandas()


@given(made_by=st.lists(st.integers(-1, 2), max_size=40), cuts=st.sets(st.integers(1, 39), max_size=5))
def test_counts_and_stretches_are_those_of_a_plain_loop_whatever_the_blocks(made_by: list[int], cuts: set[int]) -> None:
    scan = VersionScan(["{}", "{}", "{}"])
    versions = np.array(made_by, np.int16)
    for start, stop in pairwise([0, *sorted(cut for cut in cuts if cut < len(made_by)), len(made_by)]):
        scan.add(start, (versions[start:stop] >= 0).astype(np.int8), versions[start:stop])
    for found in scan.found():
        stretches: list[list[int]] = []
        for index in (index for index, version in enumerate(made_by) if version == found.version):
            if stretches and stretches[-1][1] == index - 1:
                stretches[-1][1] = index
            else:
                stretches.append([index, index])
        assert found.n_items == made_by.count(found.version)
        assert found.n_spans == len(stretches)
        assert list(map(list, found.spans)) == stretches[:N_SPANS_KEPT]
