"""The tools that others use open the file as it is."""

import os
import re
import shutil
import subprocess
from textwrap import dedent

import h5py
import numpy as np
import pytest
from store_samples import Study, info

from fullrank.axes import LinearAxis, ListAxis
from fullrank.schema import Field
from fullrank.sweep import Sweep

ENGINES = [("h5netcdf", "h5netcdf"), ("netcdf4", "netCDF4")]
GROUPS = ["failures", "workers", "attempts", "provenance", "config"]


@pytest.fixture
def whole(tmp_path, study):
    study.write(tmp_path / "whole.h5")
    return tmp_path / "whole.h5"


@pytest.fixture
def gaps(tmp_path, study):
    study.with_ends({1: 0, 5: 2}).write(tmp_path / "gaps.h5")
    return tmp_path / "gaps.h5"


@pytest.fixture(params=ENGINES, ids=lambda engine: engine[0])
def dataset(request):
    """A function that loads a group of a file with one of xarray's engines."""
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    engine, module = request.param
    pytest.importorskip(module, reason=f"{module} is not installed")

    def load(path, **options):
        with xarray.open_dataset(path, engine=engine, **options) as found:
            return found.load()

    return load


@pytest.fixture
def tool():
    """A function that runs a program on a file and returns what it prints."""

    def run(*command):
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {"LC_ALL": "C"})
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_xarray_shows_the_study_at_once(dataset, whole, study):
    found = dataset(whole)
    assert dict(found.sizes) == {"r": 4, "site": 3, "ring": 3, "trace_dim0": 5}
    assert found.energy.dims == ("r", "site")
    assert found.energy.attrs["units"] == "J"
    assert found.energy.sel(r=3.5, site="東京").item() == 8 / 7
    assert found.hits.dtype == np.int64
    assert found.hits.values.tolist() == study.values["hits"].reshape(4, 3, 3).tolist()
    assert found.stable.dtype == bool
    assert found.trace.isel(r=1, site=0).values[:3].tolist() == [15.0, 16.0, 17.0]
    assert np.isnan(found.trace.isel(r=1, site=0).values[3:]).all()
    assert found.item_seconds.dtype == np.float32
    assert found.attrs["title"] == "a study"
    assert found.attrs["complete"] == 1


def test_xarray_shows_gaps_as_nan(dataset, gaps):
    found = dataset(gaps)
    for name in ("energy", "hits", "stable", "trace"):
        per_item = found[name].isnull().values.reshape(12, -1).all(axis=1)
        assert per_item[[1, 5]].all(), name
        assert not per_item[[2, 3, 4]].any(), name
    assert found.status.dtype == np.int8
    assert found.worker.isnull().sum() == 1


def test_xarray_shows_parameters_of_a_zip_as_coordinates(dataset, tmp_path, numbers):
    axes = LinearAxis("r", start=0.0, stop=1.0, num=3), ListAxis("site", values=("a", "b", "c"))
    numbers(Sweep("zip", axes, 2)).write(tmp_path / "a.h5")
    found = dataset(tmp_path / "a.h5")
    assert found.energy.dims == ("replicate", "item")
    assert found.energy.coords["r"].values.tolist() == [0.0, 0.5, 1.0]
    assert found.energy.coords["site"].values.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["whole", "gaps"])
def test_xarray_opens_every_group(dataset, request, name):
    path = request.getfixturevalue(name)
    sizes = {group: dict(dataset(path, group=group).sizes) for group in GROUPS}
    assert sizes["failures"] == {"failure_row": 1 if name == "gaps" else 0}
    assert sizes["workers"] == {"worker_row": 1}
    assert sizes["attempts"] == {"attempt_row": 1}
    assert dataset(path, group="workers").compute_seconds.values.tolist() == [3.0]


