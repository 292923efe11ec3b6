"""A lock that is held: renewed, lost, given back, and what file systems and newcomers do meanwhile."""

import fcntl
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from locks import ME, NEIGHBOUR, STRANGER, Universe, holder, locked_by

from fullrank.errors import Locked, OutputError
from fullrank.holder import holder_of, may_be_stale
from fullrank.lock import RunLock, World
from fullrank.owner import Owner, this_process


@pytest.fixture
def universe() -> Universe:
    return Universe()


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


@pytest.mark.parametrize(
    ("quiet_seconds", "is_over", "is_held"), [(300, True, False), (300, None, True), (0, True, True)]
)
def test_quiet_holder_whose_job_is_over_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet_seconds: float, is_over: bool | None, is_held: bool
) -> None:
    monkeypatch.setattr("fullrank.holder.job_is_over", lambda _job: is_over)
    path = locked_by(replace(STRANGER, job="slurm:5"), tmp_path)
    os.utime(path, (time.time() - quiet_seconds,) * 2)
    assert (holder_of(tmp_path) is not None) is is_held


@pytest.mark.parametrize(
    ("owner", "answer", "expected"),
    [
        (this_process(), None, False),
        (STRANGER, None, True),
        (replace(STRANGER, job="slurm:5"), True, True),
        (replace(STRANGER, job="slurm:5"), False, False),
        (replace(STRANGER, job="pbs:5.head"), None, True),
    ],
    ids=["here", "elsewhere", "in a job that is over", "in a job that goes on", "in a job of which nothing is told"],
)
def test_lock_may_be_stale_if_nothing_tells_that_its_owner_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Owner, answer: bool | None, expected: bool
) -> None:
    monkeypatch.setattr("fullrank.holder.job_is_over", lambda _job: answer)
    assert not may_be_stale(tmp_path)
    locked_by(owner, tmp_path)
    assert may_be_stale(tmp_path) is expected


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
