"""What fullrank writes while it runs: journals, and the small files of the work folder."""

import io
import json
import random
import struct
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mutate import changed_bytes, changed_json
from target import Mutate, Target

from fullrank.buckets import Buckets
from fullrank.errors import FullrankError
from fullrank.gather import blocks, decide_schema
from fullrank.identity import Identity, changes
from fullrank.journal import MAGIC, Kind, pack
from fullrank.owner import owner_from
from fullrank.schedule import Order, empty_bitmap
from fullrank.survey import Survey
from fullrank.workfolder import WorkFolder

N_ITEMS = 40


Frame = tuple[int, int, bytes, bytes]
"""Kind, number of rows, JSON text, columns."""
_HEADER = struct.Struct("<4sBBxxIIQI")


def _values(start: int, n: int) -> tuple[Kind, int, Any, bytes]:
    indices = struct.pack(f"<{n}q", *range(start, start + n))
    columns = np.arange(n, dtype="<f8").tobytes() + np.arange(2 * n, dtype="<i8").tobytes()
    return Kind.VALUES, n, [["y", "<f8", []], ["z", "<i8", [2]]], indices + bytes(4 * n) + columns


def _joined(frames: list[Frame]) -> bytes:
    """Return a journal of these frames, each with a checksum that is right."""
    return b"".join(pack(kind, n_rows, meta=meta, body=body) for kind, n_rows, meta, body in frames)


def _split(data: bytes) -> list[Frame]:
    """Return the frames at the start of a journal, whatever their checksums are."""
    frames: list[Frame] = []
    while data.startswith(MAGIC) and len(data) >= _HEADER.size:
        _, kind, _, n_rows, n_meta, n_body, _ = _HEADER.unpack_from(data)
        body = _HEADER.size + n_meta
        frames.append((kind, n_rows, data[_HEADER.size : body], data[body : body + n_body]))
        data = data[body + n_body :]
    return frames


def _changed_frame(chance: random.Random, frames: list[Frame], mutate: Mutate) -> list[Frame]:
    place = chance.randrange(len(frames))
    kind, n_rows, meta, body = frames[place]
    match chance.randrange(6):
        case 0:
            kind = chance.choice((*range(8), 255))
        case 1:
            n_rows = chance.choice((0, 1, n_rows + 1 & 0xFFFFFFFF, 1 << 20, (1 << 32) - 1))
        case 2:
            meta = _changed_text(chance, meta, mutate)
        case 3:
            body = mutate(body)
        case 4:
            meta, body = _changed_text(chance, meta, mutate), mutate(body)
        case 5:
            return [*frames[:place], *frames[place + 1 :], *frames[place:][: chance.randrange(3)]]
    return [*frames[:place], (kind, n_rows, meta, body), *frames[place + 1 :]]


def _changed_text(chance: random.Random, text: bytes, mutate: Mutate) -> bytes:
    """Return a JSON text with another content, or bytes of it changed."""
    try:
        return json.dumps(changed_json(chance, json.loads(text))).encode() if chance.random() < 0.8 else mutate(text)
    except (ValueError, RecursionError):
        return mutate(text)


def _frames() -> list[Frame]:
    header = {"attempt": 1, "worker": 0, "host": "h", "pid": 7, "backend": "serial", "code_version": 0, "n_items": 40}
    failures = struct.pack("<2q", 30, 31) + bytes(8) + b"\2\3"
    described = [{"exception": "E", "traceback": "T", "output": ""}] * 2
    account = {"n_claims": 3, "ended": 2.5, "compute_seconds": 1.0}
    frames = [
        (Kind.HEADER, 0, header, b""),
        _values(0, 8),
        (Kind.EARLY_VALUES, *_values(8, 1)[1:]),
        _values(8, 4),
        (Kind.FAILURES, 2, described, failures),
        (Kind.ACCOUNT, 0, account, b""),
    ]
    return [(kind, n_rows, json.dumps(meta).encode(), body) for kind, n_rows, meta, body in frames]


def journal(folder: Path) -> Target:
    """Journals: their bytes, and frames with a checksum that is right and a content that is not."""
    path = folder / "a0001-w00000.journal"
    frames = _frames()
    sample = _joined(frames)

    def make(chance: random.Random) -> bytes:
        if chance.random() < 0.7:
            return _joined(_changed_frame(chance, frames, partial(changed_bytes, chance)))
        return changed_bytes(chance, sample)

    def change(chance: random.Random, data: bytes, mutate: Mutate) -> bytes:
        found = _split(data)
        if not found or chance.random() < 0.2:
            return mutate(data)
        return _joined(_changed_frame(chance, found, mutate))

    def feed(data: bytes) -> None:
        path.write_bytes(data)
        survey = Survey()
        survey.add_journal(path, finished=empty_bitmap(N_ITEMS), order=Order.named("spread", N_ITEMS))
        schema = decide_schema(survey, N_ITEMS)
        buckets = Buckets(schema, folder)
        buckets.add_journal(io.BytesIO(data), path)
        list(blocks(schema, [[buckets.take(bucket)] for bucket in range(schema.n_buckets)]))

    return Target("journal", [sample], make, change, feed)


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
    sample = "\n".join([own.to_json(), json.dumps(entries), json.dumps(lock)]).encode()
    work = WorkFolder(folder / "study.h5")
    work.path.mkdir()

    def make(chance: random.Random) -> bytes:
        lines = sample.split(b"\n")
        place = chance.randrange(3)
        lines[place] = json.dumps(changed_json(chance, json.loads(lines[place]))).encode()
        data = b"\n".join(lines)
        return changed_bytes(chance, data) if chance.random() < 0.2 else data

    def change(chance: random.Random, data: bytes, mutate: Mutate) -> bytes:
        lines = data.split(b"\n")
        place = chance.randrange(len(lines))
        lines[place] = _changed_text(chance, lines[place], mutate)
        return b"\n".join(lines)

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
            work.attempt_log.rows()
            work.attempt_log.closings()
            work.next_attempt()
        str(owner_from(owner))

    return Target("work folder", [sample], make, change, feed)
