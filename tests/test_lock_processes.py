"""Locks and the processes that hold them: who is alive, who is gone, who of many is next."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from locks import ME, NEIGHBOUR, locked_by

from fullrank.errors import Locked
from fullrank.lock import RunLock
from fullrank.owner import Verdict, judge, process_start, this_process

SOURCE = Path(__file__).resolve().parents[1] / "src"


def test_a_machine_that_was_started_again_has_lost_its_processes() -> None:
    assert judge(replace(NEIGHBOUR, boot="earlier"), ME, lambda pid: "6000") is Verdict.GONE


def test_two_machines_of_one_name_are_told_apart() -> None:
    assert judge(replace(NEIGHBOUR, machine="m2"), ME, lambda pid: None) is Verdict.UNKNOWN


def test_the_pids_of_another_container_mean_nothing() -> None:
    assert judge(replace(NEIGHBOUR, pid_namespace="n2"), ME, lambda pid: None) is Verdict.UNKNOWN


@pytest.mark.parametrize(("theirs", "now"), [("", "6000"), ("6000", "")])
def test_where_the_system_tells_no_start_a_process_of_that_pid_is_the_owner(theirs: str, now: str) -> None:
    assert judge(replace(NEIGHBOUR, process_start=theirs), ME, lambda pid: now) is Verdict.ALIVE


def test_this_process_is_alive_and_starts_when_it_did() -> None:
    start = process_start(os.getpid())
    assert start
    assert this_process().process_start == start


def test_tokens_differ() -> None:
    assert this_process().token != this_process().token


def test_the_start_of_a_process_with_an_odd_name_is_read(tmp_path: Path) -> None:
    program = tmp_path / "a) (b 1 2"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    try:
        # truth from the kernel: seconds since boot, in ticks of 1/100 s
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        start = process_start(process.pid)
        assert start is not None
        ticks = os.sysconf("SC_CLK_TCK")
        assert abs(int(start) / ticks - uptime) < 30
    finally:
        process.kill()
        process.wait()


def test_a_killed_process_is_gone_even_before_its_parent_has_asked() -> None:
    process = subprocess.Popen(["sleep", "60"])
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    assert process_start(process.pid) is None
    process.wait()
    assert process_start(process.pid) is None


HOLD = """
import sys, time
from pathlib import Path
from fullrank.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
lock.release()
"""


@contextmanager
def process_that_holds(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_run_refuses_while_another_process_holds_the_lock(tmp_path: Path, leaves_nothing_running: None) -> None:
    with process_that_holds(tmp_path) as process, pytest.raises(Locked) as refusal:
        RunLock(tmp_path, ending_seconds=0.2).acquire()
    assert f"pid {process.pid} on {os.uname().nodename}" in str(refusal.value)


def test_a_run_follows_another_process_that_ends(tmp_path: Path, leaves_nothing_running: None) -> None:
    with process_that_holds(tmp_path) as process:
        told: list[str] = []

        def end_it(sentence: str) -> None:
            told.append(sentence)
            assert process.stdin is not None
            process.stdin.close()

        with RunLock(tmp_path, ending_seconds=60, notify=end_it):
            assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
        assert len(told) == 1


def test_the_lock_of_a_killed_process_is_taken_over_at_once(tmp_path: Path, leaves_nothing_running: None) -> None:
    with process_that_holds(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        told: list[str] = []
        with RunLock(tmp_path, notify=told.append):
            assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
        assert told == []


RACE = """
import random, sys, time
from pathlib import Path
from fullrank.errors import Locked
from fullrank.lock import RunLock, World
from fullrank.owner import process_start

def hesitate(pid):
    start = process_start(pid)
    time.sleep(random.uniform(0.0, 0.03))  # between the judgement and what follows from it
    return start

folder, n_rounds = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for number in range(n_rounds):
    sys.stdin.readline()
    world = World(process_start=hesitate)
    try:
        RunLock(folder / str(number), ending_seconds=0.0, world=world).acquire()
        print("won", flush=True)
    except Locked:
        print("lost", flush=True)
sys.stdin.read()  # a winner that ends is no owner any more
"""


def test_of_many_newcomers_exactly_one_replaces_a_dead_owner(tmp_path: Path, leaves_nothing_running: None) -> None:
    n_newcomers, n_rounds = 6, 12
    gone = replace(this_process(), process_start="1", token="gone")
    for number in range(n_rounds):
        (tmp_path / str(number)).mkdir()
        locked_by(gone, tmp_path / str(number))
    with ExitStack() as stack:
        newcomers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", RACE, str(tmp_path), str(n_rounds)],
                    env={**os.environ, "PYTHONPATH": str(SOURCE)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(n_newcomers)
        ]
        answers = [_answer(newcomer) for newcomer in newcomers]
        assert answers == ["ready"] * n_newcomers
        for _ in range(n_rounds):
            for newcomer in newcomers:
                assert newcomer.stdin is not None
                newcomer.stdin.write("go\n")
                newcomer.stdin.flush()
            answers = [_answer(newcomer) for newcomer in newcomers]
            assert sorted(answers) == ["lost"] * (n_newcomers - 1) + ["won"]


def _answer(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
