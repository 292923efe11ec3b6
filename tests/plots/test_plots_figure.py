"""What stands in a figure: its axes, lines, bars and texts, against the file read by h5py."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from store_samples import ATTEMPT, WORKER, Study, grid_study, info, numbers_study, sweep_of

from fullrank import plots
from fullrank.axes import LinearAxis, ListAxis, LogAxis, RangeAxis
from fullrank.plots.library import style
from fullrank.report import report
from fullrank.schema import Field, Tables, WorkerRow
from fullrank.sweep import Sweep

FAILED, MISSING = 2, 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.h5"


def drawn(study: Study, path: Path) -> Figure:
    study.write(path)
    return plots.result_figure(report(path))


def axes_named(figure: Figure, label: str) -> Axes:
    found = [axes for axes in figure.get_axes() if label in (axes.get_ylabel(), axes.get_xlabel())]
    assert len(found) == 1, f"{label} among {[(a.get_xlabel(), a.get_ylabel()) for a in figure.get_axes()]}"
    return found[0]


def data(path: Path, name: str = "energy") -> "np.ndarray[Any, Any]":
    with h5py.File(path) as file:
        return file[name][()]


def with_workers(study: Study, *rows: WorkerRow) -> Study:
    return replace(study, tables=Tables((), rows, (replace(ATTEMPT, attempt=rows[0].attempt),)))


def shown_texts(figure: Figure) -> Iterator[Text]:
    """All texts of a figure that is laid out."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip():
            yield text


def samples() -> dict[str, Study]:
    """A study of each kind, with what makes labels long."""
    axes = LinearAxis("r", start=0.0, stop=4.0, num=90, units="m", long_name="radius of the inner orbit")
    gaps = numbers_study(Sweep("grid", (axes,))).with_ends({4: FAILED, 5: FAILED, 80: MISSING})
    image = numbers_study(Sweep("grid", (axes, LogAxis("p", start=1e-3, stop=1e4, num=12, units="Pa"))))
    image.infos["energy"] = info(units="kg m2 s-2", long_name="energy of the orbit")
    long_names = grid_study()
    for name in ("energy", "stable"):
        long_names.infos[name] = info(units="1", long_name=f"{name} of the magnetisation and of its variance")
    texts = Sweep("grid", (ListAxis("site", values=[f"a long name of site {k}" for k in range(14)]),))
    table = Sweep("table", (ListAxis("mass", values=[1.0, 5000.0, 3.0]), ListAxis("kind", values=["hot", "x", "hot"])))
    return {
        "lines": grid_study(),
        "gaps": gaps,
        "image": image,
        "long names": long_names,
        "texts": numbers_study(texts),
        "table": numbers_study(table),
        "replicates": numbers_study(sweep_of((30,), replicates=5)),
        "one": numbers_study(sweep_of((1,))),
        "nothing": numbers_study(sweep_of((4,))).with_ends(dict.fromkeys(range(4), FAILED)),
        "workers": with_workers(numbers_study(sweep_of((9,))), *[replace(WORKER, worker=k) for k in range(20)]),
    }


@pytest.fixture(scope="module", params=samples())
def figure(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Figure:
    """A figure of each kind, laid out."""
    found = drawn(samples()[request.param], tmp_path_factory.mktemp("figures") / "study.h5")
    with style():
        FigureCanvasAgg(found).draw()
    return found


# ---- what is drawn ----------------------------------------------------------------------------


def test_line_goes_through_the_files_values(path: Path) -> None:
    axis = LinearAxis("r", start=2.5, stop=4.0, num=200, long_name="growth rate")
    axes = axes_named(drawn(numbers_study(Sweep("grid", (axis,))), path), "energy")
    (line,) = axes.get_lines()
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([data(path, "r"), data(path)]))
    assert axes.get_xlabel() == "growth rate r"


def test_each_value_of_a_short_axis_has_a_line_with_its_name(path: Path) -> None:
    axes = axes_named(drawn(grid_study(), path), "energy of the orbit (J)")
    lines = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    assert list(lines) == ["Genève", "Zürich", "東京"]
    np.testing.assert_array_equal(lines["Zürich"], data(path)[:, 1])


def test_image_has_the_files_values_and_extent(path: Path) -> None:
    study = numbers_study(sweep_of((20, 30)))
    axes = axes_named(drawn(study, path), "axis1")
    (mesh,) = axes.collections
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(20, 30), data(path))
    assert (*axes.get_xlim(), *axes.get_ylim()) == (-0.5, 29.5, -0.5, 19.5)


