"""Standard output and error that are closed, or cannot encode what is said; numbers that are none."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from comparisons import PURE_PYTHON, comparison
from studies import SLOW, Project

from fullrank.arguments import parser
from fullrank.errors import UsageError
from fullrank.store import write_comparison

CLOSED = {"stdout": ">&-", "stderr": "2>&-", "both": ">&- 2>&-", "all": "<&- >&- 2>&-"}


def report(path: Path, redirection: str = "", **variables: str) -> "subprocess.CompletedProcess[bytes]":
    command = f'"$0" -m fullrank report "$1" {redirection}'
    env = {**os.environ, **variables}
    words = ["/bin/sh", "-c", command, sys.executable, str(path)]
    return subprocess.run(words, env=env, capture_output=True, timeout=60, check=False)


@pytest.fixture
def compared(tmp_path: Path) -> Path:
    write_comparison(tmp_path / "compare.h5", comparison(PURE_PYTHON))
    return tmp_path / "compare.h5"


@pytest.mark.parametrize("closed", CLOSED)
def test_closed_streams_are_no_error(compared: Path, closed: str) -> None:
    before = compared.read_bytes()
    done = report(compared, CLOSED[closed])
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert compared.read_bytes() == before


@pytest.mark.parametrize("closed", CLOSED)
def test_ranks_are_started_without_the_streams_that_are_closed(mpi_project: Project, closed: str) -> None:
    """mpiexec hands its own streams on, and does not start where one is missing."""
    project = mpi_project.write("def f(x):\n    return x * x", grid="x = { range = 12 }")
    command = f'"$0" -m fullrank run study.toml -b mpi -n 2 {CLOSED[closed]}'
    done = subprocess.run(["/bin/sh", "-c", command, sys.executable], cwd=project.folder, timeout=90, check=False)
    assert done.returncode == 0
    assert project.read("f").tolist() == [x * x for x in range(12)]


@pytest.mark.parametrize("closed", CLOSED)
def test_error_with_closed_streams_keeps_its_exit_code(tmp_path: Path, closed: str) -> None:
    done = report(tmp_path / "missing.h5", CLOSED[closed])
    assert done.returncode == 74
    assert b"Traceback" not in done.stderr


def with_full(project: Project, redirection: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with a stream on a disk that is full."""
    command = ["/bin/sh", "-c", f'"$0" -m fullrank "$@" {redirection}', sys.executable, *words]
    return subprocess.run(command, cwd=project.folder, capture_output=True, text=True, timeout=90, check=False)


NO_ROOM = "fullrank: error: standard output cannot be written: No space left on device\n"
WRITERS = {
    "run": "run study.toml -b serial -q --fresh",
    "item": "run study.toml --item 3",
    "status": "status study.toml",
}
WRITERS |= {command: f"{command} results/study.h5" for command in ("report", "verify", "report --json")}


@pytest.mark.parametrize("what", WRITERS)
def test_standard_output_that_is_full_is_told_in_a_sentence(project: Project, what: str) -> None:
    project.write("def f(x):\n    return x * x").run("-b", "serial")
    done = with_full(project, ">/dev/full", *WRITERS[what].split())
    assert done.returncode == 74
    assert done.stderr.endswith(NO_ROOM)
    assert "Traceback" not in done.stderr
    assert project.read("f").tolist() == [x * x for x in range(12)]


def test_ranks_whose_standard_output_is_full_have_computed_once_and_end_in_a_sentence(mpi_project: Project) -> None:
    code = "def f(x):\n    with open('visits', 'a') as file:\n        file.write(f'{x}\\n')\n    return x * x"
    project = mpi_project.write(code)
    done = with_full(project, ">/dev/full", "run", "study.toml", "-b", "mpi", "-n", "2", "-q")
    assert done.returncode == 74
    assert done.stderr == NO_ROOM
    assert sorted(project.visits()) == list(range(12))
    assert project.read("f").tolist() == [x * x for x in range(12)]


@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_standard_error_that_is_full_ends_no_run(project: Project, backend: str) -> None:
    project.write("def f(x):\n    return x * x")
    for options in ((), ("--fresh",)):
        done = with_full(project, "2>/dev/full", "run", "study.toml", "-b", backend, *options)
        assert done.returncode == 0
        assert str(project.output) in done.stdout
    assert project.read("f").tolist() == [x * x for x in range(12)]


TWO_RANKS = ("run", "study.toml", "-b", "mpi", "-n", "2")


def assert_complete_at_once(project: Project) -> None:
    """No item was begun twice, so no rank died, and the results are those of a plain loop."""
    assert sorted(project.visits()) == list(range(12))
    assert project.read("f").tolist() == [x * x / 7 for x in range(12)]


def test_standard_error_that_is_full_ends_no_rank(mpi_project: Project) -> None:
    done = with_full(mpi_project.write(SLOW), "2>/dev/full", *TWO_RANKS)
    assert done.returncode == 0
    assert str(mpi_project.output) in done.stdout
    assert_complete_at_once(mpi_project)


def test_ranks_go_on_when_nobody_reads_what_they_say_any_more(mpi_project: Project) -> None:
    done = with_full(mpi_project.write(SLOW), "2>&1 | head -1", *TWO_RANKS)
    assert done.stdout == "12 items to do on 2 workers\n"
    assert_complete_at_once(mpi_project)


@pytest.mark.parametrize("backend", ["mpi", "processes"])
def test_run_goes_on_when_its_terminal_is_closed(mpi_project: Project, backend: str) -> None:
    project = mpi_project.write(SLOW)
    command = [sys.executable, "-m", "fullrank", *TWO_RANKS[:3], backend, *TWO_RANKS[4:]]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, cwd=project.folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        project.until_visited(2)
        os.close(ours)
        assert process.wait(60) == 74  # for the summary
    assert_complete_at_once(project)


def test_error_that_cannot_be_written_keeps_its_exit_code(project: Project) -> None:
    project.write("def f(y):\n    return y")
    assert with_full(project, "2>/dev/full", "run", "study.toml").returncode == 2


def test_what_the_locale_cannot_encode_is_replaced(compared: Path) -> None:
    done = report(compared, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="")
    assert done.returncode == 0, done.stderr
    assert b"threads ?2" in done.stdout
    missing = report(compared.with_name("größer.h5"), LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert missing.returncode == 74
    assert b"Traceback" not in missing.stderr


@pytest.mark.parametrize("option", ["--rounds", "--allow-failures"])
@pytest.mark.parametrize("word", ["x", "1.5", "", "-1", "9" * 5000])
def test_number_that_is_none_is_told_with_what_was_expected(option: str, word: str) -> None:
    command, least = ("compare", 1) if option == "--rounds" else ("run", 0)
    if word.startswith("9"):
        word = "-" + word
    with pytest.raises(UsageError, match=rf"{option}: expected an integer >= {least}, got ") as caught:
        parser().parse_args([command, "study.toml", f"{option}={word}"])
    assert "_positive" not in str(caught.value)
    assert len(str(caught.value)) < 200
