"""A run as another process sees it: running items, rate, time left, size; `status`, and `status --watch`."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from studies import VISITED, Project

from fullrank.commands.watch import Lines
from fullrank.outside import Recent
from fullrank.progress import remaining_seconds
from fullrank.standing import RUNNING, Standing

pytestmark = pytest.mark.in_process

STUCK_FROM_6 = f"""\
{VISITED}
def f(x):
    visited(x)
    dawdle(0.02 if x < 6 else 1000)
    return x / 7
"""
IN_ORDER = '[run]\norder = "index"'


@pytest.fixture
def stuck(project: Project) -> Iterator[tuple[Project, Any]]:
    """A run on two workers that has finished items 0 to 5 of 12 and is in two others."""
    running = project.write(STUCK_FROM_6, tail=IN_ORDER).start_run("-b", "processes", "-n", 2)
    project.until(lambda: len(set(project.visits()) - set(range(6))) == 2, "two items are stuck")
    project.until(lambda: standing(project)["n_ok"] == 6, "six items are on record")
    yield project, running
    project.hurry()
    assert running.end().returncode == 0


def standing(project: Project, study: object = "study.toml") -> Any:
    return json.loads(project.fullrank("status", study, "--json").stdout)


def test_items_that_run_are_told_with_worker_and_host(stuck: tuple[Project, Any]) -> None:
    project, _ = stuck
    found = standing(project)
    assert {item["index"] for item in found["running"]} == set(project.visits()) - set(range(6))
    assert {item["worker"] for item in found["running"]} == {0, 1}
    assert {item["host"] for item in found["running"]} == {os.uname().nodename}
    said = project.fullrank("status", project.output).stdout
    for item in found["running"]:
        assert re.search(rf"item {item['index']} +worker {item['worker']}", said)


def test_item_runs_since_its_workers_journal_grew_last(stuck: tuple[Project, Any]) -> None:
    project, _ = stuck
    journal = project.folder / "results/study.h5.work/a0001-w00001.journal"
    os.utime(journal, times=(time.time() - 500, time.time() - 500))
    running = {item["worker"]: item["seconds"] for item in standing(project)["running"]}
    assert 500 <= running[1] < 560
    assert running[0] is None or running[0] < 400
    first = project.fullrank("status", "study.toml").stdout.splitlines()[4]
    assert "worker 1" in first
    assert "for about 8 min" in first


def test_rate_and_time_left_follow_from_journals_alone(stuck: tuple[Project, Any]) -> None:
    project, _ = stuck
    pace = standing(project)["pace"]
    assert (pace["backend"], pace["n_workers"], pace["n_finished"]) == ("processes", 2, 6)
    assert pace["items_per_second"] == pytest.approx(6 / pace["elapsed_seconds"])
    least, most = pace["remaining_seconds"]
    # of all scatters and pauses there may have been, the narrowest range and the widest
    known = {"n_workers": 2, "elapsed_seconds": pace["elapsed_seconds"], "busy_seconds": 6 * 0.02}
    narrow = remaining_seconds(12, 6, **known, scatter=0.0)
    assert narrow is not None
    assert least <= narrow[0]
    assert most >= narrow[1] - 1


def test_size_is_that_of_the_files(stuck: tuple[Project, Any]) -> None:
    project, _ = stuck
    files = [path for path in (project.folder / "results").rglob("*") if path.is_file()]
    assert 0 < standing(project)["size_bytes"] <= sum(path.stat().st_size for path in files) + 10_000
    assert standing(project)["size_bytes"] >= min(path.stat().st_size for path in files)


def test_stopped_and_complete_studies_have_nothing_that_runs(project: Project) -> None:
    project.write("def f(x):\n    return x\n").run("--limit", 4, "-b", "serial")
    for state in ("stopped", "complete"):
        found = standing(project)
        assert found["state"] == state
        assert (found["running"], found["pace"]) == ([], None)
        project.run("-b", "serial")
    assert standing(project)["size_bytes"] == project.output.stat().st_size


def test_time_left_of_a_limited_run_is_that_of_its_sample(project: Project) -> None:
    code = f"{VISITED}\ndef f(x):\n    visited(x)\n    dawdle(1000 if len(open('visits').readlines()) > 2 else 0)\n"
    code += "    return x\n"
    running = project.write(code, grid="x = { range = 100000 }").start_run("-b", "serial", "--limit", 4)
    project.until(lambda: len(project.visits()) == 3, "an item is stuck")
    project.until(lambda: standing(project)["n_ok"] == 2, "two items are on record")
    assert standing(project)["pace"]["remaining_seconds"][1] < 10_000
    project.hurry()
    assert running.end().returncode == 0


def test_watch_ends_with_the_run_and_its_last_object_is_complete(stuck: tuple[Project, Any]) -> None:
    project, running = stuck
    watching = project.start("status", "study.toml", "--watch", "0.2", "--json")
    project.until(lambda: watched(watching), "it has looked")
    project.hurry()
    assert running.end().returncode == 0
    done = watching.end()
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert objects[0]["state"] == "running"
    assert objects[-1]["state"] == "complete"
    assert [found["n_ok"] for found in objects] == sorted(found["n_ok"] for found in objects)
    assert done.returncode == 0


def watched(watching: Any) -> str:
    """What was written so far."""
    text: str = watching._stdout.read_text()
    return text


def test_watch_into_a_file_writes_lines_and_at_the_end_the_whole(stuck: tuple[Project, Any]) -> None:
    project, running = stuck
    watching = project.start("status", project.output, "--watch", "0.1")
    project.until(lambda: watched(watching), "it has looked")
    project.hurry()
    assert running.end().returncode == 0
    said = watching.end().stdout
    assert re.match(
        r"running: 6 of 12 items are finished \(50%\), 0 of them failed; \S+ items/\w+ so far; .+ left\n", said
    )
    assert "complete: 12 of 12 items are finished (100%)" in said
    assert "\x1b" not in said


def test_ctrl_c_ends_the_watching_alone_and_is_no_error(stuck: tuple[Project, Any]) -> None:
    project, running = stuck
    watching = project.start("status", "study.toml", "--watch", "0.1")
    project.until(lambda: watched(watching), "it has looked")
    os.killpg(watching.pid, signal.SIGINT)
    done = watching.end()
    assert (done.returncode, done.stderr) == (0, "")
    assert running.is_running()


def test_terminal_is_drawn_over_and_left_at_a_new_line(project: Project) -> None:
    running = project.write(STUCK_FROM_6, tail=IN_ORDER).start_run("-b", "processes", "-n", 2)
    project.until(lambda: len(set(project.visits()) - set(range(6))) == 2, "two items are stuck")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "fullrank", "status", "study.toml", "--watch", "0.1"]
    with subprocess.Popen(
        command, cwd=project.folder, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    ) as process:
        os.close(theirs)
        shown = b""
        while shown.count(b"F") < 3 or b"\x1b[" not in shown:
            shown += os.read(ours, 1 << 16)
        project.hurry()
        try:
            while data := os.read(ours, 1 << 16):
                shown += data
        except OSError:  # the other side is closed
            pass
        assert process.wait(60) == 0, shown.decode()[-500:]
    os.close(ours)
    assert running.end().returncode == 0
    text = shown.decode()
    assert re.search(r"\x1b\[\d+Frunning by pid", text)
    assert "complete: 12 of 12" in text
    assert text.endswith("\n\x1b[J")


@pytest.mark.parametrize("state", ["complete", "not started"])
def test_watch_of_a_study_that_does_not_run_ends_at_once(project: Project, state: str) -> None:
    project.write("def f(x):\n    return x\n")
    if state == "complete":
        project.run("-b", "serial")
    done = project.fullrank("status", "study.toml", "--watch")
    assert done.stdout.startswith(f"{state}: ")
    assert done.returncode == 0


def test_study_that_waits_in_a_queue_is_watched_until_it_is_complete(project: Project) -> None:
    project.write("def f(x):\n    return x\n")
    watching = project.start("status", "study.toml", "--until-complete", "--watch", "0.1", "--json")
    project.until(lambda: watched(watching), "it has looked")
    project.run("-b", "serial", "--limit", 3)
    project.until(lambda: '"stopped"' in watched(watching), "it has seen that nothing runs")
    project.run("-b", "serial")
    states = [json.loads(line)["state"] for line in watching.end().stdout.splitlines()]
    assert states[0] == "not started"
    assert states[-1] == "complete"


def queue_that_says(says: str, folder: Path) -> dict[str, str]:
    squeue = folder / "squeue"
    squeue.write_text(f"#!/bin/sh\necho {says}\n")
    squeue.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_watching_ends_with_a_job_that_left_the_study_incomplete(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    env = queue_that_says("", tmp_path_factory.mktemp("bin"))
    project.write("def f(x):\n    return x\n")
    done = project.fullrank("status", "study.toml", "--until-complete", "--job", "slurm:5", env=env)
    assert "job slurm:5 is over, and the study is not complete: look at its log" in done.stderr
    assert done.stdout.startswith("not started: 0 of")


@pytest.mark.parametrize("job", ["5", "slurm", "torque:5", "slurm:five"])
def test_job_that_no_batch_system_could_have_is_refused(project: Project, job: str) -> None:
    done = project.fullrank("status", "study.toml", "--until-complete", "--job", job)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"expected a batch system and a number, as in slurm:4711, got {job!r}" in done.stderr


def test_watching_goes_on_while_the_job_waits(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    env = queue_that_says("PENDING", tmp_path_factory.mktemp("bin"))
    project.write("def f(x):\n    return x\n")
    watching = project.start(
        "status", "study.toml", "--until-complete", "--watch", "0.1", "--json", "--job", "slurm:5", env=env
    )
    project.until(lambda: watched(watching), "it has looked")
    project.run("-b", "serial")
    ended = watching.end()
    assert json.loads(ended.stdout.splitlines()[-1])["state"] == "complete"
    assert "is over" not in ended.stderr


def test_shards_are_watched_while_others_of_them_wait(project: Project) -> None:
    project.write("def f(x):\n    return x\n").run("-b", "serial", "--shard", "1/2")
    watching = project.start("status", "study.toml", "--watch", "0.1", "--json")
    project.until(lambda: watched(watching), "it has looked")
    project.run("-b", "serial", "--shard", "2/2")
    states = [json.loads(line)["state"] for line in watching.end().stdout.splitlines()]
    assert (states[0], states[-1]) == ("stopped", "complete")


def test_exit_code_of_a_watched_study_is_that_of_its_end(project: Project) -> None:
    running = project.write(STUCK_FROM_6, tail=IN_ORDER).start_run("-b", "processes", "-n", 2)
    project.until(lambda: len(set(project.visits()) - set(range(6))) == 2, "two items are stuck")
    watching = project.start("status", "study.toml", "--watch", "0.1", "--exit-code")
    project.until(lambda: watched(watching), "it has looked")
    running.send(signal.SIGTERM)
    running.send(signal.SIGTERM)
    assert running.end().returncode == 75
    assert watching.end().returncode == 75


def test_recent_rate_is_that_of_the_last_minute() -> None:
    recent = Recent()
    assert recent.per_second(0.0, 100) is None
    assert recent.per_second(10.0, 150) is None
    assert recent.per_second(60.0, 400) == 5.0
    assert recent.per_second(70.0, 450) == 5.0
    assert recent.per_second(130.0, 450) == 0.0
    assert recent.per_second(131.0, 7) is None


def test_lines_become_rarer_in_long_runs_down_to_one_a_minute() -> None:
    now = [0.0]
    with redirect_stdout(io.StringIO()) as out:
        lines = Lines(clock=lambda: now[0])
        written_at = []
        for now[0] in range(0, 2000, 2):
            before = out.tell()
            lines.show(Standing(str(Path("a.h5")), RUNNING, 10, 5, 0), is_last=False)
            if out.tell() > before:
                written_at.append(now[0])
    gaps = [later - earlier for earlier, later in pairwise(written_at)]
    assert gaps[0] <= 4
    assert max(gaps) == gaps[-1] == 60
