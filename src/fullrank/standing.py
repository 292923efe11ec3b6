"""How far a study is, as the files tell: by its config or its output, running, stopped or finished."""

import shlex
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from fullrank.at_work import at_work
from fullrank.attempts import (
    REASON_ALL_FAILED,
    REASON_COMPLETE,
    REASON_DIED,
    REASON_FAILURES,
    REASON_LIMIT,
    REASON_STOPPED,
)
from fullrank.config import load
from fullrank.dataclass import asdict, dataclass, field, replace
from fullrank.errors import ConfigError, OutputError, StorageError, StudyChanged
from fullrank.identity import Identity
from fullrank.metrics import spelled_range, spelled_seconds
from fullrank.outside import Pace, RunningItem, pace, running_items, size_bytes
from fullrank.progress import spelled_rate
from fullrank.recorded import Recorded, recorded
from fullrank.report.layout import counted, printable, table
from fullrank.restore import fingerprint
from fullrank.room import spelled_bytes
from fullrank.schedule import Order, empty_bitmap
from fullrank.shares import Share, in_words, shares
from fullrank.silence import silent_workers
from fullrank.since import Since, since
from fullrank.store import ResultFile, is_ours
from fullrank.study import output_path
from fullrank.survey import Survey
from fullrank.versions import versions_of
from fullrank.workfolder import WorkFolder

COMPLETE, RUNNING, STOPPED, NOT_STARTED = "complete", "running", "stopped", "not started"
GROWN, CHANGED = "grown", "changed"
_EXIT_CODES = {COMPLETE: 0, RUNNING: 75, STOPPED: 75, NOT_STARTED: 75, GROWN: 75, CHANGED: 75}
N_RUNNING_LISTED = 8
_GOES_ON = "the same command goes on"
_ENDS = {
    REASON_STOPPED: f"was stopped by a signal or at its time limit; {_GOES_ON}",
    REASON_LIMIT: "reached its --limit; the same command without --limit goes on",
    REASON_FAILURES: "was stopped for failed items, as run.on_error or run.max_failures asks; they keep their record, "
    f"and {_GOES_ON} with the others. To look at them: fullrank gather STUDY --partial",
    REASON_ALL_FAILED: "was stopped because all its items failed; mend the function or the study, and the same command "
    "does them again. To look at them: fullrank gather STUDY --partial",
    REASON_DIED: f"ended because its workers died; {_GOES_ON}",
    REASON_COMPLETE: "finished all items and was ended before the file was there; the same command writes it",
}
"""What became of an attempt, by the reason that is noted in the work folder, and what to do next."""
_ANOTHER_END = f"ended by an error or was killed; {_GOES_ON}"
_MOST_LOOKS = 5
"""At a study whose files go away while they are read."""


