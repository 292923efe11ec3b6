"""A disk without room: a study is refused before it starts if that can be known, else it stops and goes on later."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from studies import Project

pytestmark = pytest.mark.in_process

# An item takes 8 kB in a journal, of numbers that do not compress.
CODE = """\
import random

def visited(x):
    with open("visits", "ab", buffering=0) as file:
        file.write(b"%d\\n" % x)

def f(x):
    visited(x)
    draw = random.Random(x)
    return [draw.random() for _ in range(1000)]
"""
BACKENDS = {"serial": ("-b", "serial"), "processes": ("-b", "processes", "-n", 2), "mpi": ("-b", "mpi", "-n", 2)}
TOO_MANY_FOR_JOURNALS = "x = { range = 400 }"
TOO_MANY_FOR_THE_FILE = "x = { range = 150 }"


class SmallDisk:
    """A disk of 2 MB, until it is given more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "run.h5"

    def mount(self, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")

    def make_room(self) -> None:
        self.mount("remount,size=32m")

    def free_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk of 2 MB")
    folder = tmp_path / "small"
    folder.mkdir()
    disk = SmallDisk(folder)
    disk.mount("size=2m")
    yield disk
    subprocess.run(["umount", folder], check=True, timeout=20)


def told_bytes(stderr: str) -> tuple[int, int]:
    """Return the bytes needed and the bytes free that an error tells."""
    found = re.search(r"about ([\d,]+) (?:more )?bytes are needed there.*?, ([\d,]+) are free", stderr)
    assert found is not None, stderr
    needed, free = (int(number.replace(",", "")) for number in found.groups())
    return needed, free


def undisturbed(project: Project) -> str:
    project.run("-b", "serial", "-o", "undisturbed.h5")
    (project.folder / "visits").unlink()
    return project.digest("undisturbed.h5")


def assert_stopped_for_want_of_room(project: Project, disk: SmallDisk, backend: str) -> None:
    done = project.run(*BACKENDS[backend], "-o", disk.output, expect=74)
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    needed, free = told_bytes(done.stderr)
    assert free < needed
    assert not disk.output.exists()


def assert_goes_on(project: Project, disk: SmallDisk, *, digest: str, backend: str) -> None:
    """What is on record is not done again, and the result is that of an undisturbed run."""
    n_visits = len(project.visits())
    status = json.loads(project.fullrank("status", "study.toml", "--json", "-o", disk.output).stdout)
    assert 0 < status["n_ok"] < 400
    disk.make_room()
    project.run(*BACKENDS[backend], "-o", disk.output)
    assert len(project.visits()) == n_visits + 400 - status["n_ok"]
    assert project.digest(str(disk.output)) == digest


@pytest.mark.parametrize("backend", ["serial", "processes", pytest.param("mpi", marks=pytest.mark.mpi)])
def test_a_disk_that_fills_up_while_items_are_computed_stops_the_run_which_goes_on_later(
    project: Project, disk: SmallDisk, backend: str
) -> None:
    digest = undisturbed(project.write(CODE, grid=TOO_MANY_FOR_JOURNALS))
    assert_stopped_for_want_of_room(project, disk, backend)
    assert_goes_on(project, disk, digest=digest, backend=backend)


@pytest.mark.parametrize("backend", ["serial", pytest.param("mpi", marks=pytest.mark.mpi)])
def test_a_disk_that_fills_up_while_the_result_is_written_costs_no_item(
    project: Project, disk: SmallDisk, backend: str
) -> None:
    digest = undisturbed(project.write(CODE, grid=TOO_MANY_FOR_THE_FILE))
    assert_stopped_for_want_of_room(project, disk, backend)
    assert len(project.visits()) == 150
    disk.make_room()
    project.run(*BACKENDS[backend], "-o", disk.output)
    assert len(project.visits()) == 150
    assert project.digest(str(disk.output)) == digest


def test_a_study_that_cannot_fit_is_refused_before_it_starts(project: Project, disk: SmallDisk) -> None:
    project.write(CODE, grid="x = { range = 1000000 }")
    done = project.run("-b", "serial", "-o", disk.output, expect=74)
    needed, free = told_bytes(done.stderr)
    assert free == pytest.approx(disk.free_bytes(), abs=64 << 10)
    assert 20_000_000 < needed < 100_000_000  # 20 bytes an item in journals, 12 in the file, 27 sorted
    assert project.visits() == []


def test_gathering_onto_a_full_disk_gets_the_same_sentence(project: Project, disk: SmallDisk) -> None:
    project.write(CODE, grid=TOO_MANY_FOR_JOURNALS)
    project.run("-b", "serial", "-o", disk.output, expect=74)
    done = project.fullrank("gather", "study.toml", "--partial", "-o", disk.output)
    assert done.returncode == 74
    told_bytes(done.stderr)
    assert [path.name for path in disk.folder.iterdir()] == ["run.h5.work"]
