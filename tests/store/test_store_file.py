"""What stands in the file, read back with h5py alone; and what the writer promises."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank.axes import LinearAxis, ListAxis, RangeAxis
from fullrank.errors import FullrankError, OutputError
from fullrank.schema import AttemptRow, Failure, Field, Tables, WorkerRow
from fullrank.store import FileWriter, verify
from fullrank.sweep import Sweep

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


def sweep_of(shape, *, replicates=None):
    axes = [RangeAxis(f"axis{k}", start=0, stop=size) for k, size in enumerate(shape)]
    return Sweep("grid", tuple(axes), replicates)


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.data())
def test_values_stand_where_their_index_says_however_the_blocks_are_cut(
    tmp_path_factory, shape, data
):
    from conftest_store import Study

    path = tmp_path_factory.mktemp("cut") / "a.h5"
    n = int(np.prod(shape))
    inner = data.draw(st.sampled_from([(), (2,), (3, 2)]))
    cuts = data.draw(st.sets(st.integers(1, n)))
    values = np.arange(n * int(np.prod(inner)), dtype=float).reshape(n, *inner) / 3
    Study(sweep_of(shape), [Field("x", "<f8", inner)], {"x": values}).write(path, cuts=cuts)
    with h5py.File(path) as file:
        assert file["x"].shape == (*shape, *inner)
        assert file["x"][...].tobytes() == values.tobytes()


def test_the_digest_is_what_its_recipe_says(tmp_path, study):
    summary = study.with_ends({1: 0, 5: 2, 7: 3, 9: 4}).write(tmp_path / "a.h5")
    lines = ""
    with h5py.File(tmp_path / "a.h5") as file:
        for name in ["energy", "hits", "stable", "status", "trace", "trace_length"]:
            array = file[name][...]
            shape = ",".join(map(str, array.shape))
            inner = hashlib.sha256(array.tobytes()).hexdigest()
            lines += f"{name} {array.dtype.str} {shape} {inner}\n"
        assert file.attrs["results_sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    assert file.name is None or summary.results_sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_the_digest_does_not_depend_on_blocks_nor_on_what_failed_items_left(tmp_path, study):
    failed = study.with_ends({1: 0, 5: 2})
    rubbish = replace(failed, values={k: v.copy() for k, v in failed.values.items()})
    for values in rubbish.values.values():
        values[[1, 5]] = 99
    whole = failed.write(tmp_path / "a.h5")
    assert rubbish.write(tmp_path / "b.h5", cuts=(1, 2, 11)) == whole


def test_the_digest_does_not_depend_on_padding(tmp_path, study):
    padded = replace(study, values={k: v.copy() for k, v in study.values.items()})
    padded.values["trace"][np.arange(5) >= study.lengths["trace"][:, np.newaxis]] = -1
    assert padded.write(tmp_path / "b.h5") == study.write(tmp_path / "a.h5")


def test_counts_tell_how_the_items_ended(tmp_path, study):
    summary = study.with_ends({0: 0, 1: 0, 5: 2, 7: 3, 9: 4}).write(tmp_path / "a.h5")
    assert (summary.n_items, summary.n_ok, summary.n_failed, summary.n_missing) == (12, 7, 3, 2)
    assert not summary.complete
    with h5py.File(tmp_path / "a.h5") as file:
        found = {key: int(file.attrs[key]) for key in ("n_items", "n_ok", "n_failed", "complete")}
        assert found == {"n_items": 12, "n_ok": 7, "n_failed": 3, "complete": 0}
        assert file["status"][...].ravel().tolist() == [0, 0, 1, 1, 1, 2, 1, 3, 1, 4, 1, 1]


def test_a_study_in_which_every_item_has_an_end_is_complete(tmp_path, study):
    assert study.with_ends({5: 2, 7: 3, 9: 4}).write(tmp_path / "a.h5").complete


def test_items_with_nan_are_counted_and_padding_is_not(tmp_path, study):
    study.values["energy"][[2, 3, 4]] = np.nan
    study.values["trace"][:] = np.nan
    summary = study.with_ends({4: 2}).write(tmp_path / "a.h5")
    # of trace, items 0 and 6 have no elements and item 4 failed
    assert summary.n_nan == {"energy": 2, "trace": 9}


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


def test_a_chunk_that_blocks_share_is_compressed_once(tmp_path, numbers):
    study = numbers(sweep_of((400_000,)))
    study.write(tmp_path / "one.h5")
    study.write(tmp_path / "many.h5", cuts=range(0, 400_000, 10_007))
    # a chunk that is written twice leaves a hole where its shorter first version stood
    assert os.path.getsize(tmp_path / "many.h5") == os.path.getsize(tmp_path / "one.h5")


def test_names_keep_the_order_of_creation(tmp_path, study):
    study.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        names = list(file)
    assert names[:6] == ["r", "site", "ring", "trace_dim0", "energy", "hits"]
    assert names[-5:] == ["failures", "workers", "attempts", "provenance", "config"]


def test_tables_come_back_as_they_went_in(tmp_path, study):
    from fullrank.store import ResultFile

    worker, attempt = study.tables.workers[0], study.tables.attempts[0]
    tables = Tables(
        failures=(Failure(5, 2, '{"r": 3.0}', "ValueError: é", "line 1\nline 2\n", "", 0),),
        workers=(worker, replace(worker, worker=1, cpu_seconds=0.0)),
        attempts=(replace(attempt, ended="", reason="killed"), attempt),
        provenance={"python": "3.11.7", "n_cores": 2, "load": 0.25},
        config='title = "é"\r\n# the end, without a line feed',
        identity='{"sweep": {}}',
    )
    replace(study.with_ends({5: 2}), tables=tables).write(tmp_path / "a.h5")
    with ResultFile(tmp_path / "a.h5") as file:
        assert file.tables() == tables
        assert (file.config, file.identity) == (tables.config, tables.identity)


def test_what_a_killed_worker_left_unknown_is_nan(tmp_path, study):
    from fullrank.store import ResultFile

    worker = replace(study.tables.workers[0], cpu_seconds=float("nan"))
    replace(study, tables=Tables((), (worker,), ())).write(tmp_path / "a.h5")
    with ResultFile(tmp_path / "a.h5") as file:
        assert np.isnan(file.workers()[0].cpu_seconds)
        assert (file.failures(), file.attempts()) == ((), ())


def test_texts_that_hdf5_cannot_hold_are_spelled_out(tmp_path, study):
    from fullrank.store import ResultFile

    failure = Failure(5, 2, "{}", "E: \udc80", "a\0b", "\ud800\0", 0)
    study = study.with_ends({5: 2})
    tables = replace(study.tables, failures=(failure,), provenance={"host": "a\0"})
    replace(study, tables=tables, title="\udcff").write(tmp_path / "a.h5")
    with ResultFile(tmp_path / "a.h5") as file:
        found = file.failures()[0]
        assert found.exception == r"E: \udc80"
        assert (found.traceback, found.output) == (r"a\x00b", r"\ud800\x00")
        assert file.title == r"\udcff"
        assert file.provenance() == {"host": r"a\x00"}


def test_every_column_of_a_table_is_described(tmp_path, study):
    study.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        for group, row_type in [
            ("failures", Failure),
            ("workers", WorkerRow),
            ("attempts", AttemptRow),
        ]:
            assert set(row_type.__dataclass_fields__) <= set(file[group])


def test_a_study_whose_items_all_failed_has_no_results(tmp_path, study):
    ends = dict.fromkeys(range(12), 2)
    failed = replace(study.with_ends(ends), fields=[], values={}, lengths={})
    assert failed.write(tmp_path / "a.h5").n_failed == 12
    assert verify(tmp_path / "a.h5").n_failed == 12


def test_results_may_be_empty_arrays(tmp_path, numbers):
    from conftest_store import Study

    sweep = sweep_of((3,))
    fields = [Field("a", "<f8", (0,)), Field("b", "<i4", (0,), varying=True)]
    values = {"a": np.empty((3, 0)), "b": np.empty((3, 0), np.int32)}
    Study(sweep, fields, values, {"b": np.zeros(3, np.int64)}).write(tmp_path / "a.h5")
    assert verify(tmp_path / "a.h5").n_ok == 3


def writer(path, study):
    return FileWriter(
        path, sweep=study.sweep, fields=study.fields, variables=study.infos, title=study.title
    )


def test_leaving_without_finish_removes_the_file(tmp_path, study):
    with writer(tmp_path / "a.h5", study) as file:
        file.write(study.block(0, 5))
        assert (tmp_path / "a.h5").exists()
    assert not (tmp_path / "a.h5").exists()


def test_an_exception_removes_the_file_and_passes_through(tmp_path, study):
    with pytest.raises(ZeroDivisionError), writer(tmp_path / "a.h5", study) as file:
        file.write(study.block(0, 5))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_stored_leaves_no_file(tmp_path, study):
    with pytest.raises(OutputError, match="'status'"):
        replace(study, fields=[Field("status", "<f8")]).write(tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("blocks", [[(0, 5), (6, 12)], [(5, 12)], [(0, 5), (0, 5)]])
def test_blocks_that_do_not_follow_each_other_are_refused(tmp_path, study, blocks):
    with pytest.raises(FullrankError, match="expected a block from item"):
        with writer(tmp_path / "a.h5", study) as file:
            for start, stop in blocks:
                file.write(study.block(start, stop))


def test_a_file_with_items_left_cannot_be_finished(tmp_path, study):
    with pytest.raises(FullrankError, match="5 of 12 items"):
        with writer(tmp_path / "a.h5", study) as file:
            file.write(study.block(0, 5))
            file.finish(study.tables)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path, study):
    with pytest.raises(OutputError, match=r"a\.h5: cannot be created: No such file or directory"):
        study.write(tmp_path / "missing" / "a.h5")


def run_script(text: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", dedent(text), *map(str, arguments)]
    folder = str(Path(__file__).parent)
    path = os.pathsep.join([folder, *sys.path])
    return subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=100
    )


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    from conftest_store import numbers_study
    from fullrank.axes import RangeAxis
    from fullrank.errors import OutputError
    from fullrank.sweep import Sweep

    study = numbers_study(Sweep("grid", (RangeAxis("k", start=0, stop=200_000),)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        study.write(Path(sys.argv[1]), cuts=(70_000, 140_000))
    except OutputError as error:
        print(error)
"""


