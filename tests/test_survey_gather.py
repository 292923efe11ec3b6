"""From journals to blocks of the file, against dicts that hold the same records."""

import io
import json
import os
import random
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank import gather
from fullrank.buckets import Buckets
from fullrank.claim import failures_frame, values_frame
from fullrank.encode import Naming, encode
from fullrank.errors import JournalError
from fullrank.gather import Schema, blocks, decide_schema
from fullrank.journal import Kind, pack
from fullrank.schedule import Order, Todo, empty_bitmap
from fullrank.schema import Block, Field
from fullrank.status import Status
from fullrank.survey import JournalInfo, Survey
from fullrank.worker import JOURNAL_SUFFIX, file_stem

NAMING = Naming("f")
SECONDS = 0.125  # exact as a float32, as are its multiples
WITHOUT_RESULT = (Status.FAILED, Status.TIMED_OUT, Status.CRASHED)


@dataclass
class Made:
    """A journal: what each of its frames holds, (index, value) or (index, status)."""

    attempt: int
    worker: int
    frames: list[list[tuple[int, Any]]] = field(default_factory=list)
    code_version: int = 0

    @property
    def name(self) -> str:
        return file_stem(self.attempt, self.worker) + JOURNAL_SUFFIX

    @property
    def entries(self) -> list[tuple[int, Any]]:
        return [entry for frame in self.frames for entry in frame]

    def data(self) -> bytes:
        header = {
            "attempt": self.attempt,
            "worker": self.worker,
            "host": "node",
            "pid": 1,
            "backend": "b",
            "code_version": self.code_version,
            "n_items": 1000,
        }
        packed = [pack(Kind.HEADER, 0, meta=json.dumps(header).encode())]
        for frame in self.frames:
            packed += packed_frame(frame)
        return b"".join(packed)

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        path.write_bytes(self.data())
        return path


def seconds_of(index: int) -> float:
    return SECONDS * index


def packed_frame(frame: Sequence[tuple[int, Any]]) -> list[bytes]:
    """Return the journal frames of one claim, results first."""
    ok = [(index, value) for index, value in frame if not isinstance(value, Status)]
    failed = [(index, value) for index, value in frame if isinstance(value, Status)]
    groups, unusable = encode([value for _, value in ok], NAMING) if ok else ([], [])
    assert not unusable
    indices = [index for index, _ in ok]
    found = [values_frame(group, indices, [seconds_of(index) for index in indices]) for group in groups]
    if failed:
        text = {"exception": "E"}
        found.append(failures_frame([(index, seconds_of(index), status, text) for index, status in failed]))
    return found


def surveyed(paths: Iterable[Path]) -> Survey:
    survey = Survey()
    for path in paths:
        survey.add_journal(path)
    return survey


def gathered(schema: Schema, holders: Sequence[Sequence[Made]], folder: Path) -> list[Block]:
    """Return the blocks of journals that several holders have."""
    buckets = []
    for journals in holders:
        buckets.append(Buckets(schema, folder))
        for journal in journals:
            buckets[-1].add_journal(io.BytesIO(journal.data()), Path("elsewhere", journal.name))
    found = list(blocks(schema, ([each.take(bucket) for each in buckets] for bucket in range(schema.n_buckets))))
    for each in buckets:
        each.close()
    return found


@dataclass
class Whole:
    """All blocks one behind the other."""

    status: np.ndarray
    seconds: np.ndarray
    worker: np.ndarray
    code_version: np.ndarray
    values: dict[str, np.ndarray]
    lengths: dict[str, np.ndarray]


def joined(found: Sequence[Block]) -> Whole:
    starts = [block.start for block in found]
    sizes = [len(block.status) for block in found]
    assert starts == [sum(sizes[:number]) for number in range(len(sizes))]

    def concatenated(pick: Callable[[Block], Any]) -> np.ndarray:
        return np.concatenate([pick(block) for block in found])

    return Whole(
        *(concatenated(lambda b, n=name: getattr(b, n)) for name in ("status", "seconds", "worker", "code_version")),
        {name: concatenated(lambda b, n=name: b.values[n]) for name in found[0].values},
        {name: concatenated(lambda b, n=name: b.lengths[n]) for name in found[0].lengths},
    )


