"""The folder beside the output where everything stands that a resumed run needs."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fullrank.account import Closing
from fullrank.errors import OutputError, StorageError
from fullrank.evaluate import IDLE
from fullrank.schema import AttemptRow
from fullrank.worker import DEATH_SUFFIX, JOURNAL_SUFFIX, LOG_SUFFIX, RUNNING_SUFFIX, death_note

REASON_COMPLETE, REASON_STOPPED, REASON_DIED = "complete", "stopped", "worker died"
REASON_FAILURES, REASON_ALL_FAILED, REASON_KILLED = "too many failures", "all failed", "killed"
REASON_LIMIT = "limit reached"
_STUDY, _ATTEMPTS, _CONFIG, _CONFIG_PATH = "study.json", "attempts.jsonl", "config.toml", "config.path"
_CLOSING = "closing"
_PATHS = "surrogateescape"
"""Names of files need not be UTF-8."""


def moved_aside(path: Path) -> Path:
    """Rename a file or folder to a name that is free, with the time in it, and return the new path."""
    stamp = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
    for number in range(1, 1000):
        ending = f".{stamp}" if number == 1 else f".{stamp}-{number}"
        aside = path.with_name(path.stem + ending + path.suffix)
        if not aside.exists():
            path.rename(aside)
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


class WorkFolder:
    """``NAME.h5.work/`` beside the output ``NAME.h5``. Methods that write are for the holder of its lock alone."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output.with_name(output.name + ".work")

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
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise OutputError(f"{self.path}: is in the way: expected a folder there, or nothing") from None
        except OSError as error:
            raise OutputError(f"{self.path.parent}: the output folder cannot be written: {error.strerror}") from error

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

    def config_path(self) -> Path:
        """Return where the study's config stood when it began."""
        return Path((self.path / _CONFIG_PATH).read_text("utf-8", _PATHS))

    def _write(self, name: str, text: str) -> None:
        """Write a small file so that it appears whole or not at all."""
        temporary = self.path / f"{name}.{os.getpid()}.tmp"
        try:
            with temporary.open("w", encoding="utf-8", errors=_PATHS, newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)
        except OSError as error:
            raise StorageError(f"{self.path / name}: cannot be written: {error.strerror}") from error

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

    def _note(self, entry: dict[str, Any]) -> None:
        path = self.path / _ATTEMPTS
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write("\n" * (file.tell() > 0) + json.dumps(entry))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(f"{path}: cannot be written: {error.strerror}") from error

    def _attempt_entries(self) -> Iterator[dict[str, Any]]:
        path = self.path / _ATTEMPTS
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                yield json.loads(line.strip("\0"))  # a block that a crash of the machine left is zeros
            except ValueError:  # a torn line of an attempt that was killed while it wrote
                continue

    def _entries_by_attempt(self) -> dict[int, dict[str, Any]]:
        entries: dict[int, dict[str, Any]] = {}
        for entry in self._attempt_entries():
            entries.setdefault(entry["attempt"], {}).update(entry)
        return entries

    def closings(self) -> dict[int, Closing]:
        """Return how the accounts of those attempts were closed that had an end."""
        entries = self._entries_by_attempt().items()
        return {attempt: Closing.from_noted(entry[_CLOSING]) for attempt, entry in entries if _CLOSING in entry}

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
        unknown |= {"reason": REASON_KILLED, "wall_seconds": float("nan")}
        rows = [unknown | entry for _, entry in sorted(self._entries_by_attempt().items())]
        return tuple(AttemptRow(**{name: row[name] for name in row if name != _CLOSING}) for row in rows)

    def move_contents_aside(self, pattern: str = "*") -> Path | None:
        """Move what has such a name, but the lock, to a folder beside this one; return that, None if nothing has."""
        contents = [path for path in self.path.glob(pattern) if not path.name.startswith("lock")]
        if not contents:
            return None
        stamp = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
        aside = self.path.with_name(f"{self.path.name}.{stamp}-{os.getpid()}")
        aside.mkdir()
        for path in contents:
            path.rename(aside / path.name)
        return aside

    def keep_what_was_printed(self) -> Path | None:
        """Append the workers' logs to one file beside the output; return it, None if nothing was printed."""
        logs = [log for log in sorted(self.path.glob(f"a*{LOG_SUFFIX}")) if log.stat().st_size]
        if not logs:
            return None
        with self.printed.open("ab") as target:
            for log in logs:
                target.write(f"=== worker {log.stem}\n".encode())
                with log.open("rb") as source:
                    shutil.copyfileobj(source, target)
        return self.printed

    def remove_contents(self) -> None:
        """Delete what :meth:`begin_study` and attempts made; the result file holds it all."""
        ours = "a[0-9][0-9][0-9][0-9]-*"
        patterns = (
            f"{ours}{JOURNAL_SUFFIX}",
            f"{ours}{RUNNING_SUFFIX}",
            f"{ours}{LOG_SUFFIX}",
            f"{ours}{DEATH_SUFFIX}",
            "*.[0-9]*.tmp",
            "token",
        )
        for pattern in patterns:
            for path in self.path.glob(pattern):
                path.unlink()
        for name in (_ATTEMPTS, _CONFIG, _CONFIG_PATH, _STUDY):  # the study last: without it journals are nobody's
            (self.path / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder if nothing but the lock's guard is left in it."""
        try:
            (self.path / "lock.guard").unlink(missing_ok=True)
            self.path.rmdir()
        except OSError:
            return


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")
