"""The digest over the texts, against its recipe in the words of h5py's upper layer."""

import hashlib
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from store_samples import Study, sweep_of

from fullrank.axes import ListAxis, RangeAxis
from fullrank.schema import Field, Tables
from fullrank.store import ResultFile
from fullrank.sweep import Sweep


def digest_by_recipe(path):
    """What the docstring of ``texts_sha256`` says."""
    digest = hashlib.sha256()
    with h5py.File(path) as file:
        objects = {"/": file}
        file.visititems(lambda name, found: objects.update({f"/{name}": found}))
        for name in sorted(objects):
            for key, value in [*texts_in_attributes(name, objects[name]), *texts_in_dataset(objects[name])]:
                digest.update(json.dumps([name, key, value]).encode() + b"\n")
    return digest.hexdigest()


def texts_in_attributes(name, found):
    for key in sorted(found.attrs):
        kind = h5py.check_string_dtype(found.attrs.get_id(key).dtype)
        if kind is not None and kind.length is None and (name, key) != ("/", "texts_sha256"):
            value = found.attrs[key]
            yield key, value if isinstance(value, str) else value.tolist()


def texts_in_dataset(found):
    if isinstance(found, h5py.Dataset) and h5py.check_string_dtype(found.dtype) is not None:
        texts = np.atleast_1d(found.asstr(errors="surrogateescape")[()]).tolist()
        for start in range(0, len(texts), 4096):
            yield start, texts[start : start + 4096]


def digests(path):
    """As stated in the file, and as found."""
    with ResultFile(path) as file:
        return file.texts_sha256


def whole(study):
    return study


def gaps(study):
    return study.with_ends({1: 0, 5: 2, 7: 4})


def texts_of_many_pieces(study):
    axes = RangeAxis("k", start=0, stop=9000), ListAxis("name", values=tuple(f"é{k}" for k in range(9000)))
    sweep = Sweep("zip", axes)
    return Study(sweep, [Field("flag", "|i1", is_bool=True)], {"flag": np.zeros(9000, np.int8)})


def one_axis_and_one_result(study):
    sweep = sweep_of((3,))  # the attributes that are lists of texts have one text each
    return Study(sweep, [Field("x", "<f8")], {"x": np.arange(3.0)})


def texts_that_are_hard(study):
    tables = Tables((), study.tables.workers, (), {"b": "\udc80", "a": "", "é": "東京", "n": 3}, "\0\r\n", '"\\')
    return replace(study, tables=tables, title="")


@pytest.mark.parametrize("change", [whole, gaps, texts_of_many_pieces, one_axis_and_one_result, texts_that_are_hard])
def test_the_digest_of_the_texts_is_what_its_recipe_says(tmp_path, study, change):
    change(study).write(tmp_path / "a.h5")
    assert digests(tmp_path / "a.h5") == (digest_by_recipe(tmp_path / "a.h5"),) * 2


def extra_text(file):
    file["workers"].attrs["texts_sha256"] = "text"


def texts_that_are_no_utf_8(file):
    file["workers"].attrs["note"] = np.array(b"\xff", h5py.string_dtype())
    file["workers/host"][0] = b"\xfe"


def texts_below_each_other(file):
    # "a-b" stands before "a/c" and behind it where groups are sorted one by one
    file["a/c"] = "x"
    file["a-b"] = "y"


def text_of_other_types(file):
    file["workers"].attrs["fixed"] = np.bytes_(b"sixteen bytes --")
    file["extra"] = np.array([b"fixed", b"texts"])


def units_that_are_no_single_text(file):
    file["status"].attrs["units"] = np.array(["m", "s"], h5py.string_dtype())
    file["worker"].attrs["units"] = np.bytes_(b"sixteen bytes --")
    file["energy"].attrs["units"] = np.array([file.ref, file.ref], h5py.ref_dtype)
    file["energy"].attrs["long_name"] = 5


def many_attributes(file):
    for number in range(100):
        file["energy"].attrs[f"note{number}"] = str(number)


@pytest.mark.parametrize(
    "change",
    [
        extra_text,
        texts_that_are_no_utf_8,
        texts_below_each_other,
        text_of_other_types,
        units_that_are_no_single_text,
        many_attributes,
    ],
)
def test_what_others_put_into_a_file_counts_as_the_recipe_says(tmp_path, study, change):
    study.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        change(file)
    stated, found = digests(tmp_path / "a.h5")
    assert found == digest_by_recipe(tmp_path / "a.h5")
    assert found != stated
