"""What is refused: files that are not ours, not whole, or that hold what ours never do."""

import random
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hostile import HOSTILE, make_elsewhere

from fullrank.errors import OutputError
from fullrank.schema import Tables
from fullrank.store import FileWriter, ResultFile, is_ours, verify

N_FLIPS = 150


@pytest.fixture
def good(tmp_path, study):
    """A file with one failed item, and one that is missing."""
    study.with_ends({1: 0, 5: 2}).write(tmp_path / "good.h5")
    return tmp_path / "good.h5"


def refuse(path, match):
    """Both ways of opening refuse the file, with a sentence that begins with its name."""
    for read in (ResultFile, verify):
        with pytest.raises(OutputError, match=match) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_a_good_file_has_the_numbers_the_writer_returned(tmp_path, study):
    written = study.with_ends({1: 0, 5: 2}).write(tmp_path / "a.h5")
    assert verify(tmp_path / "a.h5") == written
    with ResultFile(tmp_path / "a.h5") as file:
        assert file.summary == written


# not ours


def test_a_file_that_is_not_there_is_told(tmp_path):
    refuse(tmp_path / "none.h5", "cannot be opened: No such file or directory")
    assert not is_ours(tmp_path / "none.h5")


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x89HDF\r\n\x1a\n"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "a.h5").write_bytes(content)
    refuse(tmp_path / "a.h5", "cannot be opened: ")


def test_what_is_not_hdf5_is_not_ours(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"a,b\n1,2\n")
    assert not is_ours(tmp_path / "a.h5")
    assert not is_ours(tmp_path)


@pytest.mark.parametrize("mark", [None, "other", 1, np.array(["fullrank", "fullrank"], object)])
def test_hdf5_that_somebody_else_wrote_is_refused(tmp_path, mark):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["energy"] = np.arange(3.0)
        if mark is not None:
            file.attrs["format"] = mark
    refuse(tmp_path / "a.h5", "not a result file of fullrank")
    assert not is_ours(tmp_path / "a.h5")


def test_a_file_that_the_writer_has_not_finished_is_not_ours(tmp_path, study):
    with FileWriter(tmp_path / "a.h5", sweep=study.sweep, fields=study.fields, variables={}, title="") as writer:
        writer.write(study.block(0, 5))
        (tmp_path / "torn.h5").write_bytes((tmp_path / "a.h5").read_bytes())
    with pytest.raises(OutputError):
        verify(tmp_path / "torn.h5")


def test_a_newer_file_is_ours_and_says_which_version_it_needs(good):
    with h5py.File(good, "r+") as file:
        file.attrs["format_version"] = np.int32(2)
    refuse(good, r"format version 2; this one reads versions up to 1; install a newer fullrank")
    assert is_ours(good)


@pytest.mark.parametrize("version", ["1", 0, 1.0])
def test_a_version_that_is_no_number_is_refused(good, version):
    with h5py.File(good, "r+") as file:
        file.attrs["format_version"] = version
    refuse(good, "format_version")


# what files of ours never hold


@pytest.mark.parametrize("name", HOSTILE)
def test_what_our_files_never_hold_is_refused(good, tmp_path, name):
    add, words = HOSTILE[name]
    make_elsewhere(tmp_path / "elsewhere")
    with h5py.File(good, "r+") as file:
        add(file, tmp_path / "elsewhere")
    refuse(good, re.escape(words))


def test_a_later_version_s_extra_datasets_and_groups_do_no_harm(good):
    with h5py.File(good, "r+") as file:
        file["extra"] = np.arange(3)
        file["later/extra"] = np.arange(3)
        file.attrs["extra_number"] = 1
    with ResultFile(good) as file:
        assert [field.name for field in file.fields] == ["energy", "hits", "stable", "trace"]
    assert verify(good).n_ok == 10


# sizes that do not fit


def drop(name):
    def change(file):
        del file[name]

    return change


def resize(name, shape):
    def change(file):
        dtype = file[name].dtype
        del file[name]
        file.create_dataset(name, data=np.zeros(shape, dtype))

    return change


def attribute(name, value, *, of="/"):
    def change(file):
        file[of].attrs[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (drop("status"), "no dataset /status"),
        (drop("energy"), "no dataset /energy"),
        (drop("item_seconds"), "no dataset /item_seconds"),
        (drop("trace_length"), "no dataset /trace_length"),
        (drop("r"), "the dimensions of /status are damaged: "),
        (attribute("n_items", np.int64(13)), r"n_items is 13 and status has shape \(4, 3\)"),
        (attribute("n_items", "12"), "a number in the attribute n_items"),
        (attribute("results", "none"), "no dataset /none"),
        (attribute("results", "site"), "/site has type object, expected numbers"),
        (attribute("results", ["energy", "r"]), r"/r has shape \(4,\)"),
        (attribute("parameters", ["r", "hits"]), "/hits has 3 dimensions"),
        (attribute("sweep", 3), "a text in the attribute sweep"),
        (resize("energy", (4, 2)), r"/energy has shape \(4, 2\)"),
        (resize("r", (5,)), "/r"),
    ],
)
def test_sizes_and_names_that_do_not_fit_are_refused_at_opening(good, change, match):
    with h5py.File(good, "r+") as file:
        change(file)
    refuse(good, match)


