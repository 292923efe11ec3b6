"""What pictures are made of, against the same file read by h5py."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from store_samples import Study, grid_study, info, numbers_study, sweep_of

import fullrank.plots.scan
import fullrank.plots.views
from fullrank.axes import LinearAxis, ListAxis, LogAxis, RangeAxis
from fullrank.plots.scan import Picture, Pictures, pictures
from fullrank.report import report
from fullrank.schema import Field
from fullrank.sweep import Sweep

FAILED, MISSING = 2, 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.h5"


def seen(study: Study, path: Path) -> Pictures:
    study.write(path)
    return pictures(report(path))


def first(study: Study, path: Path) -> Picture:
    return seen(study, path).results[0]


def data(path: Path, name: str = "energy") -> "np.ndarray[Any, Any]":
    with h5py.File(path) as file:
        return file[name][()]


def test_one_axis_is_a_line_of_the_files_values(path: Path) -> None:
    picture = first(numbers_study(Sweep("grid", (LinearAxis("r", start=2.5, stop=4.0, num=100),))), path)
    assert (picture.view.kind, picture.view.x.dim, picture.view.y) == ("lines", "r", None)
    np.testing.assert_array_equal(picture.cells.means[0], data(path))
    np.testing.assert_array_equal(picture.view.x.values, data(path, "r"))


def test_long_line_is_the_envelope_of_its_values(path: Path) -> None:
    study = numbers_study(sweep_of((100_000,)))
    study.values["energy"] = np.random.default_rng(1).standard_normal(100_000)
    picture = first(study, path)
    n_each = picture.view.x.n_each
    starts = np.arange(0, 100_000, n_each)
    assert picture.cells.means.size <= fullrank.plots.views.N_ALONG_LINE
    np.testing.assert_array_equal(picture.cells.least[0], np.minimum.reduceat(data(path), starts))
    np.testing.assert_array_equal(picture.cells.greatest[0], np.maximum.reduceat(data(path), starts))
    assert picture.view.x.values[0] == (n_each - 1) / 2


def test_size_of_blocks_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = seen(grid_study(), path)
    monkeypatch.setattr(fullrank.plots.scan, "block_size", lambda _file: 5)
    monkeypatch.setattr(fullrank.plots.views, "N_READ_AT_ONCE", 3)
    for one, other in zip(whole.results, pictures(report(path)).results, strict=True):
        np.testing.assert_array_equal(one.cells.means, other.cells.means)
        np.testing.assert_array_equal(one.view.x.values, other.view.x.values)


def test_short_axis_tells_lines_apart(path: Path) -> None:
    picture = first(grid_study(), path)  # 4 values of r, 3 sites
    assert picture.view.x.dim == "r"
    assert picture.view.y is not None
    assert picture.view.y.texts == ("Genève", "Zürich", "東京")
    np.testing.assert_array_equal(picture.cells.means, data(path).T)


def test_two_axes_are_an_image_of_the_files_array(path: Path) -> None:
    picture = first(numbers_study(sweep_of((20, 30))), path)
    assert (picture.view.kind, picture.view.x.dim) == ("image", "axis1")
    np.testing.assert_array_equal(picture.cells.means, data(path))


def test_large_image_is_the_mean_of_neighbours(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fullrank.plots.views, "N_ALONG_IMAGE", 10)
    picture = first(numbers_study(sweep_of((20, 30))), path)
    np.testing.assert_allclose(picture.cells.means, data(path).reshape(10, 2, 10, 3).mean(axis=(1, 3)))


def test_third_axis_is_cut_in_the_middle_and_that_is_said(path: Path) -> None:
    picture = first(numbers_study(sweep_of((9, 20, 30))), path)
    np.testing.assert_array_equal(picture.cells.means, data(path)[4])
    assert picture.view.remarks == ("axis0 = 4",)


def test_axis_of_one_value_takes_no_room(path: Path) -> None:
    picture = first(numbers_study(sweep_of((50, 1))), path)
    assert (picture.view.kind, picture.view.x.dim, picture.view.remarks) == ("lines", "axis0", ())
    np.testing.assert_array_equal(picture.cells.means[0], data(path)[:, 0])


def test_study_of_one_item_is_a_point(path: Path) -> None:
    picture = first(numbers_study(sweep_of((1,))), path)
    assert picture.cells.means.shape == (1, 1)


def test_array_results_are_shown_over_their_own_dimension(path: Path) -> None:
    study = numbers_study(sweep_of((40,)))
    spectrum = np.random.default_rng(2).random((40, 25))
    study.fields, study.values = [Field("spectrum", "<f8", (25,))], {"spectrum": spectrum}
    study.infos = {"spectrum": info(dims=("channel",))}
    picture = first(study, path)
    assert picture.view.y is not None
    assert (picture.view.kind, picture.view.y.dim, picture.view.x.dim) == ("image", "axis0", "channel")
    np.testing.assert_array_equal(picture.cells.means, spectrum)


def test_padding_of_varying_arrays_is_no_value(path: Path) -> None:
    study = numbers_study(sweep_of((8,)))
    lengths = np.array([3, 0, 12, 5, 12, 1, 7, 2])
    study.fields = [Field("walk", "<f8", (12,), varying=True)]
    study.values, study.lengths = {"walk": np.ones((8, 12))}, {"walk": lengths}
    np.testing.assert_array_equal(first(study, path).cells.counts.sum(axis=1), lengths)


def test_replicates_become_mean_and_standard_deviation(path: Path) -> None:
    study = numbers_study(sweep_of((30,), replicates=20))
    study.values["energy"] = np.random.default_rng(4).standard_normal(600)
    picture = first(study, path)
    np.testing.assert_allclose(picture.cells.means[0], data(path).mean(axis=0))
    np.testing.assert_allclose(picture.cells.deviations[0], data(path).std(axis=0, ddof=1))


def test_items_without_a_finite_value_are_gaps(path: Path) -> None:
    study = numbers_study(sweep_of((50,))).with_ends({3: FAILED, 7: MISSING})
    study.values["energy"][[11, 12]] = np.nan, np.inf
    counts = first(study, path).cells.counts[0]
    assert np.flatnonzero(counts == 0).tolist() == [3, 7, 11, 12]


def test_rows_of_a_table_are_points_over_each_parameter(path: Path) -> None:
    mass, kind = [3.0, 1.0, 2.0, 1.0], ["hot", "cold", "hot", "warm"]
    picture = first(numbers_study(Sweep("table", (ListAxis("mass", values=mass), ListAxis("kind", values=kind)))), path)
    by_mass, by_kind = picture.view.parameters
    assert picture.view.kind == "points"
    assert by_mass.values.tolist() == mass
    assert [by_kind.texts[int(place)] for place in by_kind.values] == kind
    np.testing.assert_array_equal(picture.cells.means[0], data(path))


def test_of_many_rows_every_nth_is_shown_at_its_parameters(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fullrank.plots.views, "N_POINTS", 40)
    monkeypatch.setattr(fullrank.plots.views, "N_READ_AT_ONCE", 7)
    axes = RangeAxis("a", start=0, stop=100), LinearAxis("b", start=0.0, stop=1.0, num=100)
    picture = first(numbers_study(Sweep("zip", axes)), path)
    np.testing.assert_array_equal(picture.view.parameters[0].values, data(path, "a")[::3])
    np.testing.assert_array_equal(picture.cells.means[0], data(path)[::3])


def test_zip_of_one_parameter_is_a_line_over_it(path: Path) -> None:
    picture = first(numbers_study(Sweep("zip", (ListAxis("a", values=[1.0, 2.0, 4.0]),))), path)
    assert (picture.view.kind, picture.view.x.values.tolist()) == ("lines", [1.0, 2.0, 4.0])


def test_geometric_axis_is_logarithmic_and_a_linear_one_is_not(path: Path) -> None:
    axes = LogAxis("a", start=1e-3, stop=1e3, num=20), LinearAxis("b", start=0.01, stop=10.0, num=20)
    view = first(numbers_study(Sweep("grid", axes)), path).view
    assert view.y is not None
    assert (view.y.is_log, view.x.is_log) == (True, False)


def test_axis_without_an_order_stands_as_texts_in_an_image(path: Path) -> None:
    axes = ListAxis("a", values=[3.0, 1.0, 2.0, 9.0, 8.0, 7.0, 4.0]), RangeAxis("b", start=0, stop=20)
    view = first(numbers_study(Sweep("grid", axes)), path).view
    assert view.y is not None
    assert view.y.texts == ("3", "1", "2", "9", "8", "7", "4")


def test_study_without_results_has_no_pictures_of_them(path: Path) -> None:
    study = numbers_study(sweep_of((3,))).with_ends(dict.fromkeys(range(3), FAILED))
    study.fields, study.values = [], {}
    found = seen(study, path)
    assert found.results == ()
    assert found.histogram is not None
    assert found.histogram.others.sum() == 3
