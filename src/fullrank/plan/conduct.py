"""One plan, from a config to what it predicts."""

from collections.abc import Callable, Sequence
from pathlib import Path

from fullrank.config import Config
from fullrank.dataclass import dataclass
from fullrank.errors import UsageError
from fullrank.lock import RunLock
from fullrank.plan.evenness import uneven_dimensions
from fullrank.plan.pilot import Pilot, run_pilot
from fullrank.plan.predict import Forecast, forecasts, refusal
from fullrank.predicted import Predicted, WallTime
from fullrank.report.layout import counted
from fullrank.standing import COMPLETE, standing
from fullrank.workfolder import WorkFolder


@dataclass(frozen=True)
class Plan:
    """What a pilot predicts."""

    pilot: Pilot
    forecasts: tuple[Forecast, ...]
    """By number of workers, as asked for; none where the pilot has finished the study."""
    refusal: str
    """Why no wall time can be predicted from this pilot; "" if it can."""
    uneven: tuple[str, ...]
    """Dimensions over which the pilot's items are not spread as those of a random sample."""
    longest_first: bool = False
    """Whether what is left goes out by falling cost."""


def plan(
    config: Config, output: Path, *, counts: Sequence[int], budget_seconds: float, say: Callable[[str], None]
) -> Plan:
    """Run a pilot into the study's own output and predict what is left of it, on each number of workers.

    Of a forecast ``wall.most`` is the upper end of the wall time in s. Raises UsageError for more workers than items
    and for a study that is complete, FailedItems if all items of the pilot fail, and what a run of the study raises.
    """
    n_items = config.sweep.n_items
    for n_workers in counts:
        if n_workers > n_items:
            raise UsageError(
                f"-n {n_workers}: the study has {counted(n_items, 'item')}, so more workers would have nothing to do; "
                f"expected at most {n_items}"
            )
    if output.exists() and standing(config.path, output).state == COMPLETE:
        raise UsageError(f"{output}: is complete, so there is nothing to plan; plan it anew into another file with -o")
    pilot = run_pilot(config, output, budget_seconds=budget_seconds, say=say)
    longest_first = config.run.order == "longest-first"
    found = _forecasts(pilot, counts, longest_first=longest_first) if pilot.n_left else ()
    if pilot.n_left:
        _note(WorkFolder(output), pilot, found, say=say)
    return Plan(
        pilot,
        found,
        refusal(pilot.item_seconds),
        uneven_dimensions(pilot.indices, config.sweep.dims, config.sweep.shape),
        longest_first,
    )


def _note(folder: WorkFolder, pilot: Pilot, found: Sequence[Forecast], *, say: Callable[[str], None]) -> None:
    """Leave with the pilot's items what was predicted, for the run that goes on with them."""
    walls = tuple(
        WallTime(forecast.n_workers, forecast.wall.least, forecast.wall.median, forecast.wall.most)
        for forecast in found
        if forecast.wall is not None
    )
    counts = tuple(wall.n_workers for wall in walls)
    with RunLock(folder.path, notify=say):
        after = folder.next_attempt() - 1
        predicted = Predicted(after, pilot.n_left, pilot.start_end_seconds, counts, walls) if walls else None
        folder.note_predicted(predicted)


def _forecasts(pilot: Pilot, counts: Sequence[int], *, longest_first: bool) -> tuple[Forecast, ...]:
    return forecasts(
        pilot.item_seconds,
        n_left=pilot.n_left,
        counts=counts,
        start_end_seconds=pilot.start_end_seconds,
        overhead_seconds=pilot.overhead_seconds,
        longest_first=longest_first,
    )
