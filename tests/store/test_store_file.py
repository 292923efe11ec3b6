"""What stands in the file, read back with h5py alone."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from store_samples import Study, sweep_of

from fullrank.axes import LinearAxis, ListAxis, RangeAxis
from fullrank.schema import Field
from fullrank.store import verify
from fullrank.store.create import axis_values
from fullrank.sweep import Sweep


@given(
    start=st.floats(-1e300, 1e300), stop=st.floats(-1e300, 1e300), num=st.integers(1, 400), first=st.integers(0, 399)
)
@example(start=-0.0, stop=0.0, num=3, first=0)
@example(start=0.0, stop=5e-324, num=9, first=0)
def test_evenly_spaced_values_in_the_file_are_those_of_the_items_to_the_last_bit(start, stop, num, first):
    axis = LinearAxis("x", start=start, stop=stop, num=num)
    positions = range(min(first, num - 1), num)
    assert np.array(axis_values(axis, positions)).tobytes() == np.array(axis.column(positions)).tobytes()


def test_items_without_a_value_hold_the_fill_value(tmp_path, study):
    study.with_ends({1: 0, 5: 2}).write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        flat = {name: file[name][...].reshape(12, -1) for name in ("energy", "hits", "stable")}
        assert np.isnan(flat["energy"][[1, 5]]).all()
        assert (flat["hits"][[1, 5]] == -9223372036854775806).all()  # netCDF's NC_FILL_INT64
        assert (flat["stable"][[1, 5]] == -127).all()  # netCDF's NC_FILL_BYTE
        assert file["trace_length"][...].ravel()[[1, 5]].tolist() == [0, 0]
        assert flat["energy"][[0, 2]].ravel().tolist() == [0.0, 2 / 7]


def test_a_fill_value_is_declared_only_where_there_are_gaps(tmp_path, study):
    def declared(path):
        with h5py.File(path) as file:
            return {name for name in file if "_FillValue" in file[name].attrs}

    study.write(tmp_path / "whole.h5")
    study.with_ends({5: 2}).write(tmp_path / "failed.h5")
    study.with_ends({5: 0}).write(tmp_path / "missing.h5")
    results = {"energy", "hits", "stable", "trace"}
    assert declared(tmp_path / "whole.h5") == {"trace"}  # padded
    assert declared(tmp_path / "failed.h5") == results
    assert declared(tmp_path / "missing.h5") == results | {"item_seconds", "worker", "code_version"}


def test_every_dataset_has_units_a_long_name_and_a_scale_for_each_dimension(tmp_path, study):
    study.with_ends({5: 2}).write(tmp_path / "a.h5")
    lacking = []

    def look(name, found):
        if isinstance(found, h5py.Dataset):
            has_texts = found.attrs.get("units") and found.attrs.get("long_name")
            has_scales = found.is_scale or all(len(dim) == 1 for dim in found.dims)
            if not (has_texts and has_scales):
                lacking.append(name)

    with h5py.File(tmp_path / "a.h5") as file:
        file.visititems(look)
        assert file["energy"].attrs["units"] == "J"
        assert file["energy"].attrs["long_name"] == "energy of the orbit"
        assert file["r"].attrs["units"] == "m"
        assert file["item_seconds"].attrs["units"] == "s"
        assert file["workers/compute_seconds"].attrs["units"] == "s"
        assert [dim[0].name for dim in file["hits"].dims] == ["/r", "/site", "/ring"]
    assert lacking == []


def test_datasets_hold_numbers_and_texts_alone(tmp_path, study):
    study.with_ends({5: 2}).write(tmp_path / "a.h5")
    kinds = set()

    def look(name, found):
        if isinstance(found, h5py.Dataset):
            text = h5py.check_string_dtype(found.dtype)
            is_utf8 = text is not None and (text.encoding, text.length) == ("utf-8", None)
            kinds.add("text" if is_utf8 else found.id.get_type().get_class())

    with h5py.File(tmp_path / "a.h5") as file:
        file.visititems(look)
    assert kinds == {"text", h5py.h5t.INTEGER, h5py.h5t.FLOAT}


def test_axes_hold_the_values_the_function_got(tmp_path, study):
    study.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["r"][...].tobytes() == np.linspace(2.5, 4.0, 4).tobytes()
        assert file["site"].asstr()[...].tolist() == ["Genève", "Zürich", "東京"]


def test_axes_of_truths_and_integers_keep_their_type(tmp_path, numbers):
    axes = (ListAxis("on", values=(True, False)), RangeAxis("k", start=10, stop=40, step=10))
    numbers(Sweep("grid", axes)).write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file["on"].dtype, file["k"].dtype) == (np.int8, np.int64)
        assert file["on"][...].tolist() == [1, 0]
        assert file["on"].attrs["dtype"] == "bool"
        assert file["k"][...].tolist() == [10, 20, 30]


def test_replicates_are_the_first_dimension(tmp_path, numbers):
    numbers(sweep_of((2, 3), replicates=4)).write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert [dim[0].name for dim in file["energy"].dims] == ["/replicate", "/axis0", "/axis1"]
        assert file["replicate"][...].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["zip", "table"])
def test_parameters_that_walk_together_are_coordinates_of_the_items(tmp_path, numbers, kind):
    axes = (LinearAxis("r", start=0.0, stop=1.0, num=3), ListAxis("site", values=("a", "b", "c")))
    numbers(Sweep(kind, axes, 2)).write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert [dim[0].name for dim in file["energy"].dims] == ["/replicate", "/item"]
        assert file["energy"].attrs["coordinates"] == "r site"
        assert file["item"][...].tolist() == [0, 1, 2]
        assert [dim[0].name for dim in file["site"].dims] == ["/item"]
        assert not file["site"].is_scale


def test_status_and_bools_carry_the_meaning_of_their_codes(tmp_path, study):
    study.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        status = file["status"].attrs
        codes = dict(zip(status["flag_meanings"].split(), status["flag_values"], strict=True))
        assert codes == {"missing": 0, "ok": 1, "failed": 2, "timed_out": 3, "crashed": 4}
        assert file["stable"].dtype == np.int8
        assert file["stable"].attrs["dtype"] == "bool"


def test_a_bool_with_gaps_is_not_called_one_since_readers_take_gaps_for_true(tmp_path, study):
    study.with_ends({5: 2}).write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert "dtype" not in file["stable"].attrs
        assert file["stable"].attrs["flag_meanings"] == "false true"


def test_large_datasets_are_compressed_in_chunks_of_about_a_mebibyte(tmp_path, numbers):
    numbers(sweep_of((3, 100_000))).write(tmp_path / "a.h5", cuts=(70_001, 150_000))
    with h5py.File(tmp_path / "a.h5") as file:
        energy = file["energy"]
        assert energy.chunks == (1, 100_000)
        assert (energy.compression, energy.compression_opts) == ("gzip", 1)
        assert energy.shuffle
        assert energy.fletcher32
        assert file["axis0"].compression is None
        assert file["energy"][...].ravel().tolist() == (np.arange(300_000) / 7).tolist()


def test_names_keep_the_order_of_creation(tmp_path, study):
    study.write(tmp_path / "a.h5")
    names = []
    with h5py.File(tmp_path / "a.h5") as file:
        in_order = h5py.h5.INDEX_CRT_ORDER
        file.id.links.iterate(lambda name: names.append(name.decode()), idx_type=in_order)
    assert names[:6] == ["r", "site", "ring", "trace_dim0", "energy", "hits"]
    assert names[-5:] == ["failures", "workers", "attempts", "provenance", "config"]


def test_a_study_whose_items_all_failed_has_no_results(tmp_path, study):
    ends = dict.fromkeys(range(12), 2)
    failed = replace(study.with_ends(ends), fields=[], values={}, lengths={})
    assert failed.write(tmp_path / "a.h5").n_failed == 12
    assert verify(tmp_path / "a.h5").n_failed == 12


def test_results_may_be_empty_arrays(tmp_path, numbers):
    sweep = sweep_of((3,))
    fields = [Field("a", "<f8", (0,)), Field("b", "<i4", (0,), varying=True)]
    values = {"a": np.empty((3, 0)), "b": np.empty((3, 0), np.int32)}
    Study(sweep, fields, values, {"b": np.zeros(3, np.int64)}).write(tmp_path / "a.h5")
    assert verify(tmp_path / "a.h5").n_ok == 3
