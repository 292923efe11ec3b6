"""The figure of a result file: what came out, how long items took, what the workers did."""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure, SubFigure

from fullrank.plots.labels import count_of_items, plain, wrapped_caption
from fullrank.plots.library import WIDTH_INCHES
from fullrank.plots.results import draw_result
from fullrank.plots.scan import Picture, Pictures
from fullrank.plots.times import draw_histogram, draw_workers, histogram_title, workers_title
from fullrank.report.facts import Report

TITLE_INCHES = 0.35
LINE_INCHES = 0.14
"""Of a caption."""
TIMES_INCHES = 2.1
MOST_WORKERS_INCHES = 3.4
WIDE_INCHES = 2.6
"""Height of a picture that is as wide as the page."""
HALF_INCHES = 2.1
IMAGE_INCHES = 3.4


def whole_figure(pictures: Pictures, found: Report) -> Figure:
    """Draw results and times, one below the other."""
    caption = wrapped_caption(caption_sentences(pictures, found))
    rows = _rows(pictures.results)
    heights = [*map(_height, rows), _times_height(found)]
    figure = _framed(plain(found.title, 90), caption, heights)
    parts = _stacked(figure, heights)
    _draw_rows(rows, parts[:-1])
    _draw_times(pictures, found, parts[-1])
    return figure


def results_figure(pictures: Pictures, found: Report) -> Figure | None:
    """Draw the results alone; None if there are none."""
    rows = _rows(pictures.results)
    if not rows:
        return None
    heights = [*map(_height, rows)]
    figure = _framed("", wrapped_caption(caption_sentences(pictures, found)), heights)
    _draw_rows(rows, _stacked(figure, heights))
    return figure


def times_figure(pictures: Pictures, found: Report) -> Figure:
    """Draw the times alone."""
    height = _times_height(found)
    figure = _framed("", "", [height])
    _draw_times(pictures, found, _stacked(figure, [height])[0])
    return figure


def caption_sentences(pictures: Pictures, found: Report) -> Iterator[str]:
    """Say how many items there are, and what the pictures leave out or sum up."""
    yield count_of_items(found)
    for picture in pictures.results:
        yield from _remarks(picture, pictures)
    if len(pictures.results) < pictures.n_results:
        yield f"The first {len(pictures.results)} of {pictures.n_results} results."


def _remarks(picture: Picture, pictures: Pictures) -> Iterator[str]:
    view = picture.view
    name = plain(view.field.name)
    if view.remarks:
        yield f"{name} at {', '.join(view.remarks)}."
    if view.has_replicates:
        kept = {"image": "mean", "lines": "mean and standard deviation", "points": "mean and standard deviation"}
        yield f"{kept[view.kind][:1].upper()}{kept[view.kind][1:]} of {pictures.replicates:,} replicates."
    n_summed = view.x.n_each * (view.y.n_each if view.y else 1)
    if view.kind == "points" and n_summed > 1:
        yield f"Every {n_summed:,}th row is shown."
    elif view.kind == "image" and n_summed > 1:
        yield f"{name}: each pixel is the mean of up to {n_summed:,} values."
    elif n_summed > 1 and not view.has_replicates:
        yield f"{name}: from the least to the greatest of {n_summed:,} neighbours."
    if view.kind == "image" and not picture.cells.counts.all():
        yield f"{name}: grey where there is no value."


def _rows(pictures: Sequence[Picture]) -> list[list[Picture]]:
    """Lay pictures out: points over several parameters, and a single one, get the width of the page."""
    rows: list[list[Picture]] = []
    for picture in pictures:
        if rows and len(rows[-1]) == 1 and not _is_wide(picture) and not _is_wide(rows[-1][0]):
            rows[-1].append(picture)
        else:
            rows.append([picture])
    return rows


def _is_wide(picture: Picture) -> bool:
    return len(picture.view.parameters) > 1


def _height(row: Sequence[Picture]) -> float:
    if len(row) > 1:
        return HALF_INCHES
    return IMAGE_INCHES if row[0].view.kind == "image" else WIDE_INCHES


def _times_height(found: Report) -> float:
    return min(MOST_WORKERS_INCHES, TIMES_INCHES + 0.08 * max(0, len(found.workers) - 6))


def _framed(title: str, caption: str, heights: Sequence[float]) -> Figure:
    """Return a figure with room for what is asked, a title above and a caption below."""
    around = TITLE_INCHES * bool(title) + LINE_INCHES * (caption.count("\n") + 1) * bool(caption)
    figure = Figure(figsize=(WIDTH_INCHES, sum(heights) + around), layout="constrained")
    if title:
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
    if caption:
        figure.supxlabel(caption, x=0.01, ha="left", size=8.0, color="0.3")
    return figure


def _stacked(figure: Figure, heights: Sequence[float]) -> list[SubFigure]:
    return list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])


def _draw_rows(rows: Sequence[Sequence[Picture]], parts: Sequence[SubFigure]) -> None:
    for row, part in zip(rows, parts, strict=True):
        for picture, place in zip(row, part.subfigures(1, len(row), squeeze=False)[0], strict=True):
            draw_result(picture, place)


def _draw_times(pictures: Pictures, found: Report, part: SubFigure) -> None:
    left, right = part.subplots(1, 2)
    draw_histogram(pictures, found, left)
    left.set_title(histogram_title(found))
    draw_workers(found, right)
    right.set_title(workers_title(found))
    handles = [*right.get_legend_handles_labels()[0], *left.get_legend_handles_labels()[0]]
    if handles:
        part.legend(handles=handles, loc="outside lower center", ncols=7 if len(handles) <= 7 else 4, columnspacing=1.0)
