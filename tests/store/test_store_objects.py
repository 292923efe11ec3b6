"""The lower layer of h5py gives what the upper one does, in files of few objects and of many."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from store_samples import Study, sweep_of

from fullrank.axes import ListAxis
from fullrank.errors import OutputError
from fullrank.schema import Field
from fullrank.store import ResultFile, objects, verify
from fullrank.sweep import Sweep


@pytest.mark.parametrize("n_open", [1, 10])
def test_a_file_of_more_objects_than_stay_open_is_read_the_same(tmp_path, study, monkeypatch, n_open):
    written = study.with_ends({5: 2}).write(tmp_path / "a.h5")
    with ResultFile(tmp_path / "a.h5") as file:
        expected = repr((file.tables(), file.fields, file.variables, list(file.blocks(5)), file.texts_sha256))
    monkeypatch.setattr(objects, "N_OPEN_MAX", n_open)
    study.with_ends({5: 2}).write(tmp_path / "b.h5")
    with ResultFile(tmp_path / "b.h5") as file:
        assert repr((file.tables(), file.fields, file.variables, list(file.blocks(5)), file.texts_sha256)) == expected
    assert verify(tmp_path / "b.h5") == written


def test_no_dataset_keeps_a_time_so_that_a_study_gives_the_same_bytes_whenever_it_is_written(tmp_path, study):
    study.write(tmp_path / "a.h5")
    found = {}
    with h5py.File(tmp_path / "a.h5") as file:
        file.visititems(lambda name, entry: found.update({name: entry}))
        datasets = [entry for entry in found.values() if isinstance(entry, h5py.Dataset)]
        assert len(datasets) > 40
        assert not any(dataset.id.get_create_plist().get_obj_track_times() for dataset in datasets)
    study.write(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize(
    ("n_items", "layout", "filters"),
    [
        (100, h5py.h5d.COMPACT, []),
        (1_000, h5py.h5d.CHUNKED, [h5py.h5z.FILTER_FLETCHER32]),
        (10_000, h5py.h5d.CHUNKED, [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32]),
    ],
)
def test_numbers_are_stored_by_their_size_and_always_under_a_checksum(tmp_path, numbers, n_items, layout, filters):
    numbers(sweep_of((n_items,))).write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        properties = file["energy"].id.get_create_plist()
        found = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
        assert (properties.get_layout(), found) == (layout, filters)
        assert file["energy"][...].tolist() == (np.arange(n_items) / 7).tolist()


@pytest.fixture
def sites(tmp_path, numbers):
    """A file with an axis of four texts and one of two truths."""
    axes = ListAxis("site", values=("a", "b", "é", "")), ListAxis("on", values=(True, False))
    numbers(Sweep("grid", axes)).write(tmp_path / "a.h5")
    with ResultFile(tmp_path / "a.h5") as file:
        yield dict(zip(file.axis_names, file.axes, strict=True))


@pytest.mark.parametrize(("start", "stop"), [(0, 4), (0, 1), (1, 3), (3, 4), (2, 2), (0, 0), (2, 6), (4, 8)])
def test_an_axis_gives_any_part_of_its_values(sites, start, stop):
    assert sites["site"].column(range(start, stop)) == ["a", "b", "é", ""][start:stop]


def test_an_axis_gives_one_value_and_nothing_beyond_its_end(sites):
    assert [sites["on"].value(0), sites["on"].value(1)] == [True, False]
    for name, position in (("on", 2), ("site", 4)):
        with pytest.raises(IndexError):
            sites[name].value(position)


def test_parameters_of_a_zip_and_of_its_replicates_are_those_of_the_item(tmp_path, numbers):
    axes = ListAxis("x", values=(1.5, 2.5, 3.5)), ListAxis("site", values=("a", "b", "c"))
    numbers(Sweep("zip", axes, 2)).write(tmp_path / "a.h5")
    with ResultFile(tmp_path / "a.h5") as file:
        assert [file.parameters(index) for index in (0, 5)] == [{"x": 1.5, "site": "a"}, {"x": 3.5, "site": "c"}]


def test_a_dimension_whose_scale_is_not_in_the_file_is_refused(tmp_path):
    rows = Study(sweep_of((3,)), [Field("row", "<i8", (4,))], {"row": np.arange(12).reshape(3, 4)})
    rows.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["other"] = np.arange(4)
        file["other"].make_scale("other")
        file["row"].dims[1].detach_scale(file["row_dim0"])
        file["row"].dims[1].attach_scale(file["other"])
        del file["other"]
    with pytest.raises(OutputError):
        verify(tmp_path / "a.h5")


def test_what_only_comparing_needs_is_imported_when_it_is_asked_for():
    program = (
        "import sys, fullrank.store as store; before = 'fullrank.store.diff' in sys.modules; "
        "store.differences; print(before, 'fullrank.store.diff' in sys.modules, hasattr(store, 'other'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "True", "False"]