@pytest.mark.parametrize("n_bytes", [0, 1_000, 100_000, 500_000])
def test_a_full_disk_is_told_once_and_leaves_no_file(tmp_path, n_bytes):
    done = run_script(FULL_DISK, tmp_path / "a.h5", n_bytes)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{tmp_path}/a.h5: cannot be written: File too large; make room")
    assert len(done.stdout.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


LARGE = """
    import resource, sys, tracemalloc
    from pathlib import Path
    import numpy as np
    from fullrank.axes import LinearAxis, RangeAxis
    from fullrank.schema import Block, Field, Tables
    from fullrank.store import FileWriter, ResultFile, verify
    from fullrank.sweep import Sweep
    from conftest_store import WORKER

    def peak_bytes():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    n_items, n_block, path = 2_000_000, 50_000, Path(sys.argv[1])
    axes = LinearAxis("r", start=0.0, stop=1.0, num=n_items // 2), RangeAxis("k", start=0, stop=2)
    rows = np.full((n_block, 16), 0.5), np.ones(n_block, np.int8), np.zeros(n_block, np.int32)
    sweep, fields = Sweep("grid", axes), [Field("x", "<f8", (16,))]
    before = peak_bytes()
    tracemalloc.start()
    with FileWriter(path, sweep=sweep, fields=fields, variables={}, title="") as writer:
        for start in range(0, n_items, n_block):
            x, status, zeros = rows
            writer.write(
                Block(start, status, zeros.astype("f4"), zeros, zeros.astype("i2"), {"x": x}, {})
            )
        writer.finish(Tables((), (WORKER,), ()))
    verify(path)
    print(tracemalloc.get_traced_memory()[1], peak_bytes() - before)
"""


def test_memory_is_bounded_by_a_block_when_written_and_verified(tmp_path):
    done = run_script(LARGE, tmp_path / "a.h5")
    assert done.stderr == ""
    traced_bytes, resident_bytes = map(int, done.stdout.split())
    # the values alone are 256 MB; a block is 6.4 MB and verify's about 8
    assert traced_bytes < 40e6
    assert resident_bytes < 80e6
