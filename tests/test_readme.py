"""The README's own example, taken from its text, does what the README says."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def indented_block_after(words: str) -> str:
    """The first indented block behind ``words``, without its indentation."""
    behind = README[README.index(words) :]
    lines = re.search(r"\n\n((?:    .*\n|\n)+)", behind)
    assert lines is not None
    return re.sub(r"(?m)^    ", "", lines[1])


def test_example_of_the_readme_gives_the_dataset_it_names(fullrank_cli, tmp_path: Path) -> None:
    program = indented_block_after("`sim.py`, a function")
    (tmp_path / "sim.py").write_text(program)
    (tmp_path / "study.toml").write_text(indented_block_after("`study.toml`, what").replace("20000", "20"))
    done = fullrank_cli("run", "study.toml")
    assert done.returncode == 0, done.stderr
    namespace: dict[str, object] = {}
    exec(program, namespace)
    decay = namespace["decay"]
    with h5py.File(tmp_path / "results" / "study.h5") as file:
        found = file["decay"]
        assert [found.dims[axis][0].name for axis in range(2)] == ["/rate", "/start"]
        expected = [[decay(rate, start, 20) for start in (0.5, 1.0, 2.0)] for rate in np.linspace(0.001, 0.1, 400)]
        np.testing.assert_array_equal(found[...], expected)


def test_python_of_the_readme_gives_what_a_plain_loop_does(tmp_path: Path) -> None:
    program = indented_block_after("`sim.py`, a function")
    (tmp_path / "sim.py").write_text(program)
    (tmp_path / "script.py").write_text(indented_block_after("The same from Python"))
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    namespace: dict[str, Any] = {}
    exec(program, namespace)
    expected = np.mean([namespace["decay"](rate, start, 500) for rate in (0.01, 0.1) for start in range(1, 6)])
    assert float(done.stdout.split()[0]) == pytest.approx(expected, rel=1e-12)


def test_commands_of_the_readme_are_commands(fullrank_cli) -> None:
    named = set(re.findall(r"`fullrank (\w+) ", README))
    assert named == set(re.findall(r"(?m)^    (\w+)  ", fullrank_cli("--help").stdout))
    for command in named:
        shown = fullrank_cli(command, "--help")
        assert shown.returncode == 0
        assert "example: fullrank" in shown.stdout
