"""Pure decisions about a child that evaluates: when it is to be stopped, and what its death says about its items."""

from collections import Counter
from collections.abc import Collection, Sequence
from signal import SIGKILL, SIGUSR2, Signals

from fullrank.claim import IDLE, Cell
from fullrank.evaluate import Interrupts
from fullrank.interrupt import RunningItem

ABANDON = SIGUSR2
"""Tells a child to leave its running item unfinished. What asks a run to stop is for the worker to judge."""
DEAF_SECONDS = 1.0
"""A child that is over its item's limit, or told to abandon it, gets this long to obey from inside."""


class Watch:
    """A child that evaluates, looked at now and then."""

    def __init__(self, running: Cell, interrupts: Interrupts, *, limit_seconds: float | None) -> None:
        self._item = RunningItem(running)
        self._interrupts = interrupts
        self._limit_seconds = float("inf") if limit_seconds is None else limit_seconds
        self._kill_at = float("inf")
        self._heard = self._looked = 0.0
        self.overdue = IDLE
        """The item for whose time limit the child is killed."""

    def hear(self, now: float) -> None:
        """Note that at the time ``now`` (s, of one clock) the child began, or told that items have ended."""
        self._heard = now

    def look(self, now: float) -> Signals | None:
        """Return what is to be sent to the child at the time ``now``."""
        self._looked = now
        seen, seconds = self._item.look(now)
        if self._interrupts.stop and not self.is_abandoned:
            self._kill_at = now + DEAF_SECONDS
            return ABANDON
        if seen != IDLE and seconds >= self._limit_seconds + DEAF_SECONDS:
            self.overdue = seen
            return SIGKILL
        return SIGKILL if now >= self._kill_at else None

    @property
    def is_abandoned(self) -> bool:
        """Whether the child was told to leave its running item unfinished."""
        return self._kill_at < float("inf")

    @property
    def silent_seconds(self) -> float:
        """How long nothing had been heard when it was looked last: the running item took no longer."""
        return self._looked - self._heard


class Claim:
    """The items of one claim that have no end yet, and how often a child died of each."""

    def __init__(self, indices: Sequence[int]) -> None:
        self.left = list(indices)
        self._deaths = Counter[int]()
        self._one_by_one = False

    @property
    def part(self) -> list[int]:
        """The items to ask for next."""
        return self.left[:1] if self._one_by_one else self.left

    def drop(self, ended: Collection[int]) -> None:
        """Forget items that have an end."""
        self.left = [index for index in self.left if index not in ended]

    def put_first(self, index: int) -> None:
        """Let an item be the first that the next child evaluates."""
        self.left = [index, *(other for other in self.left if other != index)]

    def blamed(self, running: int) -> int:
        """Return the item that a child died of which held ``running`` in its cell; IDLE if nobody can tell.

        What kills a child between two items, as their results do if they are too large, is found by asking for one
        item after the other from then on.
        """
        if running in self.left:
            return running
        is_sure = self._one_by_one or len(self.left) == 1
        self._one_by_one = True
        return self.left[0] if is_sure and self.left else IDLE

    def count_death(self, index: int) -> int:
        """Return how many deaths item ``index`` is to blame for, this one included."""
        self._deaths[index] += 1
        return self._deaths[index]
