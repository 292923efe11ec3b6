"""What the writer promises."""

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
from store_samples import Study, sweep_of

from fullrank.errors import FullrankError, OutputError
from fullrank.schema import Field
from fullrank.store import FileWriter

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.data())
def test_values_stand_where_their_index_says_however_the_blocks_are_cut(tmp_path_factory, shape, data):
    path = tmp_path_factory.mktemp("cut") / "a.h5"
    n = int(np.prod(shape))
    inner = data.draw(st.sampled_from([(), (2,), (3, 2)]))
    cuts = data.draw(st.sets(st.integers(1, n)))
    values = np.arange(n * int(np.prod(inner)), dtype=float).reshape(n, *inner) / 3
    Study(sweep_of(shape), [Field("x", "<f8", inner)], {"x": values}).write(path, cuts=cuts)
    with h5py.File(path) as file:
        assert file["x"].shape == (*shape, *inner)
        assert file["x"][...].tobytes() == values.tobytes()


def test_a_chunk_that_blocks_share_is_compressed_once(tmp_path, numbers):
    study = numbers(sweep_of((400_000,)))
    study.write(tmp_path / "one.h5")
    study.write(tmp_path / "many.h5", cuts=range(0, 400_000, 10_007))
    # a chunk that is written twice leaves a hole where its shorter first version stood
    n_bytes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert n_bytes["many.h5"] == n_bytes["one.h5"]


def writer(path, study):
    return FileWriter(path, sweep=study.sweep, fields=study.fields, variables=study.infos, title=study.title)


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
    with writer(tmp_path / "a.h5", study) as file:
        for start, stop in blocks[:-1]:
            file.write(study.block(start, stop))
        with pytest.raises(FullrankError, match="expected a block from item"):
            file.write(study.block(*blocks[-1]))


def test_a_file_with_items_left_cannot_be_finished(tmp_path, study):
    with writer(tmp_path / "a.h5", study) as file:
        file.write(study.block(0, 5))
        with pytest.raises(FullrankError, match="5 of 12 items"):
            file.finish(study.tables)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path, study):
    with pytest.raises(OutputError, match=r"a\.h5: cannot be created: No such file or directory"):
        study.write(tmp_path / "missing" / "a.h5")


def run_script(text: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", dedent(text), *map(str, arguments)]
    folder = str(Path(__file__).parent)
    path = os.pathsep.join([folder, *sys.path])
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=100)


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    from store_samples import numbers_study
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


@pytest.mark.parametrize("n_bytes", [0, 1_000, 30_000, 80_000])
def test_a_full_disk_is_told_once_and_leaves_no_file(tmp_path, n_bytes):
    done = run_script(FULL_DISK, tmp_path / "a.h5", n_bytes)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{tmp_path}/a.h5: cannot be written: File too large")
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
    from store_samples import WORKER

    def peak_bytes():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    n_items, n_block, path = 600_000, 50_000, Path(sys.argv[1])
    axes = LinearAxis("r", start=0.0, stop=1.0, num=n_items // 2), RangeAxis("k", start=0, stop=2)
    rows = np.random.default_rng(1).random((n_block, 16)), np.ones(n_block, np.int8), np.zeros(n_block, np.int32)
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
    # the values alone are 77 MB, which cannot be compressed; a block is 6.4 MB and verify's about 8
    assert traced_bytes < 40e6
    assert resident_bytes < 80e6
