"""The file of a comparison: what is written is read again, damage is noticed, other programs read it."""

import shutil
import subprocess
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

from fullrank.compare.records import Comparison, Measurement, Variant
from fullrank.errors import OutputError
from fullrank.store import (
    ResultFile,
    differences,
    is_comparison,
    is_ours,
    read_comparison,
    verify,
    write_comparison,
)

SERIAL, PROCESSES, MPI = Variant("serial", 1), Variant("processes", 2), Variant("mpi", 2)


def measurement(variant: int, number: int, wall_seconds: float) -> Measurement:
    return Measurement(
        variant,
        number,
        wall_seconds=wall_seconds,
        makespan_seconds=wall_seconds - 0.1,
        cpu_seconds=wall_seconds / 3,
        compute_seconds=1 / 7,
        longest_item_seconds=0.01,
        load_balance=0.99,
        others_cores=nan if number else 0.25,
    )


COMPARISON = Comparison(
    title="größer\0",
    config_path="/home/ada/$tudy.toml",
    n_items=4000,
    n_sampled=40,
    variants=(SERIAL, PROCESSES),
    measurements=(measurement(1, 0, 2.5), measurement(0, 0, 4.1), measurement(0, 1, 4.3)),
    not_possible={MPI: "there is no mpiexec"},
    trial_start_end_seconds={SERIAL: (0.3, 0.31), PROCESSES: (0.4,)},
    machine={"processor": "Abacus 3000", "usable_cores": 2, "load": 0.5},
    n_rounds_asked=7,
    partial=True,
    notes=("it was noisy", "and hot"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "compare.h5"
    write_comparison(written, COMPARISON)
    return written


def test_every_value_is_read_as_it_was_written(path: Path) -> None:
    found = read_comparison(path)
    assert found.measurements[:2] == COMPARISON.measurements[:2]
    assert isnan(found.measurements[2].others_cores)
    assert dict(found.machine) == COMPARISON.machine
    assert found.title == "größer\\x00"  # HDF5 texts hold no NUL
    for name in (
        "variants",
        "not_possible",
        "trial_start_end_seconds",
        "notes",
        "partial",
        "n_rounds_asked",
        "n_sampled",
    ):
        assert getattr(found, name) == getattr(COMPARISON, name)


def test_file_of_the_first_kind_is_read_for_ever() -> None:
    found = read_comparison(Path(__file__).parent.parent / "data" / "compare-before-trials.h5")
    assert found.trial_start_end_seconds == dict.fromkeys((SERIAL, PROCESSES), (0.2, 0.201, 0.202))


def test_comparison_without_notes_or_measurements_is_a_file_too(tmp_path: Path) -> None:
    empty = replace(COMPARISON, notes=(), measurements=(), not_possible={}, trial_start_end_seconds={})
    write_comparison(tmp_path / "empty.h5", empty)
    found = read_comparison(tmp_path / "empty.h5")
    assert (found.notes, found.measurements, found.not_possible) == ((), (), {})
    assert found.trial_start_end_seconds == {SERIAL: (), PROCESSES: ()}


def test_comparison_and_result_are_not_taken_for_each_other(path: Path) -> None:
    assert is_comparison(path)
    assert not is_ours(path)
    with pytest.raises(OutputError, match="expected a result file, got a comparison"):
        ResultFile(path)


def test_other_files_are_no_comparison(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("nothing")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    assert not is_comparison(tmp_path / "absent.h5")
    assert not is_comparison(tmp_path / "text.h5")
    assert not is_comparison(tmp_path / "other.h5")
    with pytest.raises(OutputError, match=r"other\.h5: not a comparison of fullrank"):
        read_comparison(tmp_path / "other.h5")


def change(path: Path, how: str) -> None:
    with h5py.File(path, "r+") as file:
        if how == "number out of range":
            file["measurements/variant"][0] = 2
        elif how == "time below zero":
            file["measurements/wall_seconds"][1] = -1.0
        elif how == "text":
            file["variants/backend"][0] = "parallel"
        elif how == "column is missing":
            del file["measurements/load_balance"]
        elif how == "sample of nothing":
            file.attrs["n_sampled"] = np.int64(0)


@pytest.mark.parametrize(
    "how", ["number out of range", "time below zero", "text", "column is missing", "sample of nothing"]
)
def test_file_that_was_changed_is_refused(path: Path, how: str) -> None:
    change(path, how)
    with pytest.raises(OutputError, match=r"compare\.h5: "):
        read_comparison(path)


def test_torn_file_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(OutputError, match=r"compare\.h5: "):
        read_comparison(path)


def test_file_of_a_newer_version_says_so(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = np.int32(2)
    with pytest.raises(OutputError, match="written by a newer fullrank, in format version 2"):
        read_comparison(path)


def test_comparison_that_is_taken_for_a_result_is_told_to_be_one(path: Path) -> None:
    for read in (lambda: verify(path), lambda: differences(path, path), lambda: ResultFile(path)):
        with pytest.raises(OutputError, match=r"got a comparison of ways of running; .*report"):
            read()


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fullrank.store.sink.os.pwrite", refuse)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        write_comparison(tmp_path / "compare.h5", COMPARISON)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_shows_the_measurements(path: Path, engine: str) -> None:
    with xarray.open_dataset(path, group="measurements", engine=engine, decode_timedelta=False) as found:
        assert found["wall_seconds"].values.tolist() == [2.5, 4.1, 4.3]
        assert found["wall_seconds"].attrs["units"] == "s"
        assert found["round"].values.tolist() == [0, 0, 1]


def test_ncdump_shows_the_whole_file(path: Path) -> None:
    program = shutil.which("ncdump")
    if program is None:
        pytest.skip("ncdump is not installed; Debian has it in netcdf-bin")
    done = subprocess.run([program, path], capture_output=True, text=True, timeout=60, check=True)
    assert 'format = "fullrank comparison"' in done.stdout
    assert "there is no mpiexec" in done.stdout
    assert "makespan_seconds = 2.4, 4, 4.2" in done.stdout
