"""What user code prints, in its worker's log under the item that printed it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fullrank.claim import IDLE
from fullrank.output import ItemLog, ThreadStreams, descriptors_replaced, streams_replaced


class Log(ItemLog):
    """A log with its file and its running cell."""

    def __init__(self, path: Path) -> None:
        self.running = [IDLE]
        self.path = path
        super().__init__(path, self.running)

    def print(self, index: int, text: str) -> None:
        self.running[0] = index
        self.write(text)

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path / "a0001-w00000.log")
    yield log
    log.close()


def test_each_items_output_stands_under_a_line_that_names_the_item(log: Log) -> None:
    for index, text in [(IDLE, "loading\n"), (3, "a\n"), (3, "b\n"), (12, "c\n"), (3, "d\n"), (IDLE, "bye\n")]:
        log.print(index, text)
    assert log.text == (
        "--- outside any item\nloading\n--- item 3\na\nb\n--- item 12\nc\n--- item 3\nd\n--- outside any item\nbye\n"
    )


def test_a_heading_begins_a_line_even_if_the_item_before_did_not_end_its_own(log: Log) -> None:
    log.print(1, "half a li")
    log.print(2, "x\n")
    assert log.text == "--- item 1\nhalf a li\n--- item 2\nx\n"


def test_lines_are_written_whole(log: Log) -> None:
    log.print(1, "a")
    log.write("b")
    assert not log.path.exists()  # an item that prints nothing leaves no file either
    log.write("c\nd")
    assert log.text == "--- item 1\nabc\nd"
    log.write("e")
    log.flush()
    assert log.text == "--- item 1\nabc\nde"


def test_what_waits_is_written_when_the_log_is_closed(log: Log) -> None:
    log.print(1, "no end of line")
    log.close()
    assert log.text == "--- item 1\nno end of line"


def test_text_that_is_no_unicode_is_written_all_the_same(log: Log) -> None:
    log.print(1, "grün \udcff\n")
    assert log.text == "--- item 1\ngrün \\udcff\n"


def test_the_last_output_is_that_of_the_item_and_no_other(log: Log) -> None:
    log.print(1, "first\n")
    log.print(2, "x" * 3000 + "second\n")
    assert log.last_output(1) == ""
    assert log.last_output(2) == ("x" * 3000 + "second\n")[-2048:]
    assert log.last_output(3) == ""


def test_output_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    log = Log(tmp_path / "no such folder" / "log")
    with streams_replaced(log):
        print("lost")
    log.close()


def test_a_closed_log_takes_what_comes_late_and_frees_its_descriptor(log: Log) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    log.print(1, "in time\n")
    log.close()
    log.print(2, "late\n")
    assert log.text == "--- item 1\nin time\n"
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_print_writes_to_the_log_and_afterwards_where_it_did(log: Log) -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError), streams_replaced(log):
        log.running[0] = 5
        print("out", flush=True)
        print("err", file=sys.stderr)
        assert (sys.stdout.encoding, sys.stdout.writable(), sys.stdout.isatty()) == ("utf-8", True, False)
        print("the last", end="")
        raise ZeroDivisionError
    assert (sys.stdout, sys.stderr) == before
    assert log.text == "--- item 5\nout\nerr\nthe last"


def test_subprocesses_may_be_given_the_stream(log: Log) -> None:
    with streams_replaced(log):
        subprocess.run(["echo", "from a subprocess"], stdout=sys.stdout, check=True)
    assert log.text == "from a subprocess\n"


def test_descriptors_lead_to_the_log_and_afterwards_where_they_did(log: Log) -> None:
    before = [os.fstat(number) for number in (1, 2)]
    n_open = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(ZeroDivisionError), descriptors_replaced(log):
        os.write(1, b"as C code does\n")
        subprocess.run(["sh", "-c", "echo from a subprocess; echo its error >&2"], check=True)
        raise ZeroDivisionError
    assert [os.fstat(number)[:3] for number in (1, 2)] == [status[:3] for status in before]
    assert log.text == "as C code does\nfrom a subprocess\nits error\n"
    log.close()
    assert len(os.listdir("/proc/self/fd")) == n_open  # noqa: PTH208


def test_what_a_thread_prints_goes_to_its_own_log(tmp_path: Path) -> None:
    otherwise = Log(tmp_path / "main.log")
    logs = [Log(tmp_path / f"{number}.log") for number in range(3)]
    streams = ThreadStreams(otherwise)
    meet = threading.Barrier(len(logs))

    def work(number: int) -> None:
        streams.attach(logs[number])
        for index in range(5):
            meet.wait()
            logs[number].running[0] = 10 * number + index
            print("worker", number)
        sys.stdout.flush()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    with streams_replaced(streams):
        print("from the main thread")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert otherwise.text == "--- outside any item\nfrom the main thread\n"
    for number, log in enumerate(logs):
        assert log.text == "".join(f"--- item {10 * number + index}\nworker {number}\n" for index in range(5))
    for log in [otherwise, *logs]:
        log.close()
