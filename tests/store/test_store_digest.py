"""The numbers in the root's attributes, and that the documentation tells them right."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import h5py
import numpy as np
import pytest


def no_more_threads(self):
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("large_bytes", [0, 1 << 30], ids=["meanwhile", "at-once"])
@pytest.mark.parametrize("starts", [True, False], ids=["", "no-more-threads"])
def test_the_digest_is_what_its_recipe_says(tmp_path, study, monkeypatch, large_bytes, starts):
    monkeypatch.setattr("fullrank.store.tally._LARGE_BYTES", large_bytes)
    if not starts:
        monkeypatch.setattr("threading.Thread.start", no_more_threads)
    summary = study.with_ends({1: 0, 5: 2, 7: 3, 9: 4}).write(tmp_path / "a.h5")
    lines = ""
    with h5py.File(tmp_path / "a.h5") as file:
        for name in ["energy", "hits", "stable", "status", "trace", "trace_length"]:
            array = file[name][...]
            shape = ",".join(map(str, array.shape))
            inner = hashlib.sha256(array.tobytes()).hexdigest()
            lines += f"{name} {array.dtype.str} {shape} {inner}\n"
        assert file.attrs["results_sha256"] == hashlib.sha256(lines.encode()).hexdigest()
        assert file.attrs["results_sha256"] == summary.results_sha256


DOCUMENTATION = Path(__file__).parents[2] / "docs" / "format.md"


def test_the_recipe_in_the_documentation_holds(tmp_path, study, monkeypatch):
    recipe = re.search(r"(?ms)^    import hashlib.*?\n(?=\S)", DOCUMENTATION.read_text())[0]
    study.with_ends({5: 2}).write(tmp_path / "run.h5")
    monkeypatch.chdir(tmp_path)
    exec(dedent(recipe), {})
    with h5py.File("run.h5", "r+") as file:
        file["energy"][0, 0] = 9.0
    with pytest.raises(AssertionError):
        exec(dedent(recipe), {})


def test_every_dataset_and_root_attribute_is_in_the_documentation(tmp_path, study):
    text = DOCUMENTATION.read_text()
    study.write(tmp_path / "a.h5")
    of_the_study = {"r", "site", "ring", "trace_dim0", "trace_length", *study.values}
    names = []
    with h5py.File(tmp_path / "a.h5") as file:
        file.visititems(lambda name, found: names.append(name))
        names = [name for name in names if name not in of_the_study] + list(file.attrs)
    assert [name for name in names if f"{name}`" not in text] == []


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
