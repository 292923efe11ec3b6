"""A death, an error or a loss of power at any call by which a run changes the disk: the same command goes on."""

import errno
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crash_disk import Deed, Disk, Platter, die, fail, shorten, tear, tree_of
from crash_study import N_ITEMS, CrashStudy, finished_in, until_death

from fullrank.shard import Shard

ERRORS = [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EINTR]
LOSSES = {
    "names and contents": {"names": True, "zeros": False},
    "contents": {"names": False, "zeros": False},
    "contents, which are zeros": {"names": False, "zeros": True},
}


@dataclass(frozen=True)
class Scenario:
    """What stands in the folder before the run that is disturbed, and what that is asked to do with it."""

    prepare: Callable[[CrashStudy, Path], object]
    fresh: bool = False
    retry_failed: bool = False
    shard: Shard | None = None
    resumed_by: tuple[Shard | None, ...] = (None,)
    """What is run afterwards, in turn: shards, or all items."""


def stop_and_gather(study: CrashStudy, folder: Path) -> None:
    study.stop(folder)
    study.gather(folder)


ONE, TWO = Shard(1, 2), Shard(2, 2)


def run_one(study: CrashStudy, folder: Path) -> None:
    study.run(folder, shard=ONE)


SCENARIOS = {
    "first run": Scenario(lambda study, folder: None),
    "resumed": Scenario(CrashStudy.stop),
    "resumed beside a partial file": Scenario(stop_and_gather),
    "fresh over a result": Scenario(lambda study, folder: study.run(folder), fresh=True),
    "fresh over journals": Scenario(CrashStudy.stop, fresh=True),
    "failed items again, from a result": Scenario(lambda study, folder: study.run(folder), retry_failed=True),
    "first shard": Scenario(lambda study, folder: None, shard=ONE, resumed_by=(ONE, TWO)),
    "last shard": Scenario(run_one, shard=TWO, resumed_by=(TWO,)),
    "last shard, then another one": Scenario(run_one, shard=TWO, resumed_by=(ONE, TWO)),
    "last shard, then a run of all": Scenario(run_one, shard=TWO),
}


class Sweep:
    """One scenario, disturbed at one call after the other."""

    def __init__(self, study: CrashStudy, scenario: Scenario, folder: Path) -> None:
        self.study = study
        self.scenario = scenario
        self._folder = folder
        self._numbers = itertools.count()
        self.calls = study.calls(self.prepared(), **self._choices)

    @property
    def _choices(self) -> dict[str, Any]:
        scenario = self.scenario
        names = ("fresh", "retry_failed", "shard")
        return {name: getattr(scenario, name) for name in names} | {"take_over": True}

    def prepared(self) -> Path:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        self.scenario.prepare(self.study, folder)
        return folder

    def some_points(self, step: int) -> Iterator[int]:
        """Yield the numbers of some calls: of HDF5's own, which are most and go to one temporary file, a few."""
        own = [number for number, call in enumerate(self.calls, 1) if call.name != "pwrite"]
        of_hdf5 = [number for number, call in enumerate(self.calls, 1) if call.name == "pwrite"]
        return itertools.chain(own[::step], of_hdf5[:: 20 * step], of_hdf5[-1:])

    def all_points(self) -> range:
        """One more than there are calls: a death behind the last one."""
        return range(1, len(self.calls) + 2)

    def disturb(self, at: int, deed: Deed) -> Path:
        """Disturb the run at one call; return the folder it leaves, in which nothing false stands."""
        folder = self.prepared()
        previous = content(folder / "run.h5")
        until_death(lambda system: self.study.run(folder, system, **self._choices), Disk(folder, at=at, deed=deed))
        self.check(folder, previous)
        return folder

    def lose_power(self, at: int, *, names: bool, zeros: bool) -> Path:
        """Cut the power before one call; return the folder that comes back, in which nothing false stands."""
        folder = self.prepared()
        previous = content(folder / "run.h5")
        platter = Platter(folder)
        disk = Disk(folder, at=at, platter=platter)
        until_death(lambda system: self.study.run(folder, system, **self._choices), disk)
        platter.lose_power(names=names, zeros=zeros)
        self.check(folder, previous)
        return folder

    def check(self, folder: Path, previous: bytes | None) -> None:
        """Nothing at the final name is false, and what stood there before is still somewhere, or gone on from."""
        self.study.check_final(folder, allowed=previous)
        if self.scenario.retry_failed:
            assert (folder / "run.h5").exists()
        else:
            assert previous is None or previous in tree_of(folder).values()

    def resume(self, folder: Path) -> None:
        """Give the same command again; only the results are left, and what was moved aside."""
        is_over_a_result = self.scenario.fresh and (folder / "run.h5").exists()
        scenario = self.scenario
        shards, retries = scenario.resumed_by, scenario.retry_failed
        self.study.resume(folder, shards=shards, fresh=is_over_a_result, retry_failed=retries)
        left = {name for name in tree_of(folder) if not self.scenario.fresh or "T" not in name}
        assert left <= self.study.names


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@pytest.fixture
def sweep(study: CrashStudy, tmp_path: Path, request: pytest.FixtureRequest) -> Sweep:
    return Sweep(study, SCENARIOS[getattr(request, "param", "first run")], tmp_path)