def whole(journals: Sequence[Made], n_items: int, folder: Path) -> Whole:
    """Return what becomes of journals that one holder has."""
    schema = decide_schema(surveyed(journal.write(folder) for journal in journals), n_items)
    return joined(gathered(schema, [journals], folder))


# --- records in any order, from anywhere

NUMBERS = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False))


@st.composite
def studies(draw: st.DrawFn) -> tuple[int, list[Made]]:
    """Return a number of items and journals with results of every sort, some items in several of them."""
    n_items = draw(st.integers(1, 60))
    generator = random.Random(draw(st.integers(0, 2**32)))
    journals = [
        Made(attempt, worker, code_version=attempt % 3)
        for attempt in range(1, draw(st.integers(1, 3)) + 1)
        for worker in range(draw(st.integers(1, 3)))
    ]
    value = st.fixed_dictionaries(
        {
            "number": NUMBERS,
            "flag": st.booleans(),
            "wave": st.complex_numbers(allow_nan=False),
            "counts": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4),
            "matrix": st.lists(st.lists(st.floats(allow_nan=False), min_size=2, max_size=2), min_size=3, max_size=3),
        }
    )
    values = draw(st.lists(value, min_size=1, max_size=6))
    for journal in journals:
        indices = generator.sample(range(n_items), generator.randint(0, n_items))
        while indices:
            size = generator.randint(1, 8)
            frame, indices = indices[:size], indices[size:]
            journal.frames.append(
                [(index, generator.choice(values if generator.random() < 0.8 else WITHOUT_RESULT)) for index in frame]
            )
    generator.shuffle(journals)
    return n_items, journals


