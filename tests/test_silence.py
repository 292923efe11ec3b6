"""A worker without a sign of life is told, by its name and item, and is never killed for it."""

import io
import json
import os
import signal
import time

from studies import VISITED, Project

from fullrank.backends.base import LocalCounter
from fullrank.monitor import FailureRule, Monitor
from fullrank.progress import Bar, PlainLines

LASTING = f"{VISITED}\ndef f(x):\n    visited(x)\n    dawdle(1000)\n    return x / 7\n"


def test_stopped_worker_is_named_with_host_and_item_and_goes_on_afterwards(project: Project) -> None:
    running = project.write(LASTING).start_run("-b", "processes", "-n", 2)
    project.until_visited(2)
    assert json.loads(project.fullrank("status", "study.toml", "--json").stdout)["silent"] == []
    worker = project.workers(running.pid)[1]
    os.kill(worker, signal.SIGSTOP)
    cell = project.folder / "results/study.h5.work/a0001-w00001.running"
    item = int.from_bytes(cell.read_bytes(), "little")
    os.utime(cell, times=(time.time() - 40, time.time() - 40))
    said = project.fullrank("status", "study.toml").stdout
    assert f"worker 1, {os.uname().nodename}: silent for 4" in said
    assert said.rstrip().endswith(f" s, in item {item}")
    assert "worker 0, " not in said
    project.hurry()
    os.kill(worker, signal.SIGCONT)
    assert running.end().returncode == 0
    assert project.read("f").tolist() == [x / 7 for x in range(12)]


def test_worker_in_a_long_item_of_python_code_gives_signs_of_life(project: Project) -> None:
    running = project.write(LASTING).start_run("-b", "serial")
    project.until_visited(1)
    cell = project.folder / "results/study.h5.work/a0001-w00000.running"
    long_ago = time.time() - 1000
    os.utime(cell, times=(long_ago, long_ago))
    project.until(lambda: cell.stat().st_mtime > long_ago + 900, "the keeper gives a sign of life")
    project.hurry()
    assert running.end().returncode == 0


def test_running_display_tells_silent_workers(monkeypatch) -> None:
    monkeypatch.setattr("fullrank.monitor.LOOK_SECONDS", 0.001)
    monkeypatch.setattr("fullrank.monitor.SILENCE_LOOK_SECONDS", 0.002)
    stream = io.StringIO()
    display = PlainLines(stream)
    monitor = Monitor(
        LocalCounter(),
        display=display,
        rule=FailureRule(),
        renew_lock=lambda: None,
        silent_workers=lambda: ["rank 3, node07: silent for 40 s, in item 412"],
    )
    display.begin(9, 0, n_workers=4)
    with monitor:
        while "412" not in stream.getvalue():
            time.sleep(0.001)
    assert "\nrank 3, node07: silent for 40 s, in item 412\n" in stream.getvalue()


def test_sentence_takes_the_place_of_the_bar_and_the_bar_comes_again_below() -> None:
    stream = io.StringIO()
    bar = Bar(stream)
    bar.begin(9, 0, n_workers=4)
    bar.say("rank 3, node07: silent")
    bar.end()
    lines = stream.getvalue().split("\n")
    assert lines[0].endswith("\rrank 3, node07: silent\x1b[K")
    assert "0/9 items" in lines[1]
