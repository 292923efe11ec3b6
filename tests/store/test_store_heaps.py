"""Damage in a heap of texts, which has no checksum, is found before HDF5 goes round in it for ever."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from store_samples import grid_study

from fullrank.errors import OutputError
from fullrank.store import ResultFile, is_ours, verify
from fullrank.store.heaps import heap_problem

HEAD_BYTES = 16


@pytest.fixture
def path(tmp_path):
    grid_study().write(tmp_path / "a.h5")
    return tmp_path / "a.h5"


def objects(data):
    """Where each object of the first heap stands, the free space last; as HDF5's specification says."""
    start = data.index(b"GCOL\x01")
    end = start + int.from_bytes(data[start + 8 : start + 16], "little")
    place = start + HEAD_BYTES
    while place + HEAD_BYTES <= end:
        yield place
        size = int.from_bytes(data[place + 8 : place + 16], "little")
        is_free = data[place : place + 2] == b"\0\0"
        place += size if is_free else HEAD_BYTES + (size + 7) // 8 * 8


def damage(path, *, number, size, becomes_free=False):
    data = bytearray(path.read_bytes())
    place = list(objects(data))[number]
    data[place + 8 : place + 16] = (size % 2**64).to_bytes(8, "little")
    if becomes_free:
        data[place : place + 2] = b"\0\0"
    path.write_bytes(data)


DAMAGES = {
    "free space of no size": {"number": 3, "size": 0, "becomes_free": True},
    "free space smaller than its own head": {"number": 3, "size": 15, "becomes_free": True},
    "an object whose size leads back by overflow": {"number": 2, "size": -16},
    "an object that is longer than the heap": {"number": 2, "size": 5000},
}


@pytest.mark.parametrize("name", DAMAGES)
def test_heap_without_an_end_is_refused_with_a_sentence(path, name):
    damage(path, **DAMAGES[name])
    for read in (verify, ResultFile, is_ours):
        with pytest.raises(OutputError, match=r"a\.h5: .*heap of texts at byte \d+ has an object of an impossible"):
            read(path)


def test_hdf5_itself_goes_round_in_such_a_heap_or_refuses_it(path):
    damage(path, **DAMAGES["free space of no size"])
    look = "file.visititems(lambda _, one: print(dict(one.attrs)))"
    program = f"import h5py, sys\nwith h5py.File(sys.argv[1]) as file:\n    {look}\n"
    try:
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, timeout=3, check=False)
    except subprocess.TimeoutExpired:
        return  # as 2.0.0 does
    assert done.returncode != 0


def test_heap_in_a_heap_is_refused(path):
    data = bytearray(path.read_bytes())
    place = next(objects(data)) + HEAD_BYTES
    data[place : place + 16] = b"GCOL\x01\0\0\0" + (64).to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(OutputError, match="has another one in it"):
        verify(path)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("userblock", [0, 2048])
def test_heaps_that_hdf5_makes_are_whole(tmp_path, libver, userblock):
    with h5py.File(tmp_path / "a.h5", "w", libver=libver, userblock_size=userblock) as file:
        for number in range(40):
            file[f"texts{number}"] = np.array(["x" * (97 * number % 5000) for _ in range(30)], h5py.string_dtype())
        del file["texts7"], file["texts11"]
        file["texts3"][::2] = "y"
    assert (tmp_path / "a.h5").read_bytes().count(b"GCOL\x01") > 10
    assert heap_problem(tmp_path / "a.h5") == ""


def test_heap_across_two_blocks_of_reading_is_found(path, monkeypatch):
    damage(path, **DAMAGES["free space of no size"])
    start = path.read_bytes().index(b"GCOL\x01")
    monkeypatch.setattr("fullrank.store.heaps._BLOCK_BYTES", start + 2)
    assert f"at byte {start} " in heap_problem(path)


def test_numbers_that_only_begin_like_a_heap_are_no_damage(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.frombuffer(b"GCOL\x01\0\0\0" + b"\xff" * 8 + bytes(range(48)), "u1")
    assert heap_problem(tmp_path / "a.h5") == ""


def test_file_that_is_no_hdf5_has_no_heaps(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"GCOL\x01" + bytes(5000))
    assert heap_problem(tmp_path / "a.h5") == ""
