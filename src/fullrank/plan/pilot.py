"""The pilot: real runs of the first items of the ``spread`` order, all of them waited for, in the study's own folder.

Nothing is drawn anew: these are the items of ``run --limit``, which the run of the whole study keeps. A time limit on
the pilot would leave out the items that take long; so its budget decides how many are begun, never which are counted.
"""

import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fullrank.compare.measure import RunFailed, error_of_run, to_its_end
from fullrank.compare.others import watch
from fullrank.compare.stopping import StopRequest
from fullrank.config import Config
from fullrank.cores import usable_cores
from fullrank.dataclass import dataclass, replace
from fullrank.errors import Stopped, UsageError
from fullrank.launcher import python_module
from fullrank.plan.around import around
from fullrank.plan.predict import FEWEST_SCATTERED
from fullrank.repeat import set_options
from fullrank.report.layout import counted
from fullrank.room import needed_bytes, record_bytes
from fullrank.schedule import Order
from fullrank.store import ResultFile, block_size
from fullrank.survey import Survey
from fullrank.workfolder import WorkFolder

MOST_SAMPLED = 10_000
"""Items whose durations are looked at: they tell a mean to one percent of the scatter. More of them are run where they
are short, for what surrounds items then counts, and a few claims do not tell it."""
MOST_GROWTH = 10
"""From one run to the next: a few items say little of how long many take."""
LEAST_GROWTH = 1.2
"""Fewer more items are not worth the start of another run."""


@dataclass(frozen=True)
class Pilot:
    """What the last run of the pilot told; times in s."""

    n_items: int
    """Of the study."""
    n_left: int
    """Without an end."""
    n_run: int
    """First positions of the ``spread`` order that have an end."""
    indices: NDArray[np.int64]
    """Of the items that are looked at, shape (n_sampled,)."""
    item_seconds: NDArray[np.float64]
    """How long each took, shape (n_sampled,), with all cores busy."""
    n_failed: int
    """Of all that have an end."""
    overhead_seconds: float
    """Of a worker, beside each item."""
    start_end_seconds: float
    """Of the command without its makespan: start, gathering, file."""
    spent_seconds: float
    """By all runs of this pilot."""
    n_workers: int
    platforms: tuple[str, ...]
    """C library, CPU model and features of the workers."""
    worker_bytes: int
    """Memory of the largest process, at most."""
    disk_bytes: int
    """What all of the study will take, at most, while it runs."""
    others_cores: float
    """Cores that other programs kept busy meanwhile; NaN where that is not known."""


