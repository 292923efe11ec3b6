"""The figure of a comparison: speed-up against workers, and how many cores each way kept busy."""

from collections.abc import Iterator, Sequence
from math import isnan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, NullLocator

from fullrank.compare.records import Comparison, Variant
from fullrank.compare.summary import summaries
from fullrank.dataclass import dataclass
from fullrank.plots.labels import plain, wrapped_caption
from fullrank.plots.library import PALETTE, WIDTH_INCHES
from fullrank.report.layout import counted

HEIGHT_INCHES = 3.3
BAR_INCHES = 0.17
COLOURS = {"threads": PALETTE[1], "processes": PALETTE[0], "mpi": PALETTE[2], "interpreters": PALETTE[3]}
MARKERS = {"threads": "s", "processes": "o", "mpi": "^", "interpreters": "D"}
SERIAL_COLOUR = "0.35"
WIDE = 16
"""From so many workers on, scales are logarithmic to the base 2."""
BESIDE = 0.03
"""Distance between backends at the same number of workers, as a part of it: intervals do not cover each other."""


@dataclass(frozen=True)
class Point:
    """One variant in the figure."""

    variant: Variant
    speedup: float
    interval: tuple[float, float] | None
    """None: too few rounds."""
    cores_busy: float
    """Median over the rounds."""


def points(comparison: Comparison) -> tuple[Point, ...]:
    """Return what is drawn of each variant that was measured; the first is the baseline.

    The speed-up is the median of the baseline's makespan / the variant's, taken within each round.
    """
    return tuple(
        Point(summary.variant, summary.speedup.median, summary.speedup.interval, summary.cores_busy)
        for summary in summaries(comparison)
    )


def draw(comparison: Comparison) -> Figure:
    """Draw a comparison."""
    found = points(comparison)
    caption = wrapped_caption(_caption(comparison, found))
    bars = [point for point in found if not isnan(point.cores_busy)]
    height = max(HEIGHT_INCHES, 1.0 + BAR_INCHES * len(bars))
    figure = Figure(figsize=(WIDTH_INCHES, height + 0.35 + 0.14 * (caption.count("\n") + 1)), layout="constrained")
    figure.suptitle(plain(comparison.title, 90), x=0.01, ha="left", weight="bold")
    figure.supxlabel(caption, x=0.01, ha="left", size=8.0, color="0.3")
    part: SubFigure = figure.subfigures(1, 1, squeeze=False)[0, 0]
    left, right = part.subplots(1, 2, width_ratios=[3, 2])
    _draw_speedups(comparison, found, left)
    _draw_cores(comparison, bars, right)
    part.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=6, columnspacing=1.2)
    return figure


def ideal_speedup(n_workers: float, n_cores: float) -> float:
    """Return the speed-up that cores allow; hyper-threads of one core share it.

    >>> [ideal_speedup(n, 4) for n in (1, 4, 8)]
    [1, 4, 4]
    """
    return min(n_workers, n_cores)


def _draw_speedups(comparison: Comparison, found: Sequence[Point], axes: Axes) -> None:
    counts = sorted({point.variant.n_workers for point in found} | {1})
    _draw_ideal(comparison, counts, axes)
    backends = list(dict.fromkeys(p.variant.backend for p in found if p.variant.backend != "serial"))
    for number, backend in enumerate(backends):
        shown = [p for p in found if p.variant.backend == backend and not isnan(p.speedup)]
        shift = 1 + BESIDE * (number - (len(backends) - 1) / 2)
        _draw_backend(sorted(shown, key=lambda p: p.variant.n_workers), axes, backend, shift=shift)
    axes.axhline(1, color=SERIAL_COLOUR, linewidth=0.8, linestyle=(0, (1, 2)), label="serial", zorder=1)
    if counts[-1] >= WIDE:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(counts)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("workers")
    axes.set_ylabel("speed-up over serial")


def _ticks(counts: Sequence[int]) -> list[int]:
    """Leave out counts that would stand too near to the next one."""
    kept: list[int] = []
    for count in reversed(counts):
        if not kept or kept[-1] - count >= counts[-1] / 16 or (counts[-1] >= WIDE and kept[-1] >= 1.4 * count):
            kept.append(count)
    return kept[::-1]


def _draw_ideal(comparison: Comparison, counts: Sequence[int], axes: Axes) -> None:
    n_cores = float(_n_cores(comparison))
    ends = [1.0, float(max(counts[-1], 2))]
    if ends[0] < n_cores < ends[1]:
        ends.insert(1, n_cores)
    label = "ideal" if n_cores >= ends[-1] else f"ideal on {counted(int(n_cores), 'physical core')}"
    axes.plot(ends, [ideal_speedup(end, n_cores) for end in ends], color="0.6", linewidth=0.8, label=label, zorder=1)


def _n_cores(comparison: Comparison) -> int:
    """Return how many cores there are: physical ones where the machine tells, else usable ones; 2^31 if unknown."""
    machine = comparison.machine
    known = (machine.get(name) for name in ("physical_cores", "usable_cores"))
    return min((n for n in known if isinstance(n, int) and n >= 1), default=1 << 31)


def _draw_backend(shown: Sequence[Point], axes: Axes, backend: str, *, shift: float) -> None:
    if not shown:
        return
    x = [point.variant.n_workers * shift for point in shown]
    y = np.array([point.speedup for point in shown])
    ends = np.array([point.interval or (point.speedup, point.speedup) for point in shown]).T
    colour = COLOURS.get(backend, PALETTE[5])
    axes.errorbar(
        x,
        y,
        np.abs(ends - y),
        color=colour,
        marker=MARKERS.get(backend, "v"),
        markersize=4,
        linewidth=0.8,
        elinewidth=1.0,
        capsize=2.5,
        label=backend,
    )


def _draw_cores(comparison: Comparison, bars: Sequence[Point], axes: Axes) -> None:
    colours = [COLOURS.get(point.variant.backend, SERIAL_COLOUR) for point in bars]
    axes.barh(range(len(bars)), [point.cores_busy for point in bars], height=0.7, color=colours)
    axes.set_yticks(range(len(bars)), [plain(str(point.variant)) for point in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlabel("cores busy")
    usable = comparison.machine.get("usable_cores")
    if isinstance(usable, int):
        # the axis reaches the line: a bar says how much of the machine it kept busy
        axes.set_xlim(0, 1.05 * max([usable, *(point.cores_busy for point in bars)]))
        axes.axvline(usable, color="0.6", linewidth=0.8, zorder=1)
        axes.set_title(f"line: {counted(usable, 'usable core')}")


def _caption(comparison: Comparison, found: Sequence[Point]) -> Iterator[str]:
    n_rounds = len({measured.round for measured in comparison.measurements})
    yield f"Median of {counted(n_rounds, 'round')}{', stopped early' if comparison.partial else ''};"
    if any(point.interval for point in found[1:]):
        yield "bars: 95 % intervals, all together, of the ratio within each round."
    else:
        yield "too few rounds for intervals."
    sample = f"{comparison.n_sampled:,} of {counted(comparison.n_items, 'item')}"
    yield f"{sample if comparison.n_sampled < comparison.n_items else f'All {comparison.n_items:,} items'} each time."
    if processor := comparison.machine.get("processor"):
        yield plain(f"{processor}.", 200)
    if comparison.not_possible:
        yield f"Not possible: {', '.join(plain(str(variant)) for variant in comparison.not_possible)}."