@pytest.mark.parametrize("bucket_bytes", [200, 1000, 32 << 20], ids=["item by item", "few items", "one bucket"])
@settings(deadline=None, max_examples=40)
@given(
    study=studies(),
    n_holders=st.integers(1, 3),
    buffer_bytes=st.sampled_from([0, 700, 16 << 20]),
    sorted_bytes=st.sampled_from([0, 300, 16 << 20]),
    apart_bytes=st.sampled_from([0, 8, gather.APART_BYTES]),
)
def test_blocks_hold_what_a_dict_of_the_records_holds(
    bucket_bytes: int,
    study: tuple[int, list[Made]],
    n_holders: int,
    buffer_bytes: int,
    sorted_bytes: int,
    apart_bytes: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    n_items, journals = study
    folder = tmp_path_factory.getbasetemp()
    in_order = sorted(journals, key=lambda journal: (journal.attempt, journal.worker))
    known = {
        index: (value, row, journal.code_version)
        for row, journal in enumerate(in_order)
        for index, value in journal.entries
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "BUCKET_BYTES", bucket_bytes)
        patch.setattr(gather, "APART_BYTES", apart_bytes)
        patch.setattr("fullrank.buckets._BUFFER_BYTES", buffer_bytes)
        patch.setattr("fullrank.buckets._SORTED_AT_ONCE_BYTES", sorted_bytes)
        survey = surveyed(journal.write(folder) for journal in journals)
        schema = decide_schema(survey, n_items)
        found = joined(gathered(schema, [journals[k::n_holders] for k in range(n_holders)], folder))

    def column(pick: Callable[[Any, int, int], Any], missing: Any) -> list[Any]:
        return [pick(*known[index]) if index in known else missing for index in range(n_items)]

    ok = np.array(column(lambda value, *_: isinstance(value, dict), False))
    assert found.status.tolist() == column(lambda v, *_: Status.OK if isinstance(v, dict) else v, Status.MISSING)
    assert found.worker.tolist() == column(lambda _, row, __: row, -1)
    assert found.code_version.tolist() == column(lambda _, __, version: version, -1)
    expected_seconds = [seconds_of(index) if index in known else np.nan for index in range(n_items)]
    np.testing.assert_array_equal(found.seconds, np.array(expected_seconds, np.float32))
    if not survey.layouts:
        assert (found.values, found.lengths) == ({}, {})
        return
    values = [known[index][0] for index in np.flatnonzero(ok)]
    for name, part in [("number", float), ("flag", int)]:
        assert found.values[name][ok].tolist() == [part(value[name]) for value in values]
    assert found.values["wave_re"][ok].tolist() == [value["wave"].real for value in values]
    assert found.values["wave_im"][ok].tolist() == [value["wave"].imag for value in values]
    assert found.values["matrix"][ok].tolist() == [value["matrix"] for value in values]
    counts = found.values["counts"][ok].tolist()
    if "counts" in found.lengths:
        lengths = found.lengths["counts"]
        assert lengths[ok].tolist() == [len(value["counts"]) for value in values]
        assert not lengths[~ok].any()
        counts = [row[:length] for row, length in zip(counts, lengths[ok].tolist(), strict=True)]
    assert counts == [value["counts"] for value in values]


def test_a_later_attempt_counts_whatever_holder_has_it(tmp_path: Path) -> None:
    first = Made(1, 5, [[(0, 1.0), (1, 1.0)]])
    second = Made(2, 0, [[(1, 2.0), (0, Status.CRASHED)]])
    schema = decide_schema(surveyed(journal.write(tmp_path) for journal in (first, second)), 2)
    for holders in ([[first, second]], [[second, first]], [[first], [second]], [[second], [first]]):
        found = joined(gathered(schema, holders, tmp_path))
        assert found.status.tolist() == [Status.CRASHED, Status.OK]
        assert found.values["f"][1] == 2.0
        assert found.worker.tolist() == [1, 1]


def test_records_beyond_the_buffer_go_through_a_nameless_file_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "BUCKET_BYTES", 400)
    monkeypatch.setattr("fullrank.buckets._BUFFER_BYTES", 2000)
    opened: list[tuple[Path, Any]] = []
    open_one = tempfile.TemporaryFile

    def noted(dir: Path) -> Any:
        opened.append((dir, open_one(dir=dir)))
        return opened[-1][1]

    monkeypatch.setattr(tempfile, "TemporaryFile", noted)
    indices = random.Random(5).sample(range(3000), 3000)
    journal = Made(1, 0, [[(index, float(index)) for index in indices[k : k + 50]] for k in range(0, 3000, 50)])
    found = whole([journal], 3000, tmp_path)
    assert found.values["f"].tolist() == list(range(3000))
    ((place, file),) = opened
    assert place == tmp_path
    assert file.closed
    assert os.listdir(tmp_path) == [journal.name]  # noqa: PTH208


# --- what most items have


def layout_of(choice: int, index: int) -> Any:
    return [float(index), [index] * (index % 3), [[1.0, 2.0]], {"other": index}, {"f": index, "other": 1}][choice]


