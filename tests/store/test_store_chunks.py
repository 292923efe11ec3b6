"""Chunks that threads filter are, byte for byte, those that HDF5 makes itself."""

import os
import threading
import zlib

import h5py
import numpy as np
import pytest
from store_samples import sweep_of

from fullrank.errors import OutputError
from fullrank.interrupt import Helper
from fullrank.store import FileWriter, verify
from fullrank.store.chunks import ChunkStream, Filters, fletcher32, is_filtered

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


def filtering():
    """Return the threads that filter, if there are any left."""
    return [thread for thread in threading.enumerate() if thread.name == "fullrank-filter"]


def without_deflate(chunks):
    """Return the chunks as they were before zlib, whose streams differ from library to library."""
    return {offset: (mask, zlib.decompress(data[:-4])) for offset, (mask, data) in chunks.items()}


def write_in_pieces(dataset, array, n_threads):
    filters = Filters(n_threads)
    stream, flat, done = ChunkStream(dataset, filters), array.reshape(-1), 0
    while done < flat.size:
        n = int(RNG.integers(1, 40_000))
        stream.write(flat[done : done + n])
        done += n
    filters.finish()


@pytest.mark.parametrize(("shape", "chunks"), SHAPES)
@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<i4", "<i2", "|i1", "<u8"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_chunk_is_what_hdf5_makes_of_it(tmp_path, n_threads, dtype, shape, chunks):
    array = random_array(shape, dtype)
    with h5py.File(tmp_path / "a.h5", "w", libver=("v108", "v110")) as file:
        ours = file.create_dataset("ours", shape, dtype, chunks=chunks, fillvalue=7, **FILTERS)
        assert is_filtered(ours)
        write_in_pieces(ours, array, n_threads)
        theirs = file.create_dataset("theirs", data=array, chunks=chunks, fillvalue=7, **FILTERS)
        assert without_deflate(stored_chunks(ours)) == without_deflate(stored_chunks(theirs))
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


@pytest.mark.parametrize("n_threads", [0, 1])
def test_with_fewer_threads_than_asked_for_the_file_is_the_same(tmp_path, numbers, monkeypatch, n_threads):
    study = numbers(sweep_of((500_000,)))
    study.write(tmp_path / "with.h5", cuts=[70_000])
    start, started = Helper.start, []

    def start_some(thread):
        if len(started) == n_threads:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(Helper, "start", start_some)
    monkeypatch.setattr("fullrank.store.chunks.usable_cores", lambda: 4)
    study.write(tmp_path / "without.h5", cuts=[70_000])
    assert len(started) == n_threads
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


def test_an_error_in_a_thread_is_raised_where_the_file_is_written(tmp_path, numbers, monkeypatch):
    def fail(_elements):
        raise MemoryError("no room for a chunk")

    monkeypatch.setattr("fullrank.store.chunks.filtered", fail)
    monkeypatch.setattr("fullrank.store.chunks.usable_cores", lambda: 2)
    with pytest.raises(MemoryError, match="no room for a chunk"):
        numbers(sweep_of((500_000,))).write(tmp_path / "a.h5")
    assert not (tmp_path / "a.h5").exists()
    assert filtering() == []


@pytest.mark.parametrize("n_bytes", [1_000, 100_000, 300_000])
def test_a_full_disk_leaves_neither_file_nor_threads(tmp_path, numbers, n_bytes):
    study = numbers(sweep_of((2_000_000,)))
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
    assert filtering() == []


def test_a_large_axis_is_whole(tmp_path, numbers):
    study = numbers(sweep_of((300_000,)))
    study.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        (axis,) = study.sweep.axes
        assert file[axis.name].compression == "gzip"
        assert file[axis.name][...].tolist() == axis.column(range(300_000))
