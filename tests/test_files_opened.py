"""What a rank opens when it starts: on a cluster thousands of them ask one file server."""

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from studies import Project

from fullrank.launcher import thread_limits

MOST_OPENS = 80
"""Beyond those of a program that only imports MPI."""
IMPORTS = ["-c", "from mpi4py import MPI"]
HEAVY = re.compile(r"/site-packages/(numpy|h5py|rich|matplotlib)/")
OF_THE_KERNEL = ("/proc/", "/sys/", "/dev/")
"""No file server is asked for these."""
_OPENED = re.compile(r'\bopen(?:at)?\([^"]*"(?P<path>[^"]*)", (?P<flags>[A-Z_|]+).*\) = \d+')

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


def opened(trace: Path) -> list[str]:
    """Return the files that were opened: no directories, nothing that was not there, none of the kernel's."""
    found = (match for line in trace.read_text().splitlines() if (match := _OPENED.search(line)))
    paths = [match["path"] for match in found if "O_DIRECTORY" not in match["flags"]]
    return [path for path in paths if not path.startswith(OF_THE_KERNEL)]


def opened_by_second_rank(run_mpi: Any, folder: Path, words: Sequence[str]) -> list[str]:
    trace = folder / "trace"
    python = [sys.executable, *words]
    under_strace = ["strace", "-f", "-qq", "-e", "trace=open,openat", "-o", trace, *python]
    done = run_mpi(1, *python, ":", "-n", 1, *under_strace, cwd=folder, env=thread_limits({}))
    assert done.returncode == 0, done.stderr
    return opened(trace)


def test_rank_opens_few_files_beyond_those_of_mpi_and_none_of_numpy(run_mpi: Any, mpi_project: Project) -> None:
    mpi_project.write("def f(x):\n    return x\n", grid="x = { range = 1 }")
    mpi_project.run(n_ranks=2)  # Python caches what it compiles
    of_mpi = opened_by_second_rank(run_mpi, mpi_project.folder, IMPORTS)
    of_rank = opened_by_second_rank(run_mpi, mpi_project.folder, ["-m", "fullrank", "run", "study.toml", "--fresh"])
    assert any("fullrank/worker.py" in path or "/worker.cpython" in path for path in of_rank)
    assert any("libmpi" in path for path in of_mpi)
    assert len(of_rank) - len(of_mpi) <= MOST_OPENS
    assert [path for path in of_rank if HEAVY.search(path)] == []
