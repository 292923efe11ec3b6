"""What comes through pipes is passed on in order, and to the end."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from fullrank import passing_on
from fullrank.passing_on import PassingOn
from fullrank.told_code import ToldCode

Pipe = tuple[IO[bytes], int]


@pytest.fixture
def make_pipe() -> Iterator[Callable[[], Pipe]]:
    """Make pipes: the end to read as a file, the end to write as a descriptor that the test closes."""
    readers: list[IO[bytes]] = []

    def make() -> Pipe:
        reading, writing = os.pipe()
        readers.append(os.fdopen(reading, "rb"))
        return readers[-1], writing

    yield make
    for reader in readers:
        reader.close()


def end_with(writing: int, data: bytes) -> None:
    os.write(writing, data)
    os.close(writing)


@contextmanager
def both_streams_into(path: Path) -> Iterator[None]:
    """Let both standard streams go to one file, as with ``> log 2>&1``."""
    kept = os.dup(1), os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        for number, before in enumerate(kept, 1):
            os.dup2(before, number)
            os.close(before)


def test_what_was_said_on_the_way_stands_above_the_summary(make_pipe: Callable[[], Pipe], tmp_path: Path) -> None:
    (output, out), (errors, err) = make_pipe(), make_pipe()
    told = ToldCode()
    end_with(out, f"the summary\n{told.mark}:3\n".encode())
    end_with(err, b"the bar\n")
    passing = PassingOn(output, errors, told=told)
    with both_streams_into(tmp_path / "log"):
        passing.start()
        passing.join()
    assert (tmp_path / "log").read_bytes() == b"the bar\nthe summary\n"
    assert told.code == 3


def test_slow_reader_gets_all_that_came(make_pipe: Callable[[], Pipe], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing_on, "LAST_OUTPUT_SECONDS", 0.01)
    output, out = make_pipe()
    told = ToldCode()
    heard, is_ready = [], threading.Event()

    def hear(data: bytes) -> None:
        is_ready.wait()
        heard.append(data)

    end_with(out, f"the summary\n{told.mark}:0\n".encode())
    passing = PassingOn(output, None, told=told, hear=hear)
    passing.start()
    passing.wait_for_last()
    assert heard == []
    threading.Timer(0.1, is_ready.set).start()
    passing.finish()
    assert heard == [b"the summary\n"]
    assert told.code == 0


def test_pipe_that_a_process_keeps_open_is_not_waited_for(
    make_pipe: Callable[[], Pipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_on, "LAST_OUTPUT_SECONDS", 0.01)
    output, out = make_pipe()
    heard: list[bytes] = []
    os.write(out, b"the summary\n")
    passing = PassingOn(output, None, told=ToldCode(), hear=heard.append)
    passing.start()
    passing.wait_for_last()
    passing.finish()
    assert passing.is_alive()
    assert heard == [b"the summary\n"]
    os.close(out)
    passing.join()


def test_first_error_of_standard_output_is_kept_and_the_rest_is_dropped(make_pipe: Callable[[], Pipe]) -> None:
    output, out = make_pipe()
    told = ToldCode()
    tried, was_tried = [], threading.Event()

    def refuse(data: bytes) -> None:
        tried.append(data)
        was_tried.set()
        raise OSError("no room")

    passing = PassingOn(output, None, told=told, hear=refuse)
    passing.start()
    os.write(out, b"the summary\n")
    assert was_tried.wait(30)
    end_with(out, f"more\n{told.mark}:0\n".encode())
    passing.join()
    assert str(passing.error) == "no room"
    assert tried == [b"the summary\n"]
    assert told.code == 0
