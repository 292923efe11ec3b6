"""A plan for people and for programs."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fullrank.dataclass import asdict
from fullrank.metrics import spelled_seconds, spelled_share
from fullrank.plan.conduct import Plan
from fullrank.plan.pilot import Pilot
from fullrank.plan.predict import CONFIDENCE, Forecast, most_useful_workers
from fullrank.report.facts import plain
from fullrank.report.layout import BULLET, PROSE_COLUMNS, counted, table, wrapped
from fullrank.room import spelled_bytes

BUSY_CORES = 0.25
"""Other programs that keep more busy are worth a word."""


def to_dict(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain data; times in s, what is not known is None."""
    pilot = plan.pilot
    told = asdict(pilot) | {"n_sampled": len(pilot.item_seconds), "item_seconds": pilot.item_seconds.tolist()}
    del told["indices"]
    found: dict[str, Any] = plain(
        {
            "pilot": told,
            "confidence": CONFIDENCE,
            "longest_item_unseen": unseen_chance(pilot),
            "most_useful_workers": most_useful_workers(pilot.item_seconds, n_left=pilot.n_left),
            "refusal": plan.refusal,
            "uneven_dimensions": plan.uneven,
            "longest_first": plan.longest_first,
            "forecasts": plan.forecasts,
        }
    )
    return found


def unseen_chance(pilot: Pilot) -> float:
    """Return the chance that the study's longest item is not among those that were sampled: 1 - n / N."""
    return 1 - len(pilot.item_seconds) / pilot.n_items


def text(plan: Plan, *, width: int) -> str:
    """Return the plan on lines of at most ``width`` columns where words allow it."""
    return "".join(f"{line}\n" for line in _lines(plan, min(width, PROSE_COLUMNS)))


def _lines(plan: Plan, width: int) -> Iterator[str]:
    pilot = plan.pilot
    yield from wrapped("", _head(pilot), width)
    if not plan.forecasts:
        yield from wrapped("", "The pilot has finished the study: nothing is left to plan.", width)
        return
    yield ""
    yield from table([_COLUMNS, *map(_row, plan.forecasts)], left=(2,), has_head=True)
    yield ""
    if plan.refusal:
        yield from wrapped("", f"It cannot be predicted from this pilot: {plan.refusal}.", width)
        yield ""
    for sentence in _sentences(plan):
        yield from wrapped(BULLET, sentence, width)


_COLUMNS = ("workers", "wall time", f"{CONFIDENCE:.0%} interval", "speed-up", "not below")


def _row(forecast: Forecast) -> tuple[str, ...]:
    wall = forecast.wall
    if wall is None:
        return f"{forecast.n_workers:,}", "", "cannot be predicted", "", ""
    return (
        f"{forecast.n_workers:,}",
        spelled_seconds(wall.median),
        f"{spelled_seconds(wall.least)} to {spelled_seconds(wall.most)}",
        f"{forecast.speedup:.3g}×",
        spelled_seconds(forecast.bound_seconds),
    )


def _head(pilot: Pilot) -> str:
    seconds = pilot.item_seconds
    mean, middle, longest = map(spelled_seconds, map(float, (seconds.mean(), np.median(seconds), seconds.max())))
    of_sample = f" (of {len(seconds):,} that are looked at)" if len(seconds) < pilot.n_run else ""
    return (
        f"Pilot: {pilot.n_run:,} of {counted(pilot.n_items, 'item')} on {counted(pilot.n_workers, 'worker')}, "
        f"all waited for, in {spelled_seconds(pilot.spent_seconds)}. An item{of_sample} takes {mean} (median {middle}, "
        f"longest seen {longest}). Left are {counted(pilot.n_left, 'item')}; a run keeps the others."
    )


def _sentences(plan: Plan) -> Iterator[str]:
    pilot = plan.pilot
    useful = most_useful_workers(pilot.item_seconds, n_left=pilot.n_left)
    if useful < pilot.n_left and not plan.refusal:
        n_useful = max(1, round(useful))
        yield f"more than {n_useful:,} workers cannot help: then the longest item seen takes as long as all else"
    yield (
        f"the longest item of the study was not seen with a chance of {spelled_share(unseen_chance(pilot))}; "
        f"what is not like the pilot's items is not in the intervals"
    )
    yield (
        f"in each wall time: {spelled_seconds(pilot.start_end_seconds)} for start and gathering, as here; "
        f"queues, other file systems and the start of many ranks are not in it"
    )
    yield (
        f"memory: at most {spelled_bytes(pilot.worker_bytes)} a worker in the pilot; "
        f"disk: at most {spelled_bytes(pilot.disk_bytes)} for journals and result"
    )
    if plan.longest_first:
        yield "order longest-first: predicted as if the costs told exactly which items take longer"
    if pilot.platforms:
        yield f"measured on {'; '.join(pilot.platforms)}; other CPUs take other times"
    if pilot.others_cores > BUSY_CORES:
        yield (f"other programs kept {pilot.others_cores:.1f} cores busy meanwhile: where none do, items may take less")
    if pilot.n_failed:
        yield f"{counted(pilot.n_failed, 'item')} failed; they count with the time that they took"
    if plan.uneven:
        yield (
            f"the pilot is uneven over {', '.join(plan.uneven)}: if items take longer at some of its values, the "
            f"intervals do not hold; give --pilot more time"
        )
