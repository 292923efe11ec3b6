"""The figures of shards taken together, as if they were one run."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import takewhile

from fullrank.dataclass import dataclass
from fullrank.metrics import busy_share, communication_efficiency, load_balance
from fullrank.schema import AttemptRow, WorkerRow


@dataclass(frozen=True)
class Together:
    """All attempts of shards since the last one of all items, in POP's figures."""

    n_shards: int
    n_workers: int
    makespan_seconds: float
    """From the start of the first to the end of the last, by their hosts' clocks; waits in a queue are in it."""
    load_balance: float
    communication_efficiency: float
    busy_share: float


def of_shards(attempts: Sequence[AttemptRow], workers: Sequence[WorkerRow]) -> Together | None:
    """Return the figures of the shards that came last; None if fewer than two did, or no file tells when."""
    rows = list(takewhile(lambda row: row.shard, reversed(attempts)))
    starts, ends = list(_times(row.started for row in rows)), list(_times(row.ended for row in rows))
    own = [row for row in workers if row.attempt in {row.attempt for row in rows}]
    shards = {row.shard for row in rows}
    if not (own and starts and ends and len(shards) > 1):
        return None
    makespan_seconds = max(ends) - min(starts)
    busy = [row.compute_seconds for row in own]
    return Together(
        n_shards=len(shards),
        n_workers=len(own),
        makespan_seconds=makespan_seconds,
        load_balance=load_balance(busy),
        communication_efficiency=communication_efficiency(busy, makespan_seconds),
        busy_share=busy_share(busy, makespan_seconds),
    )


def _times(texts: Iterable[str]) -> Iterator[float]:
    for text in texts:
        with suppress(ValueError):
            yield datetime.fromisoformat(text).timestamp()
