"""fullrank.open_result: a result as numpy, xarray and pandas have it, against the numbers that were stored."""

import subprocess
import sys
from itertools import product

import h5py
import numpy as np
import pytest
from kinds import KINDS, arrays_study, rows_study
from store_samples import Study

import fullrank
from fullrank.axes import RangeAxis
from fullrank.errors import OutputError, UsageError
from fullrank.schema import Field
from fullrank.status import Status
from fullrank.sweep import Sweep

ENDS = {1: 0, 5: 2}


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    """Path and numbers of a study of each kind."""
    study = KINDS[request.param]()
    study.write(tmp_path / "a.h5")
    return tmp_path / "a.h5", study


@pytest.fixture
def gaps(tmp_path, study):
    study.with_ends(ENDS).write(tmp_path / "gaps.h5")
    return fullrank.open_result(tmp_path / "gaps.h5")


def arrays(tmp_path, **ends):
    arrays_study().with_ends({int(index[1:]): end for index, end in ends.items()}).write(tmp_path / "a.h5")
    return fullrank.open_result(tmp_path / "a.h5")


def test_every_value_is_the_one_that_was_stored(kind):
    path, study = kind
    ok = study.status == 1
    with fullrank.open_result(path) as result:
        for entry in study.fields:
            if not entry.part_of:
                found = result[entry.name].reshape(study.sweep.n_items, *entry.shape)
                reaches = np.arange(5) < study.lengths[entry.name][ok, None] if entry.varying else ...
                assert found[ok][reaches].tolist() == study.values[entry.name][ok][reaches].tolist()
        assert result.ok.ravel().tolist() == ok.tolist()
        assert result.status.ravel().tolist() == study.status.tolist()
        assert result.shape == study.sweep.shape
        assert result.dims == study.sweep.dims


def test_parameters_of_an_item_are_those_of_nested_loops(tmp_path, study):
    study.write(tmp_path / "a.h5")
    loops = [{"r": r, "site": site} for r, site in product([2.5, 3.0, 3.5, 4.0], ["Genève", "Zürich", "東京"])]
    with fullrank.open_result(tmp_path / "a.h5") as result:
        assert [result.parameters(index) for index in range(12)] == loops
        with pytest.raises(IndexError, match="item 12 of 12"):
            result.parameters(12)


def test_axes_are_arrays_of_what_the_function_got(tmp_path):
    with arrays(tmp_path) as result:
        assert result.axes["x"].tolist() == [0, 1, 2]
        assert result.axes["flag"].dtype == bool
        assert list(result.axes) == ["x", "flag"]


def test_counts_and_words_are_those_of_the_study(gaps):
    assert (gaps.n_items, gaps.n_ok, gaps.n_failed, gaps.n_missing) == (12, 10, 1, 1)
    assert not gaps.complete
    assert gaps.title == "a study"
    assert gaps.names == ("energy", "hits", "stable", "trace")
    assert gaps.units["r"] == "m"
    assert gaps.units["energy"] == "J"


def test_bools_are_bools_and_false_without_a_value(gaps):
    stable = gaps["stable"]
    assert stable.dtype == bool
    assert stable.ravel().tolist() == [k % 2 == 1 and k not in ENDS for k in range(12)]


def test_integers_without_a_value_are_the_fill_value_of_the_format(gaps):
    assert set(gaps["hits"].reshape(12, 3)[[1, 5]].ravel().tolist()) == {-9223372036854775806}


def test_varying_arrays_are_padded_and_have_lengths(gaps):
    lengths = gaps.lengths["trace"].ravel()
    assert lengths.tolist() == [0 if k in ENDS else k % 6 for k in range(12)]
    for row, length in zip(gaps["trace"].reshape(12, 5), lengths, strict=True):
        assert np.isnan(row).tolist() == [False] * length + [True] * (5 - length)


