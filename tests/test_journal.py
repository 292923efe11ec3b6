"""Journals: what was written is read back, whatever happens to the file or to its writer."""

import errno
import io
import os
import struct
import threading
import time
from array import array
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank import journal, worker
from fullrank.errors import JournalError
from fullrank.journal import MAGIC, Damage, Frame, JournalWriter, Kind, pack, read, read_stream
from fullrank.worker import Keeper

NOWHERE = Path("a0001-w00000.journal")
FRAMES = st.lists(
    st.tuples(
        st.sampled_from([Kind.HEADER, Kind.VALUES, Kind.FAILURES, Kind.ACCOUNT]),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=60),
        st.binary(max_size=200),
    ),
    max_size=6,
)


def packed(frames: list[tuple[Kind, int, bytes, bytes]]) -> list[bytes]:
    return [pack(kind, n_rows, meta=meta, body=body) for kind, n_rows, meta, body in frames]


def found_in(data: bytes) -> list[Frame | Damage]:
    return list(read_stream(io.BytesIO(data), NOWHERE))


def frames_in(data: bytes) -> list[Frame]:
    return [found for found in found_in(data) if isinstance(found, Frame)]


SAMPLES = [
    (Kind.HEADER, 0, b'{"attempt": 1, "worker": 0}', b""),
    (Kind.VALUES, 3, b'[["f", "<f8", []]]', bytes(range(60))),
    (Kind.VALUES, 1, b'[["f", "<f8", []]]', MAGIC + bytes(16)),  # user data may look like a frame
    (Kind.FAILURES, 1, b'[{"exception": "E"}]', bytes(13)),
    (Kind.ACCOUNT, 0, b"{}", b""),
]
PACKED = packed(SAMPLES)
WHOLE = b"".join(PACKED)
READ = [Frame(kind, n_rows, meta, body) for kind, n_rows, meta, body in SAMPLES]
ENDS = [len(b"".join(PACKED[: number + 1])) for number in range(len(PACKED))]


# --- reading


@given(FRAMES)
def test_frames_are_read_back_as_they_were_written(frames: list[tuple[Kind, int, bytes, bytes]]) -> None:
    assert found_in(b"".join(packed(frames))) == [Frame(*frame) for frame in frames]


def test_a_frame_gives_its_indices_and_its_text() -> None:
    body = struct.pack("<3q3f", 7, 2**40, 0, 0.1, 0.2, 0.3)
    (frame,) = frames_in(pack(Kind.VALUES, 3, meta=b'["x"]', body=body))
    assert list(frame.indices()) == [7, 2**40, 0]
    assert frame.json() == ["x"]


def test_a_journal_cut_anywhere_yields_the_frames_before_the_cut_and_no_damage() -> None:
    for length in range(len(WHOLE) + 1):
        assert found_in(WHOLE[:length]) == READ[: sum(end <= length for end in ENDS)]


def test_a_flipped_bit_costs_its_frame_alone_and_is_named() -> None:
    for place, bit in product(range(len(WHOLE)), range(8)):
        hit = sum(end <= place for end in ENDS)
        start = ENDS[hit - 1] if hit else 0
        damaged = bytearray(WHOLE)
        damaged[place] ^= 1 << bit
        found = found_in(bytes(damaged))
        assert [each for each in found if isinstance(each, Frame)] == READ[:hit] + READ[hit + 1 :]
        damages = [each for each in found if isinstance(each, Damage)]
        assert damages == ([Damage(NOWHERE, start, ENDS[hit])] if hit < len(READ) - 1 else [])


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(0, len(WHOLE)), max_size=6),
    garbage=st.lists(st.one_of(st.binary(max_size=50), st.just(MAGIC), st.just(WHOLE[:29])), min_size=1),
    dropped=st.sets(st.integers(0, 6)),
)
def test_garbage_and_gaps_never_make_a_frame_that_nobody_wrote(
    cuts: list[int], garbage: list[bytes], dropped: set[int]
) -> None:
    bounds = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[start:stop] for start, stop in pairwise(bounds)]
    kept = [b"" if number in dropped else piece for number, piece in enumerate(pieces)]
    mixed = b"".join(piece + garbage[number % len(garbage)] for number, piece in enumerate(kept))
    rest = iter(READ)
    assert all(any(frame == other for other in rest) for frame in frames_in(mixed))  # a subsequence


@pytest.mark.parametrize("length", [1, (1 << 20) - 30, *range((1 << 20) - 5, (1 << 20) + 6), 3 << 20])
def test_damage_of_any_length_is_skipped(length: int) -> None:
    after = PACKED[1]
    found = found_in(PACKED[0] + b"\xff" * length + after)
    assert found == [READ[0], Damage(NOWHERE, ENDS[0], ENDS[0] + length), READ[1]]


def test_damage_tells_where_it_is_and_what_follows_from_it() -> None:
    assert str(Damage(Path("f.journal"), 10, 90)) == (
        "f.journal: bytes 10-90 are damaged; the items in them are evaluated again"
    )


