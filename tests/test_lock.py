"""One run at a time writes to an output: waiting, refusing, taking over."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from locks import ME, NEIGHBOUR, STRANGER, Universe, holder, locked_by, touch

from fullrank.errors import Locked
from fullrank.lock import RunLock, World
from fullrank.owner import owner_from


@pytest.fixture
def universe() -> Universe:
    return Universe()


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


def test_a_stranger_whose_job_is_over_is_replaced_at_once(tmp_path: Path, universe: Universe) -> None:
    locked_by(replace(STRANGER, job="slurm:5"), tmp_path)
    universe.jobs_over.add("slurm:5")
    universe.lock(tmp_path).acquire()
    assert holder(tmp_path) == "me"
    assert universe.now == 0


def test_a_stranger_whose_job_ends_meanwhile_is_replaced_before_it_was_silent_for_long(
    tmp_path: Path, universe: Universe
) -> None:
    locked_by(replace(STRANGER, job="slurm:5"), tmp_path)
    universe.at(100, lambda: universe.jobs_over.add("slurm:5"))
    universe.lock(tmp_path).acquire()
    assert holder(tmp_path) == "me"
    assert 100 <= universe.now <= 130


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
