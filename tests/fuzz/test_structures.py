"""The structures of an HDF5 file are where HDF5 has put them, and their checksums are the ones that it wrote."""

import random
import struct
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mutate import changed_structure  # found there
from structures import checksum, lookup3, structures


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=("v108", "v110"), track_order=True) as file:
        file.attrs.update({f"attribute{number}": "x" * number for number in range(40)})
        for number in range(40):
            file.create_dataset(f"group{number % 3}/dataset{number}", data=np.arange(number))
        chunked = file.create_dataset("chunks", data=np.arange(100), chunks=(10,))
        chunked.attrs.update({f"attribute{number}": "x" * number for number in range(6)})
    return path.read_bytes()


def test_checksum_is_that_of_its_author() -> None:
    """The values are those of the self-test in lookup3.c: driver5."""
    assert lookup3(b"") == 0xDEADBEEF
    assert lookup3(b"Four score and seven years ago") == 0x17770551


def test_checksums_are_those_that_hdf5_wrote(content: bytes) -> None:
    kinds: Counter[str] = Counter()
    for found in structures(content):
        if found.seal is not None:
            assert struct.unpack_from("<I", content, found.seal) == (checksum(content, found),), found
            kinds[found.kind] += 1
    assert kinds["superblock"] == 1
    assert kinds["object header"] == content.count(b"OHDR")
    assert {"object header, continued", "B-tree header", "B-tree leaf", "heap header", "heap block"} <= kinds.keys()


def test_every_byte_belongs_to_one_structure(content: bytes) -> None:
    place = 0
    for found in sorted(structures(content), key=lambda found: found.start):
        assert found.start in (place, place + 4)  # a checksum stands between them
        place = found.stop
    assert place in (len(content), len(content) - 4)


def test_a_changed_structure_gets_past_its_checksum(content: bytes) -> None:
    headers = [found for found in structures(content) if found.kind == "object header"]
    changed = changed_structure(random.Random(1), content, headers[:1])
    assert changed != content
    assert all(struct.unpack_from("<I", changed, one.seal or 0) == (checksum(changed, one),) for one in headers)
