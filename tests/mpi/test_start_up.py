"""How far apart ranks were started, as a report tells it."""

import json
import os
import shlex
import sys

import pytest
from studies import Project

LATER_SECONDS = 2.0
NOTES_ITS_START = """\
import os
with open("/proc/self/stat") as stat, open(f"start-{os.getpid()}", "w") as note:
    note.write(stat.read().rpartition(")")[2].split()[19])
def f(x):
    return x
"""
"""What the kernel says: when the rank's process was started, in ticks."""


def test_report_tells_how_far_apart_ranks_were_started(mpi_project: Project, run_mpi) -> None:  # type: ignore[no-untyped-def]
    project = mpi_project.write(NOTES_ITS_START)
    rank = [sys.executable, "-m", "fullrank", "run", "study.toml"]
    later = ["sh", "-c", f"sleep {LATER_SECONDS}; {shlex.join(rank)}; exit $?"]
    done = run_mpi(1, *rank, ":", "-n", 1, *later, cwd=project.folder, env={"PYTHONHASHSEED": "0"})
    assert done.returncode == 0, done.stderr
    ticks = [int(note.read_text()) for note in project.folder.glob("start-*")]
    assert len(ticks) == 2
    apart_seconds = (max(ticks) - min(ticks)) / os.sysconf("SC_CLK_TCK")
    told = json.loads(project.fullrank("report", project.output, "--json").stdout)
    assert told["work"]["starts_apart_seconds"] == pytest.approx(apart_seconds, abs=LATER_SECONDS / 2)
    assert "starts apart" in project.fullrank("report", project.output).stdout


@pytest.mark.in_process
def test_single_process_has_no_others_to_be_apart_from(project: Project) -> None:
    project.write().run("-b", "serial")
    assert "starts apart" not in project.fullrank("report", project.output).stdout
