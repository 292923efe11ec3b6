"""Files of a work folder, and identities in result files, that are whole and hold what fullrank never writes."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from fullrank.errors import JournalError, StorageError
from fullrank.identity import Identity
from fullrank.journal import Kind, pack
from fullrank.schedule import Order, empty_bitmap
from fullrank.survey import Survey
from fullrank.workfolder import WorkFolder

AXIS = {"name": "r", "form": "linear", "start": 0.0, "stop": 1.0, "num": 4}
SWEEP = {"kind": "grid", "axes": [AXIS], "replicates": None}
IDENTITY = {"format": 1, "function": "sim.py:f", "setup": None, "sweep": SWEEP, "constants": {}, "seed": None}
IDENTITY |= {"results": None, "code": {"sim.py": "00"}}


@pytest.mark.parametrize(
    "changed",
    [
        {"sweep": None},
        {"sweep": {"kind": "grid", "axes": []}},
        {"sweep": SWEEP | {"axes": [{"name": "r"}]}},
        {"sweep": SWEEP | {"axes": [AXIS | {"form": "spiral"}]}},
        {"sweep": SWEEP | {"axes": [AXIS | {"start": "0"}]}},
        {"code": ["sim.py"]},
        {"constants": [1]},
    ],
    ids=lambda changed: f"{changed!s:.50}",
)
def test_identity_of_another_form_is_refused(changed: dict[str, Any]) -> None:
    assert Identity.from_json(json.dumps(IDENTITY)).function == "sim.py:f"
    with pytest.raises(StorageError, match="expected a study's identity"):
        Identity.from_json(json.dumps(IDENTITY | changed))


def test_identity_that_is_nested_without_end_is_refused() -> None:
    text = json.dumps(IDENTITY | {"constants": {"a": "deep"}}).replace('"deep"', "[" * 500_000 + "]" * 500_000)
    with pytest.raises(StorageError, match="expected a study's identity"):
        Identity.from_json(text)


@pytest.mark.parametrize("line", ["3", "null", "[1]", '{"ended": "t"}', '{"attempt": "1"}', "[" * 5000])
def test_line_of_the_attempts_that_is_none_is_passed_over(tmp_path: Path, line: str) -> None:
    work = WorkFolder(tmp_path / "a.h5")
    work.create()
    entry = {"attempt": 1, "backend": "serial", "n_workers": "two", "colour": "blue", "closing": {"ended": []}}
    (work.path / "attempts.jsonl").write_text(f"{line}\n{json.dumps(entry)}\n")
    (row,) = work.attempt_log.rows()
    assert (row.attempt, row.backend, row.n_workers) == (1, "serial", 0)
    assert work.attempt_log.closings() == {}
    assert work.next_attempt() == 2


def _item(index: int) -> bytes:
    return struct.pack("<qf", index, 0.5) + bytes(8)


FRAMES = {
    "item beyond the last": pack(Kind.VALUES, 1, meta=b'[["y", "<f8", []]]', body=_item(9)),
    "item before the first": pack(Kind.VALUES, 1, meta=b'[["y", "<f8", []]]', body=_item(-1)),
    "no items": pack(Kind.VALUES, 0, meta=b'[["y", "<f8", []]]'),
    "fewer than it says": pack(Kind.VALUES, 2, meta=b'[["y", "<f8", []]]', body=_item(1)[:3]),
    "two results of one name": pack(Kind.VALUES, 1, meta=b'[["y", "<f8", []], ["y", "<f8", []]]', body=_item(1)),
    "objects": pack(Kind.VALUES, 1, meta=b'[["y", "|O8", []]]', body=_item(1)),
    "no layout": pack(Kind.VALUES, 1, meta=b"7", body=_item(1)),
    "no JSON": pack(Kind.HEADER, 0, meta=b"{"),
    "too deep": pack(Kind.ACCOUNT, 0, meta=b"[" * 100_000),
    "a name for a number": pack(Kind.HEADER, 0, meta=b'{"worker": "one"}'),
    "a text for seconds": pack(Kind.ACCOUNT, 0, meta=b'{"compute_seconds": "long"}'),
}


@pytest.mark.parametrize("what", FRAMES)
def test_journal_of_true_checksums_and_strange_content_is_refused_by_name(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a0001-w00000.journal"
    path.write_bytes(pack(Kind.HEADER, 0, meta=b'{"worker": 0}') + FRAMES[what])
    with pytest.raises(JournalError, match=r"a0001-w00000\.journal: holds what no fullrank writes"):
        Survey().add_journal(path, finished=empty_bitmap(4), order=Order.named("spread", 4))
