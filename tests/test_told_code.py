"""Root's exit code on its way to the process that started mpiexec, and what of it a kill could leave behind."""

import os
import shlex
import sys
import tempfile
from pathlib import Path

import pytest

from fullrank import launch
from fullrank.launch import EXIT_CODE_VARIABLE, exit_code_teller, run_under_mpiexec

TELLS = "from fullrank.launch import exit_code_teller as t; tell = t(); tell(74); tell(7)"


@pytest.fixture
def mpiexec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the place of a launcher: a script that notes what temporary files there are, and is root."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(launch, "find_mpiexec", lambda: (tmp_path / "mpiexec", "MPICH"))
    return tmp_path / "mpiexec"


def write(mpiexec: Path, last: str) -> None:
    mpiexec.write_text(f"#!/bin/sh\nls -A {shlex.quote(str(mpiexec.parent / 'tmp'))} > {mpiexec}.files\n{last}\n")
    mpiexec.chmod(0o755)


def test_code_comes_through_a_file_that_no_kill_can_leave_behind(mpiexec: Path) -> None:
    write(mpiexec, shlex.join([sys.executable, "-c", TELLS]) + "\nexit 99")
    assert run_under_mpiexec([], 1) == 7
    assert Path(f"{mpiexec}.files").read_text() == ""


def test_root_that_told_nothing_is_none_whatever_mpiexec_says(mpiexec: Path) -> None:
    write(mpiexec, "exit 0")
    assert run_under_mpiexec([], 1) is None


@pytest.mark.parametrize("variable", ["0123456789abcdef:PATH", "PATH", ":", ""])
def test_file_of_somebody_elses_that_has_the_same_number_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (tmp_path / "theirs").write_text("precious and longer than any mark")
    monkeypatch.setitem(os.environ, EXIT_CODE_VARIABLE, variable.replace("PATH", str(tmp_path / "theirs")))
    exit_code_teller()(3)
    assert (tmp_path / "theirs").read_text() == "precious and longer than any mark"
