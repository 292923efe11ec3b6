"""Pictures of time: how long items took, and what each worker did."""

from collections.abc import Mapping
from math import fsum, isnan
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fullrank.metrics import Account
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
SMALLEST_SHARE = 1e-3
"""Of the makespan: what is less cannot be seen, and needs no place in the legend."""
RARE = 100
"""A bin that holds less than this part of the fullest one is not seen on a linear scale."""

PARTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("start-up", "0.25", ("startup",)),
    ("import", "0.55", ("import",)),
    ("waiting to start", "0.93", ("start_wait",)),
    ("inside items", PALETTE[0], ("compute",)),
    ("around items", PALETTE[4], ("prepare", "encode", "claim", "journal")),
    ("idle at the end", "0.82", ("idle",)),
    ("gather and HDF5", PALETTE[2], ("close", "gather", "write")),
    ("unexplained", PALETTE[3], ("unexplained",)),
)
"""What a worker's time is made of, in this order from the left, with its colour and the phases of its account."""
NO_RESULT = ("items without a result", PALETTE[1])


def _phases(row: WorkerRow, account: Account, makespan_seconds: float) -> Mapping[str, float]:
    """Return the phases of a worker's account; files of early versions have only those until its last item."""
    if not isnan(account.total_seconds):
        return account.phases()
    around_seconds = row.elapsed_seconds - row.compute_seconds
    return {
        "startup": row.startup_seconds,
        "import": row.import_seconds,
        "compute": row.compute_seconds,
        "claim": around_seconds,
        "idle": makespan_seconds - row.elapsed_seconds,
    }


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
    phases = [_phases(row, account, span) for row, account in zip(rows, found.accounts, strict=True)]
    left = np.zeros(len(rows))
    for label, colour, names in PARTS:
        widths = np.array([fsum(part.get(name, 0.0) for name in names) for part in phases])
        widths = np.nan_to_num(widths).clip(min=0) / factor
        if widths.sum() >= SMALLEST_SHARE * span / factor:
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