@settings(deadline=None, max_examples=60)
@given(choices=st.lists(st.integers(0, 4), min_size=1, max_size=25), seed=st.integers(0, 1000))
def test_items_without_the_shape_that_most_items_have_failed(
    choices: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    counts = Counter(choices)
    most = max(counts.values())
    winner = next(choice for choice in choices if counts[choice] == most)  # of equals the lowest index's
    entries = [(index, layout_of(choice, index)) for index, choice in enumerate(choices)]
    random.Random(seed).shuffle(entries)
    journals = [Made(1, 0, [entries[::2]]), Made(1, 1, [entries[1::2]])]
    found = whole(journals, len(choices), folder)
    assert found.status.tolist() == [Status.OK if choice == winner else Status.FAILED for choice in choices]


def test_names_stand_in_the_order_of_the_item_with_the_lowest_index(tmp_path: Path) -> None:
    journals = [Made(1, 0, [[(5, {"b": 1.0, "a": 2.0})]]), Made(1, 1, [[(3, {"a": 1.0, "b": 2.0})]])]
    found = whole(journals, 6, tmp_path)
    assert list(found.values) == ["a", "b"]
    assert (found.values["b"][5], found.values["b"][3]) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("values", "dtype", "is_bool"),
    [
        ([1, 2], "<i8", False),
        ([1, 2.5], "<f8", False),
        ([True, False], "|i1", True),
        ([True, 7], "<i8", False),
        ([True, 0.5], "<f8", False),
        ([np.float32(1), np.float32(2)], "<f4", False),
        ([np.float32(1), 2], "<f8", False),
        ([np.uint8(1), np.int8(-1)], "<i2", False),
        ([[1, 2], [], [3]], "<i8", False),
        ([[True], []], "|i1", True),
        ([[], []], "<f8", False),
        ([np.zeros((2, 0)), np.zeros((2, 0), "i4")], "<f8", False),
    ],
    ids=str,
)
def test_the_type_is_the_narrowest_that_holds_all_items(
    values: list[Any], dtype: str, is_bool: bool, tmp_path: Path
) -> None:
    journal = Made(1, 0, [[(index, value)] for index, value in enumerate(values)])
    (found,) = decide_schema(surveyed([journal.write(tmp_path)]), len(values)).fields
    assert (found.dtype, found.is_bool) == (dtype, is_bool)


def test_fields_of_a_study_tell_shape_and_padding(tmp_path: Path) -> None:
    value = {"n": 1, "fixed": [1.0, 2.0], "z": 1j, "m": [[1, 2, 3]]}
    frames = [[(0, value | {"rows": [1.0]})], [(1, value | {"rows": [1.0, 2.0, 3.0]})]]
    schema = decide_schema(surveyed([Made(1, 0, frames).write(tmp_path)]), 2)
    assert schema.fields == (
        Field("n", "<i8"),
        Field("fixed", "<f8", (2,)),
        Field("z_re", "<f8", part_of="z"),
        Field("z_im", "<f8", part_of="z"),
        Field("m", "<i8", (1, 3)),
        Field("rows", "<f8", (3,), varying=True),
    )


def test_a_study_without_any_result_has_no_fields(tmp_path: Path) -> None:
    found = whole([Made(1, 0, [[(1, Status.FAILED)]])], 3, tmp_path)
    assert found.values == {}
    assert found.status.tolist() == [Status.MISSING, Status.FAILED, Status.MISSING]


def test_a_study_without_any_journal_has_items_that_are_missing(tmp_path: Path) -> None:
    assert whole([], 3, tmp_path).status.tolist() == 3 * [Status.MISSING]


# --- surveys


def test_a_survey_marks_what_is_finished_so_that_the_rest_is_to_do(tmp_path: Path) -> None:
    order = Order.named("spread", 50)
    finished = empty_bitmap(50)
    survey = Survey()
    done = [3, 49, 0, 17, 20]
    journal = Made(1, 0, [[(index, 1.0) for index in done[:3]], [(index, Status.FAILED) for index in done[3:]]])
    survey.add_journal(journal.write(tmp_path), finished=finished, order=order)
    todo = Todo(order, finished)
    assert sorted(todo.indices(range(todo.n_items))) == [index for index in range(50) if index not in done]
    assert (survey.n_ok, survey.n_failed) == (3, 2)
    assert survey.journals[0].n_items == 5