@dataclass(frozen=True)
class Standing:
    """How far a study is."""

    output: str
    """Absolute path of the result, whether it is there or not."""
    state: str
    """complete, running, stopped or not started; grown or changed if that has become of a study with a result."""
    n_items: int | None
    """None if nothing tells."""
    n_ok: int
    n_failed: int
    holder: str = ""
    """Who runs it now: host and process."""
    death: str = ""
    """What is noted of a rank's death that ended the latest attempt."""
    reason: str = ""
    """Why the latest attempt of a stopped study ended, as the work folder has it."""
    silent: tuple[str, ...] = ()
    """A sentence for each worker of a running study that gives no sign of life."""
    running: tuple[RunningItem, ...] = ()
    """The items that its workers are in, those that run longest first."""
    pace: Pace | None = None
    """Of a running study; None where no file tells."""
    recent_per_second: float | None = None
    """Items that ended in the last minute, as somebody saw who watches; None if nobody does."""
    size_bytes: int = 0
    """What the study takes on the disk: result, partial result and work folder."""
    since: Since = field(default_factory=Since)
    """What became of the study since; nothing where no config tells, or it is running."""
    items_by_version: dict[int, int] = field(default_factory=dict)
    """How many finished items each version of the code made, if there was more than one."""
    beside: str = ""
    """What the work folder has of another study, where the result is complete and of this one."""
    recorded: Recorded = field(default_factory=Recorded)
    """What the latest run was given by --set."""
    shards: tuple[Share, ...] = ()
    """How far each shard is, if shards came last."""

    @property
    def n_finished(self) -> int:
        """Number of items that have an end."""
        return self.n_ok + self.n_failed

    @property
    def is_refused(self) -> bool:
        """Whether the same run command would be, for the study has changed and results of the old one are there."""
        return self.since.is_refused and self.n_ok > 0

    @property
    def goes_beyond_result(self) -> bool:
        """Whether this is of an attempt that has not written its result: an older one may be there."""
        return bool(self.holder or self.reason or self.death)

    @property
    def exit_code(self) -> int:
        """0 every item done; 2 the run command is refused; 3 complete with failed items; 75 it goes on."""
        if self.is_refused:
            return StudyChanged.exit_code
        return 3 if self.state == COMPLETE and self.n_failed else _EXIT_CODES[self.state]

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        known = asdict(self)
        known["since"]["is_refused"] = self.is_refused
        if self.pace is not None:
            known["pace"]["items_per_second"] = self.pace.items_per_second
        return known

    def text(self) -> str:
        """Return two lines for a person, and others on what runs, how it ended, and silent workers."""
        by = f" by {self.holder}" if self.holder else ""
        silent = "".join(f"\n{sentence}" for sentence in self.silent)
        death = f"\nthe last attempt ended early: {self.death}" if self.death else ""
        end = self._end_in_words() if self.reason and not death else ""
        head = f"{self.state}{by}: {self._counted()}{self._versions()}\n{self.output}{self._size()}"
        new = f"\n{self.since.text(n_ok=self.n_ok, n_failed=self.n_failed)}" if self.since.changes else ""
        beside = f"\n{self.beside}" if self.beside else ""
        settings = self.recorded.text(n_ok=self.n_ok)
        as_run = "".join(f"\n{printable(line)}" for line in settings.splitlines())  # a file may be a stranger's
        shards = f"\n{in_words(self.shards)}" if self.shards else ""
        return f"{head}{shards}{self._running()}{end}{death}{silent}{new}{beside}{as_run}"

    def line(self) -> str:
        """Return one line for a batch log."""
        return "; ".join([f"{self.state}: {self._counted()}", *self._pace()[1:]])

    def _counted(self) -> str:
        total = "?" if self.n_items is None else f"{self.n_items:,}"
        share = f" ({self.n_finished / self.n_items:.0%})" if self.n_items else ""
        return f"{self.n_finished:,} of {total} items are finished{share}, {self.n_failed:,} of them failed"

    def _versions(self) -> str:
        each = [f"{counted(n, 'item')} by version {version}" for version, n in self.items_by_version.items()]
        return f"\nmade by {len(each)} versions of the code: {', '.join(each)}" if each else ""

    def _size(self) -> str:
        return f"\n{spelled_bytes(self.size_bytes)} on the disk" if self.size_bytes else ""

    def _running(self) -> str:
        """Return how fast it is, and the items that run."""
        lines = ["; ".join(self._pace())] if self.pace is not None else []
        names = [(f"item {item.index}", f"worker {item.worker}", item.host, _since(item)) for item in self.running]
        lines += table(names[:N_RUNNING_LISTED], left=(0, 1, 2, 3)) if names else []
        if len(names) > N_RUNNING_LISTED:
            lines.append(f"  and {len(names) - N_RUNNING_LISTED:,} more")
        return "".join(f"\n{line}" for line in lines)

    def _pace(self) -> list[str]:
        """Return who works since when, how fast, and how long it may still take; nothing if that is not known."""
        pace = self.pace
        if pace is None:
            return []
        workers = f"{counted(pace.n_workers, 'worker')} of backend {pace.backend}"
        mean = pace.items_per_second
        rate = "no item has ended yet" if mean is None else f"{spelled_rate(mean)} so far"
        if self.recent_per_second is not None:
            rate = f"{spelled_rate(self.recent_per_second)} in the last minute"
        return [f"{workers} for {spelled_seconds(pace.elapsed_seconds)}", rate, _left(pace.remaining_seconds)]

    def _end_in_words(self) -> str:
        if self.reason == REASON_COMPLETE and any(share.n_left for share in self.shards):
            return ""  # it is that of a shard
        words = _ENDS.get(self.reason, _ANOTHER_END).replace("STUDY", shlex.quote(self.output))
        if self.since.changes:  # which says what to do next
            words = words.partition(";")[0]
        return f"\nthe last attempt {words}"


def _left(seconds: tuple[float, float] | None) -> str:
    if seconds is None:
        return "time left unknown"
    return f"{spelled_range(*seconds)} left" if seconds[1] else "all items have ended, and the file is written"


def _since(item: RunningItem) -> str:
    if item.seconds is None:
        return ""
    return f"for about {spelled_seconds(item.seconds) if item.seconds >= 60 else f'{item.seconds:.0f} s'}"


def output_of(study: Path, output: Path | None) -> Path:
    """Return the absolute output path of a study given by its config (``.toml``) or by its output."""
    if study.suffix == ".toml":
        return output_path(load(study), output)
    return (output or study).absolute()


def standing(study: Path, output: Path | None = None) -> Standing:
    """Return how far a study is. Takes no lock and changes nothing.

    Raises ConfigError, and OutputError for an output that is no result of fullrank.
    """
    folder = WorkFolder(output_of(study, output))
    n_looks = 1
    while True:
        try:
            return replace(_standing(study, folder), size_bytes=size_bytes(folder))
        except FileNotFoundError:  # the run has ended meanwhile, and clears away
            if n_looks == _MOST_LOOKS:
                raise
            n_looks += 1


