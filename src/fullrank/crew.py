"""The processes that hold journals and run workers, driven by root: every method of a member is called on all at once.

Under MPI each rank is a member; every other backend has one member, root itself, which has its workers beside it.
"""

import io
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fullrank.backends.base import Backend, Outcome, Watch, unwatched
from fullrank.dataclass import replace
from fullrank.errors import OutputError
from fullrank.job import Job
from fullrank.journal import Damage, Kind, read
from fullrank.schedule import Todo, empty_bitmap
from fullrank.status import Status
from fullrank.survey import Key, Survey, key_of

if TYPE_CHECKING:  # numpy, which a rank loads only for a study of several buckets
    from fullrank.buckets import Buckets
    from fullrank.gather import Schema

TOKEN = "token"
Described = tuple[int, int, str, dict[str, str]]
"""Index, status, journal's file name and description of a failed item."""


class Team(Protocol):
    """How the members of a crew reach each other; for one member alone there is nothing to do."""

    rank: int
    size: int

    def union(self, bitmap: bytearray) -> bytearray:
        """Return the bits set in any member's ``bitmap``. Collective."""

    def run(self, job: Job, todo: Todo, watch: Watch) -> Outcome:
        """Run the job's workers to the end. Collective."""


class Member:
    """One process of the crew. Arguments and results of its methods can be pickled."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._survey = Survey()
        self._buckets: Buckets | None = None
        self._todo: Todo | None = None
        self.watch: Watch = unwatched

    def sees(self, folder: str, token: str) -> str:
        """Return "" if this process reads root's ``token`` in the work folder, else a sentence."""
        try:
            if Path(folder, TOKEN).read_text() == token:
                return ""
            found = "another run's token is there"
        except OSError as error:
            found = error.strerror or str(error)
        return f"rank {self._team.rank} on {os.uname().nodename} does not see the work folder {folder}: {found}"

    def read_earlier(self, job: Job, journals: Sequence[str]) -> Survey:
        """Read this member's share of the journals of earlier attempts, and learn from all what is still to do."""
        order = job.order
        self._survey = Survey(retried=job.retried)
        finished = empty_bitmap(order.n_items)
        for path in journals[self._team.rank :: self._team.size]:
            self._survey.add_journal(Path(path), finished=finished, order=order)
        self._todo = job.todo(self._team.union(finished) if journals else None)
        return self._survey

    def n_todo(self) -> int:
        """Return how many items this attempt is to do, all members together."""
        return self._todo.n_items if self._todo is not None else 0

    def n_unfinished(self) -> int:
        """Return how many items of the whole study are not finished: more than are to do if there is a limit."""
        return self._todo.n_unfinished if self._todo is not None else 0

    def work(self, job: Job) -> Outcome:
        """Run the workers until nothing is left or the run is stopped."""
        if self._todo is None:
            raise OutputError("the journals were not read before the work began")
        if job.leading is not None:
            self._todo = job.todo(self._todo.finished)
        outcome = self._team.run(job, self._todo, self.watch)
        return replace(outcome, ended=time.perf_counter())

    def add_journals(self, journals: Sequence[str]) -> Survey:
        """Add the attempt's journals that this member holds, and return the survey of all it holds.

        A rank holds its own journal; a member that is alone holds those of all its workers.
        """
        own = journals[self._team.rank :: self._team.size] if self._team.size > 1 else journals
        for path in map(Path, own):
            if path.exists():
                self._survey.add_journal(path)
        return self._survey

    def survey(self, journals: Sequence[str], retried: int) -> Survey:
        """Return the survey of journals of which failures up to the attempt ``retried`` do not count."""
        self._survey = Survey(retried=retried)
        return self.add_journals(journals)

    def ship(self) -> list[tuple[str, bytes]]:
        """Return the journals this member holds, whole: for studies so small that sorting would cost more."""
        return [(journal.path, Path(journal.path).read_bytes()) for journal in self._survey.journals]

    def sort(self, schema: "Schema", folder: str) -> None:
        """Sort the records of the journals this member holds into buckets."""
        from fullrank.buckets import Buckets

        self._buckets = Buckets(schema, Path(folder))
        for journal in self._survey.journals:
            path = Path(journal.path)
            with path.open("rb") as stream:
                self._buckets.add_journal(stream, path)

    def take(self, bucket: int) -> bytes:
        """Return the records of one bucket."""
        return self._buckets.take(bucket) if self._buckets is not None else b""

    def release(self) -> None:
        """Free what :meth:`sort` holds."""
        if self._buckets is not None:
            self._buckets.close()
        self._buckets = None

    def describe(self, indices: frozenset[int], key: Key) -> list[Described]:
        """Return what is known of failed items, also of those whose result has not the shape of most."""
        return [
            described
            for journal in self._survey.journals
            for described in describe_failures(Path(journal.path), indices, key)
        ]


def describe_failures(path: Path, indices: frozenset[int], key: Key) -> Iterable[Described]:
    """Yield the failures among ``indices`` that a journal tells of."""
    for frame in read(path):
        if isinstance(frame, Damage) or frame.kind not in (Kind.VALUES, Kind.FAILURES):
            continue
        rows = [(row, index) for row, index in enumerate(frame.indices()) if index in indices]
        if not rows:
            continue
        if frame.kind == Kind.FAILURES:
            descriptions, statuses = frame.json(), frame.body[12 * frame.n_rows :]
            yield from ((index, statuses[row], path.name, descriptions[row]) for row, index in rows)
        elif (found := key_of(json.loads(frame.meta))) != key:
            text = f"the result is {_in_words(found)}, but that of most items is {_in_words(key)}"
            yield from ((index, Status.FAILED, path.name, {"exception": text}) for _, index in rows)


def _in_words(key: Key) -> str:
    def shape_in_words(shape: tuple[int, ...]) -> str:
        if not shape:
            return "a number"
        if len(shape) == 1:
            return "a one-dimensional array"
        return f"an array of shape {shape}"

    return ", ".join(f"'{name}': {shape_in_words(shape)}" for name, shape in key) or "nothing"


class Crew(Protocol):
    """All members, as root sees them."""

    size: int
    member: Member
    """Root's own."""

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method of every member with the same arguments and return the results, by rank.

        Raises the first error of any member.
        """


class LocalCrew:
    """Root alone."""

    size = 1

    def __init__(self, team: Team) -> None:
        self.member = Member(team)

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method of the only member."""
        return [getattr(self.member, method)(*arguments)]


class LocalTeam:
    """The team of one, with a backend that runs its workers."""

    rank, size = 0, 1

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def union(self, bitmap: bytearray) -> bytearray:
        """Return ``bitmap``."""
        return bitmap

    def run(self, job: Job, todo: Todo, watch: Watch) -> Outcome:
        """Run the backend."""
        return self._backend(job, todo, watch)


def shipped_streams(shipments: Iterable[list[tuple[str, bytes]]]) -> Iterable[tuple[io.BytesIO, Path]]:
    """Yield each journal of :meth:`Member.ship` as a stream, with its path."""
    for shipment in shipments:
        for path, data in shipment:
            yield io.BytesIO(data), Path(path)
