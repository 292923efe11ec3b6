"""What the worker's path costs an item, counted in instructions: a regression shows on a busy machine too.

Times say nothing where other programs run. Callgrind counts the same to a thousandth from run to run, for one build of
Python: others are compiled otherwise, and this test is skipped there. After a change that is meant to cost or to gain,
put the figure into PER_ITEM that the test tells.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "noop_worker.py"
N_ITEMS = 8192
PER_ITEM = 4016
"""Instructions of an item that returns its only parameter, 571 of the bare loop among them."""
TOLERANCE = 0.03
BUILD = ("3.11.7", "GCC 12.2.0", "")
"""Version, compiler and optimisation (PGO, LTO) of the Python that PER_ITEM is of."""


def build() -> tuple[str, str, str]:
    configured = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimised = re.findall(r"--enable-optimizations|--with-lto", configured)
    return platform.python_version(), platform.python_compiler(), " ".join(optimised)


pytestmark = [
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed"),
    pytest.mark.skipif(build() != BUILD, reason=f"the figure is of Python {BUILD}, this is {build()}"),
]


def instructions(folder: Path) -> list[int]:
    """Return what was counted up to each mark of the program."""
    counted = folder / "counted"
    callgrind = ["valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={counted}"]
    command = [*callgrind, sys.executable, str(PROGRAM), str(folder), "total", str(N_ITEMS)]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    dumps = sorted(folder.glob("counted.*"), key=lambda path: int(path.suffix[1:]))
    return [int(re.findall(r"^totals: (\d+)$", dump.read_text(), re.MULTILINE)[0]) for dump in dumps]


def test_an_item_costs_as_many_instructions_as_before(tmp_path: Path) -> None:
    *_, small, _, great = instructions(tmp_path)
    assert (great - small) / N_ITEMS == pytest.approx(PER_ITEM, rel=TOLERANCE)
