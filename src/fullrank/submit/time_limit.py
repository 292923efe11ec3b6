"""The time limit of a job, from a pilot of its study."""

from collections.abc import Callable
from math import ceil
from pathlib import Path

from fullrank.config import Config
from fullrank.dataclass import dataclass
from fullrank.deadline import leave_seconds
from fullrank.errors import UsageError
from fullrank.metrics import spelled_range, spelled_seconds
from fullrank.plan.pilot import Pilot, run_pilot
from fullrank.plan.predict import Interval, forecasts, refusal
from fullrank.plan.stored import stored_pilot
from fullrank.report.layout import counted

PILOT_SECONDS = 60.0
MARGIN_SHARE = 0.25
"""Of the upper end of what is predicted: a node is not the machine of the pilot, and not alone on its disk."""
MARGIN_SECONDS = 60.0
"""For the start of the ranks on nodes that have not read the environment yet."""


@dataclass(frozen=True)
class Limit:
    """A time limit, and what it comes from."""

    seconds: float
    told: str
    """In a sentence."""


def limit_seconds(most_seconds: float) -> float:
    """Return a time limit in s for a run that takes at most so long: with a margin, before it is told to stop.

    >>> limit_seconds(3600.0), limit_seconds(10.0)
    (4740.0, 120.0)
    """
    needed = (1 + MARGIN_SHARE) * most_seconds + MARGIN_SECONDS
    found = 60 * ceil(needed / 60)
    while found - leave_seconds(found) < needed:
        found += 60
    return float(found)


def limit_of(
    config: Config,
    output: Path,
    *,
    n_workers: int,
    n_shards: int | None,
    ask: Callable[[], None],
    say: Callable[[str], None],
) -> Limit | None:
    """Return the time limit of a job with so many workers, each if it is an array; None if the pilot has done it all.

    A pilot that is there is taken, else one is run here, if ``ask`` does not raise. Raises UsageError where it allows
    no prediction.
    """
    pilot = stored_pilot(config, output)
    if pilot is None:
        ask()
        pilot = run_pilot(config, output, budget_seconds=PILOT_SECONDS, say=say)
    if not pilot.n_left:
        return None
    if reason := refusal(pilot.item_seconds):
        raise UsageError(
            f"--time auto: nothing was queued, for the pilot does not tell how long it takes: "
            f"{reason.partition(';')[0]}; say it yourself: --time 2h"
        )
    wall = _predicted(pilot, n_workers=n_workers, n_shards=n_shards)
    seconds = limit_seconds(wall.most)
    each = "" if n_shards is None else " for each shard"
    return Limit(
        seconds,
        f"time limit {spelled_seconds(seconds)}: predicted are {spelled_range(wall.least, wall.most)} on "
        f"{counted(n_workers, 'worker')}{each}, from a pilot of {counted(len(pilot.item_seconds), 'item')}",
    )


def _predicted(pilot: Pilot, *, n_workers: int, n_shards: int | None) -> Interval:
    (found,) = forecasts(
        pilot.item_seconds,
        n_left=ceil(pilot.n_left / (n_shards or 1)),
        counts=[n_workers],
        start_end_seconds=pilot.start_end_seconds,
        overhead_seconds=pilot.overhead_seconds,
    )
    assert found.wall is not None  # it is for pilots that are not refused
    return found.wall
