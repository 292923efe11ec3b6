"""Chunks that threads filter are, byte for byte, those that HDF5 makes itself."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from store_samples import sweep_of

from fullrank.errors import OutputError
from fullrank.store import FileWriter, verify
from fullrank.store.chunks import ChunkStream, Filters, fletcher32

RNG = np.random.default_rng(20)
FILTERS = {"shuffle": True, "compression": "gzip", "compression_opts": 1, "fletcher32": True}
SHAPES = [((300_007,), (131_072,)), ((7, 5_021), (1, 1_700)), ((3, 11, 100), (1, 4, 100)), ((5, 8), (5, 8))]
"""Of datasets and their chunks: the last chunk of a row stands out of the dataset, in all but the last of these."""


def stored_chunks(dataset):
    """Return, by their offset, filter mask and bytes of a dataset's chunks."""
    infos = [dataset.id.get_chunk_info(number) for number in range(dataset.id.get_num_chunks())]
    return {info.chunk_offset: dataset.id.read_direct_chunk(info.chunk_offset) for info in infos}


def random_array(shape, dtype):
    return (100 * RNG.standard_normal(shape)).astype(dtype)


def write_in_pieces(dataset, array):
    filters = Filters()
    stream, flat, done = ChunkStream(dataset, filters), array.reshape(-1), 0
    while done < flat.size:
        n = int(RNG.integers(1, 40_000))
        stream.write(flat[done : done + n])
        done += n
    filters.finish()


@pytest.mark.parametrize(("shape", "chunks"), SHAPES)
@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<i4", "<i2", "|i1", "<u8"])
def test_a_chunk_is_what_hdf5_makes_of_it(tmp_path, dtype, shape, chunks):
    array = random_array(shape, dtype)
    with h5py.File(tmp_path / "a.h5", "w", libver=("v108", "v110")) as file:
        ours = file.create_dataset("ours", shape, dtype, chunks=chunks, **FILTERS)
        write_in_pieces(ours, array)
        theirs = file.create_dataset("theirs", data=array, chunks=chunks, **FILTERS)
        assert stored_chunks(ours) == stored_chunks(theirs)
    with h5py.File(tmp_path / "a.h5") as file:  # whose filters check what they undo
        assert file["ours"][...].tobytes() == array.tobytes()


@pytest.mark.parametrize("n_bytes", [1, 2, 3, 719, 720, 721, 100_000, 1_000_001])
@pytest.mark.parametrize("kind", ["zeros", "ones", "random"])
def test_the_checksum_is_hdf5s(tmp_path, kind, n_bytes):
    data = {
        "zeros": np.zeros(n_bytes, np.uint8),
        "ones": np.full(n_bytes, 255, np.uint8),
        "random": RNG.integers(0, 256, n_bytes, np.uint8),
    }[kind]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", data=data, chunks=(n_bytes,), fletcher32=True)
        ((_mask, stored),) = stored_chunks(dataset).values()
    assert stored == (data.tobytes() + fletcher32(data.tobytes()).to_bytes(4, "little"))


class Refusing(ThreadPoolExecutor):
    """What a process has that may start no more threads after a few."""

    n_left = 3

    def submit(self, *arguments):
        if self.n_left == 0:
            raise RuntimeError("can't start new thread")
        self.n_left -= 1
        return super().submit(*arguments)


@pytest.mark.parametrize("n_threads", [0, 3])
def test_without_threads_the_file_is_the_same(tmp_path, numbers, monkeypatch, n_threads):
    study = numbers(sweep_of((500_000,)))
    study.write(tmp_path / "with.h5", cuts=[70_000])
    monkeypatch.setattr(Refusing, "n_left", n_threads)
    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor", Refusing)
    study.write(tmp_path / "without.h5", cuts=[70_000])
    assert verify(tmp_path / "without.h5") == verify(tmp_path / "with.h5")
    with h5py.File(tmp_path / "with.h5") as one, h5py.File(tmp_path / "without.h5") as other:
        assert stored_chunks(one["energy"]) == stored_chunks(other["energy"])


class FullDisk:
    """A system whose disk is full after some bytes."""

    def __init__(self, n_bytes):
        self.n_left = n_bytes

    def __getattr__(self, name):
        return getattr(os, name)

    def pwrite(self, descriptor, data, position):
        self.n_left -= len(data)
        if self.n_left < 0:
            raise OSError(28, "No space left on device")
        return os.pwrite(descriptor, data, position)


@pytest.mark.parametrize("n_bytes", [1_000, 100_000, 300_000])
def test_a_full_disk_leaves_neither_file_nor_threads(tmp_path, numbers, n_bytes):
    study = numbers(sweep_of((2_000_000,)))
    n_threads = threading.active_count()
    with (
        pytest.raises(OutputError, match="No space left"),
        FileWriter(
            tmp_path / "a.h5",
            sweep=study.sweep,
            fields=study.fields,
            variables=study.infos,
            title=study.title,
            system=FullDisk(n_bytes),
        ) as file,
    ):
        file.write(study.block(0, 2_000_000))
        file.finish(study.tables)
    assert not (tmp_path / "a.h5").exists()
    assert threading.active_count() == n_threads


def test_a_large_axis_is_whole(tmp_path, numbers):
    study = numbers(sweep_of((300_000,)))
    study.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        (axis,) = study.sweep.axes
        assert file[axis.name].compression == "gzip"
        assert file[axis.name][...].tolist() == axis.column(range(300_000))