def test_complex_parts_are_joined(tmp_path):
    with arrays(tmp_path, _3=2) as result:
        assert result.names == ("m", "z", "level")
        z = result["z"].ravel()
        assert z.dtype == np.complex128
        assert [z[k] for k in range(6) if k != 3] == [complex(k / 3, -k / 9) for k in range(6) if k != 3]
        assert np.isnan(z[3].real)
        assert result.units["z"] == "V"


def test_names_like_those_of_complex_parts_are_two_results(tmp_path):
    study = Study(
        Sweep("grid", (RangeAxis("x", start=0, stop=2),)),
        [Field("z_re", "<f8"), Field("z_im", "<f8")],
        {"z_re": np.zeros(2), "z_im": np.ones(2)},
    )
    study.write(tmp_path / "a.h5")
    with fullrank.open_result(tmp_path / "a.h5") as result:
        assert result.names == ("z_re", "z_im")
        assert result["z_im"].tolist() == [1.0, 1.0]


def test_failures_tell_parameters_and_reason(gaps):
    (failure,) = gaps.failures
    assert (failure.index, failure.status) == (5, Status.FAILED)
    assert failure.parameters == {"r": 3.0, "site": "東京"}
    assert (failure.exception, failure.traceback, failure.output) == ("ValueError: bad", "Traceback ...", "said")


def test_unknown_name_is_answered_with_the_nearest(gaps):
    with pytest.raises(KeyError, match="there is no result 'enrgy'; did you mean 'energy'"):
        gaps["enrgy"]
    with pytest.raises(KeyError, match="there is no axis 'q'; there are: r, site"):
        gaps.axes["q"]


def test_closed_result_says_so(gaps):
    energy = gaps["energy"]
    gaps.close()
    gaps.close()
    assert energy.shape == (4, 3)
    assert "closed" in repr(gaps)
    with pytest.raises(ValueError, match="closed; open it again with"):
        gaps["energy"]


def test_what_is_shown_is_aligned(gaps):
    assert repr(gaps).splitlines() == [
        "<fullrank.Result: a study>",
        f"  file    {gaps.path}",
        "  items   12 (r: 4, site: 3), 10 ok, 1 failed, 1 missing",
        "  axis    r       (r: 4)                 2.5 … 4 m",
        "  axis    site    (site: 3)              Genève … 東京",
        "  result  energy  (r, site)              float64 J",
        "  result  hits    (r, site, ring)        int64",
        "  result  stable  (r, site)              bool",
        "  result  trace   (r, site, trace_dim0)  float32, padded: see .lengths",
    ]


def test_control_characters_of_a_stranger_are_spelled_out(tmp_path, study):
    study.title = "a \x1b[2J study"
    study.write(tmp_path / "a.h5")
    with fullrank.open_result(tmp_path / "a.h5") as result:
        assert "\x1b" not in repr(result)


def test_pandas_has_one_row_an_item(kind):
    pytest.importorskip("pandas", reason="pandas is not installed")
    path, study = kind
    with fullrank.open_result(path) as result:
        frame = result.to_pandas()
        rows = [result.parameters(index) for index in range(result.n_items)]
    names = [axis.name for axis in study.sweep.axes]
    assert frame[names].to_dict("records") == rows
    assert frame.index.tolist() == list(range(study.sweep.n_items))
    assert frame["status"].tolist() == [Status(code).name.lower() for code in study.status]
    first = "replicate" if study.sweep.replicates else names[0]
    assert frame.columns[0] == first
    ok = study.status == 1
    for entry in study.fields:
        if not entry.shape and not entry.part_of:
            assert frame[entry.name][ok].tolist() == study.values[entry.name][ok].tolist()
            assert frame[entry.name].isna().tolist() == (~ok).tolist()


def test_pandas_has_one_column_an_element(tmp_path):
    pytest.importorskip("pandas", reason="pandas is not installed")
    with arrays(tmp_path, _2=2) as result:
        frame = result.to_pandas()
    elements = [f"m_{row}_{column}" for row, column in product(range(2), range(2))]
    assert frame.columns.tolist() == ["x", "flag", *elements, "z", "level", "status", "item_seconds"]
    assert frame.loc[4, elements].tolist() == [16, 17, 18, 19]
    assert frame.loc[2, elements].isna().all()
    assert frame["level"].dtype == "UInt8"


