"""What people write: configs, tables and command lines."""

import io
import random
import re
import shlex
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import numpy as np
from mutate import changed_bytes, changed_words
from store_samples import grid_study
from target import Feed, Mutate, Target

from fullrank import cli
from fullrank.commands import compare, run, selftest
from fullrank.config import load
from fullrank.errors import FullrankError
from fullrank.tables import read_table

ROOT = Path(__file__).resolve().parents[2]


def _texts(pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(ROOT.glob(pattern))]


def _text_target(name: str, samples: list[bytes], feed: Feed, words: Sequence[bytes] = ()) -> Target:
    def make(chance: random.Random) -> bytes:
        sample = chance.choice(samples)
        return changed_bytes(chance, sample) if chance.random() < 0.3 else changed_words(chance, sample, samples)

    def change(chance: random.Random, data: bytes, mutate: Mutate) -> bytes:
        return mutate(data) if chance.random() < 0.6 else changed_words(chance, data, samples)

    return Target(name, samples, make, change, feed, words)


_CONFIG = b"""\
title = "t"
[workload]
function = "sim.py:f"
setup = "sim.py:load"
seed = 1
constants = { a = 1, b = [1.5, 2], c = { npy = "a.npy" }, d = "x" }
[sweep]
replicates = 3
[sweep.grid]
x = { start = 0.5, stop = 2.0, num = 5, scale = "log", units = "m" }
n = { range = [0, 10, 2] }
k = ["a", "b"]
[results.y]
units = "1"
dims = ["mode"]
[run]
item_time_limit_seconds = 3.5
isolate = true
item_memory_limit_bytes = 1000000000
max_failures = 3
schedule = "guided"
order = "spread"
[output]
path = "out.h5"
"""
_ZIP = b'[workload]\nfunction = "sim:f"\n[sweep.zip]\nx = [1, 2]\ny = [1.5, 2.5]\n'
_TABLE = b'[workload]\nfunction = "sim.py:f"\n[sweep.table]\npath = "points.csv"\n'


def config(folder: Path) -> Target:
    """Texts of configs."""
    (folder / "sim.py").write_text("raise SystemExit('a config is data')\n")
    (folder / "points.csv").write_text("x,y\n1,2\n")
    np.save(folder / "a.npy", np.arange(3))
    path = folder / "study.toml"

    def feed(data: bytes) -> None:
        path.write_bytes(data)
        load(path).sweep.describe()

    keys = re.findall(rb"`([a-z_.]+)`", (ROOT / "docs" / "config.md").read_bytes())
    return _text_target("config", [*_texts("configs/*.toml"), _CONFIG, _ZIP, _TABLE], feed, words=sorted(set(keys)))


def table(folder: Path) -> Target:
    """Tables of all formats; the first word of the input is the suffix."""
    samples = [
        b'.csv\nx,y,name\n1,2.5,a\n-3,1e-3,"b, c"\n',
        b".tsv\nx\ty\n1\t2\n",
        b".csv\nx;y\n1;2\n",
        b".dat\n# x y\n1 2.5\n3 4\n",
        b".txt\n# x y\n1 a\n",
        b'.jsonl\n{"x": 1, "y": 2.5, "name": "a", "on": true}\n{"x": 2, "y": 3, "name": "b", "on": false}\n',
    ]

    def feed(data: bytes) -> None:
        head, _, body = data.partition(b"\n")
        suffix = head.decode("latin-1")
        path = folder / f"points{suffix if suffix.isprintable() and '/' not in suffix else '.csv'}"[:40]
        path.write_bytes(body)
        for axis in read_table(path):
            axis.value(0)
        path.unlink()

    return _text_target("table", samples, feed)


_N_WORDS_MAX = 20
"""A command line that names one file a hundred times takes as long as a hundred files do, and rightly so."""


def command_line(folder: Path) -> Target:
    """Arguments; commands that start workers are replaced by nothing."""
    for module, name in ((run, "run"), (selftest, "selftest"), (compare, "compare")):
        setattr(module, name, lambda arguments, crew: 0)
    grid_study().write(folder / "a.h5")
    (folder / "study.toml").write_bytes(_ZIP)
    samples = [
        "run study.toml -n 4 -b serial -o out.h5 --limit 3 --quiet",
        "run study.toml --item 3 --fresh --take-over --allow-failures 2",
        "status study.toml --json --exit-code",
        "report a.h5 --json",
        "gather study.toml --partial -o a.h5",
        "verify a.h5 a.h5 --json",
        "diff a.h5 a.h5 --rtol 1e-3",
        "compare study.toml --backends serial,threads -n 2,4 --rounds 7 --budget 5m -o c.h5",
        "--version",
        "report --help",
    ]

    def feed(data: bytes) -> None:
        words = data.decode("utf-8", "surrogateescape").replace("\0", "")
        try:
            arguments = shlex.split(words)
        except ValueError:
            arguments = words.split()
        arguments = arguments[:_N_WORDS_MAX]
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said), suppress(SystemExit):
            if cli.main(arguments) == FullrankError.exit_code:
                raise AssertionError(said.getvalue())

    return _text_target("command line", [sample.encode() for sample in samples], feed)
