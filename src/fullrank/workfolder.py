"""The folder beside the output where everything stands that a resumed run needs."""

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from fullrank.attempts import ATTEMPT_SUFFIX, REASON_KILLED, AttemptLog
from fullrank.claim import IDLE
from fullrank.errors import OutputError, StorageError, beginning
from fullrank.identity import Identity
from fullrank.notes import PATHS, Notes
from fullrank.predicted import Predicted, from_note
from fullrank.printed import move_logs
from fullrank.shard import Shard, shard_of_folder
from fullrank.system import PRIVATE_FOLDER, System, make_folders, refused_as, remove
from fullrank.witness import SEEN_SUFFIX
from fullrank.worker import DEATH_SUFFIX, JOURNAL_SUFFIX, LOG_SUFFIX, RUNNING_SUFFIX, death_note

_STUDY, _ATTEMPTS, _CONFIG, _CONFIG_PATH = "study.json", "attempts.jsonl", "config.toml", "config.path"
_VERSIONS, _RETRIED, _CONTINUED, _RESTORING = "versions.json", "retried", "continued", "restoring"
_KEPT = "holds-more-than-the-result"
_SETTINGS, _PREDICTED = "settings.json", "predicted.json"
_JOINED, _TOKEN = "joined", "token"
_SHOWN_CHARACTERS = 40
_PARTIAL = ".partial"
RESULT_STEM, PARTIAL_STEM = "result", "partial"
FIRST_SUFFIX = ".first"
"""Of the file that tells workers which items go first."""
_TEMPORARY = "*.[0-9]*.tmp"
_WORKERS_STEM = re.compile(r"a(\d{4,})-w(\d{5,})", re.ASCII)
_OF_ATTEMPTS = tuple(
    f"a[0-9][0-9][0-9][0-9]*-*{suffix}"
    for suffix in (JOURNAL_SUFFIX, RUNNING_SUFFIX, LOG_SUFFIX, DEATH_SUFFIX, DEATH_SUFFIX + SEEN_SUFFIX, FIRST_SUFFIX)
)
_CLAIMED = f"a[0-9][0-9][0-9][0-9]*{ATTEMPT_SUFFIX}"
_OF_STUDY = (
    _ATTEMPTS,
    _CONFIG,
    _CONFIG_PATH,
    _VERSIONS,
    _RETRIED,
    _CONTINUED,
    _SETTINGS,
    _PREDICTED,
    _STUDY,
    _RESTORING,
    _KEPT,
)
"""The study's own note late: without it journals are nobody's."""


def moved_aside(path: Path, system: System = os) -> Path:
    """Rename a file or folder to a name that is free, with the time in it, and return the new path."""
    stamp = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
    for number in range(1, 1000):
        ending = f".{stamp}" if number == 1 else f".{stamp}-{number}"
        aside = path.with_name(path.stem + ending + path.suffix)
        if not aside.exists():
            with refused_as(f"{path}: cannot be moved aside"):
                system.replace(path, aside)
            return aside
    raise OutputError(f"{path}: cannot be moved aside: too many files named like {aside}")


def numbers_of(path: Path) -> tuple[int, int] | None:
    """Return attempt and worker of a worker's file; None for a file that is called otherwise.

    >>> numbers_of(Path("a0001-w00003.journal")), numbers_of(Path("a-x.running"))
    ((1, 3), None)
    """
    found = _WORKERS_STEM.fullmatch(path.stem)
    return (int(found[1]), int(found[2])) if found else None


def _attempt_of(path: Path) -> int:
    numbers = numbers_of(path)
    return 0 if numbers is None else numbers[0]


def output_of_partial(path: Path) -> Path | None:
    """Return the output of which ``path`` is the partial result by its name; None if it is none.

    >>> output_of_partial(Path("a/run.partial.h5")), output_of_partial(Path("run.h5"))
    (PosixPath('a/run.h5'), None)
    """
    stem = path.stem.removesuffix(_PARTIAL)
    return path.with_name(stem + path.suffix) if stem and stem != path.stem else None


def is_work_folder(path: Path) -> bool:
    """Return whether a folder is a study's, at its place or moved aside: by its name, and a note or lock in it."""
    return ".work" in path.name and any((path / name).is_file() for name in (_STUDY, "lock.guard"))


