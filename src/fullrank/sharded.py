"""The run of one shard: alone with its share of the items, beside runs of the other shards; the last one gathers.

Its own lock, in a folder of its own, keeps a second run of the same shard out. The study's lock is taken twice, for a
moment: to agree with what stands there when it begins, and to look whether all is there when it has ended.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fullrank.at_work import shards_at_work
from fullrank.choices import Choices, Console
from fullrank.crew import Crew
from fullrank.dataclass import replace
from fullrank.driver import Run, already_there
from fullrank.earlier import existing, meet_all_failed
from fullrank.ending import End, Ending
from fullrank.errors import Locked, OutputError, UsageError
from fullrank.lock import RunLock, World
from fullrank.shard import Shard
from fullrank.study import Study
from fullrank.system import System
from fullrank.workfolder import WorkFolder

PATIENCE_SECONDS = 60.0
"""For another run that holds the study's lock, which other shards do for a moment, or to write the file."""
_MOST_STARTS = 5
_NOT_BY_ONE = {"fresh": "--fresh", "accept_change": "--accept-change", "retry_failed": "--retry-failed"}


def run_shard(
    study: Study, choices: Choices, shard: Shard, *, crew: Crew, console: Console, system: System = os
) -> Ending:
    """Evaluate the items of a shard; then write the file if those of the others are there too.

    Raises what :func:`fullrank.driver.run` does, and Locked if other shards are at work on another division of the
    items, or on the study as it was.
    """
    _refuse_what_concerns_all(choices)
    folder = WorkFolder(choices.output, system, shard=shard)
    finished = existing(study, choices, folder)
    if finished is not None and not folder.path.exists():
        return finished
    run = _Shard(study, choices, shard, folder, crew=crew, console=console, system=system)
    ending = run.go()
    folder.remove()
    return ending


def _refuse_what_concerns_all(choices: Choices) -> None:
    asked = [option for name, option in _NOT_BY_ONE.items() if getattr(choices, name)]
    if asked:
        raise UsageError(
            f"{asked[0]} concerns all shards, which may be at work, so none of them can do it; give it to a run of one "
            f"item, and the shards go on from there: {asked[0]} --limit 1, without --shard"
        )


class _Shard:
    """One run of a shard."""

    def __init__(
        self,
        study: Study,
        choices: Choices,
        shard: Shard,
        folder: WorkFolder,
        *,
        crew: Crew,
        console: Console,
        system: System,
    ) -> None:
        self._study = study
        self._choices = choices
        self._shard = shard
        self._folder = folder
        self._crew = crew
        self._console = console
        self._system = system

    def go(self) -> Ending:
        """Return what came of it."""
        with self._own_lock() as own:
            finished = self._joined(own)
            if finished is not None:
                return finished
            try:
                ending = self._run(self._choices, self._folder, own).compute()
            finally:
                self._folder.leave()
        return self._gathered(ending) if ending.end is End.SHARD else ending

    def _run(self, choices: Choices, folder: WorkFolder, lock: RunLock) -> Run:
        return Run(self._study, choices, folder, crew=self._crew, console=self._console, lock=lock, system=self._system)

    @contextmanager
    def _own_lock(self) -> Iterator[RunLock]:
        """Hold the shard's lock."""
        folder, choices = self._folder, self._choices
        lock = RunLock(folder.run_path, take_over=choices.take_over, notify=self._console.say, system=self._system)
        for n_starts in range(1, _MOST_STARTS + 1):
            folder.create()
            try:
                lock.acquire()
                break
            except OutputError:
                if folder.path.exists() or n_starts == _MOST_STARTS:
                    raise  # else the last run has cleared away meanwhile
        try:
            folder.leave()  # a run that was killed has not
            yield lock
        finally:
            lock.release()

    def _study_lock(self, own: RunLock | None = None) -> RunLock:
        """Return the lock of all, which others may hold for a moment; the ``own`` one is renewed while it is waited."""

        def sleep(seconds: float) -> None:
            time.sleep(seconds)
            if own is not None:
                own.renew()

        return RunLock(
            self._folder.path,
            take_over=self._choices.take_over,
            notify=self._console.say,
            ending_seconds=PATIENCE_SECONDS,
            world=World(sleep=sleep),
            system=self._system,
        )

    def _joined(self, own: RunLock) -> Ending | None:
        """Agree with what stands in the study's folder; return the ending of a run that has nothing to do."""
        folder = self._folder
        with self._study_lock(own):
            finished = already_there(self._study, self._choices, folder, console=self._console)
            if finished is None:
                others = shards_at_work(folder, but=self._shard)
                if others:
                    self._check_agreed(others)
                    meet_all_failed(folder, console=self._console, shard=self._shard)
                else:
                    self._run(self._choices, folder, own).prepare()
                folder.join()
        return finished

    def _check_agreed(self, others: Mapping[Shard, str]) -> None:
        """Raise Locked if shards are at work on something else."""
        other, holder = next(iter(others.items()))
        at_work = f"{self._folder.path}: shard {other} is at work here: {holder}"
        if other.division != self._shard.division:
            within = "" if other.limit is None else f" of the first {other.limit:,} items"
            raise Locked(
                f"{at_work}; the items are shared out anew only once no shard is: wait for its end, or take one of "
                f"its {other.n_shards} shards{within}"
            )
        if not self._folder.is_of(self._study.identity.to_json()):
            raise Locked(f"{at_work} on the study as it was, which has changed since; wait for its end")

    def _gathered(self, ending: Ending) -> Ending:
        """Write the file if nobody is left who would; else return the ``ending`` of the share."""
        study, folder = self._study, WorkFolder(self._choices.output, self._system)
        whole = replace(self._choices, shard=None)
        try:
            with self._study_lock() as lock:
                finished = already_there(study, whole, folder, console=self._console)
                if finished is not None:  # another one was the last
                    return replace(finished, end=End.SHARD)
                if shards_at_work(folder, but=self._shard) or not folder.is_of(study.identity.to_json()):
                    return ending
                return self._run(whole, folder, lock).finish() or ending
        except Locked as error:
            self._console.say(str(error))  # what this shard has done is there whoever gathers it
            return ending
