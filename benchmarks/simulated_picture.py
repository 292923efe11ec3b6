"""The picture of the simulated studies: makespan, claims and root's load over the number of ranks."""

from collections.abc import Callable, Sequence
from pathlib import Path

from harness import Raw
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INCHES = (9.6, 6.4)
PARTS: tuple[tuple[str, Callable[[Raw], float], bool], ...] = (
    ("makespan / bound", lambda entry: entry["makespan_seconds"] / entry["bound_seconds"], False),
    ("time beside items, % of theirs", lambda entry: 100 * entry["beside_items"], True),
    ("root answers, % of the makespan", lambda entry: 100 * entry["root_load"], True),
    ("claims a rank", lambda entry: entry["n_claims"] / entry["n_ranks"], True),
)
"""Title, what is drawn of a study, and whether on a logarithmic scale."""
COLORS = ("#1b6ca8", "#d1602f")
"""Of the ways to the counter."""
STYLES = (("-", "o"), ("--", "s"))
"""Of the studies."""


def draw(runs: Sequence[Raw], path: Path) -> None:
    """Draw the picture into a file."""
    figure = Figure(figsize=INCHES, layout="constrained")
    for (title, value, is_log), axes in zip(PARTS, figure.subplots(2, 2, sharex=True).flat, strict=True):
        _lines(axes, runs, [value(entry) for entry in runs])
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_yscale("log" if is_log else "linear")
        if is_log:
            axes.yaxis.set_major_formatter("{x:g}")
        else:
            axes.set_ylim(bottom=1.0)
    for axes in figure.axes[2:]:
        axes.set_xlabel("ranks")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, dpi=130)


def _lines(axes: Axes, runs: Sequence[Raw], values: Sequence[float]) -> None:
    """Draw one line for each way and study."""
    ways, studies = (list(dict.fromkeys(entry[name] for entry in runs)) for name in ("way", "study"))
    for way, color in zip(ways, COLORS, strict=True):
        for study, (line, marker) in zip(studies, STYLES, strict=True):
            here = [number for number, entry in enumerate(runs) if (entry["way"], entry["study"]) == (way, study)]
            axes.plot(
                [runs[number]["n_ranks"] for number in here],
                [values[number] for number in here],
                line,
                marker=marker,
                markersize=4,
                color=color,
                label=f"{study}; {way}",
            )
    axes.set_xscale("log")
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