def run_pilot(config: Config, output: Path, *, budget_seconds: float, say: Callable[[str], None]) -> Pilot:
    """Run more and more items until the budget is about spent, and return what they took.

    Raises what a run of the study fails with, and Stopped if a signal asks to stop: what is finished stays.
    """
    begun = time.perf_counter()
    n_items, n_workers = config.sweep.n_items, usable_cores()
    n_most = max(n_workers, n_items // 2, min(n_items, FEWEST_SCATTERED))
    n_sampled = min(n_workers, n_items)
    try:
        with StopRequest() as stop:
            while True:
                say(f"pilot: {counted(n_sampled, 'item')} on {counted(n_workers, 'worker')}")
                found = _run(config, output, n_sampled, n_workers=n_workers, stop=stop)
                spent_seconds = time.perf_counter() - begun
                n_next = _more(found, n_sampled, left_seconds=budget_seconds - spent_seconds, n_most=n_most)
                if n_next < LEAST_GROWTH * n_sampled or not found.n_left:
                    return replace(found, spent_seconds=spent_seconds)
                n_sampled = n_next
    except KeyboardInterrupt:
        raise Stopped("stopped in the pilot; no finished item is lost, the same command goes on") from None


def items_in(seconds: float, *, mean_seconds: float, n_workers: int, n_sampled: int, n_most: int) -> int:
    """Return how many items to have sampled after another run of so many ``seconds``.

    >>> items_in(30.0, mean_seconds=0.5, n_workers=2, n_sampled=20, n_most=1000)
    140
    """
    n_more = int(seconds * n_workers / mean_seconds) if mean_seconds > 0 else n_most
    return min(n_most, MOST_GROWTH * n_sampled, n_sampled + max(0, n_more))


def _more(found: Pilot, n_sampled: int, *, left_seconds: float, n_most: int) -> int:
    mean_seconds = float(found.item_seconds.mean()) + found.overhead_seconds
    seconds = max(0.0, left_seconds - found.start_end_seconds)
    return items_in(seconds, mean_seconds=mean_seconds, n_workers=found.n_workers, n_sampled=n_sampled, n_most=n_most)


def _run(config: Config, output: Path, n_sampled: int, *, n_workers: int, stop: StopRequest) -> Pilot:
    stop.check()
    options = ["-b", "processes", "-n", str(n_workers), "--limit", str(n_sampled), "-o", str(output)]
    options += ["--quiet", "--here", "--allow-failures", str(config.sweep.n_items), *set_options(config.settings)]
    others, begun = watch(), time.perf_counter()
    folders = (str(config.path.parent),)
    code, said = to_its_end(python_module("fullrank", "run", str(config.path), *options, folders=folders), stop)
    wall_seconds = time.perf_counter() - begun
    stop.check()
    if code != 0:
        raise error_of_run(RunFailed(code, said), "the pilot")
    return read_pilot(
        config, output, n_sampled, n_workers=n_workers, command_seconds=wall_seconds, others=others(wall_seconds)
    )


def read_pilot(
    config: Config, output: Path, n_sampled: int, *, n_workers: int, command_seconds: float, others: float
) -> Pilot:
    """Read the partial result, or the whole one where nothing is left, of which so many first items have an end.

    ``command_seconds`` is the wall time of the command that has just ended, in s: it evaluated nothing where no attempt
    tells how long it took, so that it is what surrounds items. ``others`` is how many cores other programs kept busy.
    Raises UsageError if none of the items has an end, or the file tells a wall time that cannot be.
    """
    folder = WorkFolder(output)
    n_items = config.sweep.n_items
    n_wanted = min(n_sampled, n_items, MOST_SAMPLED)
    wanted = np.sort(np.array(Order.named("spread", n_items).indices(range(n_wanted)), dtype=np.int64))
    seconds = np.full(len(wanted), np.nan)
    with ResultFile(folder.partial if folder.partial.exists() else output) as file:
        for block in file.blocks(block_size(file)):
            first, last = np.searchsorted(wanted, [block.start, block.start + len(block.status)])
            seconds[first:last] = block.seconds[wanted[first:last] - block.start]
        attempts, workers, summary = file.attempts(), file.workers(), file.summary
    is_timed = np.isfinite(seconds)
    if not is_timed.any():
        raise UsageError(f"{output}: expected items of the pilot that have an end, got none; run the study instead")
    told = around(attempts, workers, output=output)
    return Pilot(
        n_items=n_items,
        n_left=summary.n_missing,
        n_run=min(n_sampled, n_items),
        indices=wanted[is_timed],
        item_seconds=seconds[is_timed],
        n_failed=summary.n_failed,
        overhead_seconds=told.overhead_seconds if told else 0.0,
        start_end_seconds=told.start_end_seconds if told else command_seconds,
        spent_seconds=0.0,
        n_workers=n_workers,
        platforms=tuple(sorted({row.platform for row in workers if row.platform})),
        worker_bytes=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        disk_bytes=_disk_bytes(folder, n_items),
        others_cores=others,
    )


def _disk_bytes(folder: WorkFolder, n_items: int) -> int:
    """Return what journals and result of the study take together, at most."""
    survey = Survey()
    for journal in folder.journals():
        survey.add_journal(journal)
    return needed_bytes(n_items, n_items, record_bytes=record_bytes(survey))
