"""What the command line decides beside the study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from fullrank.dataclass import dataclass
from fullrank.progress import Display
from fullrank.shard import Shard


@dataclass(frozen=True)
class Choices:
    """What the command line decides beside the study."""

    output: Path
    """Absolute."""
    backend: str
    n_workers: int
    fresh: bool = False
    accept_change: bool = False
    """Keep what was finished although the code or the constants are others now."""
    retry_failed: bool = False
    """Do all items again that have failed so far."""
    take_over: bool = False
    begun: float | None = None
    """When the account of time begins, as account.system_seconds() tells time; None: with this process."""
    stop_at: float | None = None
    """Time (of time.time()) from which no items are handed out."""
    limit: int | None = None
    """Stop after so many first items of the ``spread`` order, and write the partial file; None: all items."""
    provenance: Mapping[str, str | int | float] | None = None
    is_reported: bool = False
    """Whether what the file tells is read from it while it is verified, as ``Ending.report``."""
    shard: Shard | None = None
    """The only share of the items that is evaluated; None: all of them."""

    def among(self, n_items: int) -> range | None:
        """Return the positions of the ``spread`` order whose items are to be evaluated; None: all, in any order."""
        if self.shard is not None:
            return self.shard.positions(n_items)
        return None if self.limit is None else range(min(self.limit, n_items))


class Console(Protocol):
    """Where a run tells what happens."""

    def say(self, sentence: str) -> None:
        """Tell one thing."""

    def display(self) -> Display:
        """Return a new progress display."""