@settings(deadline=None, max_examples=30)
@given(study=studies(), n_parts=st.integers(1, 4))
def test_surveys_of_parts_join_to_the_survey_of_all(
    study: tuple[int, list[Made]], n_parts: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    n_items, journals = study
    paths = [journal.write(tmp_path_factory.getbasetemp()) for journal in journals]
    parts = Survey()
    for part in range(n_parts):
        parts.join(surveyed(paths[part::n_parts]))
    together = surveyed(paths)
    schemas = [decide_schema(survey, n_items) for survey in (parts, together)]
    # the order of names is the lowest index's, and here two journals may hold that item in different orders
    one, other = (replace(schema, results=tuple(sorted(schema.results, key=str))) for schema in schemas)
    assert one == other
    assert (parts.n_ok, parts.n_failed, parts.n_bytes) == (together.n_ok, together.n_failed, together.n_bytes)
    assert together.n_bytes == sum(path.stat().st_size for path in paths)


def test_the_account_of_a_worker_that_ended_by_itself_is_kept(tmp_path: Path) -> None:
    path = Made(1, 0).write(tmp_path)
    killed = Made(1, 1).write(tmp_path)
    with path.open("ab") as file:
        file.write(pack(Kind.ACCOUNT, 0, meta=b'{"n_claims": 3}'))
    assert [info.account for info in surveyed([path, killed]).journals] == [{"n_claims": 3}, None]


def test_damage_is_named_and_the_rest_counts(tmp_path: Path) -> None:
    journal = Made(1, 0, [[(0, 1.0)], [(1, 2.0)], [(2, 3.0)]])
    path = journal.write(tmp_path)
    data = bytearray(journal.data())
    place = data.find(array("d", [2.0]).tobytes(), data.find(array("q", [1]).tobytes()))
    data[place] ^= 1
    path.write_bytes(data)
    survey = surveyed([path])
    assert survey.n_ok == 2
    (damage,) = survey.damages
    assert str(path) in damage


@pytest.mark.parametrize("kept", ["nothing", "half a header", "all but the header"])
def test_a_journal_without_a_header_counts_with_what_its_name_tells(kept: str, tmp_path: Path) -> None:
    first = Made(1, 0, [[(0, 1.0), (1, 1.0)]])
    hurt = Made(2, 3, [[(1, 2.0)]])
    data = hurt.data()
    end_of_header = data.find(b"FRJ\x1f", 1)
    rest = {"nothing": b"", "half a header": data[:40], "all but the header": b"\0" + data[1:]}[kept]
    path = first.write(tmp_path)
    hurt_path = tmp_path / hurt.name
    hurt_path.write_bytes(rest)
    survey = surveyed([hurt_path, path])
    schema = decide_schema(survey, 2)
    assert schema.worker_rows == {first.name: 0, hurt.name: 1}
    buckets = Buckets(schema, tmp_path)
    for each in (path, hurt_path):
        with each.open("rb") as stream:
            buckets.add_journal(stream, each)
    (block,) = blocks(schema, [[buckets.take(0)]])
    is_read = kept == "all but the header"
    assert np.asarray(block.values["f"]).tolist() == [1.0, 2.0 if is_read else 1.0]
    assert block.code_version.tolist() == [0, -1 if is_read else 0]
    assert len(survey.damages) == is_read
    assert end_of_header > 40


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("fullrank.journal.VERSION", 9)
        path = Made(1, 0, [[(0, 1.0)]]).write(tmp_path)
    with pytest.raises(JournalError, match="newer fullrank"):
        surveyed([path])


def test_a_hundred_thousand_workers_name_what_is_the_same_once() -> None:
    surveys = [Survey() for _ in range(2)]
    for number, survey in enumerate(surveys):
        survey.journals.append(JournalInfo(str(number), json.loads('{"host": "node", "platform": "glibc"}'), {}))
    joined = Survey()
    for survey in surveys:
        joined.join(survey)
    first, second = (info.header for info in joined.journals)
    assert first == second == {"host": "node", "platform": "glibc"}
    assert all(one is other for one, other in zip(first.values(), second.values(), strict=True))
    assert all(one is other for one, other in zip(first, second, strict=True))
