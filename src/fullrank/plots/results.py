"""Pictures of results: lines, images, points."""

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from fullrank.plots.cells import spans_decades
from fullrank.plots.library import NO_VALUE, PALETTE
from fullrank.plots.scales import log_scale, plain_numbers
from fullrank.plots.scan import Picture
from fullrank.plots.views import Side

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import SubFigure

FEW_POINTS = 60
"""Up to so many, each point of a line has a mark."""
MARKERS = "os^DvP"
LINES = ("-", (0, (4, 2)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (6, 1)), (0, (2, 2)))
"""Of lines that cover each other, the lower ones are seen through the upper ones' gaps."""
N_TEXTS = 24
"""Ticks with texts on one side."""
CHARACTERS_PER_INCH = 12
LABEL_CHARACTERS_PER_INCH = 12
"""Of a panel's height: less than fit, for its axes are shorter."""


def draw_result(picture: Picture, figure: "SubFigure") -> None:
    """Draw one result into its part of a figure."""
    {"lines": _draw_lines, "image": _draw_image, "points": _draw_points}[picture.view.kind](picture, figure)


def _draw_lines(picture: Picture, figure: "SubFigure") -> None:
    view, axes = picture.view, figure.subplots()
    keys = view.y.texts if view.y else ("",)
    for row, key in enumerate(keys):
        _draw_line(picture, axes, row, key=key)
    _label_side(axes, view.x, "x")
    _label_upright(axes.yaxis, view.label)
    _scale_values(axes, picture)
    axes.margins(x=0.01)
    _make_room(axes, view.x)
    if view.y is not None:
        axes.legend(title=view.y.label, loc="upper left", bbox_to_anchor=(1.01, 1.0), alignment="left")


def _draw_line(picture: Picture, axes: "Axes", row: int, *, key: str) -> None:
    view, cells = picture.view, picture.cells
    order = np.argsort(view.x.values, kind="stable")
    x, mean = view.x.values[order], cells.means[row][order]
    has_marks, colour = len(x) <= FEW_POINTS or bool(view.x.texts), PALETTE[row]
    if view.has_replicates:
        spread = cells.deviations[row][order]
        if has_marks:
            axes.errorbar(x, mean, spread, linestyle="", color=colour, elinewidth=0.6, capsize=1.5)
        else:
            axes.fill_between(x, mean - spread, mean + spread, color=colour, alpha=0.25, linewidth=0)
    elif view.x.n_each > 1:
        low, high = cells.least[row][order], cells.greatest[row][order]
        axes.fill_between(x, low, high, color=colour, linewidth=0.8, label=key)
        return
    axes.plot(
        x,
        mean,
        color=colour,
        label=key,
        marker=MARKERS[row] if has_marks else "",
        markerfacecolor="none",
        linestyle="" if view.x.texts else LINES[row],
    )
    is_alone = _alone(mean)
    if not has_marks and is_alone.any():
        axes.plot(x[is_alone], mean[is_alone], ".", color=colour)
    if not view.field.varying:
        _mark_gaps(axes, x[cells.counts[row][order] == 0], colour)


def _mark_gaps(axes: "Axes", places: NDArray[np.float64], colour: str) -> None:
    """Mark on the axis where a value is missing: a narrow gap in a line is not seen."""
    if places.size:
        foot = axes.get_xaxis_transform()
        axes.plot(places, np.zeros(places.shape), "|", color=colour, transform=foot, clip_on=False, label="_gaps")


