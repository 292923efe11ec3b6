"""A user's file that is called like a module of Python's own, in the working folder: our processes are not taken in."""

import sys
from pathlib import Path

import numpy as np
import pytest
from studies import Project

from fullrank.compare.measure import Bench
from fullrank.compare.stopping import StopRequest
from fullrank.compare.variants import BASELINE
from fullrank.launcher import python_module

pytestmark = [pytest.mark.timeout(200), pytest.mark.in_process]
SHADOWS = ("signal", "random")


@pytest.fixture
def shadowed(project: Project) -> Project:
    for name in SHADOWS:
        (project.folder / f"{name}.py").write_text("raise RuntimeError('the user took this name')\n")
    return project.write("def f(x):\n    return 2.0 * x\n", grid="x = { range = 4 }")


@pytest.mark.parametrize("options", [("-b", "processes"), ("-b", "serial", "--set", "run.isolate=true")], ids=str)
def test_processes_of_a_run_start_beside_a_file_called_like_a_module_of_python(
    shadowed: Project, options: tuple[str, ...]
) -> None:
    shadowed.run(*options, "-n", 2 if "processes" in options else 1)
    assert np.array_equal(shadowed.read("f"), [0.0, 2.0, 4.0, 6.0])


def test_measured_run_starts_beside_a_file_called_like_a_module_of_python(
    shadowed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shadowed.folder)
    with Bench(Path("study.toml"), beside=shadowed.folder / "compare.h5", stop=StopRequest()) as bench:
        assert bench.run(BASELINE, 4).work.n_items == 4


def test_modules_of_the_working_folder_are_found_where_this_process_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert python_module("m", "a") == [sys.executable, "-P", "-m", "m", "a"]
    for place in ("", str(tmp_path)):  # as `python -c` and a notebook, or `python -m`, have it
        monkeypatch.setattr(sys, "path", [place, *sys.path])
        assert python_module("m", "a") == [sys.executable, "-m", "m", "a"]
    assert python_module("m", folders=(str(tmp_path),)) == [sys.executable, "-P", "-m", "m"]


def test_working_folder_that_was_removed_is_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    assert python_module("m") == [sys.executable, "-P", "-m", "m"]