# content that was changed, with checksums that are right


def put(name, place, value):
    def change(file):
        file[name][place] = value

    return change


def longer_column(file):
    del file["workers/pid"]
    file["workers/pid"] = np.arange(2)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (put("energy", (2, 2), 0.25), "results_sha256"),
        (put("hits", (2, 2, 0), 1), "results_sha256"),
        (put("trace_length", (0, 2), 1), "/trace has values where items have none"),
        (put("energy", (0, 1), 0.25), "/energy has values where items have none"),
        (put("trace", (0, 0, 4), 1.0), "/trace has values where items have none"),
        (put("status", (0, 2), 2), "/energy has values where"),
        (put("status", (1, 2), 3), "/failures and /status"),
        (put("status", (0, 2), 7), "/status has a code outside"),
        (put("worker", (0, 2), 1), "/worker names row 1"),
        (put("failures/index", 0, 12), "/failures names an item outside"),
        (put("ring", 0, 1), "/ring does not count"),
        (put("failures/traceback", 0, "other"), "texts_sha256"),
        (put("site", 0, "other"), "texts_sha256"),
        (attribute("units", "eV", of="energy"), "texts_sha256"),
        (attribute("n_ok", np.int64(11)), "n_ok is stated as 11 and found to be 10"),
        (attribute("n_failed", np.int64(0)), "n_failed is stated as 0 and found to be 1"),
        (attribute("complete", np.int32(1)), "complete is stated as True and found to be False"),
        (attribute("n_nan", np.int64(1), of="energy"), "n_nan"),
        (attribute("results_sha256", "0" * 64), "results_sha256 is stated as 0000"),
        (longer_column, "cannot be read at /workers: columns differ in length"),
        (drop("config/text"), "/config/text"),
        (drop("attempts"), "/attempts"),
    ],
)
def test_a_change_of_content_is_named(good, change, match):
    with h5py.File(good, "r+") as file:
        change(file)
    with pytest.raises(OutputError, match=match) as caught:
        verify(good)
    assert str(caught.value).startswith(f"{good}: ")


def test_dimensions_that_were_exchanged_are_named(good):
    with h5py.File(good, "r+") as file:
        file["energy"].dims[0].detach_scale(file["r"])
    with pytest.raises(OutputError, match="dimension 0 of /energy has 0 scales"):
        verify(good)


def test_a_file_that_was_cut_is_told(good):
    content = good.read_bytes()
    for n_bytes in (len(content) - 1, len(content) // 2, 2000, 100):
        good.write_bytes(content[:n_bytes])
        with pytest.raises(OutputError, match=r"good\.h5: cannot be opened: .*truncated"):
            verify(good)


def content_of(path):
    """All that a reader gets from a file."""
    with ResultFile(path) as file:
        blocks = [
            (b.status.tolist(), b.worker.tolist(), b.code_version.tolist(), b.seconds.tobytes()) for b in file.blocks(5)
        ]
        values = [[a.tobytes() for a in b.values.values()] for b in file.blocks(12)]
        axes = [(a.units, a.long_name, a.column(range(len(a)))) for a in file.axes]
        return blocks, values, axes, repr(file.tables()), file.fields, file.variables, file.title


def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path, study):
    worker = study.tables.workers[0]
    workers = tuple(replace(worker, worker=k) for k in range(40))
    failed = study.with_ends({5: 2})
    tables = Tables(failed.tables.failures, workers, failed.tables.attempts, {"mpi": "MPICH"}, "[a]")
    good, flipped = tmp_path / "good.h5", tmp_path / "flipped.h5"
    replace(failed, tables=tables).write(good)
    expected, content = content_of(good), good.read_bytes()
    places = random.Random(20261123)
    n_noticed = 0
    for _ in range(N_FLIPS):
        place = places.randrange(len(content))
        changed = bytearray(content)
        changed[place] ^= 1 << places.randrange(8)
        flipped.write_bytes(changed)
        try:
            verify(flipped)
        except OutputError:
            n_noticed += 1
        else:
            assert content_of(flipped) == expected, f"byte {place}"
    assert n_noticed > N_FLIPS / 2
