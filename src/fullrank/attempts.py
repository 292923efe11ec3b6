"""The log of a study's attempts: a line when one begins, a line when it ends."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import Any

from fullrank.account import Closing
from fullrank.dataclass import dataclass
from fullrank.schema import AttemptRow
from fullrank.system import System, refused_as, write_and_sync

REASON_COMPLETE, REASON_STOPPED, REASON_DIED = "complete", "stopped", "worker died"
REASON_FAILURES, REASON_ALL_FAILED, REASON_KILLED = "too many failures", "all failed", "killed"
REASON_LIMIT = "limit reached"
_CLOSING = "closing"
ATTEMPT_SUFFIX = ".attempt"
_CLAIMED = re.compile(rf"a\d{{4,9}}{re.escape(ATTEMPT_SUFFIX)}", re.ASCII)
_UNKNOWN: dict[str, Any] = {
    "started": "",
    "ended": "",
    "backend": "",
    "n_workers": 0,
    "schedule": "",
    "order": "",
    "reason": REASON_KILLED,
    "wall_seconds": nan,
    "n_done_again": 0,
    "done_again_seconds": 0.0,
    "gather_seconds": nan,
    "write_seconds": nan,
    "shard": "",
}


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
    shard: str = ""
    """The share of the items that it was to evaluate; "": all."""


class AttemptLog:
    """``attempts.jsonl``: lines are only added, by the holder of the lock; one that is damaged is passed over.

    An attempt that has been claimed has a file of its own, for several hosts would lose lines of one file.
    """

    def __init__(self, path: Path, system: System = os) -> None:
        self._path = path
        self._system = system

    def claim(self, attempt: int) -> bool:
        """Take a number for an attempt that others may want at the same time; False if it is taken."""
        path = self._own(attempt)
        with refused_as(f"{path}: cannot be written"), suppress(FileExistsError):
            write_and_sync(self._system, path, b"", flags=os.O_CREAT | os.O_EXCL)
            return True
        return False

    def _own(self, attempt: int) -> Path:
        return self._path.with_name(f"a{attempt:04d}{ATTEMPT_SUFFIX}")

    def _files(self) -> list[Path]:
        """Return what the attempts are noted in; those of claimed ones by number."""
        claimed = self._path.parent.glob(f"a*{ATTEMPT_SUFFIX}")
        return [self._path, *sorted(path for path in claimed if _CLAIMED.fullmatch(path.name))]

    def begin(self, start: AttemptStart) -> None:
        """Note that an attempt begins."""
        self._note(vars(start) | {"started": _now()})

    def end(self, attempt: int, *, reason: str, wall_seconds: float, closing: Closing | None = None) -> None:
        """Note how an attempt ended, and the closing of its account if it came to that."""
        entry = {"attempt": attempt, "ended": _now(), "reason": reason, "wall_seconds": wall_seconds}
        self._note(entry | {_CLOSING: vars(closing)} if closing is not None else entry)

    def note_earlier(self, row: AttemptRow) -> None:
        """Note an attempt of which a result file tells."""
        self._note(vars(row))

    def _note(self, entry: dict[str, Any]) -> None:
        own = self._own(entry["attempt"])
        path = own if own.exists() else self._path
        line = "\n" * path.exists() + json.dumps(entry)
        with refused_as(f"{path}: cannot be written"):
            write_and_sync(self._system, path, line.encode(), flags=os.O_CREAT | os.O_APPEND)

    def _entries(self) -> Iterator[dict[str, Any]]:
        text = ""
        for path in self._files():
            with refused_as(f"{path}: cannot be read"), suppress(FileNotFoundError):
                text += path.read_text("utf-8", "replace") + "\n"
        for line in text.splitlines():
            try:
                entry = json.loads(line.strip("\0"))  # a block that a crash of the machine left is zeros
            except (ValueError, RecursionError):  # a torn line of an attempt that was killed while it wrote
                continue
            if isinstance(entry, dict) and type(entry.get("attempt")) is int:
                yield entry

    def _by_attempt(self) -> dict[int, dict[str, Any]]:
        entries: dict[int, dict[str, Any]] = {}
        for entry in self._entries():
            entries.setdefault(entry["attempt"], {}).update(entry)
        return entries

    def last(self) -> int:
        """Return the highest number of an attempt; 0 before the first."""
        claimed = [int(path.stem[1:]) for path in self._files()[1:]]
        return max([0, *claimed, *(int(entry["attempt"]) for entry in self._entries())])

    def latest(self) -> tuple[AttemptRow, ...]:
        """Return the last attempt, or the last one of each shard where shards came last."""
        found: dict[str, AttemptRow] = {}
        for row in self.rows():
            if not row.shard:
                found.clear()
            found.pop("", None)
            found[row.shard] = row
        return tuple(found.values())

    def limit_of(self, attempt: int) -> int | None:
        """Return the limit of an attempt, as it was noted when that began."""
        limit = self._by_attempt().get(attempt, {}).get("limit")
        return limit if type(limit) is int else None

    def closings(self) -> dict[int, Closing]:
        """Return how the accounts of those attempts were closed that had an end."""
        found = {}
        for attempt, entry in self._by_attempt().items():
            with suppress(TypeError, LookupError):  # none, or not of ours
                found[attempt] = Closing.from_noted(entry[_CLOSING])
        return found

    def rows(self) -> tuple[AttemptRow, ...]:
        """Return what is known of all attempts; one without an end was killed, or goes on."""
        found = []
        for attempt, entry in sorted(self._by_attempt().items()):
            known = {name: entry[name] for name in _UNKNOWN if type(entry.get(name)) is type(_UNKNOWN[name])}
            found.append(AttemptRow(attempt=attempt, **_UNKNOWN | known))
        return tuple(found)


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")
