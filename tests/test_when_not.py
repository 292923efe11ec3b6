"""docs/when-not.md: what it says to write in place of other programs' lines gives what a plain loop gives."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

PAGE = (Path(__file__).parents[1] / "docs/when-not.md").read_text("utf-8")
OURS = [row.split(" | ")[1] for row in PAGE.splitlines() if row.startswith("| ") and " | " in row]
IN_PYTHON = re.findall(r"`(fullrank\.run\(.*?\))`", "\n".join(OURS))
COMMANDS = re.findall(r"`(fullrank run sim.*?)`", "\n".join(OURS))
XS, YS = [0.1, 0.2], [1, 2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sim.py").write_text("def simulate(x, y):\n    return x / y\n")
    return tmp_path


def run(words: list[str], folder: Path) -> list[object]:
    """Run a program in the folder and return the results."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "results/simulate.h5") as file:
        return file["simulate"][()].tolist()  # type: ignore[no-any-return]


def test_page_has_lines_of_both_kinds() -> None:
    assert (len(IN_PYTHON), len(COMMANDS)) == (2, 1)


@pytest.mark.parametrize("line", IN_PYTHON)
def test_line_of_python_gives_what_a_loop_gives(line: str, folder: Path) -> None:
    script = f"import fullrank\nfrom sim import simulate\nxs, ys = {XS}, {YS}\nif __name__ == '__main__':\n    {line}\n"
    (folder / "script.py").write_text(script)
    zipped = [x / y for x, y in zip(XS, YS, strict=True)]
    expected = zipped if "zip" in line else [[x / y for y in YS] for x in XS]
    assert run([sys.executable, "script.py"], folder) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_command_gives_what_a_loop_gives(command: str, folder: Path) -> None:
    words = [sys.executable, "-m", *shlex.split(command)]
    assert run(words, folder) == [[x / y for y in (1, 2, 3)] for x in (0.1, 0.2)]