def test_long_line_is_drawn_from_its_least_to_its_greatest_values(path: Path) -> None:
    study = numbers_study(sweep_of((50_000,)))
    study.values["energy"] = np.random.default_rng(1).standard_normal(50_000)
    axes = axes_named(drawn(study, path), "energy")
    (area,) = axes.collections
    corners = area.get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == (data(path).min(), data(path).max())


def test_failed_items_interrupt_the_line_are_marked_and_counted(path: Path) -> None:
    study = numbers_study(sweep_of((100,))).with_ends({30: FAILED, 31: FAILED, 70: FAILED})
    figure = drawn(study, path)
    axes = axes_named(figure, "energy")
    line, marks = axes.get_lines()
    assert np.flatnonzero(np.isnan(line.get_ydata())).tolist() == [30, 31, 70]
    assert list(marks.get_xdata()) == [30, 31, 70]
    assert "100 items, 97 ok, 3 failed, shown as gaps" in figure.get_supxlabel().replace("\n", " ")


def test_value_between_two_gaps_is_seen(path: Path) -> None:
    study = numbers_study(sweep_of((100,))).with_ends({30: FAILED, 32: FAILED})
    points = [line for line in axes_named(drawn(study, path), "energy").get_lines() if line.get_marker() == "."]
    assert [list(line.get_xdata()) for line in points] == [[31]]


def test_results_over_many_decades_get_a_logarithmic_scale(path: Path) -> None:
    study = numbers_study(sweep_of((100,)))
    study.fields.append(Field("power", "<f8"))
    study.values["power"] = np.geomspace(1e-9, 1e9, 100)
    figure = drawn(study, path)
    assert axes_named(figure, "power").get_yscale() == "log"
    assert axes_named(figure, "energy").get_yscale() == "linear"


@pytest.mark.parametrize(
    ("worker", "seconds"),
    [(WORKER, 5.25), (replace(WORKER, account_seconds=nan), 0.125 + 0.25 + 4.0)],
    ids=["with an account", "of a file from before there were accounts"],
)
def test_bars_of_a_worker_add_up_to_its_time(worker: WorkerRow, seconds: float, path: Path) -> None:
    early = replace(worker, worker=1, elapsed_seconds=3.75, compute_seconds=2.5)
    axes = axes_named(drawn(with_workers(numbers_study(sweep_of((9,))), worker, early), path), "worker")
    for row, number in ((worker, 0), (early, 1)):
        bars = [bar.patches[number] for bar in axes.containers]
        ends = [bar.get_x() + bar.get_width() for bar in bars]
        assert [bar.get_x() for bar in bars[1:]] == pytest.approx(ends[:-1])
        assert ends[-1] == pytest.approx(seconds)
        assert row.compute_seconds in [pytest.approx(bar.get_width()) for bar in bars]


def test_killed_worker_has_no_bar_and_is_named(path: Path) -> None:
    killed = WorkerRow(0, 1, "node07", 5, "serial", 3, 0, *[nan] * 7)
    axes = axes_named(drawn(with_workers(numbers_study(sweep_of((9,))), WORKER, killed), path), "worker")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "1 (killed)"]
    assert {bar.patches[1].get_width() for bar in axes.containers} == {0.0}


def test_thousand_workers_are_drawn_as_a_few_areas(path: Path) -> None:
    rows = [replace(WORKER, worker=k) for k in range(1000)]
    axes = axes_named(drawn(with_workers(numbers_study(sweep_of((9,))), *rows), path), "worker")
    assert not axes.patches
    assert 3 <= len(axes.collections) <= 7
    assert axes.get_ylim() == (999.6, -0.6)


def test_cores_busy_are_told(path: Path) -> None:
    rows = [replace(WORKER, worker=k, cpu_seconds=3.0) for k in range(2)]
    axes = axes_named(drawn(with_workers(numbers_study(sweep_of((9,))), *rows), path), "worker")
    assert axes.get_title(loc="left") == "2 workers, 1.50 cores busy"


def test_histogram_counts_all_items(path: Path) -> None:
    study = numbers_study(sweep_of((40,))).with_ends({1: FAILED, 2: MISSING})
    axes = axes_named(drawn(study, path), "items")
    ok, whole = (patch.get_data().values for patch in axes.patches)
    assert (ok.sum(), whole.sum()) == (38, 39)


