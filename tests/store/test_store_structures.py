"""Structures of HDF5 that are damaged under a checksum that is right: each file is refused with a sentence.

In a process of its own, for HDF5 itself may die of such a file.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from store_samples import grid_study

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))

from structures import Structure, sealed, structures  # found there


def changed(content: bytes, structure: Structure, place: int) -> bytes:
    """Return the file with two bytes turned over, and the structure's checksum put right."""
    turned = bytes(byte ^ 0xFF for byte in content[place : place + 2])
    return sealed(content[:place] + turned + content[place + 2 :], structure)


def read(command: str, folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "fullrank", command, "a.h5"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    grid_study().write(tmp_path / "a.h5")
    return (tmp_path / "a.h5").read_bytes()


@pytest.mark.parametrize("number", range(4))
def test_a_heap_that_hdf5_cannot_close_is_told_of(content: bytes, number: int, tmp_path: Path) -> None:
    heap = [found for found in structures(content) if found.kind == "heap header"][number]
    (tmp_path / "a.h5").write_bytes(changed(content, heap, heap.start + 28))
    code, said = read("verify", tmp_path)
    assert (code, said.count("\n")) == (74, 1), said
    assert "a.h5: cannot be" in said


@pytest.mark.parametrize("name", ["title", "results_sha256", "n_ok", "sweep"])
def test_an_attribute_with_a_name_of_another_length_is_told_of(content: bytes, name: str, tmp_path: Path) -> None:
    place = content.index(b"\0" + name.encode() + b"\0") - 6  # the length stands before the sizes of type and space
    blocks = [found for found in structures(content) if found.start <= place < found.stop]
    (tmp_path / "a.h5").write_bytes(changed(content, blocks[0], place))
    code, said = read("report", tmp_path)
    assert (code, said.count("\n")) == (74, 1), said
    assert "a.h5: cannot be read" in said
