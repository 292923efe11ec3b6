"""What a plan predicted of the run that follows: a note in the work folder, and facts in that run's result."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from fullrank.dataclass import dataclass

_AFTER, _ITEMS, _WORKERS = "predicted_after_attempt", "predicted_items", "predicted_for_workers"
_WALL, _LEAST, _MOST = "predicted_wall_seconds", "predicted_wall_least_seconds", "predicted_wall_most_seconds"
_START_END = "predicted_start_end_seconds"


@dataclass(frozen=True)
class WallTime:
    """Of a command on so many workers, with the interval that was given for it; s."""

    n_workers: int
    least_seconds: float
    median_seconds: float
    most_seconds: float


@dataclass(frozen=True)
class Predicted:
    """What a plan said of all items that its pilot had left."""

    after_attempt: int
    """The last one of the pilot."""
    n_items: int
    """That were left."""
    start_end_seconds: float
    """Of a command without its makespan."""
    counts: tuple[int, ...]
    """Numbers of workers for which there was a prediction."""
    walls: tuple[WallTime, ...]
    """Of a note for all ``counts``; of a result for the number that it had, if that is among them."""

    def to_note(self) -> str:
        """Return it as a note."""
        walls = [[w.n_workers, w.least_seconds, w.median_seconds, w.most_seconds] for w in self.walls]
        return json.dumps([self.after_attempt, self.n_items, self.start_end_seconds, walls])

    def facts(self, n_workers: int) -> dict[str, str | int | float]:
        """Return what a result of so many workers keeps of it."""
        found: dict[str, str | int | float] = {
            _AFTER: self.after_attempt,
            _ITEMS: self.n_items,
            _WORKERS: ", ".join(map(str, self.counts)),
        }
        for wall in self.walls:
            if wall.n_workers == n_workers:
                found |= {_WALL: wall.median_seconds, _LEAST: wall.least_seconds, _MOST: wall.most_seconds}
                found[_START_END] = self.start_end_seconds
        return found


def from_note(text: str | None) -> Predicted | None:
    """Return what a note says; None for one that is empty or damaged: nothing else depends on it.

    >>> wall = WallTime(4, 1.0, 2.0, 3.0)
    >>> from_note(Predicted(2, 90, 0.5, (4,), (wall,)).to_note()) == Predicted(2, 90, 0.5, (4,), (wall,))
    True
    """
    try:
        after, n_items, start_end, walls = json.loads(text or "null")
        times = tuple(WallTime(int(n), *map(float, _three(seconds))) for n, *seconds in walls)
        return Predicted(int(after), int(n_items), float(start_end), tuple(wall.n_workers for wall in times), times)
    except (TypeError, ValueError, RecursionError):
        return None


def _three(seconds: Sequence[Any]) -> tuple[Any, Any, Any]:
    least, median, most = seconds
    return least, median, most


def from_facts(facts: Mapping[str, Any], n_workers: int) -> Predicted | None:
    """Return what a result of so many workers keeps of it; None if no plan came before it."""
    try:
        after, n_items, counts = int(facts[_AFTER]), int(facts[_ITEMS]), str(facts[_WORKERS])
        numbers = tuple(int(number) for number in counts.split(", "))
        if _WALL not in facts:
            return Predicted(after, n_items, 0.0, numbers, ())
        seconds = [float(facts[name]) for name in (_LEAST, _WALL, _MOST, _START_END)]
    except (LookupError, TypeError, ValueError):
        return None
    if not all(map(isfinite, seconds)):
        return None
    return Predicted(after, n_items, seconds[3], numbers, (WallTime(n_workers, *seconds[:3]),))