def test_run_whose_workers_were_all_killed_is_drawn(path: Path) -> None:
    killed = WorkerRow(0, 0, "node07", 5, "serial", 3, 0, *[nan] * 7)
    study = with_workers(numbers_study(sweep_of((9,))).with_ends(dict.fromkeys(range(9), MISSING)), killed)
    plots.save(drawn(study, path), path.with_suffix(".png"))


# ---- how it looks -----------------------------------------------------------------------------


def test_no_text_is_smaller_than_eight_points(figure: Figure) -> None:
    assert min(text.get_fontsize() for text in shown_texts(figure)) >= 8


def test_no_text_covers_another_or_leaves_the_page(figure: Figure) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        boxes = [(text.get_text(), text.get_window_extent()) for text in _on_page(figure)]
    page = figure.bbox.padded(1)
    for number, (name, box) in enumerate(boxes):
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, name
        for other, another in boxes[number + 1 :]:
            is_slanted = "a long name of site" in name and "a long name of site" in other  # boxes say nothing then
            assert is_slanted or not box.padded(-1).overlaps(another.padded(-1)), f"{name!r} and {other!r}"


def _on_page(figure: Figure) -> list[Text]:
    """Texts but those of ticks beyond the ends of an axis, which are not drawn."""
    hidden = set()
    texts = list(shown_texts(figure))
    for axes in figure.get_axes():
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = (*axis.get_major_ticks(), *axis.get_minor_ticks())
            hidden |= {tick.label1 for tick in ticks if not low <= tick.get_loc() <= high}
            hidden |= {tick.label2 for tick in ticks}
            if axes.figure is not figure and axis.get_label_position() == "right":  # a colour bar's
                hidden -= {tick.label2 for tick in ticks if low <= tick.get_loc() <= high}
    return [text for text in texts if text not in hidden]


def test_legends_stand_beside_what_is_drawn(figure: Figure) -> None:
    for axes in figure.get_axes():
        if legend := axes.get_legend():
            assert not legend.get_window_extent().overlaps(axes.get_window_extent())


# ---- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "start"), [("f.png", b"\x89PNG"), ("f.PDF", b"%PDF-"), ("f.svg", b"<?xml")])
def test_ending_chooses_the_format_and_the_same_figure_is_the_same_file(
    path: Path, tmp_path: Path, name: str, start: bytes
) -> None:
    figure = drawn(grid_study(), path)
    plots.save(figure, tmp_path / name)
    written = (tmp_path / name).read_bytes()
    assert written.startswith(start)
    plots.save(plots.result_figure(report(path)), tmp_path / name)
    assert (tmp_path / name).read_bytes() == written
    assert {entry.name for entry in tmp_path.iterdir()} == {"study.h5", name}


@pytest.mark.parametrize("hostile", ["$\\frac{a$", "a $x^2$ b", "$", "\\$", "x\x1b[2J\ny", "{}%s\u202e東", "<b>&amp;"])
def test_texts_are_shown_as_they_are(path: Path, hostile: str) -> None:
    study = grid_study()
    study.title = hostile
    study.infos["energy"] = info(units=hostile, long_name=hostile)
    study.sweep = Sweep(
        "grid",
        (
            LinearAxis("r", start=2.5, stop=4.0, num=4, units=hostile, long_name=hostile),
            ListAxis("site", values=(hostile, "b", hostile + "c")),
        ),
    )
    plots.save(drawn(study, path), path.with_suffix(".svg"))
    assert b"\x1b" not in path.with_suffix(".svg").read_bytes()


def test_settings_of_the_user_do_not_shine_through(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    plots.save(drawn(grid_study(), path), path.with_name("plain.png"))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "axes.grid": True}):
        plots.save(plots.result_figure(report(path)), path.with_name("user.png"))
        assert matplotlib.rcParams["font.size"] == 30
    assert path.with_name("plain.png").read_bytes() == path.with_name("user.png").read_bytes()


def test_integers_of_bools_are_false_and_true(path: Path) -> None:
    axes = axes_named(drawn(grid_study(), path), "stable")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["false", "true"]


def test_range_axis_of_one_and_a_half_thousand_values_has_no_envelope(path: Path) -> None:
    figure = drawn(numbers_study(Sweep("grid", (RangeAxis("k", start=0, stop=1500),))), path)
    assert len(axes_named(figure, "energy").get_lines()[0].get_xdata()) == 1500
