"""A file from a stranger: no command runs, follows or allocates what it names; each refuses it with a sentence."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hostile import HOSTILE, compressed_rows, make_elsewhere, texts_that_share_their_bytes
from store_samples import grid_study
from watch import Notices

from fullrank.errors import OutputError
from fullrank.store import ResultFile, verify

READING = Path(__file__).parents[1] / "reading.py"
CODE = "def f(x):\n    return x\n"
CONFIG = '[workload]\nfunction = "sim.py:f"\n[sweep.grid]\nx = { range = 12 }\n'


def add_to(path, add, elsewhere):
    with h5py.File(path, "r+") as file:
        afterwards = add(file, elsewhere)
    if callable(afterwards):
        afterwards()


def make_stopped_study(folder):
    """A study of which four items are finished, in ``stopped.h5.work``."""
    (folder / "sim.py").write_text(CODE)
    (folder / "study.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "fullrank", "run", "study.toml", "-b", "serial", "-q", "-o", "stopped.h5"]
    subprocess.run([*command, "--limit", "4"], cwd=folder, check=True, capture_output=True, timeout=60)


def put(folder, hostile, stopped):
    """Where the commands of ``reading.py`` look for it: a result, and the partial file of a stopped study."""
    shutil.copytree(stopped, folder / "whole.h5.work")
    (folder / "whole.partial.h5").hardlink_to(hostile)
    (folder / "study.h5").hardlink_to(hostile)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each command said of each sample, and what was touched meanwhile."""
    folder = tmp_path_factory.mktemp("hostile")
    make_elsewhere(folder / "elsewhere")
    make_stopped_study(folder)
    grid_study().write(folder / "good.h5")
    for name, (add, _) in HOSTILE.items():
        sample = folder / "samples" / name
        sample.mkdir(parents=True)
        shutil.copy(folder / "good.h5", sample / "made.h5")
        add_to(sample / "made.h5", add, folder / "elsewhere")
        put(sample, sample / "made.h5", folder / "stopped.h5.work")
    (folder / "warm").mkdir()
    put(folder / "warm", folder / "good.h5", folder / "stopped.h5.work")
    done = subprocess.run(
        [sys.executable, READING, folder],
        env=os.environ | {"HDF5_PLUGIN_PATH": str(folder / "elsewhere")},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", HOSTILE)
def test_every_command_refuses_it_with_a_sentence(told, name):
    _, words = HOSTILE[name]
    answers = {answer["command"]: answer for answer in told if answer["sample"] == name}
    assert answers.keys() == {"verify", "report", "export", "status", "diff", "diff reversed", "run", "gather"}
    for command, answer in answers.items():
        expected = "is no partial result of this study" if command == "gather" else words
        assert expected in answer["said"], answer
        assert "Traceback" not in answer["said"], answer
        assert answer["code"] == 74, answer


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_unpickled_imported_started_or_opened_beside_it(told, name):
    assert [answer["touched"] for answer in told if answer["sample"] == name and answer["touched"]] == []


def test_what_h5py_itself_would_do_with_these_files_is_noticed(tmp_path):
    make_elsewhere(tmp_path / "elsewhere")
    notices = Notices(tmp_path / "elsewhere")
    for name in ("external_link", "external_storage", "virtual_dataset"):
        grid_study().write(tmp_path / f"{name}.h5")
        add_to(tmp_path / f"{name}.h5", HOSTILE[name][0], tmp_path / "elsewhere")
        assert not notices.opened()
        with h5py.File(tmp_path / f"{name}.h5") as file:
            assert file[{"external_link": "energy_link", "external_storage": "leak"}.get(name, "virtual")][()].size
        assert notices.opened()


def test_texts_that_share_their_bytes_are_not_multiplied(tmp_path):
    path = tmp_path / "a.h5"
    grid_study().write(path)
    add_to(path, texts_that_share_their_bytes, tmp_path)
    assert path.stat().st_size < 10_000_000
    with pytest.raises(OutputError, match=r"a\.h5: .*texts are longer than the file"):
        verify(path)


def test_table_with_a_column_of_a_billion_rows_is_not_read(tmp_path):
    path = tmp_path / "a.h5"
    grid_study().write(path)
    with h5py.File(path, "r+") as file:
        compressed_rows(file, "workers/pid", 1 << 30)
    with ResultFile(path) as file, pytest.raises(OutputError, match="columns differ in length"):
        file.workers()


def test_texts_of_honest_files_are_all_read(tmp_path):
    """A file of few, long texts: those of a piece are far fewer than the rows."""
    study = grid_study()
    study.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["long"] = np.array([f"{number} " + "x" * 3_000_000 for number in range(40)], h5py.string_dtype())
    from fullrank.store.h5 import read_texts

    with h5py.File(tmp_path / "a.h5") as file:
        assert [text.split()[0] for text in read_texts(file["long"])] == [str(number) for number in range(40)]
        assert [text.split()[0] for text in read_texts(file["long"], range(7, 9))] == ["7", "8"]