HEADER = """
    dimensions:
    r = 4 ;
    site = 3 ;
    ring = 3 ;
    trace_dim0 = 5 ;
    variables:
    double r(r) ;
    string r:units = "m" ;
    string r:long_name = "radius" ;
    string site(site) ;
    string site:units = "1" ;
    string site:long_name = "site" ;
    int64 ring(ring) ;
    string ring:units = "1" ;
    string ring:long_name = "position along ring" ;
    int64 trace_dim0(trace_dim0) ;
    string trace_dim0:units = "1" ;
    string trace_dim0:long_name = "position along trace_dim0" ;
    double energy(r, site) ;
    string energy:units = "J" ;
    string energy:long_name = "energy of the orbit" ;
    energy:_FillValue = NaN ;
    int64 hits(r, site, ring) ;
    string hits:units = "1" ;
    string hits:long_name = "hits" ;
    hits:_FillValue = -9223372036854775806LL ;
    byte stable(r, site) ;
    string stable:units = "1" ;
    string stable:long_name = "stable" ;
    stable:flag_values = 0b, 1b ;
    string stable:flag_meanings = "false true" ;
    stable:_FillValue = -127b ;
    float trace(r, site, trace_dim0) ;
    string trace:units = "1" ;
    string trace:long_name = "trace" ;
    string trace:lengths = "trace_length" ;
    trace:_FillValue = NaNf ;
    int64 trace_length(r, site) ;
    string trace_length:units = "1" ;
    string trace_length:long_name = "length of trace" ;
    byte status(r, site) ;
    string status:units = "1" ;
    string status:long_name = "how the item ended" ;
    status:flag_values = 0b, 1b, 2b, 3b, 4b ;
    string status:flag_meanings = "missing ok failed timed_out crashed" ;
    float item_seconds(r, site) ;
    string item_seconds:units = "s" ;
    string item_seconds:long_name = "duration of the item" ;
    item_seconds:_FillValue = NaNf ;
    int worker(r, site) ;
    string worker:units = "1" ;
    string worker:long_name = "row of the item's worker in the group workers" ;
    worker:_FillValue = -1 ;
    short code_version(r, site) ;
    string code_version:units = "1" ;
    string code_version:long_name = "version of the code that computed the item" ;
    code_version:_FillValue = -1s ;
    // global attributes:
    string :title = "a study" ;
    string :format = "fullrank" ;
    :format_version = 1 ;
    :complete = 0 ;
    :n_items = 12LL ;
    :n_ok = 10LL ;
    :n_failed = 1LL ;
    string :results_sha256 = "SHA256" ;
    string :sweep = "grid" ;
    string :parameters = "r", "site" ;
    string :results = "energy", "hits", "stable", "trace" ;
    string :NX_class = "NXdata" ;
    string :signal = "energy" ;
    string :axes = "r", "." ;
    string :texts_sha256 = "SHA256" ;
"""


def test_ncdump_prints_the_header_that_the_format_promises(tool, gaps):
    printed = tool("ncdump", "-h", str(gaps))
    root = printed[printed.index("dimensions:") : printed.index("group: failures")]
    lines = [line.strip() for line in root.replace("\\'", "'").splitlines() if line.strip()]
    found = re.sub(r'"[0-9a-f]{64}"', '"SHA256"', "\n".join(lines))
    assert found == dedent(HEADER).strip()


@pytest.mark.parametrize("name", ["whole", "gaps"])
def test_ncdump_prints_everything(tool, request, name):
    printed = tool("ncdump", str(request.getfixturevalue(name)))
    assert [f"group: {group} {{" in printed for group in GROUPS] == [True] * 5
    assert " compute_seconds = 3 ;" in printed
    assert 'site = "Genève", "Zürich", "東京" ;' in printed


def test_h5dump_prints_everything(tool, gaps):
    printed = tool("h5dump", str(gaps))
    assert 'DATASET "energy"' in printed
    assert '"Traceback ..."' in printed
    for type_name in ("H5T_ENUM", "H5T_OPAQUE", "H5T_BITFIELD", "H5T_ARRAY"):
        assert type_name not in printed


def test_h5dump_checks_compressed_data(tool, tmp_path, numbers):
    numbers(Sweep("grid", (LinearAxis("r", start=0.0, stop=1.0, num=20_000),))).write(tmp_path / "a.h5")
    printed = tool("h5dump", "-p", "-d", "/energy", "-c", "3", str(tmp_path / "a.h5"))
    for filter_name in ("SHUFFLE", "COMPRESSION DEFLATE { LEVEL 1 }", "CHECKSUM FLETCHER32"):
        assert filter_name in printed
    assert "(0): 0, 0.142857, 0.285714" in printed


def test_a_study_of_arrays_alone_is_plotted_with_their_own_axis(tmp_path):
    sweep = Sweep("grid", (LinearAxis("y", start=0.0, stop=1.0, num=3),))
    rows = Study(sweep, [Field("row", "<i8", (4,))], {"row": np.arange(12).reshape(3, 4)})
    rows.infos["row"] = info(dims=("x",))
    rows.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["signal"] == "row"
        assert list(file.attrs["axes"]) == ["y", "x"]


def test_what_silx_and_h5web_look_for_is_in_the_root(whole):
    with h5py.File(whole) as file:
        assert file.attrs["NX_class"] == "NXdata"
        assert file.attrs["signal"] == "energy"
        assert list(file.attrs["axes"]) == ["r", "."]  # texts are no coordinates there
        assert len(file.attrs["axes"]) == file["energy"].ndim