def _standing(study: Path, folder: WorkFolder) -> Standing:
    result = folder.output
    config = load(study, folder.settings()) if study.suffix == ".toml" else None
    n_items = config.sweep.n_items if config is not None else None
    known = folder.study()
    if known is not None and not _is_left_over(folder, known):
        is_now = Since() if config is None else since(config, known)
        found = _from_journals(folder, n_items if is_now.is_grown or not is_now.changes else None)
        if not found.holder and not folder.has_study:  # of what was read some may have been gone already
            raise FileNotFoundError(folder.path)
        whole = _whole(result, study) if is_now.is_refused and not found.holder else None
        if whole is not None:
            return replace(whole, beside=_of_another(folder, found))
        if config is not None:
            found = replace(found, recorded=recorded(study, folder.settings(), known))
        return found if found.holder else replace(found, since=is_now)
    if result.exists():
        return _from_file(result, study if config is not None else None)
    return Standing(str(result), NOT_STARTED, n_items, 0, 0)


def _whole(result: Path, study: Path) -> Standing | None:
    """Return the standing by a result that is complete and of this very study; None if there is none."""
    with suppress(StorageError):  # the work folder tells
        found = _from_file(result, study) if result.exists() else None
        return found if found is not None and found.state == COMPLETE else None
    return None


def _of_another(folder: WorkFolder, found: Standing) -> str:
    total = "" if found.n_items is None else f" of {found.n_items:,}"
    return (
        f"beside it, {folder.path} has {found.n_finished:,}{total} items of this study as it was changed for a while; "
        f"it goes on once the study is like that again, and fullrank clean deletes it"
    )


def _is_left_over(folder: WorkFolder, known: Identity) -> bool:
    """Return whether a result is there that has all of what is in the work folder."""
    if not folder.output.exists() or not is_ours(folder.output):
        return False
    if folder.is_half_restored:
        return True
    with ResultFile(folder.output) as file:
        is_whole = file.summary.complete and Identity.from_json(file.identity) == known
        return is_whole and not folder.continues(fingerprint(file))


def _from_file(result: Path, study: Path | None) -> Standing:
    """Return what a result tells, and what the config says that it is of, if there is one."""
    if not is_ours(result):
        raise OutputError(f"{result}: is no result of fullrank")
    with ResultFile(result) as file:
        summary, identity, made = file.summary, file.identity, versions_of(file)
        settings = str(file.provenance().get("settings", ""))
    old = None
    with suppress(StorageError):  # a stranger's
        old = Identity.from_json(identity)
    config, given = None, Recorded()
    with suppress(ConfigError, ValueError):  # keys of its command line that the config does not have any more
        if study is not None:
            words = shlex.split(settings)
            config, given = load(study, words), recorded(study, words, old)
    found = since(config, old) if config is not None and old is not None else Since()
    n_items = summary.n_items
    state = COMPLETE if summary.complete else STOPPED
    if config is not None and found.is_grown:
        n_items = config.sweep.n_items
    if summary.complete and found.changes:
        state = GROWN if found.is_grown else CHANGED
    by_version = {version.version: version.n_items for version in made if version.n_items}
    by_version = by_version if len(by_version) > 1 else {}
    known = str(result), state, n_items, summary.n_ok, summary.n_failed
    return Standing(*known, since=found, items_by_version=by_version, recorded=given)


def _from_journals(folder: WorkFolder, n_items: int | None) -> Standing:
    survey = Survey(retried=folder.retried())
    each: tuple[Share, ...] = ()
    if n_items is not None and folder.shards():
        finished = empty_bitmap(n_items)
        _add_journals(survey, folder, finished, Order.named("spread", n_items))
        each = shares(folder, n_items, finished)
    else:
        _add_journals(survey, folder)
    if n_items is None:
        told = [info.header["n_items"] for info in survey.journals if "n_items" in info.header]
        n_items = max(told, default=None)  # it may have grown
    holder = at_work(folder)
    known = str(folder.output), RUNNING if holder else STOPPED, n_items, survey.n_ok, survey.n_failed
    made = survey.items_by_version()
    by_version = made if len(made) > 1 else {}
    if not holder:
        reason = next((share.reason for share in each if share.state == STOPPED), folder.last_reason())
        return Standing(*known, death=folder.last_death(), reason=reason, items_by_version=by_version, shards=each)
    now = time.time()
    n_left = {share.attempt: share.n_left for share in each if share.state == RUNNING and share.attempt}
    attempts = n_left or (folder.next_attempt() - 1,)
    return Standing(
        *known,
        holder=holder,
        silent=tuple(sentence for attempt in attempts for sentence in silent_workers(folder.path, attempt, now=now)),
        running=running_items(folder, survey, attempts, now=now),
        pace=pace(folder, survey, n_items, now=now, n_left=n_left),
        items_by_version=by_version,
        shards=each,
    )


def _add_journals(
    survey: Survey, folder: WorkFolder, finished: bytearray | None = None, order: Order | None = None
) -> None:
    for journal in folder.journals():
        survey.add_journal(journal, finished=finished, order=order)
