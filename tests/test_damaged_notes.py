"""Small files of a work folder that were damaged: each command tells which, and what to do, or passes over them."""

from pathlib import Path

import pytest
from studies import Project

from fullrank.workfolder import numbers_of

pytestmark = pytest.mark.in_process

CODE = "def f(x):\n    return x / 7\n"
COMMANDS = [("run",), ("run", "--dry-run"), ("status",), ("gather", "--partial"), ("clean", "--yes")]
GATHER = ("gather", "--partial")


@pytest.fixture
def begun(project: Project) -> Project:
    """A study of twelve items of which six are finished."""
    project.write(CODE).run("-b", "serial", "--limit", 6)
    return project


def work(project: Project, name: str) -> Path:
    return project.folder / "results" / "study.h5.work" / name


def said_by(project: Project, *command: str) -> "tuple[int, str]":
    name, *options = command
    more = ("-b", "serial") if name == "run" else ()
    done = project.fullrank(name, "study.toml", *options, *more)
    return done.returncode, done.stderr


DAMAGES = [
    ("study.json", b"\xff", COMMANDS[:4]),
    ("study.json", b"", COMMANDS[:4]),
    ("study.json", b"[1]", COMMANDS[:4]),
    ("settings.json", b"{", [("run",), ("status",), GATHER]),
    ("settings.json", b"[1]", [("run",), ("status",), GATHER]),
    ("retried", b"one", COMMANDS[:4]),
    ("retried", b"", COMMANDS[:4]),
    ("versions.json", b"{", [("run",), GATHER]),
    ("versions.json", b"[1,2]", [("run",), GATHER]),
    ("versions.json", b"[]", [("run",), GATHER]),
]


@pytest.mark.parametrize(("name", "content", "commands"), DAMAGES, ids=str)
def test_damaged_note_is_told_by_its_path_with_the_cure(
    begun: Project, name: str, content: bytes, commands: list[tuple[str, ...]]
) -> None:
    path = work(begun, name)
    path.write_bytes(content)
    for command in commands:
        code, told = said_by(begun, *command)
        assert code == 74, (command, told)
        assert f"{path}: is damaged: expected " in told
        assert "run with --fresh" in told
        assert len(told.strip().splitlines()) == 1
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", sorted({name for name, _, _ in DAMAGES}))
def test_fresh_moves_journals_with_a_damaged_note_aside(begun: Project, name: str) -> None:
    journal = work(begun, "a0001-w00000.journal").read_bytes()
    work(begun, name).write_bytes(b"\xff")
    begun.run("-b", "serial", "--fresh")
    assert begun.read("f").tolist() == [x / 7 for x in range(12)]
    (kept,) = (begun.folder / "results").glob("study.h5.work.*/a0001-w00000.journal")
    assert kept.read_bytes() == journal


def test_work_folder_whose_study_is_damaged_is_not_cleaned_away(begun: Project) -> None:
    work(begun, "study.json").write_bytes(b"\xff")
    done = begun.fullrank("clean", "study.toml", "--yes")
    assert "is damaged, or not fullrank's" in done.stdout + done.stderr
    assert work(begun, "a0001-w00000.journal").exists()


@pytest.mark.parametrize("line", [b"\xff", b'{"attempt": 1, "reason": "\xff"}', b'{"attempt'], ids=repr)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_damaged_line_of_the_attempts_is_passed_over(begun: Project, line: bytes, command: tuple[str, ...]) -> None:
    with work(begun, "attempts.jsonl").open("ab") as file:
        file.write(b"\n" + line + b"\n")
    code, told = said_by(begun, *command)
    assert code == 0, told


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_strange_names_in_the_work_folder_are_passed_over(begun: Project, command: tuple[str, ...]) -> None:
    work(begun, "a-x.running").write_bytes(bytes(8))
    work(begun, "a-x.journal").write_bytes(bytes(8))
    work(begun, "a0009-00000.running").mkdir()
    work(begun, "a0001-w00009.running").mkdir()
    code, told = said_by(begun, *command)
    assert code == 0, told
    assert "Traceback" not in told
    assert work(begun, "a0009-00000.running").is_dir()


@pytest.mark.parametrize("name", ["a-x.running", "a0009-00000.running", "a0001-w1.log", "b0001-w00001.log", "a0001-"])
def test_names_that_are_no_workers_have_no_numbers(name: str) -> None:
    assert numbers_of(Path(name)) is None
