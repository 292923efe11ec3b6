"""What a function's file computes while it is imported is named, once, while the import goes on."""

import subprocess
import sys
from pathlib import Path

import pytest
from studies import Project

from fullrank.function import FunctionSource
from fullrank.slow_import import told_if_slow

WAITS = """\
from pathlib import Path

def table():
    while not Path({flag!r}).exists():
        pass
    return 7

TABLE = table()  # slow

def f(x):
    return x + TABLE
"""
AT_ONCE = (
    "import fullrank.slow_import as s; s.SLOW_SECONDS = 0.01; "
    "from fullrank.__main__ import main; import sys; sys.exit(main())"
)


def imported(folder: Path, code: str, *, name: str) -> list[str]:
    """What is told of the import of a file that goes on until something is told."""
    flag = folder / "told"
    (folder / f"{name}.py").write_text(code.format(flag=str(flag)))
    told: list[str] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        flag.touch()

    with told_if_slow(f"{name}.py:f", tell, after_seconds=0.01):
        FunctionSource(f"{name}.py:f", (str(folder),)).load()
    return told


def test_line_at_the_top_level_that_computes_is_named_with_the_cure(tmp_path: Path) -> None:
    (said,) = imported(tmp_path, WAITS, name="sim_that_computes")
    assert f"{tmp_path}/sim_that_computes.py, line 8:\n    TABLE = table()  # slow\n" in said
    assert "`setup`" in said
    assert "__main__" in said


def test_import_of_a_neighbour_that_computes_is_named_by_the_neighbours_line(tmp_path: Path) -> None:
    (tmp_path / "neighbour_that_computes.py").write_text(WAITS.format(flag=str(tmp_path / "told")))
    (said,) = imported(tmp_path, "from neighbour_that_computes import f\n", name="sim_with_neighbour")
    assert f"{tmp_path}/neighbour_that_computes.py, line 8:" in said


def test_import_of_a_slow_package_is_named_by_the_line_that_imports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "slow_package.py").write_text(WAITS.format(flag=str(tmp_path / "told")))
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.setattr("site.getsitepackages", lambda: [str(packages)])
    (said,) = imported(tmp_path, "import os\nimport slow_package\nf = slow_package.f\n", name="sim_with_package")
    assert f"{tmp_path}/sim_with_package.py, line 2:\n    import slow_package\n" in said
    assert "Import there what the function needs" in said


def test_quick_import_is_no_word_worth(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "quick_sim.py").write_text("def f(x):\n    return x\n")
    with told_if_slow("quick_sim.py:f", told.append, after_seconds=100):
        FunctionSource("quick_sim.py:f", (str(tmp_path),)).load()
    assert told == []


@pytest.mark.parametrize("options", [["-b", "serial"], ["--dry-run"], ["--item", "3"]])
def test_user_is_told_once_by_each_command_that_imports(project: Project, options: list[str]) -> None:
    code = "import time\ntime.sleep(0.5)\ndef f(x):\n    return x\n"
    project.write(code)
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, "run", "study.toml", *options],
        cwd=project.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr.count("fullrank: importing sim.py takes longer than 0.01 s. It is at ") == 1
    assert "sim.py, line 2:\n    time.sleep(0.5)\n" in done.stderr
