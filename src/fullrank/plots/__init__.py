"""Figures of result files and comparisons, and reports as web pages.

matplotlib, the optional extra ``plot``, is loaded when the first figure is asked for.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from fullrank.plots.library import check_figure_path, require_matplotlib, save, style
from fullrank.report.facts import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fullrank.compare.records import Comparison

__all__ = ["check_figure_path", "comparison_figure", "result_figure", "save"]


def result_figure(found: Report) -> "Figure":
    """Draw a reported file: its results, how long items took, and what the workers did.

    Raises:
        UsageError: matplotlib is not there.
        OutputError: the file is damaged, or no longer there.
    """
    require_matplotlib()
    from fullrank.plots.figure import whole_figure
    from fullrank.plots.scan import pictures

    with style():
        return whole_figure(pictures(found), found)
