"""docs/first-ten-minutes.md: what it says is typed prints what it says, and gives what a plain loop does."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pytest

PAGE = (Path(__file__).parents[1] / "docs/first-ten-minutes.md").read_text("utf-8")
OF_THE_MACHINE = re.compile(r"/home/ada|…|\d (ms|s|µs)\b|items/s|free|compress|workers? of backend|on \d+ workers?$")
"""In lines that are other ones elsewhere, or at another time."""


def blocks() -> Iterator[tuple[str, list[str]]]:
    """Yield each indented block with the last line of text before it."""
    before, block = "", []
    for line in [*PAGE.splitlines(), "end"]:
        if line.startswith("    ") or (block and not line):
            block.append(line[4:])
            continue
        if block:
            yield before, block
        if line:
            before, block = line, []
    assert not block


def edited(text: str, block: list[str]) -> str:
    """Return a file's text after the changes of a block: lines that begin with - become the + lines behind them."""
    for removed, added in re.findall(r"(?m)^- (.*)\n((?:\+ .*\n)+)", "\n".join(block) + "\n"):
        new = re.sub(r"(?m)^. ", "", added).rstrip()
        text, n_found = re.subn(rf"(?m)^(\s*){re.escape(removed)}", lambda at, new=new: at[1] + new, text)  # type: ignore[misc]
        assert n_found == 1, removed
    return text


def commands(block: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a block with the lines that it prints."""
    for part in re.split(r"(?m)^\$ ", "\n".join(block))[1:]:
        command, *printed = part.splitlines()
        yield command, printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all was typed that the page has, each command's output compared with what it shows."""
    folder = tmp_path_factory.mktemp("well")
    (n_commands, n_edits) = (0, 0)
    for before, block in blocks():
        named = re.search(r"`([\w.]+)`[^`]*:$", before)
        if named and block[0].startswith("- "):
            path = folder / named[1]
            path.write_text(edited(path.read_text(), block))
            n_edits += 1
        elif named and not block[0].startswith("$"):
            (folder / named[1]).write_text("\n".join(block) + "\n")
        for command, shown in commands(block):
            check(command, shown, folder)
            n_commands += 1
    assert (n_commands, n_edits) == (9, 3)
    return folder


def check(command: str, shown: list[str], folder: Path) -> None:
    program, *words = shlex.split(command)
    assert program == "fullrank"
    done = subprocess.run(
        [sys.executable, "-m", "fullrank", *words], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    fails = "failed" in done.stdout or "--item" in command
    assert done.returncode == (3 if fails else 0), done.stdout + done.stderr
    printed = {line.rstrip() for line in (done.stdout + done.stderr).splitlines()}
    for line in shown:
        if line and not OF_THE_MACHINE.search(line):
            assert line.rstrip() in printed, f"{command}\n{line}\n--- printed:\n{done.stdout}{done.stderr}"


@pytest.mark.timeout(300)
def test_results_are_those_of_a_plain_loop(folder: Path) -> None:
    namespace: dict[str, Any] = {}
    exec((folder / "sim.py").read_text(), namespace)
    with h5py.File(folder / "results/share_right.h5") as file:
        found, noise = file["share_right"][()], file["noise"][()]
        versions = file["code_version"][()]
    assert noise.tolist() == np.linspace(0.0, 1.2, 25).tolist()
    assert found.shape == (8, 25)
    assert (found[:, 0] == 1.0).all()  # without noise it stays where it is
    assert np.unique(versions[:4, 0]).tolist() == [1]
    assert np.unique(versions[:4, 1:]).tolist() == [0]
    # seeds are fullrank's: what a plain loop gives with others differs by the scatter of the replicates alone
    loop = [[namespace["share_right"](level, Random(k).getrandbits(60)) for k in range(8)] for level in (0.05, 1.2)]
    assert np.mean(loop[0]) == found[:, 1].mean() == 1.0
    assert abs(np.mean(loop[1]) - found[:, -1].mean()) < 5 * np.std(loop[1]) / 2


def test_program_at_the_end_of_the_page_makes_a_picture(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "plot.py"], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "noise.png").read_bytes().startswith(b"\x89PNG")


def test_csv_has_what_the_file_has(folder: Path) -> None:
    rows = (folder / "share_right.csv").read_text().splitlines()[1:]
    with h5py.File(folder / "results/share_right.h5") as file:
        assert [float(row.split(",")[2]) for row in rows] == file["share_right"][()].ravel().tolist()
