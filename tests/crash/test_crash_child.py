"""The same deaths in a process that really ends, and a user who gives the same command again."""

import subprocess
import sys
from pathlib import Path

import pytest
from crash_disk import Disk, tree_of
from crash_study import CrashStudy, finished_in, until_death

from fullrank.store import verify

HERE = Path(__file__).parent
# The command line, with a disk under the serial backend and under root that ends the process at one call.
PROGRAM = """\
import functools, os, sys
sys.path.insert(0, sys.argv.pop(1))
from crash_disk import Disk
from fullrank import cli, driver
from fullrank.backends import serial

disk = Disk(root=None, at=int(sys.argv.pop(1)), deed=lambda *_: os._exit(9), uncounted=("pwrite",))
serial.run = functools.partial(serial.run, system=disk)
driver.run = functools.partial(driver.run, system=disk)
sys.exit(cli.main(sys.argv[1:]))
"""


def names_of(folder: Path) -> set[str]:
    """Names of what is left, without what differs from process to process: tokens and process numbers."""
    return {
        ".".join(part for part in name.split(".") if not part.isdigit() and len(part) != 16) for name in tree_of(folder)
    }


@pytest.mark.timeout(600)
def test_a_process_that_ends_at_a_call_leaves_what_the_model_says_and_the_same_command_goes_on(
    study: CrashStudy, tmp_path: Path
) -> None:
    # HDF5 writes in other pieces in another process, for it notes another command
    n_calls = sum(call.name != "pwrite" for call in study.calls_undisturbed)
    for at in range(2, n_calls, 17):
        folder, model = tmp_path / str(at), tmp_path / f"model{at}"
        folder.mkdir()
        model.mkdir()
        disk = Disk(model, at=at, uncounted=("pwrite",))
        assert until_death(lambda system: study.run(model, system), disk)  # noqa: B023  called at once
        command = ["run", study.config, "-b", "serial", "-q", "-o", folder / "run.h5"]
        died = run([sys.executable, "-c", PROGRAM, HERE, at, *command])
        assert died.returncode == 9, died.stderr
        assert names_of(folder) == names_of(model)
        assert finished_in(folder) == finished_in(model)
        done = run([sys.executable, "-m", "fullrank", *command])
        assert done.returncode == 3, done.stderr  # one item fails
        assert "Traceback" not in done.stderr
        assert verify(folder / "run.h5").results_sha256 == study.digest
        assert set(tree_of(folder)) <= study.names


def run(words: list[object]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120)
