"""One run, from a checked study to the file at its final name."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import perf_counter

from fullrank.account import Closing, process_age_seconds, process_start_seconds, system_seconds
from fullrank.attempts import (
    REASON_ALL_FAILED,
    REASON_COMPLETE,
    REASON_DIED,
    REASON_FAILURES,
    REASON_LIMIT,
    REASON_STOPPED,
    AttemptStart,
)
from fullrank.backends.base import Death, Handle, Outcome
from fullrank.choices import Choices, Console
from fullrank.commit import Commit, check_partial, put_in_place, write_file
from fullrank.costs.conduct import leading
from fullrank.crew import Crew
from fullrank.dataclass import replace
from fullrank.earlier import clear_away, existing, keep_displaced, prepare_folder
from fullrank.ending import End, Ending, first_failure
from fullrank.errors import OutputError, StorageError
from fullrank.filesystem import is_shared
from fullrank.implied import write_config
from fullrank.job import Job
from fullrank.leading import Leading
from fullrank.lock import RunLock
from fullrank.misfit import misfits
from fullrank.monitor import ALL_FAILED_ITEMS, FailureRule, Monitor
from fullrank.onlooking import RunOnlooker
from fullrank.progress import Display
from fullrank.report import Report
from fullrank.room import needed_bytes, printed_bytes, record_bytes, require_room, still_needed, with_need
from fullrank.schedule import spread_stride
from fullrank.silence import silent_workers
from fullrank.store import FileSummary
from fullrank.study import Study
from fullrank.survey import Survey
from fullrank.system import System
from fullrank.worker import file_stem
from fullrank.workfolder import RESULT_STEM, WorkFolder

MAX_FRUITLESS_RESTARTS = 3
"""In a row, without an item finished between two deaths. Each deadly item costs one restart, and is finished by it."""
_SHARED_WRITE_SECONDS = 1.0


def run(study: Study, choices: Choices, *, crew: Crew, console: Console, system: System = os) -> Ending:
    """Run the study until it is complete, or stopped; return what came of it.

    Raises UsageError (the study is another one, the function fails at import) and StorageError; all that was
    finished before stays in the work folder and the same call goes on from there.
    """
    folder = WorkFolder(choices.output, system)
    finished = existing(study, choices, folder)
    if finished is not None and not folder.path.exists():
        return finished
    folder.create()
    with RunLock(folder.path, take_over=choices.take_over, notify=console.say, system=system) as lock:
        for path in folder.shards().values():  # each of which is waited for like another run
            RunLock(path, take_over=choices.take_over, notify=console.say, system=system).free()
        finished = already_there(study, choices, folder, console=console)
        if finished is None:
            finished = Run(study, choices, folder, crew=crew, console=console, lock=lock, system=system).go()
    folder.remove()
    return finished


def already_there(study: Study, choices: Choices, folder: WorkFolder, *, console: Console) -> Ending | None:
    """Return :func:`existing` once the lock is held: another run may have ended meanwhile. Clears away after it."""
    finished = existing(study, choices, folder)
    if finished is not None and (folder.is_half_restored or folder.is_of(study.identity.to_json())):
        # left by a run that was killed while it cleared away, or while it began to go on from the result
        clear_away(folder, study.identity.to_json(), console=console)
    return finished


class Run:
    """A run that holds the lock: of all items, or of a shard's."""

    def __init__(
        self,
        study: Study,
        choices: Choices,
        folder: WorkFolder,
        *,
        crew: Crew,
        console: Console,
        lock: RunLock,
        system: System,
    ) -> None:
        self._study = study
        self._choices = choices
        self._folder = folder
        self._crew = crew
        self._console = console
        self._lock = lock
        self._system = system
        self._survey = Survey()
        self._n_beyond = 0
        """Unfinished items that this run is not to evaluate: beyond its limit, or of other shards."""
        self._account_start_seconds = process_start_seconds() if choices.begun is None else choices.begun
        self._leading: Leading | None = None
        self._attempt_number: int | None = None
        """Of the last attempt of this very process."""

    def go(self) -> Ending:
        """Prepare the folder and run the study; on a full disk say how much it still needs."""
        with self._need_told():
            self.prepare()
            return self._compute()

    def compute(self) -> Ending:
        """Run the study in a folder that is prepared."""
        with self._need_told():
            return self._compute()

    def finish(self) -> Ending | None:
        """Write the file if no item is left to do, else None."""
        with self._need_told():
            _, n_todo = self._begin(is_told=False)
            return None if n_todo else self._written()

    @contextmanager
    def _need_told(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            if not error.is_full:
                raise
            folder = self._folder
            needed = still_needed(folder.journals(), self._study.config.sweep.n_items, log_bytes=folder.log_bytes())
            raise with_need(error, self._folder.path, needed=needed) from error

    def prepare(self) -> None:
        """Leave in the folder what belongs to the study, and note whose it is."""
        prepare_folder(self._folder, self._study, self._choices, console=self._console, system=self._system)
        if self._study.config.is_unwritten:
            write_config(self._study.config, self._system)
        self._folder.note_settings(self._study.config.settings)

    def _compute(self) -> Ending:
        """Run attempts until nothing is left to do, write the file."""
        n_fruitless = 0
        while True:
            job, n_todo = self._begin()
            reason, n_left = self._attempt(job, n_todo) if n_todo else (REASON_COMPLETE, 0)
            if n_left == 0 and reason != REASON_ALL_FAILED:
                return self._written() if self._choices.shard is None else self._share_done()
            n_fruitless = n_fruitless + 1 if n_left == n_todo else 0
            if reason != REASON_DIED or n_fruitless > MAX_FRUITLESS_RESTARTS:
                return self._unfinished(reason, n_left, is_fruitless=n_left == n_todo)
            self._console.say("the workers are started again")

    @property
    def _is_part(self) -> bool:
        return self._choices.limit is not None and self._n_beyond > 0

    def _written(self) -> Ending:
        return self._commit_part() if self._is_part else self._commit()

    def _share_done(self) -> Ending:
        n_items = self._study.config.sweep.n_items
        return Ending(End.SHARD, self._folder.output, n_items, self._survey.n_finished, n_failed=self._survey.n_failed)

    def _begin(self, *, is_told: bool = True) -> tuple[Job, int]:
        """Read what earlier attempts left and return how many items are still to do."""
        folder, choices = self._folder, self._choices
        crew = self._crew
        token = folder.write_token("token")
        unseen = [sentence for sentence in crew.call("sees", str(folder.run_path), token) if sentence]
        if unseen:
            raise OutputError(f"{unseen[0]}\nThe output folder must be one that all nodes share; choose one with -o")
        job = self._study.job(backend=choices.backend, n_workers=choices.n_workers, work_folder=folder.path)
        among = choices.among(job.sweep.n_items)
        job = replace(
            job,
            code_version=len(folder.versions()) - 1,
            retried=folder.retried(),
            stop_at=choices.stop_at,
            among=among,
            stride=job.stride if among is None else spread_stride(job.sweep.n_items),
            journal_interval_seconds=_SHARED_WRITE_SECONDS if is_shared(folder.path) else 0.0,
            account_start_seconds=self._account_start_seconds if crew.size == 1 else None,
        )
        self._survey = _joined(crew.call("read_earlier", job, [str(path) for path in folder.journals()]))
        for damage in self._survey.damages:
            self._console.say(damage)
        n_todo, n_unfinished = crew.member.n_todo(), crew.member.n_unfinished()
        self._n_beyond = n_unfinished - n_todo
        job = replace(job, suspects=frozenset(index for _, index in folder.interrupted()))
        n_items = job.sweep.n_items
        if n_todo:
            printed = printed_bytes(folder.log_bytes(), self._survey)
            item_bytes = record_bytes(self._survey)
            require_room(folder.path, needed_bytes(n_items, n_todo, record_bytes=item_bytes, printed_bytes=printed))
        if is_told and n_unfinished < n_items:
            self._console.say(f"{n_items - n_unfinished:,} of {n_items:,} items were finished before; going on")
        return job, n_todo

    def _attempt(self, job: Job, n_todo: int) -> tuple[str, int]:
        """Run the workers once; return why they ended and how many items are left."""
        crew, choices, run_options = self._crew, self._choices, self._study.config.run
        order = run_options.order if job.among is None else "spread"
        job = replace(job, attempt=self._folder.new_attempt())
        job = replace(job, leading=self._first_items(job))
        of_whom = choices.limit, "" if choices.shard is None else str(choices.shard)
        self._folder.attempt_log.begin(
            AttemptStart(job.attempt, choices.backend, choices.n_workers, run_options.schedule, order, *of_whom)
        )
        display = self._console.display()
        monitors: list[Monitor] = []

        def watch(handle: Handle) -> AbstractContextManager[None]:
            n_finished_before = job.sweep.n_items - crew.member.n_unfinished()
            if choices.shard is not None and job.among is not None:
                n_finished_before = len(job.among) - n_todo
            display.begin(n_todo, n_finished_before, n_workers=choices.n_workers)
            monitors.append(
                Monitor(
                    handle,
                    display=display,
                    rule=FailureRule(run_options.n_failures_that_stop),
                    renew_lock=self._lock.renew,
                    silent_workers=lambda: silent_workers(self._folder.path, job.attempt, now=time.time()),
                )
            )
            return monitors[0]

        crew.member.watch = watch
        reason, closing = "error", None
        self._attempt_number = job.attempt
        try:
            with _ended(display):
                outcomes: list[Outcome] = crew.call("work", job)
            n_left = n_todo - self._n_finished(job)
            closing = _closing(outcomes)
            reason = REASON_ALL_FAILED if self._failed_altogether else _reason(outcomes, monitors, n_left)
            if reason == REASON_COMPLETE and self._is_part:
                reason = REASON_LIMIT
        finally:
            begun = self._choices.begun
            wall_seconds = process_age_seconds() if begun is None else system_seconds() - begun
            self._folder.attempt_log.end(job.attempt, reason=reason, wall_seconds=wall_seconds, closing=closing)
            self._account_start_seconds = system_seconds()
        self._tell_deaths(outcomes)
        if monitors and monitors[0].error is not None:
            raise monitors[0].error
        return reason, n_left

    def _first_items(self, job: Job) -> Leading | None:
        """Return which items go first, if any do; a later attempt of this run has the same."""
        if self._study.config.run.order != "longest-first" or job.among is not None:
            return None
        if self._leading is None:
            self._leading = leading(self._study, job, say=self._console.say, system=self._system)
        return self._leading

    @property
    def _failed_altogether(self) -> bool:
        """Whether so many items failed, and none did not, that the study is wrong; quick ones escape the monitor."""
        own_rule = self._study.config.run.n_failures_that_stop is not None
        return not own_rule and self._survey.n_ok == 0 and self._survey.n_failed >= ALL_FAILED_ITEMS

    def _n_finished(self, job: Job) -> int:
        """Return how many items this attempt finished, counted in its journals: no position is given out twice."""
        stems = [file_stem(job.attempt, number) for number in range(job.n_workers)]
        n_before = self._survey.n_finished
        self._survey = _joined(self._crew.call("add_journals", [str(self._folder.journal_of(stem)) for stem in stems]))
        return self._survey.n_finished - n_before

    def _tell_deaths(self, outcomes: Sequence[Outcome]) -> None:
        deaths: list[Death] = [death for outcome in outcomes for death in outcome.deaths]
        for death in deaths:
            self._console.say(str(death))

    def _commit(self) -> Ending:
        """Write the file, verify it, give it its name, and remove the work folder."""
        folder = self._folder
        temporary, summary, report = self._write(folder.output)
        if summary.n_missing:
            raise OutputError(
                f"{folder.path}: {summary.n_missing:,} items are missing although all were counted; "
                f"run the same command again, it evaluates them"
            )
        self._lock.renew()
        has_all = summary.n_ok == self._survey.n_ok
        keep_displaced(folder, temporary, has_all=has_all, console=self._console, system=self._system)
        put_in_place(temporary, folder.output, self._system)
        printed = clear_away(folder, self._study.identity.to_json(), console=self._console)
        return Ending(End.COMPLETE, folder.output, summary.n_items, summary.n_items, summary, printed, report)

    def _commit_part(self) -> Ending:
        """Write what is finished to the partial file; the journals stay, for a run that goes on."""
        folder, identity = self._folder, self._study.identity.to_json()
        check_partial(folder.partial, identity)
        temporary, summary, report = self._write(folder.partial)
        put_in_place(temporary, folder.partial, self._system)
        n_finished = summary.n_items - summary.n_missing
        return Ending(End.LIMIT, folder.partial, summary.n_items, n_finished, summary, report=report)

    def _write(self, final: Path) -> tuple[Path, FileSummary, Report | None]:
        """Write what the journals hold to a temporary file of the work folder, whole and verified.

        The report, if it is asked for, is of that file at its ``final`` name.
        """
        self._study.check_arrays()
        folder = self._folder
        commit = Commit(
            self._study.config,
            self._study.identity.to_json(),
            folder.versions(),
            folder.attempt_log.rows(),
            folder.interrupted(),
            self._provenance(),
            folder.attempt_log.closings(),
            goes_on=self._attempt_number,
        )
        temporary = folder.temporary(RESULT_STEM)
        onlooker = RunOnlooker(self._lock.renew, is_reported=self._choices.is_reported)
        schema, summary = write_file(
            self._crew,
            self._survey,
            commit=commit,
            temporary=temporary,
            renew_lock=self._lock.renew,
            onlooker=onlooker,
            system=self._system,
        )
        config = self._study.config
        if sentence := misfits(config.results, schema, axis_names=[axis.name for axis in config.sweep.axes]):
            self._console.say(f"{config.wording.function or config.path}: {sentence}")
        report = None if onlooker.report is None else replace(onlooker.report, path=str(final))
        return temporary, summary, report

    def _provenance(self) -> dict[str, str | int | float]:
        """Return what ran where, and what a plan had predicted of it."""
        predicted = self._folder.predicted()
        facts = {} if predicted is None else predicted.facts(self._choices.n_workers)
        return {**(self._choices.provenance or {}), **facts}

    def _unfinished(self, reason: str, n_left: int, *, is_fruitless: bool) -> Ending:
        n_items = self._study.config.sweep.n_items
        end = {REASON_STOPPED: End.STOPPED, REASON_DIED: End.DIED}.get(reason, End.FAILURES)
        failure = first_failure(self._study, self._folder) if end is End.FAILURES else ""
        n_failed = self._survey.n_failed
        return Ending(
            end,
            self._folder.output,
            n_items,
            n_items - n_left - self._n_beyond,
            n_failed=n_failed,
            is_fruitless=is_fruitless,
            first_failure=failure,
        )


def _joined(surveys: Sequence[Survey]) -> Survey:
    survey = Survey()
    for part in surveys:
        survey.join(part)
    return survey


def _closing(outcomes: Sequence[Outcome]) -> Closing:
    """Close the account of an attempt whose journals have been read."""
    ended = tuple(outcome.ended for outcome in outcomes)
    noted = perf_counter()
    return Closing(ended, noted, gather_seconds=noted - ended[0])


def _reason(outcomes: Sequence[Outcome], monitors: Sequence[Monitor], n_left: int) -> str:
    if n_left == 0:
        return REASON_COMPLETE
    verdict = monitors[0].verdict if monitors else ""
    if verdict:
        return REASON_ALL_FAILED if verdict == REASON_ALL_FAILED else REASON_FAILURES
    # a worker that is deaf to a request to stop is killed: that is no death to recover from
    if any(outcome.stopped for outcome in outcomes):
        return REASON_STOPPED
    return REASON_DIED


@contextmanager
def _ended(display: Display) -> Iterator[None]:
    """Leave the terminal as it was, whatever happens."""
    try:
        yield
    finally:
        display.end()
