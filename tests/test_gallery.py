"""The gallery's commands and programs, taken from its text, run on a part of each study's items."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from in_process import ProjectInProcess

ROOT = Path(__file__).parents[1]
GALLERY = (ROOT / "docs" / "gallery.md").read_text("utf-8")
N_ITEMS = 3
SECTIONS = dict(re.findall(r"(?ms)^## (.*?)\n(.*?)(?=^## |\Z)", GALLERY))
MOST_BYTES = 150_000


def commands(section: str) -> list[list[str]]:
    return [line.split() for line in re.findall(r"(?m)^    fullrank (.*)$", section)]


def config_of(section: str) -> str:
    return next(words[1] for words in commands(section) if words[0] == "run")


def of_a_part(text: str) -> str:
    """A command or program for the file that a run with --limit writes."""
    return re.sub(r"(results/\w+)\.h5", r"\1.partial.h5", text)


def test_every_config_that_ships_has_its_section() -> None:
    shipped = {f"configs/{path.name}" for path in (ROOT / "configs").glob("*.toml")}
    assert {config_of(section) for section in SECTIONS.values()} == shipped


@pytest.mark.parametrize("name", SECTIONS)
def test_commands_and_programs_of_a_section_run(name: str, leaves_nothing_running: None, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for first, *words in commands(SECTIONS[name]):
        limit = ["--limit", N_ITEMS, "-n", 1] if first == "run" else []
        done = ProjectInProcess(tmp_path).fullrank(first, *map(of_a_part, words), *limit)
        assert done.returncode == 0, done.stderr
    for program in re.findall(r"(?s)```python\n(.*?)```", SECTIONS[name]):
        done = subprocess.run(
            [sys.executable, "-c", of_a_part(program)],
            cwd=tmp_path,
            env=os.environ | {"MPLBACKEND": "agg"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    study = Path(config_of(SECTIONS[name])).stem
    assert (tmp_path / "results" / f"{study}.png").stat().st_size > 0


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_names_files_that_are_there_and_a_picture_that_loads_fast(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", SECTIONS[name])
    for link in links:
        assert link.startswith("https://") or (ROOT / "docs" / link).exists(), link
    assert {path for path in re.findall(r"`(tests/\w+\.py)`", SECTIONS[name]) if not (ROOT / path).exists()} == set()
    (picture,) = re.findall(r"!\[.+\]\((.+)\)", SECTIONS[name])
    assert (ROOT / "docs" / picture).stat().st_size < MOST_BYTES
