"""How far each shard of a study is, as its work folder tells."""

from collections.abc import Sequence

from fullrank.dataclass import dataclass
from fullrank.holder import holder_of
from fullrank.report.layout import counted
from fullrank.schedule import Order, Todo
from fullrank.schema import AttemptRow
from fullrank.shard import Shard
from fullrank.workfolder import WorkFolder

COMPLETE, RUNNING, STOPPED, NOT_STARTED = "complete", "running", "stopped", "not started"
_STATES = (COMPLETE, RUNNING, STOPPED, NOT_STARTED)
_MOST_NAMED = 12


@dataclass(frozen=True)
class Share:
    """One shard of the present division of a study."""

    number: int
    """From 1."""
    n_shards: int
    state: str
    """complete, running, stopped or not started."""
    n_items: int
    n_finished: int
    attempt: int = 0
    """Its latest; 0 before the first."""
    reason: str = ""
    """Why that ended."""

    @property
    def n_left(self) -> int:
        """Items without an end."""
        return self.n_items - self.n_finished


def shares(folder: WorkFolder, n_items: int, finished: bytes | bytearray) -> tuple[Share, ...]:
    """Return how far the shards are that came last; none if the last run was one of all items.

    ``finished`` is the bitmap of finished items, by their position in the ``spread`` order.
    """
    latest = {row.shard: row for row in folder.attempt_log.latest() if row.shard}
    known = [shard for shard in folder.shards() if str(shard) in latest]
    if not known:
        return ()
    last = max(known, key=lambda shard: latest[str(shard)].attempt)
    order = Order.named("spread", n_items)
    found = []
    for number in range(1, last.n_shards + 1):
        shard = Shard(number, *last.division)
        positions = shard.positions(n_items)
        n_left = Todo(order, finished, among=positions).n_items
        found.append(_share(folder, shard, latest.get(str(shard)), n_items=len(positions), n_left=n_left))
    return tuple(found)


def _share(folder: WorkFolder, shard: Shard, row: AttemptRow | None, *, n_items: int, n_left: int) -> Share:
    is_held = holder_of(folder.path / shard.folder_name) is not None
    state = RUNNING if is_held else COMPLETE if not n_left else NOT_STARTED if row is None else STOPPED
    attempt, reason = (0, "") if row is None else (row.attempt, row.reason)
    return Share(shard.number, shard.n_shards, state, n_items, n_items - n_left, attempt, reason)


def in_words(found: Sequence[Share]) -> str:
    """Return one line on all shards, by state.

    >>> in_words([Share(number, 3, state, 9, 0) for number, state in enumerate(["complete", "running", "running"], 1)])
    '3 shards: 1 complete (1), 2 running (2 to 3)'
    """
    parts = []
    for state in _STATES:
        numbers = [share.number for share in found if share.state == state]
        if numbers:
            parts.append(f"{len(numbers)} {state} ({_spelled(numbers)})")
    return f"{counted(len(found), 'shard')}: {', '.join(parts)}"


def _spelled(numbers: Sequence[int]) -> str:
    """Return ascending numbers, neighbours together.

    >>> _spelled([1, 2, 3, 5, 7, 8])
    '1 to 3, 5, 7 to 8'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return ", ".join(words[:_MOST_NAMED]) + ", …" * (len(words) > _MOST_NAMED)
