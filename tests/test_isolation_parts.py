"""The parts of isolation: messages, early frames, and the decisions about a child."""

import io
import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL

import pytest

from fullrank.claim import IDLE, failures_frame, values_frame
from fullrank.encode import Naming, encode
from fullrank.errors import ConfigError
from fullrank.evaluate import Interrupts
from fullrank.isolation.early import EarlyFrames, items_in, settled
from fullrank.isolation.memory import LEAST_ROOM_BYTES, check_room
from fullrank.isolation.messages import Inbox, send
from fullrank.isolation.watch import ABANDON, DEAF_SECONDS, Claim, Watch
from fullrank.journal import Frame, Kind, read_stream
from fullrank.status import Status


def test_messages_are_whole_however_the_bytes_arrive() -> None:
    reader, writer = os.pipe()
    sent = [(b"A", b"first"), (b"B", b""), (b"C", bytes(range(256)))]
    for kind, body in sent:
        send(writer, kind, body)
    os.close(writer)
    data = os.read(reader, 1 << 16)
    os.close(reader)
    for split in range(len(data) + 1):
        inbox, found = Inbox(), []
        for part in (data[:split], data[split:]):
            inbox.add(part)
            found += list(inbox.messages())
        assert found == sent


def test_child_whose_worker_was_killed_before_it_sent_the_job_leaves_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "cell").write_bytes(bytes(8))
    with (tmp_path / "cell").open("r+b") as cell, (tmp_path / "others").open("wb") as others:
        files = [others.fileno(), cell.fileno(), os.dup(others.fileno())]
        done = subprocess.run(
            [sys.executable, "-m", "fullrank.isolation.child", *map(str, files)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=files,
            timeout=60,
            check=False,
        )
        os.close(files[2])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# --- early frames


def values(indices: list[int], seconds: list[float]) -> bytes:
    ((group,), _) = encode([index / 7 for index in indices], Naming("f"))
    return values_frame(group, indices, seconds, kind=Kind.EARLY_VALUES)


FAILED = failures_frame([(9, 0.5, Status.FAILED, {"exception": "no"})], kind=Kind.EARLY_FAILURES)


def test_early_frames_are_given_once_and_taken_whole() -> None:
    early = EarlyFrames()
    first, second = values([4], [0.25]), values([2], [0.5])
    early.add(first)
    assert (early.new(), early.new()) == ([first], [])
    early.add(second)
    assert early.take() == [first, second]
    assert (early.new(), early.take()) == ([], [])


def test_what_a_dead_child_had_told_becomes_the_end_of_these_items() -> None:
    told = [values([4, 2], [0.25, 0.5]), FAILED]
    assert items_in(told) == {2, 4, 9}
    evaluation = settled(told)
    assert (evaluation.n_finished, evaluation.n_failed, evaluation.busy_seconds) == (3, 1, 1.25)
    frames = list(read_stream(io.BytesIO(b"".join(evaluation.frames)), Path("journal")))
    assert [(frame.kind, list(frame.indices())) for frame in frames if isinstance(frame, Frame)] == [
        (Kind.VALUES, [4, 2]),
        (Kind.FAILURES, [9]),
    ]


def test_a_child_that_told_nothing_leaves_nothing() -> None:
    evaluation = settled([])
    assert (evaluation.frames, evaluation.n_finished, evaluation.busy_seconds) == ([], 0, 0)


# --- when a child is stopped


def test_a_child_gets_a_moment_to_end_an_overdue_item_from_inside_and_is_killed_then() -> None:
    running = [IDLE]
    watch = Watch(running, Interrupts(), limit_seconds=10.0)
    assert watch.look(0.0) is None
    running[0] = 3
    assert watch.look(1.0) is None
    assert watch.look(11.0) is None
    assert watch.look(11.0 + DEAF_SECONDS) == SIGKILL
    assert (watch.overdue, watch.is_abandoned) == (3, False)


def test_items_that_each_keep_within_the_limit_are_left_alone() -> None:
    running = [IDLE]
    watch = Watch(running, Interrupts(), limit_seconds=10.0)
    for index in range(20):
        running[0] = index
        assert watch.look(9.0 * index) is None
    assert watch.overdue == IDLE


def test_a_child_is_told_once_to_abandon_its_item_and_killed_if_it_is_deaf() -> None:
    interrupts = Interrupts()
    watch = Watch([5], interrupts, limit_seconds=None)
    assert watch.look(100.0) is None
    interrupts.stop = True
    assert watch.look(200.0) == ABANDON
    assert watch.is_abandoned
    assert watch.look(200.5) is None
    assert watch.look(200.0 + DEAF_SECONDS) == SIGKILL
    assert watch.overdue == IDLE


# --- what a death says


def test_the_running_item_is_blamed_and_tried_again_first() -> None:
    claim = Claim([7, 3, 9, 1])
    claim.drop({7})
    assert claim.blamed(9) == 9
    claim.put_first(9)
    assert claim.part == [9, 3, 1]
    assert (claim.count_death(9), claim.count_death(9), claim.count_death(3)) == (1, 2, 1)


def test_a_death_between_items_is_found_out_one_by_one() -> None:
    claim = Claim([7, 3, 9])
    assert claim.blamed(IDLE) == IDLE
    assert claim.part == [7]
    claim.drop({7})
    assert claim.part == [3]
    assert claim.blamed(IDLE) == 3


def test_the_only_item_is_blamed_for_a_death_between_items() -> None:
    assert Claim([4]).blamed(IDLE) == 4


def test_an_item_that_had_ended_is_not_blamed() -> None:
    claim = Claim([4])
    claim.drop({4})
    assert claim.blamed(4) == IDLE


# --- memory


def test_a_limit_must_leave_room_above_what_the_process_needs() -> None:
    check_room(None, 10**9)
    check_room(10**8 + LEAST_ROOM_BYTES, 10**8)
    with pytest.raises(ConfigError, match=r"expected at least 116_000_000, .* takes 100_000_000 .* got 115_999_999"):
        check_room(10**8 + LEAST_ROOM_BYTES - 1, 10**8)
