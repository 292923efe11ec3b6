"""One run at a time writes to an output: waiting, refusing, taking over."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fullrank.errors import Locked, OutputError
from fullrank.lock import RunLock, World, holder_of
from fullrank.owner import Owner, Verdict, judge, owner_from, process_start, this_process

SOURCE = Path(__file__).resolve().parents[1] / "src"

ME = Owner(
    host="node01",
    pid=100,
    process_start="5000",
    started="2026-11-23T10:00:00+00:00",
    token="me",
    machine="m",
    boot="b",
    pid_namespace="n",
)
NEIGHBOUR = replace(ME, pid=200, process_start="6000", token="neighbour")
STRANGER = replace(ME, host="node02", machine="m2", boot="b2", token="stranger")


@dataclass
class Universe:
    """A world with a clock of its own; what is due happens while somebody sleeps."""

    me: Owner = ME
    processes: dict[int, str] = field(default_factory=lambda: {100: "5000", 200: "6000"})
    now: float = 0.0
    events: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        due = [event for event in self.events if event[0] <= self.now]
        self.events = [event for event in self.events if event[0] > self.now]
        for _, act in due:
            act()

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        self.events.append((seconds, act))

    def lock(self, folder: Path, *, take_over: bool = False, me: Owner | None = None) -> RunLock:
        owner = me or self.me
        world = World(
            this_process=lambda: owner,
            process_start=self.processes.get,
            monotonic=lambda: self.now,
            sleep=self.sleep,
        )
        return RunLock(folder, take_over=take_over, notify=self.sentences.append, world=world)


@pytest.fixture
def universe() -> Universe:
    return Universe()


def locked_by(owner: Owner, folder: Path) -> Path:
    path = folder / "lock"
    path.write_text(owner.to_json())
    return path


def holder(folder: Path) -> str:
    return str(json.loads((folder / "lock").read_text())["token"])


def touch(path: Path) -> Callable[[], None]:
    return lambda: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000))


def test_a_free_lock_is_taken_at_once_and_says_who_holds_it(tmp_path: Path, universe: Universe) -> None:
    universe.lock(tmp_path).acquire()
    assert owner_from((tmp_path / "lock").read_text()) == ME
    assert universe.now == 0
    assert universe.sentences == []


def test_a_lock_that_is_given_back_is_free(tmp_path: Path, universe: Universe) -> None:
    with universe.lock(tmp_path):
        assert holder(tmp_path) == "me"
    assert not (tmp_path / "lock").exists()
    with universe.lock(tmp_path):
        assert holder(tmp_path) == "me"


def test_the_lock_of_a_run_that_raised_is_free(tmp_path: Path, universe: Universe) -> None:
    with pytest.raises(ZeroDivisionError), universe.lock(tmp_path):
        raise ZeroDivisionError
    assert not (tmp_path / "lock").exists()


def test_a_process_that_is_gone_loses_its_lock_at_once(tmp_path: Path, universe: Universe) -> None:
    locked_by(NEIGHBOUR, tmp_path)
    del universe.processes[200]
    universe.lock(tmp_path).acquire()
    assert holder(tmp_path) == "me"
    assert universe.now == 0


def test_a_later_process_of_the_same_pid_is_no_owner(tmp_path: Path, universe: Universe) -> None:
    locked_by(NEIGHBOUR, tmp_path)
    universe.processes[200] = "9999"
    universe.lock(tmp_path).acquire()
    assert holder(tmp_path) == "me"


def test_a_live_neighbour_is_waited_for_a_moment_and_then_respected(tmp_path: Path, universe: Universe) -> None:
    locked_by(NEIGHBOUR, tmp_path)
    with pytest.raises(Locked) as refusal:
        universe.lock(tmp_path).acquire()
    assert 5 <= universe.now < 6
    assert holder(tmp_path) == "neighbour"
    for part in (str(tmp_path), "pid 200 on node01", "2026-11-23T10:00:00", "--take-over"):
        assert part in str(refusal.value)


def test_the_wait_for_a_neighbour_is_announced_once(tmp_path: Path, universe: Universe) -> None:
    locked_by(NEIGHBOUR, tmp_path)
    with pytest.raises(Locked):
        universe.lock(tmp_path).acquire()
    (sentence,) = universe.sentences
    assert "pid 200 on node01" in sentence
    assert "waiting 5 s" in sentence


def test_a_neighbour_that_ends_meanwhile_makes_room(tmp_path: Path, universe: Universe) -> None:
    path = locked_by(NEIGHBOUR, tmp_path)
    universe.at(2.0, path.unlink)
    universe.lock(tmp_path).acquire()
    assert holder(tmp_path) == "me"
    assert universe.now < 3


def test_a_neighbour_that_renews_and_then_dies_makes_room(tmp_path: Path, universe: Universe) -> None:
    path = locked_by(NEIGHBOUR, tmp_path)
    universe.at(1.0, touch(path))
    universe.at(2.0, universe.processes.clear)
    universe.lock(tmp_path).acquire()
    assert holder(tmp_path) == "me"


def test_a_neighbour_that_is_silent_but_there_keeps_its_lock(tmp_path: Path, universe: Universe) -> None:
    os.utime(locked_by(NEIGHBOUR, tmp_path), ns=(0, 0))
    with pytest.raises(Locked):
        universe.lock(tmp_path).acquire()


def test_a_stranger_that_renews_is_respected(tmp_path: Path, universe: Universe) -> None:
    path = locked_by(STRANGER, tmp_path)
    universe.at(29.0, touch(path))
    with pytest.raises(Locked, match="node02"):
        universe.lock(tmp_path).acquire()
    assert 29 <= universe.now < 32
    assert holder(tmp_path) == "stranger"


def test_a_stranger_that_is_silent_for_ten_minutes_is_replaced(tmp_path: Path, universe: Universe) -> None:
    locked_by(STRANGER, tmp_path)
    universe.lock(tmp_path).acquire()
    assert holder(tmp_path) == "me"
    assert 600 <= universe.now < 605
    (sentence,) = universe.sentences
    assert "10 min" in sentence
    assert "--take-over" in sentence


def test_a_stranger_that_renews_in_the_last_minute_is_respected(tmp_path: Path, universe: Universe) -> None:
    path = locked_by(STRANGER, tmp_path)
    universe.at(599.0, touch(path))
    with pytest.raises(Locked):
        universe.lock(tmp_path).acquire()


@pytest.mark.parametrize("age_seconds", [-86_400, 86_400])
def test_clocks_of_other_hosts_do_not_matter(tmp_path: Path, universe: Universe, age_seconds: int) -> None:
    path = locked_by(STRANGER, tmp_path)
    then = time.time_ns() - age_seconds * 10**9
    os.utime(path, ns=(then, then))
    universe.at(20.0, touch(path))
    with pytest.raises(Locked):
        universe.lock(tmp_path).acquire()


def test_a_stranger_that_ends_makes_room(tmp_path: Path, universe: Universe) -> None:
    path = locked_by(STRANGER, tmp_path)
    universe.at(10.0, path.unlink)
    universe.lock(tmp_path).acquire()
    assert holder(tmp_path) == "me"
    assert universe.now < 15


def test_whoever_replaces_a_stranger_first_is_respected(tmp_path: Path, universe: Universe) -> None:
    path = locked_by(STRANGER, tmp_path)
    universe.at(30.0, lambda: locked_by(replace(STRANGER, token="quicker"), tmp_path))
    universe.at(55.0, touch(path))
    with pytest.raises(Locked):
        universe.lock(tmp_path).acquire()
    assert holder(tmp_path) == "quicker"


def test_take_over_does_not_wait(tmp_path: Path, universe: Universe) -> None:
    for owner in (NEIGHBOUR, STRANGER):
        locked_by(owner, tmp_path)
        lock = universe.lock(tmp_path, take_over=True)
        lock.acquire()
        assert holder(tmp_path) == "me"
        assert universe.now == 0
        lock.release()


def test_take_over_is_meant_for_the_lock_that_was_there_and_not_for_the_next(
    tmp_path: Path, universe: Universe
) -> None:
    locked_by(STRANGER, tmp_path)
    quicker = replace(NEIGHBOUR, token="quicker")

    class Overtaken(RunLock):
        def _remove(self, judged: object) -> None:
            locked_by(quicker, tmp_path)

    world = World(lambda: ME, universe.processes.get, lambda: universe.now, universe.sleep)
    with pytest.raises(Locked):
        Overtaken(tmp_path, take_over=True, world=world).acquire()
    assert holder(tmp_path) == "quicker"


def test_a_restarted_job_replaces_its_earlier_start(tmp_path: Path, universe: Universe) -> None:
    locked_by(replace(STRANGER, job="slurm:7", n_restarts=0), tmp_path)
    universe.lock(tmp_path, me=replace(ME, job="slurm:7", n_restarts=1)).acquire()
    assert holder(tmp_path) == "me"
    assert universe.now == 0


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [(("slurm:7", 1), ("slurm:7", 1)), (("slurm:7", 0), ("slurm:8", 1)), (("", 0), ("", 1))],
)
def test_another_start_of_no_earlier_count_is_waited_for(
    tmp_path: Path, universe: Universe, theirs: tuple[str, int], mine: tuple[str, int]
) -> None:
    path = locked_by(replace(STRANGER, job=theirs[0], n_restarts=theirs[1]), tmp_path)
    universe.at(20.0, touch(path))
    with pytest.raises(Locked):
        universe.lock(tmp_path, me=replace(ME, job=mine[0], n_restarts=mine[1])).acquire()


def test_a_machine_that_was_started_again_has_lost_its_processes() -> None:
    assert judge(replace(NEIGHBOUR, boot="earlier"), ME, lambda pid: "6000") is Verdict.GONE


def test_two_machines_of_one_name_are_told_apart() -> None:
    assert judge(replace(NEIGHBOUR, machine="m2"), ME, lambda pid: None) is Verdict.UNKNOWN


def test_the_pids_of_another_container_mean_nothing() -> None:
    assert judge(replace(NEIGHBOUR, pid_namespace="n2"), ME, lambda pid: None) is Verdict.UNKNOWN


@pytest.mark.parametrize(("theirs", "now"), [("", "6000"), ("6000", "")])
def test_where_the_system_tells_no_start_a_process_of_that_pid_is_the_owner(theirs: str, now: str) -> None:
    assert judge(replace(NEIGHBOUR, process_start=theirs), ME, lambda pid: now) is Verdict.ALIVE


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"host": "node01"}', "\xff"])
def test_a_damaged_lock_is_replaced_after_ten_minutes(tmp_path: Path, universe: Universe, text: str) -> None:
    (tmp_path / "lock").write_text(text, encoding="latin-1")
    universe.lock(tmp_path).acquire()
    assert 600 <= universe.now < 605
    assert holder(tmp_path) == "me"


def test_a_lock_that_is_just_being_written_is_read_again(tmp_path: Path, universe: Universe) -> None:
    (tmp_path / "lock").touch()
    universe.at(1.0, lambda: locked_by(NEIGHBOUR, tmp_path))
    with pytest.raises(Locked, match="pid 200"):
        universe.lock(tmp_path).acquire()


def test_a_renewal_is_a_sign_of_life(tmp_path: Path, universe: Universe) -> None:
    lock = universe.lock(tmp_path)
    lock.acquire()
    os.utime(tmp_path / "lock", ns=(0, 0))
    lock.renew()
    assert (tmp_path / "lock").stat().st_mtime_ns > 0
    assert holder(tmp_path) == "me"


def test_a_run_whose_lock_was_taken_over_hears_of_it_and_leaves_it_alone(tmp_path: Path, universe: Universe) -> None:
    lock = universe.lock(tmp_path)
    lock.acquire()
    locked_by(STRANGER, tmp_path)
    with pytest.raises(Locked, match="lost its lock to pid 100 on node02"):
        lock.renew()
    lock.release()
    assert holder(tmp_path) == "stranger"


def test_a_run_does_not_give_back_the_lock_of_another(tmp_path: Path, universe: Universe) -> None:
    lock = universe.lock(tmp_path)
    lock.acquire()
    locked_by(STRANGER, tmp_path)
    lock.release()
    assert holder(tmp_path) == "stranger"


def test_a_run_whose_lock_was_removed_hears_of_it(tmp_path: Path, universe: Universe) -> None:
    lock = universe.lock(tmp_path)
    lock.acquire()
    (tmp_path / "lock").unlink()
    with pytest.raises(Locked, match="lost its lock"):
        lock.renew()


def test_a_renewal_that_the_file_system_refuses_passes(
    tmp_path: Path, universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = universe.lock(tmp_path)
    lock.acquire()

    def stale(*_: object, **__: object) -> None:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(os, "utime", stale)
        lock.renew()
    lock.renew()
    assert holder(tmp_path) == "me"


def test_a_renewal_after_the_release_does_nothing(tmp_path: Path, universe: Universe) -> None:
    lock = universe.lock(tmp_path)
    lock.acquire()
    lock.release()
    lock.renew()
    lock.release()
    assert not (tmp_path / "lock").exists()


def test_a_folder_that_cannot_be_is_named(tmp_path: Path, universe: Universe) -> None:
    with pytest.raises(OutputError, match=r"gone/x/lock: the lock cannot be taken: No such file"):
        universe.lock(tmp_path / "gone" / "x").acquire()


@pytest.mark.parametrize("owner", [NEIGHBOUR, STRANGER])
def test_a_run_that_ends_may_take_its_folder_along(tmp_path: Path, universe: Universe, owner: Owner) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    locked_by(owner, folder)
    universe.at(2.0, lambda: shutil.rmtree(folder))
    with universe.lock(folder):
        assert holder(folder) == "me"
        shutil.rmtree(folder)
    assert not folder.exists()


def test_a_folder_that_goes_just_before_its_lock_is_taken_over_is_made_again(
    tmp_path: Path, universe: Universe
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    locked_by(NEIGHBOUR, folder)

    class Overtaken(RunLock):
        def _remove(self, judged):  # type: ignore[no-untyped-def]  # the type is private
            shutil.rmtree(folder)
            super()._remove(judged)

    world = World(lambda: ME, universe.processes.get, lambda: universe.now, universe.sleep)
    Overtaken(folder, take_over=True, world=world).acquire()
    assert holder(folder) == "me"


def test_who_holds_a_lock_is_told_without_taking_it(tmp_path: Path) -> None:
    assert holder_of(tmp_path) is None
    with RunLock(tmp_path):
        assert str(holder_of(tmp_path)).startswith(f"pid {os.getpid()} on ")
    locked_by(replace(this_process(), process_start="1"), tmp_path)
    assert holder_of(tmp_path) is None
    (tmp_path / "lock").write_text("{")
    assert holder_of(tmp_path) is None


def test_a_full_disk_leaves_no_lock_behind(tmp_path: Path, universe: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        universe.lock(tmp_path).acquire()
    assert not (tmp_path / "lock").exists()


def test_a_lock_caught_by_mistake_is_put_back(tmp_path: Path, universe: Universe) -> None:
    # where the guard has no effect: another newcomer comes between the last look and the rename
    path = locked_by(STRANGER, tmp_path)
    quicker = replace(NEIGHBOUR, token="quicker")

    class Overtaken(RunLock):
        n_looks = 0

        def _look(self):  # type: ignore[no-untyped-def]  # the type is private
            seen = super()._look()
            self.n_looks += 1
            if self.n_looks == 2:  # the one in the guard
                locked_by(quicker, tmp_path)
            return seen

    world = World(lambda: ME, universe.processes.get, lambda: universe.now, universe.sleep)
    with pytest.raises(Locked):
        Overtaken(tmp_path, take_over=True, world=world).acquire()
    assert holder(tmp_path) == "quicker"
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, "lock.guard"}


def test_a_newcomer_waits_while_another_is_taking_over(tmp_path: Path, universe: Universe) -> None:
    locked_by(STRANGER, tmp_path)
    with (tmp_path / "lock.guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        universe.at(1.0, lambda: fcntl.flock(guard, fcntl.LOCK_UN))
        universe.lock(tmp_path, take_over=True).acquire()
    assert holder(tmp_path) == "me"
    assert 1.0 <= universe.now < 1.5


def test_a_newcomer_that_hangs_holds_nobody_up_for_ever(tmp_path: Path, universe: Universe) -> None:
    locked_by(STRANGER, tmp_path)
    with (tmp_path / "lock.guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        universe.lock(tmp_path, take_over=True).acquire()
    assert holder(tmp_path) == "me"


def test_file_systems_without_flock_and_links_will_do(
    tmp_path: Path, universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    monkeypatch.setattr(Path, "hardlink_to", unsupported)
    locked_by(STRANGER, tmp_path)
    lock = universe.lock(tmp_path, take_over=True)
    lock.acquire()
    assert holder(tmp_path) == "me"
    lock.release()
    test_a_lock_caught_by_mistake_is_put_back(tmp_path, universe)


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
