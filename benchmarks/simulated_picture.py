"""The picture of the simulated studies: makespan, claims and root's load over the number of ranks."""

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Entry = Mapping[str, float]
Runs = dict[str, list[dict[str, float]]]
"""By study and way, what came of it for each number of ranks."""
INCHES = (9.6, 6.4)
PARTS: tuple[tuple[str, Callable[[Entry], float], float | None], ...] = (
    (
        "makespan beyond its bound, %",
        lambda entry: 100 * (entry["makespan_seconds"] / entry["bound_seconds"] - 1),
        None,
    ),
    ("time beside items, % of theirs", lambda entry: 100 * entry["beside_items"], None),
    ("root answers, % of the makespan", lambda entry: 100 * entry["root_load"], None),
    ("claims a rank", lambda entry: entry["n_claims"] / entry["n_ranks"], 0.0),
)
"""Title, what is drawn of a study, and where its axis begins; None: on a logarithmic scale."""
LOOKS = (("#1b6ca8", "-", "o"), ("#1b6ca8", "--", "s"), ("#d1602f", "-", "o"), ("#d1602f", "--", "s"))
"""Of the lines: a color for each way to the counter, a style for each study."""


def draw(runs: Runs, path: Path) -> None:
    """Draw the picture into a file."""
    figure = Figure(figsize=INCHES, layout="constrained")
    for (title, value, least), axes in zip(PARTS, figure.subplots(2, 2, sharex=True).flat, strict=True):
        _lines(axes, runs, value)
        axes.set_title(title, fontsize=10, loc="left")
        if least is None:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
        else:
            axes.set_ylim(bottom=least)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    for axes in figure.axes[2:]:
        axes.set_xlabel("ranks")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, dpi=130)


def _lines(axes: Axes, runs: Runs, value: Callable[[Entry], float]) -> None:
    """Draw one line for each way and study."""
    for (name, entries), (color, line, marker) in zip(runs.items(), LOOKS, strict=True):
        ranks = [entry["n_ranks"] for entry in entries]
        axes.plot(ranks, [*map(value, entries)], line, marker=marker, markersize=4, color=color, label=name)
    axes.set_xscale("log")
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
