"""The picture of the simulated studies: makespan, claims and root's load over the number of ranks."""

from collections.abc import Sequence
from pathlib import Path

from harness import Raw
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INCHES = (9.6, 3.5)
COLORS = ("#1b6ca8", "#d1602f")
"""Of the ways to the counter."""
STYLES = (("-", "o"), ("--", "s"))
"""Of the studies."""


def draw(runs: Sequence[Raw], path: Path) -> None:
    """Draw the picture into a file."""
    figure = Figure(figsize=INCHES, layout="constrained")
    makespans, claims, loads = figure.subplots(1, 3)
    _lines(makespans, runs, "makespan / bound", [entry["makespan_seconds"] / entry["bound_seconds"] for entry in runs])
    _lines(claims, runs, "claims a rank", [entry["n_claims"] / entry["n_ranks"] for entry in runs])
    _lines(loads, runs, "root answers, % of the makespan", [100 * entry["root_load"] for entry in runs])
    makespans.set_ylim(bottom=1.0)
    claims.set_yscale("log")
    loads.set_yscale("log")
    loads.axhline(100, color="0.6", linewidth=0.8)
    figure.legend(*makespans.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, dpi=130)


def _lines(axes: Axes, runs: Sequence[Raw], title: str, values: Sequence[float]) -> None:
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
    axes.set_xlabel("ranks")
    axes.set_title(title, fontsize=10)
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