def test_a_journal_of_a_newer_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(journal, "VERSION", 7)
        newer = pack(Kind.VALUES, 0, meta=b"[]")
    with pytest.raises(JournalError, match=r"newer fullrank \(its version is 7, this one reads up to 1\)"):
        found_in(WHOLE + newer)


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.journal"
    path.touch()
    assert list(read(path)) == []


# --- writing

HEADER = {"attempt": 1, "worker": 0}
FIRST, SECOND = PACKED[1], PACKED[3]


class Disk:
    """The calls of :mod:`os` that a writer makes, with a disk that takes little at once and then no more."""

    def __init__(self, *, room: int = 1 << 40, at_once: int = 1 << 40) -> None:
        self.room = room
        self.at_once = at_once
        self.writes: list[int] = []
        self.n_syncs = 0
        self.fail_sync = False
        self.open = os.open
        self.close = os.close

    def write(self, fd: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        n = os.write(fd, data[: min(self.room, self.at_once)])
        self.room -= n
        self.writes.append(n)
        return n

    def fsync(self, fd: int) -> None:
        if self.fail_sync:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(fd)
        self.n_syncs += 1


def written_by(path: Path, **options: Any) -> JournalWriter:
    return JournalWriter(path, HEADER, **options)


def kinds_in(path: Path) -> list[int]:
    return [found.kind for found in read(path) if isinstance(found, Frame)]


def test_a_new_journal_begins_with_its_header_at_once(tmp_path: Path) -> None:
    writer = written_by(tmp_path / "j")
    (frame,) = read(tmp_path / "j")
    assert isinstance(frame, Frame)
    assert (frame.kind, frame.json()) == (Kind.HEADER, HEADER)
    writer.close()


def test_frames_reach_the_file_as_they_are_appended(tmp_path: Path) -> None:
    writer = written_by(tmp_path / "j")
    for number in range(1, 4):
        writer.append(FIRST, since=0.0, now=0.0)
        assert kinds_in(tmp_path / "j") == [Kind.HEADER] + number * [Kind.VALUES]
    writer.close()


def test_an_existing_journal_is_never_written_to(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(WHOLE)
    with pytest.raises(JournalError, match="j: the journal cannot be created: File exists"):
        written_by(path)
    assert path.read_bytes() == WHOLE


def test_with_an_interval_frames_wait_until_the_oldest_began_that_long_ago(tmp_path: Path) -> None:
    path = tmp_path / "j"
    writer = written_by(path, write_interval_seconds=1.0)
    writer.append(FIRST, since=10.0, now=10.2)
    writer.append(FIRST, since=10.2, now=10.9)
    assert kinds_in(path) == [Kind.HEADER]
    writer.append(FIRST, since=10.9, now=11.0)
    assert kinds_in(path) == [Kind.HEADER] + 3 * [Kind.VALUES]
    writer.append(SECOND, since=11.0, now=12.5)  # an item longer than the interval
    assert kinds_in(path)[-1] == Kind.FAILURES
    writer.close()


def test_what_waits_is_written_together(tmp_path: Path) -> None:
    disk = Disk()
    writer = written_by(tmp_path / "j", write_interval_seconds=1.0, system=disk)
    for _ in range(5):
        writer.append(FIRST, since=0.0, now=0.0)
    writer.flush()
    writer.flush()
    assert disk.writes[1:] == [5 * len(FIRST)]
    writer.close()


@pytest.mark.parametrize("end", ["flush", "sync", "close"])
def test_flush_sync_and_close_write_what_waits(tmp_path: Path, end: str) -> None:
    writer = written_by(tmp_path / "j", write_interval_seconds=1e9)
    writer.append(FIRST, since=0.0, now=0.0)
    getattr(writer, end)()
    assert kinds_in(tmp_path / "j") == [Kind.HEADER, Kind.VALUES]
    writer.close()


def test_sync_asks_the_disk_for_the_file_and_once_for_its_name(tmp_path: Path) -> None:
    disk = Disk()
    writer = written_by(tmp_path / "j", system=disk)
    writer.sync()
    assert disk.n_syncs == 2
    writer.sync()  # nothing new
    assert disk.n_syncs == 2
    writer.append(FIRST, since=0.0, now=0.0)
    writer.sync()
    assert disk.n_syncs == 3
    writer.close()


@pytest.mark.parametrize("at_once", [1, 3, 1 << 20])
def test_short_writes_are_continued(tmp_path: Path, at_once: int) -> None:
    writer = written_by(tmp_path / "j", system=Disk(at_once=at_once))
    writer.append(FIRST, since=0.0, now=0.0)
    writer.close()
    assert list(read(tmp_path / "j"))[1:] == [READ[1]]


@pytest.mark.parametrize("room", range(0, len(FIRST) + len(SECOND), 7))
def test_a_full_disk_is_told_and_leaves_what_stood_before_readable(tmp_path: Path, room: int) -> None:
    disk = Disk(at_once=5)
    writer = written_by(tmp_path / "j", system=disk)
    disk.room = room
    with pytest.raises(JournalError, match="j: the journal cannot be written: No space left on device"):
        for frame in (FIRST, SECOND):
            writer.append(frame, since=0.0, now=0.0)
    disk.room = 1 << 40
    with pytest.raises(JournalError, match="No space left"):  # later frames would stand behind a torn one
        writer.append(FIRST, since=0.0, now=0.0)
    writer.close()
    assert list(read(tmp_path / "j"))[1:] == READ[1:2][: room >= len(FIRST)]


def test_a_disk_that_does_not_keep_the_file_is_told(tmp_path: Path) -> None:
    disk = Disk()
    writer = written_by(tmp_path / "j", system=disk)
    disk.fail_sync = True
    with pytest.raises(JournalError, match="j: the journal cannot be synced: Input/output error"):
        writer.sync()
    disk.fail_sync = False
    writer.close()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  the listing itself opens one in both counts


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = open_descriptors()
    writer = written_by(tmp_path / "closed")
    writer.append(FIRST, since=0.0, now=0.0)
    writer.close()
    writer.close()
    disk = Disk()
    broken = written_by(tmp_path / "broken", system=disk)
    disk.room = 0
    with pytest.raises(JournalError):
        broken.append(FIRST, since=0.0, now=0.0)
    broken.close()
    assert open_descriptors() == before


def in_threads(*targets: Callable[[], None]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_that_append_flush_and_sync_lose_and_mix_nothing(tmp_path: Path) -> None:
    writer = written_by(tmp_path / "j", write_interval_seconds=1e-4, system=Disk(at_once=17))

    def append(worker: int) -> None:
        for index in range(300):
            body = array("q", [1000 * worker + index]).tobytes()
            now = time.monotonic()
            writer.append(pack(Kind.VALUES, 1, meta=b"[]", body=body), since=now, now=time.monotonic())

    done = threading.Event()

    def look() -> None:
        while not done.wait(1e-4):
            writer.flush()
            writer.sync()

    looking = threading.Thread(target=look)
    looking.start()
    in_threads(*[lambda worker=worker: append(worker) for worker in range(3)])
    done.set()
    looking.join()
    writer.close()
    found = list(read(tmp_path / "j"))
    assert all(isinstance(each, Frame) for each in found)
    indices = [each.indices()[0] for each in found if isinstance(each, Frame) and each.kind == Kind.VALUES]
    assert sorted(indices) == [1000 * worker + index for worker in range(3) for index in range(300)]
    for number in range(3):
        own = [index for index in indices if index // 1000 == number]
        assert own == sorted(own)


# --- the thread that keeps journals from lagging


def eventually(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.002)
    return true()


def test_keeper_writes_what_waits_while_the_worker_is_in_a_long_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "FLUSH_SECONDS", 0.001)
    monkeypatch.setattr(worker, "SYNC_SECONDS", 0.005)
    disk = Disk()
    writer = written_by(tmp_path / "j", write_interval_seconds=1e9, system=disk)
    writer.append(FIRST, since=0.0, now=0.0)
    keeper = Keeper([writer])
    keeper.start()
    assert eventually(lambda: kinds_in(tmp_path / "j") == [Kind.HEADER, Kind.VALUES])
    assert eventually(lambda: disk.n_syncs >= 2)
    keeper.end()
    assert not keeper.is_alive()
    assert keeper.error is None
    writer.close()


def test_keeper_keeps_the_error_of_a_journal_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "FLUSH_SECONDS", 0.001)
    disk = Disk()
    writer = written_by(tmp_path / "j", write_interval_seconds=1e9, system=disk)
    disk.room = 0
    writer.append(FIRST, since=0.0, now=0.0)
    keeper = Keeper([writer])
    keeper.start()
    assert eventually(lambda: keeper.error is not None)
    keeper.end()
    assert "No space left" in str(keeper.error)
    writer.close()


def frame(kind: Kind, n_rows: int) -> bytes:
    return pack(kind, n_rows, meta=b"[]", body=bytes(13 * n_rows))


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([Kind.EARLY_VALUES], [Kind.VALUES]),
        ([Kind.VALUES, Kind.EARLY_VALUES, Kind.EARLY_FAILURES], [Kind.VALUES, Kind.VALUES, Kind.FAILURES]),
        ([Kind.EARLY_VALUES, Kind.EARLY_VALUES, Kind.VALUES], [Kind.VALUES]),
        ([Kind.EARLY_FAILURES, Kind.FAILURES, Kind.ACCOUNT], [Kind.FAILURES, Kind.ACCOUNT]),
    ],
)
def test_early_frames_count_only_if_the_claims_own_never_came(kinds: list[Kind], expected: list[Kind]) -> None:
    found = found_in(b"".join(frame(kind, 1) for kind in kinds))
    assert [entry.kind for entry in found if isinstance(entry, Frame)] == expected
