"""Pictures of time: how long items took, and what each worker did."""

from collections.abc import Callable
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fullrank.plots.labels import durations, plain, time_unit
from fullrank.plots.library import PALETTE
from fullrank.plots.scales import log_scale
from fullrank.plots.scan import Pictures
from fullrank.report.facts import Report
from fullrank.report.layout import counted
from fullrank.schema import WorkerRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_BARS = 24
"""More workers are drawn as one area, without a gap between them."""
RARE = 100
"""A bin that holds less than this part of the fullest one is not seen on a linear scale."""

Part = tuple[str, str, Callable[[WorkerRow], float]]
PARTS: tuple[Part, ...] = (
    ("start-up", "0.25", lambda row: row.startup_seconds),
    ("import", "0.55", lambda row: row.import_seconds),
    ("inside items", PALETTE[0], lambda row: row.compute_seconds),
    ("asking", PALETTE[4], lambda row: row.claim_seconds),
    ("writing", PALETTE[2], lambda row: row.journal_seconds),
    ("other", PALETTE[3], lambda row: _other(row)),
)
"""What a worker's time is made of, in this order from the left, with its colour; waiting at the end comes last."""
WAITING = ("idle at the end", "0.87")
NO_RESULT = ("items without a result", PALETTE[1])


def _other(row: WorkerRow) -> float:
    return max(row.elapsed_seconds - row.compute_seconds - row.claim_seconds - row.journal_seconds, 0.0)


def draw_histogram(pictures: Pictures, found: Report, axes: "Axes") -> None:
    """Draw how many items took how long."""
    histogram = pictures.histogram
    if histogram is None:
        axes.set_axis_off()
        return
    factor, unit = time_unit(found.items.mean_seconds)
    edges, whole = histogram.edges / factor, histogram.ok + histogram.others
    axes.stairs(histogram.ok, edges, fill=True, color=PALETTE[0])
    if histogram.others.any():
        axes.stairs(whole, edges, baseline=histogram.ok, fill=True, color=NO_RESULT[1], label=NO_RESULT[0])
    axes.set_xlabel(f"time of an item ({unit})")
    axes.set_ylabel("items")
    if pictures.histogram_is_log:
        log_scale(axes, "x", (edges[0], edges[-1]))
    if whole[whole > 0].min() * RARE < whole.max():
        log_scale(axes, "y", (0.7, 1.5 * whole.max()))
        axes.set_ylim(0.7, 1.5 * whole.max())
    else:
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))


def draw_workers(found: Report, axes: "Axes") -> None:
    """Draw what the time of each worker of the measured attempt went into."""
    rows = found.workers
    span = found.work.makespan_seconds
    if isnan(span):
        axes.set_axis_off()
        return
    factor, unit = time_unit(span)
    left = np.zeros(len(rows))
    for label, colour, width in (*PARTS, (*WAITING, lambda row: span - row.elapsed_seconds)):
        widths = np.nan_to_num(np.array([width(row) for row in rows])) / factor
        if widths.any():
            _bars(axes, left, widths, label=label, colour=colour)
            left += widths
    axes.set_xlabel(f"time ({unit})")
    axes.set_xlim(0, left.max() * 1.01)
    _number_workers(found, axes)


def _bars(axes: "Axes", left: NDArray[np.float64], widths: NDArray[np.float64], *, label: str, colour: str) -> None:
    places = np.arange(len(widths))
    if len(places) <= N_BARS:
        axes.barh(places, widths, left=left, height=0.8, color=colour, label=label)
    else:
        ends = np.append(places, len(places)) - 0.5
        low, high = (np.append(side, side[-1]) for side in (left, left + widths))
        axes.fill_betweenx(ends, low, high, step="post", color=colour, label=label, linewidth=0)


def _number_workers(found: Report, axes: "Axes") -> None:
    rows = found.workers
    axes.set_ylabel("rank" if rows[0].backend == "mpi" else "worker")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    if len(rows) <= N_BARS:
        step = 1 + len(rows) // 12
        names = [f"{row.worker}{' (killed)' if isnan(row.elapsed_seconds) else ''}" for row in rows]
        axes.set_yticks(range(0, len(rows), step), names[::step])


def workers_title(found: Report) -> str:
    """Say how many cores were busy."""
    busy, workers = found.work.cores_busy, counted(found.work.n_workers, "worker")
    return workers if isnan(busy) else f"{workers}, {busy:.2f} cores busy"


def histogram_title(found: Report) -> str:
    """Say how long items took."""
    return plain(durations(found.items))
