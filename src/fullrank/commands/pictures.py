"""``--plot`` and ``--html`` of ``fullrank report``, for result files and comparisons."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from fullrank.commands.targets import refuse_own
from fullrank.errors import UsageError


def check_pictures(arguments: Namespace) -> None:
    """Refuse what cannot be drawn before a large file is read for nothing."""
    for option, path in (("--plot", arguments.plot), ("--html", arguments.html)):
        if path is not None and len(arguments.files) > 1:
            raise UsageError(f"{option} {path}: expected one FILE to show, got {len(arguments.files)}")
    if arguments.plot is not None or arguments.html is not None:
        from fullrank import plots

        if arguments.plot is not None:
            plots.check_figure_path(arguments.plot)
        if arguments.html is not None:
            plots.check_page_path(arguments.html)


def refuse_own_files(arguments: Namespace, study: Path, result: Path) -> None:
    """Refuse to draw over what the study consists of."""
    for option, path in (("--plot", arguments.plot), ("--html", arguments.html)):
        if path is not None:
            refuse_own(option, path, study=study, result=result)


def write_pictures(arguments: Namespace, found: Any) -> str:
    """Write the figure and the page that are asked for; return the lines that tell where they are.

    ``found`` is a report or a comparison.
    """
    if arguments.plot is None and arguments.html is None:
        return ""
    from fullrank import plots
    from fullrank.compare.records import Comparison

    compares = isinstance(found, Comparison)
    told = ""
    if arguments.plot is not None:
        plots.save(plots.comparison_figure(found) if compares else plots.result_figure(found), arguments.plot)
        told += f"\nFigure: {arguments.plot.absolute()}\n"
    if arguments.html is not None:
        plots.save_text(plots.comparison_page(found) if compares else plots.result_page(found), arguments.html)
        told += f"\nPage: {arguments.html.absolute()}\n"
    return told
