"""``fullrank clean``: what is gone, file by file, and what is left."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from studies import VISITED, Project

from fullrank.errors import StorageError
from fullrank.leftovers import delete, find
from fullrank.store.layout import FORMAT_VERSION

pytestmark = pytest.mark.in_process

PRINTS = "def f(x):\n    print('hello')\n    return x\n"
LASTING = f"{VISITED}\ndef f(x):\n    visited(x)\n    dawdle(1000)\n    return x / 7\n"
WORK, PARTIAL, LOG, RESULT = "study.h5.work", "study.partial.h5", "study.h5.log", "study.h5"


def names(project: Project) -> set[str]:
    """What stands in the results' folder."""
    return {path.name for path in (project.folder / "results").iterdir()}


def stopped(project: Project) -> None:
    """A study of which a part is done: working folder and partial file."""
    project.write(PRINTS).run("--limit", 3, "-b", "serial")


def complete_with_all_that_can_be_left(project: Project) -> None:
    """A result and its log, all that can be moved aside, a working folder and a partial file."""
    project.write(PRINTS).run("-b", "serial")
    project.run("-b", "serial", "--fresh", "--limit", 3)
    project.run("-b", "serial", "--fresh", "--limit", 4)
    project.run("-b", "serial", "-o", "other.h5")
    shutil.move(project.folder / "other.h5", project.output)


def clean(project: Project, *args: object, expect: int = 0) -> "subprocess.CompletedProcess[str]":
    done = project.fullrank("clean", "study.toml", *args)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_working_folder_and_partial_file_of_a_stopped_study_go(project: Project) -> None:
    stopped(project)
    assert names(project) == {WORK, PARTIAL}
    said = clean(project, "--yes").stdout
    assert f"{project.output}.work/ " in said
    assert "working folder, with 3 finished items" in said
    assert names(project) == set()
    project.run("-b", "serial")
    assert project.read("f").tolist() == list(range(12))


def test_log_of_a_complete_study_goes_and_its_result_stays(project: Project) -> None:
    project.write(PRINTS).run("-b", "serial")
    before = project.output.read_bytes()
    assert names(project) == {RESULT, LOG}
    clean(project, "--yes")
    assert names(project) == {RESULT}
    assert project.output.read_bytes() == before


def test_what_was_moved_aside_goes_with_all_alone(project: Project) -> None:
    complete_with_all_that_can_be_left(project)
    moved = {name for name in names(project) if "T" in name}
    assert len(moved) == 3
    clean(project, "--yes")
    assert names(project) == {RESULT, *moved}
    clean(project, "--yes", "--all")
    assert names(project) == {RESULT}


def test_result_goes_only_if_asked_for_by_its_own_option(project: Project) -> None:
    project.write(PRINTS).run("-b", "serial")
    clean(project, "--yes", "--all")
    assert names(project) == {RESULT}
    assert "the result itself" in clean(project, "--yes", "--result").stdout
    assert names(project) == set()


def test_study_is_found_by_its_output(project: Project) -> None:
    stopped(project)
    assert project.fullrank("clean", project.output, "--yes").returncode == 0
    assert names(project) == set()


def test_neighbours_with_like_names_stay(project: Project) -> None:
    stopped(project)
    others = {"study2.h5.work", "study.h5.work.bak", "study.20260101T000000.txt", "mystudy.partial.h5", "study.log"}
    for name in others:
        (project.folder / "results" / name).write_text("mine")
    clean(project, "--yes", "--all", "--result")
    assert names(project) == others


@pytest.mark.parametrize(
    "name", [WORK, PARTIAL, LOG, RESULT, "study.20260101T000000.h5", "study.h5.work.20260101T000000-7"]
)
@pytest.mark.parametrize("kind", ["file", "folder", "link", "empty"])
def test_what_has_a_name_of_ours_and_is_somebody_elses_stays(project: Project, name: str, kind: str) -> None:
    project.write(PRINTS)
    path = project.folder / "results" / name
    path.parent.mkdir()
    (project.folder / "mine").mkdir()
    (project.folder / "mine/text").write_text("mine")
    match kind:
        case "file":
            path.write_text("mine")
        case "empty":
            path.touch()
        case "folder":
            shutil.copytree(project.folder / "mine", path)
        case "link":
            path.symlink_to(project.folder / "mine/text")
    before = project.files()
    done = clean(project, "--yes", "--all", "--result")
    assert "it stays" in done.stdout or name == RESULT
    assert project.files() == before


