"""``fullrank verify`` reads all that stands in a file, and names what it does not know."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from fullrank.errors import OutputError
from fullrank.store import examine, verify


@pytest.fixture
def good(tmp_path, study):
    """A file with one failed item, and one that is missing."""
    study.with_ends({1: 0, 5: 2}).write(tmp_path / "good.h5")
    return tmp_path / "good.h5"


def test_everything_that_h5py_finds_is_counted_and_known(good):
    found = ["/"]
    with h5py.File(good) as file:
        file.visit(found.append)
        n_datasets = sum(isinstance(file[name], h5py.Dataset) for name in found)
        of_scales = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"}
        n_attributes = sum(len(set(file[name].attrs) - of_scales) for name in found)
    summary, contents = examine(good)
    assert summary == verify(good)
    assert contents.n_groups == len(found) - n_datasets
    assert (contents.n_datasets, contents.n_attributes) == (n_datasets, n_attributes)
    assert contents.unknown == ()


def test_what_is_not_known_is_named_and_no_damage(good):
    with h5py.File(good, "r+") as file:
        file["extra"] = np.arange(3)
        file["later/extra"] = np.arange(3)
        file["later"].attrs["whose"] = 1
        file.attrs["comment"] = 1
        file["energy"].attrs["comment"] = 1.5
        file["workers/extra"] = np.zeros((2, 0))
    _, contents = examine(good)
    assert contents.unknown == ("/@comment", "/energy@comment", "/extra", "/later", "/later/extra", "/workers/extra")


@pytest.mark.parametrize("name", ["extra", "later/extra", "workers/extra"])
def test_dataset_that_is_not_known_is_read_to_its_end(good, name):
    with h5py.File(good, "r+") as file:
        values = np.random.default_rng(1).integers(0, 2**62, (300, 50))
        dataset = file.create_dataset(name, data=values, chunks=(100, 50), fletcher32=True)
        last = dataset.id.get_chunk_info(2).byte_offset
    examine(good)
    content = bytearray(good.read_bytes())
    content[last + 100] ^= 1
    good.write_bytes(content)
    with pytest.raises(OutputError, match=r"good\.h5: cannot be read: "):
        examine(good)


@pytest.mark.parametrize("where", ["/", "energy", "workers"])
def test_attribute_that_is_neither_number_nor_text_is_refused(good, where):
    with h5py.File(good, "r+") as file:
        file[where].attrs["pair"] = np.zeros((), [("a", "<f8"), ("b", "<i8")])
    verify(good)
    with pytest.raises(OutputError, match=f"the attribute pair of /{where.strip('/')} is neither a number nor a text"):
        examine(good)


def test_command_sums_up_what_it_read_and_names_what_it_does_not_know(good):
    with h5py.File(good, "r+") as file:
        for number in range(11):
            file.create_group(f"later{number:02}")
        file.create_group("a\nb\x1b[2J")
    _, contents = examine(good)
    words = [sys.executable, "-m", "fullrank", "verify", str(good)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    numbers = f"{contents.n_groups} groups, {contents.n_datasets} datasets, {contents.n_attributes} attributes"
    assert last.startswith(f"  read to the end: {numbers}; not known to this version of fullrank: /a\\nb\\x1b[2J, ")
    assert last.endswith("/later08 and 2 more")