def test_pandas_shows_padding_as_missing(gaps):
    pytest.importorskip("pandas", reason="pandas is not installed")
    trace = gaps.to_pandas().filter(like="trace_")
    assert trace.notna().sum(axis=1).tolist() == [0 if k in ENDS else k % 6 for k in range(12)]


@pytest.mark.parametrize("engine", ["h5netcdf", "netCDF4"])
def test_to_xarray_is_what_xarray_itself_reads(kind, engine):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    pytest.importorskip(engine, reason=f"{engine} is not installed")
    path, _ = kind
    with (
        fullrank.open_result(path) as result,
        result.to_xarray() as found,
        xarray.open_dataset(path, engine=engine.lower()) as expected,
    ):
        xarray.testing.assert_equal(found, expected)


@pytest.mark.parametrize(
    ("method", "package", "command"),
    [("to_xarray", "xarray", "pip install xarray"), ("to_pandas", "pandas", "pip install pandas")],
)
def test_package_that_is_missing_is_named_with_the_command(gaps, monkeypatch, method, package, command):
    monkeypatch.setitem(sys.modules, package, None)  # what Python takes for a package that cannot be imported
    with pytest.raises(ImportError, match=command):
        getattr(gaps, method)()


def test_columns_of_one_name_are_refused(tmp_path):
    study = Study(
        Sweep("grid", (RangeAxis("x", start=0, stop=2),)),
        [Field("a", "<f8", (2,)), Field("a_0", "<f8")],
        {"a": np.zeros((2, 2)), "a_0": np.ones(2)},
    )
    study.write(tmp_path / "a.h5")
    pytest.importorskip("pandas", reason="pandas is not installed")
    with (
        fullrank.open_result(tmp_path / "a.h5") as result,
        pytest.raises(UsageError, match="two columns would be called 'a_0'"),
    ):
        result.to_pandas()


def test_text_file_is_no_result(tmp_path):
    (tmp_path / "a.h5").write_text("hello")
    with pytest.raises(OutputError, match="it is no HDF5 file, and no result; name another file"):
        fullrank.open_result(tmp_path / "a.h5")


def test_hdf5_of_another_program_is_no_result(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["energy"] = [1.0]
    with pytest.raises(OutputError, match="not a result file of fullrank; name another file"):
        fullrank.open_result(tmp_path / "a.h5")


def test_file_of_a_newer_format_tells_which_this_version_reads(tmp_path):
    rows_study("zip").write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs["format_version"] = np.int32(7)
    newer = (
        "written by a newer fullrank, in format version 7; this one reads versions up to 1; install a newer fullrank"
    )
    with pytest.raises(OutputError, match=newer):
        fullrank.open_result(tmp_path / "a.h5")


def test_file_can_be_replaced_while_it_is_read(tmp_path, study):
    study.write(tmp_path / "a.h5")
    rows_study("zip").write(tmp_path / "b.h5")
    with fullrank.open_result(tmp_path / "a.h5") as result:
        (tmp_path / "b.h5").replace(tmp_path / "a.h5")
        assert result["energy"].tolist() == study.values["energy"].reshape(4, 3).tolist()


def test_import_of_the_package_loads_no_reader():
    program = "import sys, fullrank; print({'numpy', 'h5py', 'typing'} & set(sys.modules)); print(fullrank.open_result)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.startswith("set()"), done.stderr
    assert "open_result" in done.stdout


def test_dataset_of_one_number_an_item_that_has_more_is_refused(tmp_path):
    rows_study("zip").write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["worker"]
        file["worker"] = np.zeros((3, 2), np.int32)
    with pytest.raises(OutputError, match=r"/worker has shape \(3, 2\), expected \(3,\)"):
        fullrank.open_result(tmp_path / "a.h5")