def _alone(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points have no neighbour: a line would not show them."""
    is_gap = np.concatenate([[True], ~np.isfinite(values), [True]])
    alone: NDArray[np.bool_] = ~is_gap[1:-1] & is_gap[:-2] & is_gap[2:]
    return alone


def _scale_values(axes: "Axes", picture: Picture) -> None:
    """Put the values of lines or points on the scale that shows them best."""
    if picture.view.field.is_bool:
        axes.set_yticks([0, 1], ["false", "true"])
        return
    known = picture.cells.means[picture.cells.counts > 0]
    if spans_decades(known) and (least := picture.cells.least[picture.cells.counts > 0].min()) > 0:
        log_scale(axes, "y", (least, known.max()))


def _label_side(axes: "Axes", side: Side, which: Literal["x", "y"]) -> None:
    """Name one side, with texts at its ticks if its values are no numbers."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    if which == "x":
        axis.set_label_text(side.label)
    else:
        _label_upright(axis, side.label)
    if side.texts:
        step = -(-len(side.texts) // N_TEXTS)
        texts = side.texts[::step]
        axis.set_ticks(range(0, len(side.texts), step), texts)
        axis.set_minor_locator(NullLocator())
        inches = axes.figure.bbox.width / axes.figure.dpi
        if which == "x" and max(map(len, texts)) * len(texts) > CHARACTERS_PER_INCH * inches:
            axis.set_tick_params(rotation=35)
            for text in axis.get_ticklabels():
                text.set(ha="right", rotation_mode="anchor")
    elif side.is_log:
        log_scale(axes, which, (side.values.min(), side.values.max()))


def _label_upright(axis: "Axis", label: str) -> None:
    """Name an upright side, on as many lines as it takes to stay beside its panel."""
    panel = axis.axes.figure
    width = int(LABEL_CHARACTERS_PER_INCH * panel.bbox.height / panel.dpi)
    axis.set_label_text("\n".join(wrap(label, width, break_long_words=False, break_on_hyphens=False)))


def _make_room(axes: "Axes", side: Side) -> None:
    if side.texts:
        axes.set_xlim(-0.5, len(side.texts) - 0.5)


def _draw_image(picture: Picture, figure: "SubFigure") -> None:
    view, axes = picture.view, figure.subplots()
    side = view.y or view.x  # an image has both
    values = np.ma.masked_invalid(picture.cells.means)
    mesh = axes.pcolormesh(_edges(view.x), _edges(side), values, norm=_norm(values), cmap=_colours(), rasterized=True)
    _label_side(axes, view.x, "x")
    _label_side(axes, side, "y")
    axes.spines[["top", "right"]].set_visible(True)
    bar = figure.colorbar(mesh, ax=axes, pad=0.02, aspect=25)
    _label_upright(bar.ax.yaxis, view.label)
    if view.field.is_bool:
        bar.set_ticks([0, 1], labels=["false", "true"])
    if isinstance(mesh.norm, LogNorm | SymLogNorm):
        plain_numbers(bar.ax.yaxis, (values[values > 0].min(), values.max()))
    bar.outline.set_linewidth(0.4)


def _colours() -> Any:
    import matplotlib

    return matplotlib.colormaps["viridis"].with_extremes(bad=NO_VALUE)


def _norm(values: "np.ma.MaskedArray[Any, Any]") -> Normalize:
    """Return the scale of an image's colours: logarithmic, from zero if need be, where values span decades."""
    known = values.compressed()
    if not known.size:
        return Normalize(0, 1)
    least, greatest = float(known.min()), float(known.max())
    positive = known[known > 0]
    if least >= 0 and spans_decades(positive):
        if least > 0:
            return LogNorm(least, greatest)
        return SymLogNorm(max(float(positive.min()), 1e-4 * greatest), vmin=0, vmax=greatest)
    return Normalize(least, greatest)


def _edges(side: Side) -> NDArray[np.float64]:
    """Return the limits between cells: half-way, on the scale that is drawn."""
    values = np.log(side.values) if side.is_log else side.values
    middle = 0.5 * (values[1:] + values[:-1])
    first, last = (values[0] - middle[0], values[-1] - middle[-1]) if len(middle) else (-0.5, 0.5)
    edges = np.concatenate([[values[0] + first], middle, [values[-1] + last]])
    return np.exp(edges) if side.is_log else edges


def _draw_points(picture: Picture, figure: "SubFigure") -> None:
    view, cells = picture.view, picture.cells
    panels: Sequence[Axes] = figure.subplots(1, len(view.parameters), sharey=True, squeeze=False)[0]
    means, spread = cells.means[0], cells.deviations[0] if view.has_replicates else None
    is_many = len(means) > FEW_POINTS
    for axes, side in zip(panels, view.parameters, strict=True):
        style: dict[str, Any] = {"color": PALETTE[0], "rasterized": len(means) > 10 * FEW_POINTS, "linestyle": ""}
        style |= {"marker": "o", "markersize": 2.0 if is_many else 3.0, "alpha": 0.6 if is_many else 1.0}
        axes.errorbar(side.values, means, spread, markeredgewidth=0, elinewidth=0.6, **style)
        _label_side(axes, side, "x")
        _make_room(axes, side)
    _label_upright(panels[0].yaxis, view.label)
    _scale_values(panels[0], picture)
