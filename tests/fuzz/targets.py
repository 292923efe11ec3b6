"""What is fed with bad input: for each its valid samples, how they are changed, and the call that must stand it."""

import io
import json
import random
import shlex
import struct
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mutate import changed_bytes, changed_json, changed_words
from store_samples import grid_study

from fullrank import cli
from fullrank.commands import compare, run, selftest
from fullrank.config import load
from fullrank.errors import FullrankError
from fullrank.gather import Buckets, blocks, decide_schema
from fullrank.identity import Identity, changes
from fullrank.journal import Kind, pack
from fullrank.owner import owner_from
from fullrank.report import report, text
from fullrank.schedule import Order, empty_bitmap
from fullrank.store import differences, verify
from fullrank.survey import Survey
from fullrank.tables import read_table
from fullrank.workfolder import WorkFolder

ROOT = Path(__file__).resolve().parents[2]
Make = Callable[[random.Random], bytes]
Feed = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """One thing that reads what others wrote."""

    name: str
    make: Make
    """Returns the next input."""
    feed: Feed
    """Raises nothing but FullrankError, and changes nothing outside the folder."""


def _texts(pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(ROOT.glob(pattern))]


def _text_maker(samples: list[bytes]) -> Make:
    def make(chance: random.Random) -> bytes:
        sample = chance.choice(samples)
        return changed_bytes(chance, sample) if chance.random() < 0.3 else changed_words(chance, sample, samples)

    return make


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
x = { start = 0.0, stop = 1.0, num = 5, scale = "log", units = "m" }
n = { range = [0, 10, 2] }
k = ["a", "b"]
[results.y]
units = "1"
dims = ["k"]
[run]
time_limit = 3.5
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

    return Target("config", _text_maker([*_texts("configs/*.toml"), _CONFIG, _ZIP, _TABLE]), feed)


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

    return Target("table", _text_maker(samples), feed)


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
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said), suppress(SystemExit):
            if cli.main(arguments) == FullrankError.exit_code:
                raise AssertionError(said.getvalue())

    return Target("command line", _text_maker([sample.encode() for sample in samples]), feed)


N_ITEMS = 40


def _values(start: int, n: int) -> tuple[Kind, int, Any, bytes]:
    indices = struct.pack(f"<{n}q", *range(start, start + n))
    columns = np.arange(n, dtype="<f8").tobytes() + np.arange(2 * n, dtype="<i8").tobytes()
    return Kind.VALUES, n, [["y", "<f8", []], ["z", "<i8", [2]]], indices + bytes(4 * n) + columns


def _frames() -> list[tuple[int, int, Any, bytes]]:
    header = {"attempt": 1, "worker": 0, "host": "h", "pid": 7, "backend": "serial", "code_version": 0, "n_items": 40}
    failures = struct.pack("<2q", 30, 31) + bytes(8) + b"\2\3"
    described = [{"exception": "E", "traceback": "T", "output": ""}] * 2
    account = {"n_claims": 3, "ended": 2.5, "compute_seconds": 1.0}
    return [
        (Kind.HEADER, 0, header, b""),
        _values(0, 8),
        (Kind.EARLY_VALUES, *_values(8, 1)[1:]),
        _values(8, 4),
        (Kind.FAILURES, 2, described, failures),
        (Kind.ACCOUNT, 0, account, b""),
    ]


def journal(folder: Path) -> Target:
    """Journals: their bytes, and frames with a checksum that is right and a content that is not."""
    path = folder / "a0001-w00000.journal"

    def make(chance: random.Random) -> bytes:
        frames = _frames()
        if is_within := chance.random() < 0.7:
            place = chance.randrange(len(frames))
            kind, n_rows, meta, body = frames[place]
            match chance.randrange(4):
                case 0:
                    kind = chance.choice((*range(8), 255))
                case 1:
                    n_rows = chance.choice((0, 1, n_rows + 1, 1 << 20, (1 << 32) - 1))
                case 2:
                    meta = changed_json(chance, meta)
                case 3:
                    body = changed_bytes(chance, body)
            frames[place] = kind, n_rows, meta, body
        data = b"".join(pack(k, n, meta=json.dumps(m).encode(), body=b) for k, n, m, b in frames)
        return data if is_within else changed_bytes(chance, data)

    def feed(data: bytes) -> None:
        path.write_bytes(data)
        survey = Survey()
        survey.add_journal(path, finished=empty_bitmap(N_ITEMS), order=Order.named("spread", N_ITEMS))
        schema = decide_schema(survey, N_ITEMS)
        buckets = Buckets(schema, folder)
        buckets.add_journal(io.BytesIO(data), path)
        list(blocks(schema, [[buckets.take(bucket)] for bucket in range(schema.n_buckets)]))

    return Target("journal", make, feed)