def test_files_of_the_users_in_the_working_folder_stay_with_it(project: Project) -> None:
    stopped(project)
    (project.folder / "results" / WORK / "notes.txt").write_text("mine")
    assert "notes.txt: is not fullrank's; it stays" in clean(project, "--yes").stdout
    assert {path.name for path in (project.folder / "results" / WORK).iterdir()} == {"notes.txt"}
    assert not (project.folder / "results" / PARTIAL).exists()


def test_complete_result_under_the_name_of_a_partial_one_stays(project: Project) -> None:
    project.write(PRINTS).run("-b", "serial")
    shutil.copy(project.output, project.folder / "results" / PARTIAL)
    assert "is a complete result, not a partial one; it stays" in clean(project, "--yes").stdout
    assert names(project) == {RESULT, PARTIAL}


def test_nothing_goes_while_a_run_is_at_work(project: Project) -> None:
    running = project.write(LASTING).start_run("-b", "serial")
    project.until_visited(1)
    before = names(project)
    done = clean(project, "--yes", "--all", expect=74)
    assert f"a run is at work there: pid {running.pid} " in done.stderr
    assert names(project) == before
    project.hurry()
    assert running.end().returncode == 0
    assert project.read("f").tolist() == [x / 7 for x in range(12)]


def test_lock_of_a_run_that_was_killed_is_no_hindrance(project: Project) -> None:
    running = project.write(LASTING).start_run("-b", "serial")
    project.until_visited(1)
    os.kill(running.pid, 9)
    running.end()
    clean(project, "--yes")
    assert names(project) == set()


def test_nothing_goes_if_something_has_changed_since_it_was_listed(project: Project) -> None:
    stopped(project)
    found = find(project.output, aside=False, result=False)
    with (project.folder / "results" / PARTIAL).open("ab") as file:
        file.write(b"more")
    before = project.snapshot()
    with pytest.raises(StorageError, match="has changed since it was listed"):
        delete(found)
    assert project.snapshot() == before


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_without_a_terminal_and_yes_nothing_goes(project: Project, options: list[str]) -> None:
    stopped(project)
    before = project.snapshot()
    assert "add --yes" in clean(project, *options, expect=2).stderr
    assert project.snapshot() == before


@pytest.mark.parametrize(("answer", "left"), [("y\n", set()), ("n\n", {WORK, PARTIAL}), ("\n", {WORK, PARTIAL})])
def test_on_a_terminal_it_is_asked_and_only_a_yes_deletes(project: Project, answer: str, left: set[str]) -> None:
    stopped(project)
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    done = subprocess.run(
        [sys.executable, "-m", "fullrank", "clean", "study.toml"],
        cwd=project.folder,
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == (2 if left else 0)
    assert "Delete this for ever? [y/N]" in done.stderr
    assert names(project) == left


def test_nothing_there_is_no_error(project: Project) -> None:
    said = clean(project.write(PRINTS)).stdout
    assert said == f"nothing to delete at {project.output}\n"
    assert not (project.folder / "results").exists()


def test_object_lists_what_went_with_its_size(project: Project) -> None:
    stopped(project)
    sizes = {name: sum(p.stat().st_size for p in _files(project.folder / "results" / name)) for name in (WORK, PARTIAL)}
    found = json.loads(clean(project, "--yes", "--json").stdout)
    assert found["is_deleted"] is True
    assert {Path(leftover["path"]).name: leftover["n_bytes"] for leftover in found["ours"]} == sizes


def _files(path: Path) -> list[Path]:
    return list(path.iterdir()) if path.is_dir() else [path]


def test_result_of_a_newer_format_stays(project: Project) -> None:
    project.write("def f(x):\n    return x / 7\n").run("-b", "serial")
    with h5py.File(project.output, "r+") as file:
        file.attrs["format_version"] = np.int32(FORMAT_VERSION + 1)
    done = project.fullrank("clean", "study.toml", "--result", "--yes")
    assert "was written by a newer fullrank, in a format that this one does not read; it stays" in done.stdout
    assert project.output.exists()
