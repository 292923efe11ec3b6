"""Figures of result files and comparisons, and reports as web pages.

matplotlib, the optional extra ``plot``, is loaded when the first figure is asked for.
"""

from typing import TYPE_CHECKING

from fullrank.plots.library import check_figure_path, check_page_path, require_matplotlib, save, save_text, style
from fullrank.report import Report, sections

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fullrank.compare.records import Comparison

__all__ = [
    "check_figure_path",
    "check_page_path",
    "comparison_figure",
    "comparison_page",
    "result_figure",
    "result_page",
    "save",
    "save_text",
]


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


def comparison_figure(comparison: "Comparison") -> "Figure":
    """Draw a comparison: speed-up against workers, and how many cores each way kept busy.

    Raises:
        UsageError: matplotlib is not there.
    """
    require_matplotlib()
    from fullrank.plots.comparison import draw

    with style():
        return draw(comparison)


def result_page(found: Report) -> str:
    """Return the report of a file as one web page: all that the text says, and the figures.

    Raises:
        UsageError: matplotlib is not there.
        OutputError: the file is damaged, or no longer there.
    """
    require_matplotlib()
    from fullrank.plots.figure import results_figure, times_figure
    from fullrank.plots.scan import pictures
    from fullrank.plots.webpage import html_page

    with style():
        seen = pictures(found)
        results = results_figure(seen, found)
        drawn = [(results, f"The results: {', '.join(p.view.label for p in seen.results)}.")] if results else []
        drawn.append((times_figure(seen, found), "How long items took, and what each worker's time went into."))
        return html_page(sections(found, width=10_000), drawn)


def comparison_page(comparison: "Comparison") -> str:
    """Return the report of a comparison as one web page: all that the text says, and the figure.

    Raises:
        UsageError: matplotlib is not there.
    """
    figure = comparison_figure(comparison)
    from fullrank.compare import words
    from fullrank.plots.webpage import html_page

    shows = "Speed-up over the serial run against the number of workers, and how many cores each way kept busy."
    with style():
        return html_page(words.sections(comparison, width=10_000), [(figure, shows)])