def work_folder(folder: Path) -> Target:
    """The small files of a work folder, and the identity in a result file."""
    axes = [
        {"name": "r", "form": "linear", "start": 0.0, "stop": 1.0, "num": 4},
        {"name": "k", "form": "range", "start": 0, "step": 2, "num": 4},
        {"name": "s", "form": "list", "type": "str", "values": ["a", "b"]},
        {"name": "t", "form": "column", "type": "int", "num": 9, "sha256": "00"},
    ]
    sweep = {"kind": "grid", "axes": axes, "replicates": None}
    own = Identity(function="sim.py:f", sweep=sweep, constants={"a": 1, "b": [1.5]}, seed=3, code={"sim.py": "00"})
    closing = {"ended": [1.5, 2.5], "noted": 3.5, "gather_seconds": 0.5, "write_seconds": 0.5}
    entries = [
        {"attempt": 1, "backend": "serial", "n_workers": 1, "schedule": "guided", "order": "spread", "started": "t"},
        {"attempt": 1, "ended": "t", "reason": "stopped", "wall_seconds": 1.5, "closing": closing},
    ]
    lock = {"host": "h", "pid": 1, "process_start": "5", "started": "t", "token": "aa"}
    work = WorkFolder(folder / "study.h5")
    work.path.mkdir()

    def make(chance: random.Random) -> bytes:
        whole = [json.loads(own.to_json()), entries, lock]
        place = chance.randrange(3)
        whole[place] = changed_json(chance, whole[place])
        lines = [json.dumps(whole[0]), json.dumps(whole[1]), json.dumps(whole[2])]
        data = "\n".join(lines).encode()
        return changed_bytes(chance, data) if chance.random() < 0.2 else data

    def feed(data: bytes) -> None:
        identity, noted, owner = [*data.decode("utf-8", "replace").split("\n"), "", ""][:3]
        with suppress(FullrankError):
            changes(Identity.from_json(identity), own)
            changes(own, Identity.from_json(identity))
        with suppress(ValueError):
            found = json.loads(noted)
            noted = "\n".join(map(json.dumps, found if isinstance(found, list) else [found]))
        (work.path / "attempts.jsonl").write_text(noted, errors="replace")
        with suppress(FullrankError):
            work.attempts()
            work.closings()
            work.next_attempt()
        str(owner_from(owner))

    return Target("work folder", make, feed)


def result(folder: Path) -> Target:
    """Result files: their bytes, and what stands in them put another way by HDF5 itself."""
    good, path = folder / "good.h5", folder / "a.h5"
    grid_study().with_ends({1: 0, 5: 2}).write(good)
    content = good.read_bytes()
    with h5py.File(good) as file:
        names: list[str] = []
        file.visit(names.append)

    def make(chance: random.Random) -> bytes:
        if chance.random() < 0.5:
            return changed_bytes(chance, content)
        stream = io.BytesIO(content)
        with h5py.File(stream, "r+") as file:
            for _ in range(chance.choice((1, 1, 3))):
                with suppress(Exception):  # not every change can be made
                    _change(chance, file, chance.choice(names))
        return stream.getvalue()

    def feed(data: bytes) -> None:
        path.write_bytes(data)
        for read in (verify, lambda file: text(report(file)), lambda file: differences(file, good)):
            with suppress(FullrankError):
                read(path)

    return Target("result file", make, feed)


_ATTRIBUTES = ("n_items", "n_ok", "complete", "results", "parameters", "sweep", "units", "n_nan", "flag_meanings")
_CONTENTS: tuple[Any, ...] = ("", "x", ["a", "b"], 0, -1, 1.5, np.arange(3), h5py.Empty("<f8"), np.void(b"x"), 1 << 62)


def _change(chance: random.Random, file: h5py.File, name: str) -> None:
    found = file[name]
    match chance.randrange(7):
        case 0:
            del file[name]
        case 1:
            chance.choice((found, file)).attrs[chance.choice(_ATTRIBUTES)] = chance.choice(_CONTENTS)
        case 2:
            del found.attrs[chance.choice(list(found.attrs))]
        case 3:
            del file[name]
            file[name] = chance.choice(_CONTENTS)
        case 4:
            file.move(name, chance.choice(("status", "x", "workers/x", "é" * 300)))
        case 5:
            found[...] = chance.choice((0, -1, 127, 1e300, np.nan, "x", "\x1b[2J", "{}"))
        case 6:
            dtype = chance.choice(("<i8", ">f4", "|u1", "<f2", h5py.string_dtype(), "S3"))
            shape = chance.choice(((), (0,), (1,), (4, 3), (4, 3, 0), (12,), (1 << 40,)))
            del file[name]
            file.create_dataset(name, shape, dtype)


TARGETS = (config, table, command_line, journal, work_folder, result)