class WorkFolder:
    """``NAME.h5.work/`` beside the output ``NAME.h5``. Methods that write are for the holder of its lock alone.

    Runs of shards share it, each with a folder of its own inside for its lock: what they write beside that has the
    number of an attempt, which no two runs have in common, in its name.
    """

    def __init__(
        self, output: Path, system: System = os, *, path: Path | None = None, shard: Shard | None = None
    ) -> None:
        """``path`` is where the folder stands if it was moved aside, ``shard`` whose run this is."""
        self.output = output
        self._system = system
        self._shard = shard
        self.path = path or output.with_name(output.name + ".work")
        self.attempt_log = AttemptLog(self.path / _ATTEMPTS, system)
        self._notes = Notes(self.path, system)

    @property
    def partial(self) -> Path:
        """Where a partial result goes."""
        return self.output.with_name(f"{self.output.stem}{_PARTIAL}{self.output.suffix or '.h5'}")

    @property
    def printed(self) -> Path:
        """Where it is kept what the function printed, if it printed anything."""
        # not NAME.log: that may be where the user sends what the run itself writes
        return self.output.with_name(self.output.name + ".log")

    def create(self) -> None:
        """Make the folder and those above it; OutputError if that cannot be."""
        try:
            make_folders(self._system, self.path, mode=PRIVATE_FOLDER)
        except FileExistsError:
            raise OutputError(f"{self.path}: is in the way: expected a folder there, or nothing") from None
        except OSError as error:
            raise OutputError.of(error, f"{self.path.parent}: the output folder cannot be written") from error

    @property
    def run_path(self) -> Path:
        """Folder of the run's own lock: a shard's, else the whole one."""
        return self.path if self._shard is None else self.path / self._shard.folder_name

    def shards(self) -> dict[Shard, Path]:
        """Return the folders of the shards that have been run, by shard."""
        found = {path: shard_of_folder(path.name) for path in sorted(self.path.glob("shard-*"))}
        return {shard: path for path, shard in found.items() if shard is not None}

    def join(self) -> None:
        """Note that this shard goes on with the study as it stands here; to be done under the lock of all."""
        Notes(self.run_path, self._system).write(_JOINED, "")

    def leave(self) -> None:
        """Take that back."""
        self._remove([self.run_path / _JOINED])

    def has_joined(self, shard: Shard) -> bool:
        """Return whether a run of a shard, if it is there, has begun to go on with the study."""
        return (self.path / shard.folder_name / _JOINED).exists()

    def temporary(self, stem: str) -> Path:
        """Return where this process writes a file that is to get its name when it is whole."""
        return self._notes.temporary(stem)

    def journals(self) -> list[Path]:
        """Return the journals of all attempts, by attempt and worker."""
        return self._of_workers(JOURNAL_SUFFIX)

    def _of_workers(self, suffix: str) -> list[Path]:
        return [path for path in sorted(self.path.glob(f"a*{suffix}")) if numbers_of(path) is not None]

    def journal_of(self, stem: str) -> Path:
        """Return the path of the journal of one worker in one attempt."""
        return self.path / (stem + JOURNAL_SUFFIX)

    def interrupted(self) -> tuple[tuple[int, int], ...]:
        """Return attempt and index of each item that was running when a worker died."""
        found = []
        for cell in self._of_workers(RUNNING_SUFFIX):
            content = b""
            with suppress(FileNotFoundError, IsADirectoryError):  # removed just now, or nobody's
                content = cell.read_bytes()
            index = int.from_bytes(content, "little", signed=True)
            if index != IDLE and content:  # it is empty if its worker was killed while it made it
                found.append((_attempt_of(cell), index))
        return tuple(found)

    def last_death(self) -> str:
        """Return what is noted of the death that ended the latest attempt's ranks; "" if nothing is."""
        try:
            return death_note(self.path, self.next_attempt() - 1).read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def last_reason(self) -> str:
        """Return why the latest attempt ended, if one was begun and none is running; "" before the first."""
        attempt = self.next_attempt() - 1
        reasons = {row.attempt: row.reason for row in self.attempt_log.rows()}
        return reasons.get(attempt, REASON_KILLED) if attempt else ""

    @property
    def has_study(self) -> bool:
        """Whether journals here are a study's."""
        return self._notes.exists(_STUDY)

    def identity(self) -> str | None:
        """Return the identity of the study whose journals are here; None for a folder without any."""
        return self._notes.text(_STUDY)

    def study(self) -> Identity | None:
        """Return the same, read; StorageError with the file's path if that is damaged."""
        text = self.identity()
        try:
            return None if text is None else Identity.from_json(text)
        except StorageError:
            expected = "a study's identity, of this version of fullrank,"
            raise self._notes.damaged(_STUDY, expected, shown=repr(beginning(text or "", _SHOWN_CHARACTERS))) from None

    def is_of(self, identity: str) -> bool:
        """Return whether journals here are those of the study with this identity."""
        return self._notes.text(_STUDY, errors="replace") == identity

    def begin_study(self, identity: str, *, config: str, config_path: Path) -> None:
        """Note whose journals these are going to be."""
        self._notes.write(_CONFIG, config)
        self._notes.write(_CONFIG_PATH, str(config_path))
        self._notes.write(_STUDY, identity)

    def settings(self) -> tuple[str, ...]:
        """Return the ``KEY=VALUE`` that hold instead of what the config says."""
        return self._notes.texts(_SETTINGS) or ()

    def note_settings(self, settings: Sequence[str]) -> None:
        """Note what the command line has set of the config."""
        if tuple(settings) != self.settings():
            self._notes.write_texts(_SETTINGS, settings)

    def predicted(self) -> Predicted | None:
        """Return what a plan predicted of what is left; None if there was no plan."""
        return from_note(self._notes.text(_PREDICTED, errors="replace"))

    def note_predicted(self, predicted: Predicted | None) -> None:
        """Note what a plan predicted, or that the last one could predict nothing."""
        self._notes.write(_PREDICTED, "" if predicted is None else predicted.to_note())

    def versions(self) -> tuple[str, ...]:
        """Return the identity of the study by version of its code, the present one last; none for an empty folder."""
        noted = self._notes.texts(_VERSIONS)
        if noted == ():
            raise self._notes.damaged(_VERSIONS, "at least one version", shown="none")
        known = self.identity() if noted is None else None
        return noted or (() if known is None else (known,))

    def note_versions(self, versions: Sequence[str]) -> None:
        """Note the identity of the study by version of its code."""
        self._notes.write_texts(_VERSIONS, versions)

    def retried(self) -> int:
        """Return the attempt up to which failures do not count, for their items are done again; 0: all count."""
        return self._notes.number(_RETRIED)

    def retry_failures(self) -> None:
        """Have all items that failed so far done again."""
        self._notes.write(_RETRIED, str(self.next_attempt() - 1))

    def continues(self, fingerprint: str) -> bool:
        """Return whether the journals here go on from the result file with this fingerprint."""
        return not self.is_half_restored and self._notes.text(_CONTINUED) == fingerprint

    @property
    def is_half_restored(self) -> bool:
        """Whether somebody was killed who made journals here from a result file; that is still there."""
        return self._notes.exists(_RESTORING)

    @property
    def holds_more(self) -> bool:
        """Whether journals here hold values for which the result has no place."""
        return self._notes.exists(_KEPT)

    def note_that_it_holds_more(self) -> None:
        """Have whoever clears away after the result is in place keep the journals."""
        self._notes.write(_KEPT, "")

    @contextmanager
    def restoring(self, fingerprint: str) -> Iterator[None]:
        """Within this context the journals of the result file with this fingerprint are made again."""
        self._notes.write(_RESTORING, fingerprint)
        yield
        self._notes.write(_CONTINUED, fingerprint)
        self._remove([self.path / _RESTORING])

    def config(self) -> str:
        """Return the text of the study's config when it began."""
        return self._notes.text(_CONFIG) or ""

    def config_path(self) -> Path:
        """Return where the study's config stood when it began."""
        text = self._notes.text(_CONFIG_PATH, errors=PATHS)
        if not text or "\0" in text:
            raise self._notes.damaged(_CONFIG_PATH, "the path of the config", shown=repr(text or ""))
        return Path(text)

    def write_token(self, name: str) -> str:
        """Write a token that no other run has into the run's own folder and return it."""
        token = f"{os.uname().nodename} {os.getpid()} {time.time_ns()}"
        Notes(self.run_path, self._system).write(name, token)
        return token

    def next_attempt(self) -> int:
        """Return the number of the next attempt: 1 for the first."""
        return 1 + max([self.attempt_log.last(), *map(_attempt_of, self.journals())])

    def new_attempt(self) -> int:
        """Return the number of an attempt that begins; those of shards, which begin at any time, claim theirs."""
        attempt = self.next_attempt()
        while self._shard is not None and not self.attempt_log.claim(attempt):
            attempt += 1
        return attempt

    def move_contents_aside(self, pattern: str = "*") -> Path | None:
        """Move what has such a name, but the lock, to a folder beside this one; return that, None if nothing has."""
        contents = [path for path in self.path.glob(pattern) if not path.name.startswith("lock")]
        contents = [path for path in contents if path not in self.shards().values()]
        if not contents:
            return None
        stamp = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
        names = chain([f"{self.path.name}.{stamp}"], (f"{self.path.name}.{stamp}-{n}" for n in count(2)))
        aside = next(folder for folder in map(self.path.with_name, names) if not folder.exists())
        with refused_as(f"{self.path}: cannot be moved aside"):
            self._system.mkdir(aside, PRIVATE_FOLDER)
            # journals first, what says of them whose they are last
            for path in sorted(contents, key=lambda path: (path.name == _STUDY, path.name)):
                self._system.replace(path, aside / path.name)
        return aside

    def keep_what_was_printed(self) -> Path | None:
        """Move the workers' logs to the end of one file beside the output; return it, None if nothing was printed."""
        logs = [log for log in self._logs() if log.stat().st_size]
        if not logs:
            return None
        move_logs(logs, self.printed, self._system)
        return self.printed

    def log_bytes(self) -> int:
        """Return the size of all workers' logs in bytes."""
        return sum(log.stat().st_size for log in self._logs())

    def _logs(self) -> list[Path]:
        return sorted(self.path.glob(f"a*{LOG_SUFFIX}"))

    def remove_unfinished(self) -> None:
        """Delete the temporary files of runs that died; a partial file may be somebody's who writes it now."""
        self._remove(path for path in self.path.glob(_TEMPORARY) if not path.name.startswith(PARTIAL_STEM))

    def remove_partial(self) -> None:
        """Delete the partial result, of which the result holds everything."""
        self._remove([self.partial])

    def remove_contents(self) -> None:
        """Delete what :meth:`begin_study` and attempts made; the result file holds it all."""
        for path in self.shards().values():
            self._remove([path / _JOINED, path / _TOKEN, *path.glob(_TEMPORARY)])
            self._remove_unlocked(path)
        for pattern in (*_OF_ATTEMPTS, _CLAIMED, _TEMPORARY, _TOKEN):
            self._remove(self.path.glob(pattern))
        self._remove(self.path / name for name in _OF_STUDY)

    def not_ours(self) -> list[Path]:
        """Return what stands in the folder that neither a run nor its lock made, by name."""
        ours = (*_OF_ATTEMPTS, _CLAIMED, _TEMPORARY, _TOKEN, *_OF_STUDY, "lock", "lock.*")
        names = {path.name for path in self.shards().values()}
        others = (path for path in self.path.iterdir() if path.name not in names)
        return sorted(path for path in others if not any(path.match(pattern) for pattern in ours))

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            with refused_as(f"{path}: cannot be removed"), suppress(IsADirectoryError):  # no run makes folders here
                remove(self._system, path)

    def remove(self) -> None:
        """Remove the folder if nothing but the lock's guard is left in it."""
        if self._shard is not None:
            self._remove_unlocked(self.run_path)
            if self.has_study:
                return  # others go on with it
        self._remove_unlocked(self.path)

    def _remove_unlocked(self, path: Path) -> None:
        try:
            remove(self._system, path / "lock.guard")
            self._system.rmdir(path)
        except OSError:
            return
