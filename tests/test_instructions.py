"""What an item costs that does nothing, and a small claim, in instructions: a regression shows on a busy machine too.

Times say nothing where other programs run. Callgrind counts the same from run to run, for one build of Python and, on
root's path, of the libraries: others are compiled otherwise, and these tests are skipped there. After a change that is
meant to cost or to gain, put the figures into COSTS that the tests tell.

Counts do not see how long an instruction takes: caches that are missed, waits for locks. They do not see what the
kernel does in a system call, such as a claim's write to its journal. The worker that is counted has no thread beside
it, so no flush, no sync and no early frames; a counter of plain integers, so no message to root; no time limit, so no
timer; and no ``isolate``, so no child process.
"""

import platform
import re
import shutil
import sysconfig
import zlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from benchmark_modules import imported


class Build(NamedTuple):
    """What instructions are of."""

    machine: str
    python: str
    compiler: str
    optimised: str
    """Options of configure that say so: PGO, LTO."""


class Cost(NamedTuple):
    """Instructions: ``worker`` and ``root`` of an item that returns its only parameter."""

    worker: int
    """The bare loop's among them, 571 in Python 3.11."""
    claim: int
    """Of a claim of three items, the items among them: two parameters, two results, a study that goes on."""
    root: int
    """From the journal to the verified file and its report, with LIBRARIES."""


COSTS = {
    Build("x86_64", "3.11.7", "GCC 12.2.0", ""): Cost(worker=3825, claim=392_300, root=3378),
    Build("x86_64", "3.12.1", "GCC 12.2.0", ""): Cost(worker=4468, claim=421_300, root=3393),
    Build("x86_64", "3.13.0", "GCC 12.2.0", ""): Cost(worker=4325, claim=371_100, root=3385),
}
LIBRARIES = "numpy 2.4.6, h5py 3.16.0, zlib 1.2.13"
TOLERANCE, TOLERANCE_OF_CLAIM, TOLERANCE_OF_ROOT = 0.03, 0.02, 0.05


def build() -> Build:
    configured = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimised = " ".join(re.findall(r"--enable-optimizations|--with-lto", configured))
    return Build(platform.machine(), platform.python_version(), platform.python_compiler(), optimised)


def libraries() -> str:
    return f"numpy {version('numpy')}, h5py {version('h5py')}, zlib {zlib.ZLIB_RUNTIME_VERSION}"


pytestmark = [
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed"),
    pytest.mark.skipif(build() not in COSTS, reason=f"no figure is stored of {' '.join(build()).strip()}"),
    pytest.mark.timeout(600),  # of CPU time it is half a minute, of a busy machine's time more
]


@pytest.fixture(scope="module")
def where() -> Iterator[Any]:
    with imported("where") as (module,):
        yield module


def test_an_item_costs_its_worker_as_many_instructions_as_before(where: Any, tmp_path: Path) -> None:
    found = sum(where.of_worker(tmp_path).values())
    assert found == pytest.approx(COSTS[build()].worker, rel=TOLERANCE)


def test_a_small_claim_costs_its_worker_as_many_instructions_as_before(where: Any, tmp_path: Path) -> None:
    assert where.of_claim(tmp_path) == pytest.approx(COSTS[build()].claim, rel=TOLERANCE_OF_CLAIM)


@pytest.mark.skipif(libraries() != LIBRARIES, reason=f"the figure is of {LIBRARIES}, these are {libraries()}")
def test_an_item_costs_root_as_many_instructions_as_before(where: Any, tmp_path: Path) -> None:
    assert where.of_root(tmp_path) == pytest.approx(COSTS[build()].root, rel=TOLERANCE_OF_ROOT)