in_every_scenario = pytest.mark.parametrize("sweep", SCENARIOS, indirect=True)
in_other_scenarios = pytest.mark.parametrize("sweep", list(SCENARIOS)[1:], indirect=True)


# --- the core: some calls of each scenario

pytestmark = pytest.mark.timeout(600)  # hundreds of runs, perhaps beside other programs


def test_a_death_at_a_call_loses_nothing_on_record(sweep: Sweep) -> None:
    for at in sweep.some_points(6):
        sweep.resume(sweep.disturb(at, die))


def test_an_error_at_a_call_ends_with_a_sentence_and_the_run_goes_on_later(sweep: Sweep) -> None:
    for at in sweep.some_points(6):
        sweep.resume(sweep.disturb(at, fail(ERRORS[at % len(ERRORS)])))


def test_a_loss_of_power_at_a_call_leaves_nothing_false(sweep: Sweep) -> None:
    for at, loss in zip(sweep.some_points(6), itertools.cycle(LOSSES.values()), strict=False):
        sweep.resume(sweep.lose_power(at, **loss))


def test_what_the_disk_was_asked_to_keep_outlives_a_loss_of_power(sweep: Sweep) -> None:
    at = next(number for number, call in enumerate(sweep.calls, 1) if call.file.startswith("result."))
    folder = sweep.lose_power(at, names=True, zeros=False)
    assert finished_in(folder) == set(range(N_ITEMS))
    sweep.resume(folder)


@in_other_scenarios
def test_a_death_leaves_what_stood_there_before(sweep: Sweep) -> None:
    for at in sweep.some_points(25):
        sweep.resume(sweep.disturb(at, die))


@pytest.mark.parametrize("n_bytes", [1, 7])
def test_a_system_that_takes_few_bytes_at_once_gets_all_of_them(
    study: CrashStudy, tmp_path: Path, n_bytes: int
) -> None:
    disk = Disk(tmp_path, at=0)
    disk.every_write = shorten(n_bytes)
    assert not until_death(lambda system: study.run(tmp_path, system), disk)
    study.check_final(tmp_path, allowed=None)
    assert set(tree_of(tmp_path)) == study.names


def test_a_death_as_the_last_shard_writes_the_result_leaves_it_to_gather(study: CrashStudy, tmp_path: Path) -> None:
    sweep = Sweep(study, SCENARIOS["last shard"], tmp_path)
    at = next(number for number, call in enumerate(sweep.calls, 1) if call.file.startswith("result."))
    for point in (at, at + 1, next(n for n, call in enumerate(sweep.calls, 1) if call.name == "replace" and n > at)):
        folder = sweep.disturb(point, die)
        for lock in folder.glob("run.h5.work/**/lock"):
            lock.unlink()  # the dead process was this one, which lives
        assert study.gather(folder, is_partial=False) == folder / "run.h5"
        study.check_final(folder, allowed=None)
        assert set(tree_of(folder)) == study.names


# --- everything


@in_every_scenario
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_death_at_any_call_loses_nothing_on_record(sweep: Sweep) -> None:
    for at in sweep.all_points():
        sweep.resume(sweep.disturb(at, die))


@in_every_scenario
@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_an_error_at_any_call_ends_with_a_sentence(sweep: Sweep, number: int) -> None:
    for at in sweep.all_points():
        sweep.resume(sweep.disturb(at, fail(number)))


@in_every_scenario
@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_of_power_at_any_call_leaves_nothing_false(sweep: Sweep, loss: str) -> None:
    for at in sweep.all_points():
        sweep.resume(sweep.lose_power(at, **LOSSES[loss]))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_death_in_the_middle_of_any_record_loses_that_record_alone(sweep: Sweep) -> None:
    for at in (number for number, call in enumerate(sweep.calls, 1) if call.is_record):
        for n_bytes in range(sweep.calls[at - 1].n_bytes):
            sweep.resume(sweep.disturb(at, tear(n_bytes)))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_death_during_the_resume_of_a_death_loses_nothing_either(sweep: Sweep) -> None:
    for first in sweep.some_points(8):
        for second in sweep.some_points(8):
            folder = sweep.disturb(first, die)
            until_death(
                lambda system: sweep.study.run(folder, system, take_over=True),  # noqa: B023  called at once
                Disk(folder, at=second),
            )
            sweep.check(folder, None)
            sweep.resume(folder)
