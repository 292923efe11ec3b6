"""What a report tells, in numbers."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from fullrank.dataclass import dataclass, fields, is_dataclass
from fullrank.metrics import Account, Work
from fullrank.report.across_shards import Together
from fullrank.schema import AttemptRow, WorkerRow
from fullrank.versions import CodeVersion

Value = int | float | str | bool


@dataclass(frozen=True)
class AxisFacts:
    """A parameter of the study."""

    name: str
    units: str
    n_values: int
    values: tuple[Value, ...]
    """All values if they are few, else the first and the last."""


@dataclass(frozen=True)
class Items:
    """How many items ended how, and how long they took; NaN if none has ended."""

    n_items: int
    n_ok: int
    n_failed: int
    n_timed_out: int
    n_crashed: int
    n_missing: int
    total_seconds: float
    mean_seconds: float
    shortest_seconds: float
    longest_seconds: float


@dataclass(frozen=True)
class Statistics:
    """Of the finite values of a result, or of one element of it; None if there are none."""

    label: str
    n_values: int
    sum: int | float | None
    """Integers exactly, floats as if rounded once."""
    mean: float | None
    min: int | float | None
    max: int | float | None


@dataclass(frozen=True)
class ResultFacts:
    """What the ok items returned under one name."""

    name: str
    units: str
    long_name: str
    dtype: str
    shape: tuple[int, ...]
    """Of one item's value."""
    varying: bool
    """One-dimensional, and the shape is the longest one's."""
    n_nan_items: int
    """Items with a NaN in their value."""
    n_infinite: int
    """Values, not items."""
    statistics: tuple[Statistics, ...]


@dataclass(frozen=True)
class Attempt:
    """One start of the study."""

    row: AttemptRow
    n_items: int
    """Items whose end it recorded."""


@dataclass(frozen=True)
class SlowItem:
    """One of the items that took longest."""

    index: int
    parameters: Mapping[str, Value]
    seconds: float
    status: str


@dataclass(frozen=True)
class FailedItem:
    """An item without a result, and the command that evaluates it again."""

    index: int
    status: str
    parameters: Mapping[str, Value]
    exception: str
    traceback: str
    command: str


@dataclass(frozen=True)
class Outcome:
    """One time, as predicted and as it was; s."""

    predicted_seconds: float
    least_seconds: float
    most_seconds: float
    actual_seconds: float

    @property
    def verdict(self) -> str:
        """Where the actual time lies."""
        if self.actual_seconds < self.least_seconds:
            return "less than the interval"
        return "more than the interval" if self.actual_seconds > self.most_seconds else "inside the interval"


@dataclass(frozen=True)
class Prediction:
    """A plan, and what came of it."""

    problem: str
    """Why the two cannot be compared; "" if they can."""
    n_workers: int
    n_items: int
    """That the pilot had left."""
    wall: Outcome | None
    """Of the whole command, until it wrote the tables of the file."""
    makespan: Outcome | None
    pilot_platforms: tuple[str, ...]
    """C library and CPU of the pilot's workers."""
    other_platforms: tuple[str, ...]
    """Those of the run's workers that the pilot had not."""
    pilot_hosts: tuple[str, ...]
    other_hosts: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All that :func:`text` says, in numbers; s for times."""

    path: str
    title: str
    function: str
    config_path: str
    """``CONFIG`` where the file does not tell."""
    kind: str
    """Of the sweep: grid, zip or table."""
    sweep: tuple[AxisFacts, ...]
    replicates: int | None
    items: Items
    complete: bool
    results_sha256: str
    results: tuple[ResultFacts, ...]
    provenance: Mapping[str, str | int | float]
    attempts: tuple[Attempt, ...]
    attempt: int
    """The last one that did any items: ``hosts``, ``work``, ``workers`` and ``accounts`` are of it alone."""
    hosts: Mapping[str, int]
    """Number of workers on each."""
    platforms: Mapping[str, int]
    """Number of workers, of all attempts, on each combination of C library and CPU."""
    work: Work
    shortest_makespan_seconds: float
    workers: tuple[WorkerRow, ...]
    accounts: tuple[Account, ...]
    """Where the time of each of ``workers`` went."""
    account: Account
    """The same of all that left one, together."""
    shares: Mapping[str, float]
    """Of ``account``."""
    slowest: tuple[SlowItem, ...]
    failures: tuple[FailedItem, ...]
    """The first ones."""
    failure_kinds: Mapping[str, int]
    """How often each type of exception, or other reason, occurs among those the file describes."""
    settings: tuple[str, ...] = ()
    """``KEY=VALUE`` that the command line had set of the config."""
    shards: Together | None = None
    """Of those that came last, if shards did."""
    prediction: Prediction | None = None
    """What a plan had predicted, and what came of it; None if there was none."""
    versions: tuple[CodeVersion, ...] = ()
    """What each version of the code made; none if there was one alone."""

    @property
    def n_without_result(self) -> int:
        """Items that failed, timed out or crashed."""
        return self.items.n_failed + self.items.n_timed_out + self.items.n_crashed

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it: NaN is None."""
        found: dict[str, Any] = plain(self)
        return found


def plain(value: Any) -> Any:
    """Return dataclasses, mappings and sequences as JSON can hold them: NaN and infinities are None."""
    if is_dataclass(value):
        return {entry.name: plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value
