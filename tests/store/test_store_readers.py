"""Files of every kind of study, whole and partial, opened as they are by the tools that others use."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from kinds import KINDS

ENGINES = {"h5netcdf": "h5netcdf", "netCDF4": "netcdf4"}


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    """Path and numbers of a study of each kind."""
    study = KINDS[request.param]()
    study.write(tmp_path / "a.h5")
    return tmp_path / "a.h5", study


@pytest.fixture
def printed():
    """A function that returns what a program prints of a file."""

    def run(*command):
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {"LC_ALL": "C"})
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def dims_and_sizes(study):
    return dict(zip(study.sweep.dims, study.sweep.shape, strict=True))


@pytest.mark.parametrize("package", ENGINES)
def test_xarray_reads_every_number_and_every_gap(kind, package):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    pytest.importorskip(package, reason=f"{package} is not installed")
    path, study = kind
    ok = study.status == 1
    with xarray.open_dataset(path, engine=ENGINES[package]) as found:
        assert dims_and_sizes(study).items() <= dict(found.sizes).items()
        assert found.status.values.ravel().tolist() == study.status.tolist()
        for axis in study.sweep.axes:
            assert found.coords[axis.name].values.tolist() == [axis.value(k) for k in range(len(axis))]
        for entry in study.fields:
            values = found[entry.name].values.reshape(study.sweep.n_items, *entry.shape)
            assert np.isnan(values[~ok].astype(float)).all()
            if not entry.varying:
                assert values[ok].tolist() == study.values[entry.name][ok].tolist()


def test_ncdump_names_dimensions_and_results(kind, printed):
    path, study = kind
    header = printed("ncdump", "-h", str(path))
    for dim, size in dims_and_sizes(study).items():
        assert re.search(rf"^\s*{dim} = {size} ;$", header, re.MULTILINE)
    items = ", ".join(study.sweep.dims)
    for entry in study.fields:
        assert re.search(rf"^\s*\w+ {entry.name}\({items}[,)]", header, re.MULTILINE)
    assert f":complete = {int(study.status.all())} ;" in header


def test_h5dump_names_every_dataset(kind, printed):
    path, study = kind
    header = printed("h5dump", "-H", str(path))
    names = [*study.sweep.dims, *(axis.name for axis in study.sweep.axes), *(entry.name for entry in study.fields)]
    for name in [*names, "status", "item_seconds", "worker", "code_version"]:
        assert f'DATASET "{name}" {{' in header


def test_silx_plots_the_first_number_at_once(kind):
    silx_io = pytest.importorskip("silx.io", reason="silx is not installed")
    from silx.io import nxdata

    path, study = kind
    first = next(entry for entry in study.fields if not entry.shape)
    with silx_io.open(str(path)) as file:
        plot = nxdata.get_default(file)
        assert plot is not None
        assert plot.is_valid
        assert plot.signal_dataset_name == first.name
        shown = np.asarray(plot.signal).reshape(study.sweep.n_items, *first.shape)
        ok = study.status == 1
        assert shown[ok].tolist() == study.values[first.name][ok].tolist()
        axes = {axis.name: axis for axis in study.sweep.axes}
        for dim, found in zip(study.sweep.dims, plot.axes, strict=False):
            if dim in axes and axes[dim].value_type is not str:
                assert found[()].tolist() == [axes[dim].value(k) for k in range(len(axes[dim]))]
            elif dim in axes:
                assert found is None  # a text is no coordinate
