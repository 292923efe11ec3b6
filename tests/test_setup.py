"""Set-up: the Makefile's search for a Python, the installed package, the scripts that ship."""

import doctest
import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fullrank

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*args: object, cwd: Path = ROOT, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run make as from a shell, whatever make runs the tests."""
    outer = ("MAKE", "MFLAGS", "PYTHON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    return subprocess.run(
        ["make", *map(str, args)],
        cwd=cwd,
        env=inherited | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def fake_python(path: Path, *, answer: str, exit_code: int = 0) -> Path:
    """Write a program that answers the Makefile's question to a Python."""
    path.write_text(f"#!/bin/sh\necho {answer}\nexit {exit_code}\n")
    path.chmod(0o755)
    return path


@needs_make
def test_plain_make_lists_every_target_a_user_may_call() -> None:
    listed = re.findall(r"^  make (\S+)", make().stdout, re.MULTILINE)
    phony = re.findall(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(set(phony[0].split()) - {"FORCE"})


@needs_make
def test_old_python_is_refused_in_one_sentence_and_nothing_is_made(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "python3", answer="3.8")
    done = make("run", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    sentence, *rest = done.stderr.splitlines()
    assert done.returncode == 2
    assert sentence.startswith(f"fullrank needs Python 3.11 or newer; {python} is 3.8. Install one")
    assert all(line.startswith("make") for line in rest)
    assert not (tmp_path / "venv").exists()


@needs_make
def test_newest_python_that_starts_and_can_make_environments_is_taken(tmp_path: Path) -> None:
    fake_python(tmp_path / "python3.13", answer="", exit_code=127)
    fake_python(tmp_path / "python3.12", answer="3.12", exit_code=1)
    fake_python(tmp_path / "python3.11", answer="3.11")
    found = make("--silent", "python", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert found.stdout == "python3.11\n"


@needs_make
def test_python_newer_than_any_tested_one_is_taken_if_there_is_no_other(tmp_path: Path) -> None:
    for version in ("3.11", "3.12", "3.13"):
        fake_python(tmp_path / f"python{version}", answer="", exit_code=127)
    fake_python(tmp_path / "python3", answer="3.27")
    found = make("--silent", "python", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert found.stdout == "python3\n"


@needs_make
def test_python_without_venv_gets_the_package_that_has_it(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "python3", answer="3.11", exit_code=1)
    assert "apt install python3.11-venv" in make("python", f"PYTHON={python}").stderr


@needs_make
def test_clean_removes_environments_and_no_result(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (".venv/bin", ".venv-3.12", "src/__pycache__", "results/a.h5.work"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "results" / "a.h5").touch()
    assert make("clean", cwd=tmp_path).returncode == 0
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"Makefile", "src", "results", "results/a.h5", "results/a.h5.work"}


def test_installed_version_is_the_one_of_the_source() -> None:
    try:
        installed = importlib.metadata.version("fullrank")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("fullrank is on the path but not installed")
    assert installed == fullrank.__version__


def test_ranks_of_this_environment_meet_in_one_world(run_mpi: Callable[..., Any]) -> None:
    program = "from mpi4py import MPI; print(MPI.COMM_WORLD.gather(MPI.COMM_WORLD.rank) or '')"
    done = run_mpi(2, sys.executable, "-c", program)
    assert (done.returncode, done.stdout.strip()) == (0, "[0, 1]"), done.stderr


def test_shell_scripts_pass_shellcheck() -> None:
    beside = Path(sys.executable).with_name("shellcheck")
    shellcheck = str(beside) if beside.exists() else shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed; `make check` brings it")
    scripts = [*ROOT.glob("jobs/*.sh"), ROOT / ".ci" / "run"]
    done = subprocess.run([shellcheck, *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def modules_with_examples() -> list[str]:
    texts = {path: path.read_text() for path in sorted(SOURCE.rglob("*.py"))}
    return [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path, text in texts.items()
        if ">>> " in text and path.name != "__init__.py" and "import MPI" not in text
    ]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
