"""Logarithmic axes whose ticks can be read."""

from typing import TYPE_CHECKING, Literal

from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, NullFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

SHORT = 1e2
"""A scale that spans less has numbers at 2 and 5, too."""
PLAIN = (1e-3, 1e5)
"""Numbers in between are written out."""


def log_scale(axes: "Axes", which: Literal["x", "y"], limits: tuple[float, float]) -> None:
    """Make one axis logarithmic; ``limits`` are positive."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = limits
    if high < SHORT * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    plain_numbers(axis, limits)


def plain_numbers(axis: "Axis", limits: tuple[float, float]) -> None:
    """Write the numbers of a logarithmic axis out where they are short."""
    if limits[0] >= PLAIN[0] and limits[1] <= PLAIN[1]:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axis.set_major_formatter(LogFormatterSciNotation())
    axis.set_minor_formatter(NullFormatter())
