"""The folder beside the output where everything stands that a resumed run needs."""

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain, count
from math import nan
from pathlib import Path
from typing import Any

from fullrank.account import Closing
from fullrank.claim import IDLE
from fullrank.dataclass import dataclass
from fullrank.errors import OutputError, StorageError
from fullrank.schema import AttemptRow
from fullrank.system import PRIVATE_FOLDER, System, make_folders, remove, write_all, write_and_sync
from fullrank.witness import SEEN_SUFFIX
from fullrank.worker import DEATH_SUFFIX, JOURNAL_SUFFIX, LOG_SUFFIX, RUNNING_SUFFIX, death_note

REASON_COMPLETE, REASON_STOPPED, REASON_DIED = "complete", "stopped", "worker died"
REASON_FAILURES, REASON_ALL_FAILED, REASON_KILLED = "too many failures", "all failed", "killed"
REASON_LIMIT = "limit reached"
_STUDY, _ATTEMPTS, _CONFIG, _CONFIG_PATH = "study.json", "attempts.jsonl", "config.toml", "config.path"
_CLOSING = "closing"
_VERSIONS, _RETRIED, _CONTINUED, _RESTORING = "versions.json", "retried", "continued", "restoring"
_KEPT = "holds-more-than-the-result"
_SETTINGS = "settings.json"
_PATHS = "surrogateescape"
"""Names of files need not be UTF-8."""
_COPY_BYTES = 1 << 20
RESULT_STEM, PARTIAL_STEM = "result", "partial"
_TEMPORARY = "*.[0-9]*.tmp"
PRINTED_HEAD = b"=== worker "
"""Before what one worker's items printed."""
_OF_ATTEMPTS = tuple(
    f"a[0-9][0-9][0-9][0-9]*-*{suffix}"
    for suffix in (JOURNAL_SUFFIX, RUNNING_SUFFIX, LOG_SUFFIX, DEATH_SUFFIX, DEATH_SUFFIX + SEEN_SUFFIX)
)
_OF_STUDY = (
    _ATTEMPTS,
    _CONFIG,
    _CONFIG_PATH,
    _VERSIONS,
    _RETRIED,
    _CONTINUED,
    _SETTINGS,
    _STUDY,
    _RESTORING,
    _KEPT,
)
"""The study's own note late: without it journals are nobody's."""


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say ``what`` it was that the system refused."""
    try:
        yield
    except OSError as error:
        raise StorageError.of(error, what) from error


def moved_aside(path: Path, system: System = os) -> Path:
    """Rename a file or folder to a name that is free, with the time in it, and return the new path."""
    stamp = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
    for number in range(1, 1000):
        ending = f".{stamp}" if number == 1 else f".{stamp}-{number}"
        aside = path.with_name(path.stem + ending + path.suffix)
        if not aside.exists():
            with _told(f"{path}: cannot be moved aside"):
                system.replace(path, aside)
            return aside
    raise OutputError(f"{path}: cannot be moved aside: too many files named like {aside}")


@dataclass(frozen=True)
class AttemptStart:
    """What is noted when an attempt begins."""

    attempt: int
    backend: str
    n_workers: int
    schedule: str
    order: str
    limit: int | None = None
    """How many first items of the ``spread`` order it was to evaluate; None: all."""


class WorkFolder:
    """``NAME.h5.work/`` beside the output ``NAME.h5``. Methods that write are for the holder of its lock alone."""

    def __init__(self, output: Path, system: System = os, *, path: Path | None = None) -> None:
        """``path`` is where the folder stands if it was moved aside."""
        self.output = output
        self._system = system
        self.path = path or output.with_name(output.name + ".work")

    @property
    def partial(self) -> Path:
        """Where a partial result goes."""
        return self.output.with_name(f"{self.output.stem}.partial{self.output.suffix or '.h5'}")

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

    def temporary(self, stem: str) -> Path:
        """Return where this process writes a file that is to get its name when it is whole."""
        return self.path / f"{stem}.{os.getpid()}.tmp"

    def journals(self) -> list[Path]:
        """Return the journals of all attempts, by attempt and worker."""
        return sorted(self.path.glob(f"a*{JOURNAL_SUFFIX}"))

    def journal_of(self, stem: str) -> Path:
        """Return the path of the journal of one worker in one attempt."""
        return self.path / (stem + JOURNAL_SUFFIX)

    def interrupted(self) -> tuple[tuple[int, int], ...]:
        """Return attempt and index of each item that was running when a worker died."""
        found = []
        for cell in sorted(self.path.glob(f"a*{RUNNING_SUFFIX}")):
            content = cell.read_bytes()
            index = int.from_bytes(content, "little", signed=True)
            if index != IDLE and content:  # it is empty if its worker was killed while it made it
                found.append((int(cell.name[1:].partition("-")[0]), index))
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
        reasons = {row.attempt: row.reason for row in self.attempts()}
        return reasons.get(attempt, REASON_KILLED) if attempt else ""

    def identity(self) -> str | None:
        """Return the identity of the study whose journals are here; None for a folder without any."""
        try:
            return (self.path / _STUDY).read_text("utf-8")
        except FileNotFoundError:
            return None

    def begin_study(self, identity: str, *, config: str, config_path: Path) -> None:
        """Note whose journals these are going to be."""
        self._write(_CONFIG, config)
        self._write(_CONFIG_PATH, str(config_path))
        self._write(_STUDY, identity)

    def settings(self) -> tuple[str, ...]:
        """Return the ``KEY=VALUE`` that hold instead of what the config says."""
        return tuple(json.loads(self._noted(_SETTINGS) or "[]"))

    def note_settings(self, settings: Sequence[str]) -> None:
        """Note what the command line has set of the config."""
        if tuple(settings) != self.settings():
            self._write(_SETTINGS, json.dumps(list(settings)))

    def versions(self) -> tuple[str, ...]:
        """Return the identity of the study by version of its code, the present one last; none for an empty folder."""
        try:
            return tuple(json.loads((self.path / _VERSIONS).read_text("utf-8")))
        except FileNotFoundError:
            known = self.identity()
            return () if known is None else (known,)

    def note_versions(self, versions: Sequence[str]) -> None:
        """Note the identity of the study by version of its code."""
        self._write(_VERSIONS, json.dumps(list(versions)))

    def retried(self) -> int:
        """Return the attempt up to which failures do not count, for their items are done again; 0: all count."""
        return int(self._noted(_RETRIED) or 0)

    def retry_failures(self) -> None:
        """Have all items that failed so far done again."""
        self._write(_RETRIED, str(self.next_attempt() - 1))

    def continues(self, fingerprint: str) -> bool:
        """Return whether the journals here go on from the result file with this fingerprint."""
        return not self.is_half_restored and self._noted(_CONTINUED) == fingerprint

    @property
    def is_half_restored(self) -> bool:
        """Whether somebody was killed who made journals here from a result file; that is still there."""
        return (self.path / _RESTORING).exists()

    @property
    def holds_more(self) -> bool:
        """Whether journals here hold values for which the result has no place."""
        return (self.path / _KEPT).exists()

    def note_that_it_holds_more(self) -> None:
        """Have whoever clears away after the result is in place keep the journals."""
        self._write(_KEPT, "")

    @contextmanager
    def restoring(self, fingerprint: str) -> Iterator[None]:
        """Within this context the journals of the result file with this fingerprint are made again."""
        self._write(_RESTORING, fingerprint)
        yield
        self._write(_CONTINUED, fingerprint)
        self._remove([self.path / _RESTORING])

    def _noted(self, name: str) -> str:
        try:
            return (self.path / name).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def config(self) -> str:
        """Return the text of the study's config when it began."""
        return self._noted(_CONFIG)

    def config_path(self) -> Path:
        """Return where the study's config stood when it began."""
        return Path((self.path / _CONFIG_PATH).read_text("utf-8", _PATHS))

    def _write(self, name: str, text: str) -> None:
        """Write a small file so that it appears whole or not at all."""
        temporary = self.temporary(name)
        with _told(f"{self.path / name}: cannot be written"):
            write_and_sync(self._system, temporary, text.encode("utf-8", _PATHS), flags=os.O_CREAT | os.O_TRUNC)
            self._system.replace(temporary, self.path / name)

    def write_token(self, name: str) -> str:
        """Write a token that no other run has and return it."""
        token = f"{os.uname().nodename} {os.getpid()} {time.time_ns()}"
        self._write(name, token)
        return token

    def next_attempt(self) -> int:
        """Return the number of the next attempt: 1 for the first."""
        noted = [int(entry["attempt"]) for entry in self._attempt_entries()]
        journals = [int(path.name[1:].partition("-")[0]) for path in self.journals()]
        return 1 + max([0, *noted, *journals])

    def begin_attempt(self, start: AttemptStart) -> None:
        """Note that an attempt begins."""
        self._note(vars(start) | {"started": _now()})

    def end_attempt(self, attempt: int, *, reason: str, wall_seconds: float, closing: Closing | None = None) -> None:
        """Note how an attempt ended, and the closing of its account if it came to that."""
        entry = {"attempt": attempt, "ended": _now(), "reason": reason, "wall_seconds": wall_seconds}
        self._note(entry | {_CLOSING: vars(closing)} if closing is not None else entry)

    def note_earlier(self, row: AttemptRow) -> None:
        """Note an attempt of which a result file tells."""
        self._note(vars(row))

    def _note(self, entry: dict[str, Any]) -> None:
        path = self.path / _ATTEMPTS
        line = "\n" * path.exists() + json.dumps(entry)
        with _told(f"{path}: cannot be written"):
            write_and_sync(self._system, path, line.encode(), flags=os.O_CREAT | os.O_APPEND)

    def _attempt_entries(self) -> Iterator[dict[str, Any]]:
        path = self.path / _ATTEMPTS
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                entry = json.loads(line.strip("\0"))  # a block that a crash of the machine left is zeros
            except (ValueError, RecursionError):  # a torn line of an attempt that was killed while it wrote
                continue
            if isinstance(entry, dict) and type(entry.get("attempt")) is int:
                yield entry

    def _entries_by_attempt(self) -> dict[int, dict[str, Any]]:
        entries: dict[int, dict[str, Any]] = {}
        for entry in self._attempt_entries():
            entries.setdefault(entry["attempt"], {}).update(entry)
        return entries

    def limit_of(self, attempt: int) -> int | None:
        """Return the limit of an attempt, as it was noted when that began."""
        limit = self._entries_by_attempt().get(attempt, {}).get("limit")
        return limit if type(limit) is int else None

    def closings(self) -> dict[int, Closing]:
        """Return how the accounts of those attempts were closed that had an end."""
        found = {}
        for attempt, entry in self._entries_by_attempt().items():
            with suppress(TypeError, LookupError):  # none, or not of ours
                found[attempt] = Closing.from_noted(entry[_CLOSING])
        return found

    def attempts(self) -> tuple[AttemptRow, ...]:
        """Return what is known of all attempts; one without an end was killed, or goes on."""
        unknown: dict[str, Any] = {
            "started": "",
            "ended": "",
            "backend": "",
            "n_workers": 0,
            "schedule": "",
            "order": "",
        }
        unknown |= {"reason": REASON_KILLED, "wall_seconds": nan, "n_done_again": 0, "done_again_seconds": 0.0}
        unknown |= {"gather_seconds": nan, "write_seconds": nan}
        rows = []
        for attempt, entry in sorted(self._entries_by_attempt().items()):
            known = {name: entry[name] for name in unknown if type(entry.get(name)) is type(unknown[name])}
            rows.append(AttemptRow(attempt=attempt, **unknown | known))
        return tuple(rows)

    def move_contents_aside(self, pattern: str = "*") -> Path | None:
        """Move what has such a name, but the lock, to a folder beside this one; return that, None if nothing has."""
        contents = [path for path in self.path.glob(pattern) if not path.name.startswith("lock")]
        if not contents:
            return None
        stamp = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
        names = chain([f"{self.path.name}.{stamp}"], (f"{self.path.name}.{stamp}-{n}" for n in count(2)))
        aside = next(folder for folder in map(self.path.with_name, names) if not folder.exists())
        with _told(f"{self.path}: cannot be moved aside"):
            self._system.mkdir(aside, PRIVATE_FOLDER)
            # journals first, what says of them whose they are last
            for path in sorted(contents, key=lambda path: (path.name == _STUDY, path.name)):
                self._system.replace(path, aside / path.name)
        return aside

    def keep_what_was_printed(self) -> Path | None:
        """Move the workers' logs to the end of one file beside the output; return it, None if nothing was printed.

        A death in the middle leaves one log in both places, and none in neither.
        """
        logs = [log for log in sorted(self.path.glob(f"a*{LOG_SUFFIX}")) if log.stat().st_size]
        if not logs:
            return None
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with _told(f"{self.printed}: cannot be written"):
            target = self._system.open(self.printed, flags, 0o666)
            try:
                for log in logs:
                    self._append(target, log)
                    self._system.unlink(log)
            finally:
                self._system.close(target)
        return self.printed

    def _append(self, target: int, log: Path) -> None:
        write_all(self._system, target, PRINTED_HEAD + f"{log.stem}\n".encode())
        with log.open("rb") as source:
            while piece := source.read(_COPY_BYTES):
                write_all(self._system, target, piece)
        self._system.fsync(target)

    def remove_unfinished(self) -> None:
        """Delete the temporary files of runs that died; a partial file may be somebody's who writes it now."""
        self._remove(path for path in self.path.glob(_TEMPORARY) if not path.name.startswith(PARTIAL_STEM))

    def remove_partial(self) -> None:
        """Delete the partial result, of which the result holds everything."""
        self._remove([self.partial])

    def remove_contents(self) -> None:
        """Delete what :meth:`begin_study` and attempts made; the result file holds it all."""
        for pattern in (*_OF_ATTEMPTS, _TEMPORARY, "token"):
            self._remove(self.path.glob(pattern))
        self._remove(self.path / name for name in _OF_STUDY)

    def not_ours(self) -> list[Path]:
        """Return what stands in the folder that neither a run nor its lock made, by name."""
        ours = (*_OF_ATTEMPTS, _TEMPORARY, "token", *_OF_STUDY, "lock", "lock.*")
        return sorted(path for path in self.path.iterdir() if not any(path.match(pattern) for pattern in ours))

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            with _told(f"{path}: cannot be removed"):
                remove(self._system, path)

    def remove(self) -> None:
        """Remove the folder if nothing but the lock's guard is left in it."""
        try:
            remove(self._system, self.path / "lock.guard")
            self._system.rmdir(self.path)
        except OSError:
            return


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")
