"""What user code prints goes to its worker's log, each item's output under a line that names the item."""

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fullrank.beside import out_of_reach
from fullrank.claim import IDLE, Cell

_TAIL_CHARACTERS = 2048


class ItemLog(io.TextIOBase):
    """A text stream that writes whole lines to a worker's log; the file appears with the first output."""

    def __init__(self, path: Path, running: Cell) -> None:
        self._path = path
        self._running = running
        self._fd: int | None = None
        self._headed: int | None = None
        self._line = ""
        self._tail = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # TextIOBase declares an attribute
        """Of the log file."""
        return "utf-8"

    def fileno(self) -> int:
        """Return the log's file descriptor, so that subprocesses of user code write there too.

        Where the log cannot be made, on a full disk, what is written there is lost.
        """
        if self._fd is None:
            try:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            except OSError:
                self._fd = os.open(os.devnull, os.O_WRONLY)
        return self._fd

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write ``text``, under a heading if it is the first of its item."""
        index = self._running[0]
        if index != self._headed:
            self.flush()
            end_of_line = "\n" if self._tail and not self._tail.endswith("\n") else ""
            self._headed, self._tail = index, ""
            self._line = end_of_line + (f"--- item {index}\n" if index != IDLE else "--- outside any item\n")
        self._line += text
        self._tail = (self._tail + text)[-_TAIL_CHARACTERS:]
        if "\n" in text:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Hand what was written to the operating system; output is never worth an error."""
        line, self._line = self._line, ""
        if line and not self.closed:
            try:
                os.write(self.fileno(), line.encode("utf-8", "backslashreplace"))
            except OSError:
                return

    def close(self) -> None:
        """Flush and free the descriptor; what is written later is lost."""
        super().close()
        if self._fd is not None:
            with suppress(OSError):  # user code has closed it
                os.close(self._fd)
            self._fd = None

    def last_output(self, index: int) -> str:
        """Return the last of what item ``index`` printed, if it was the last item to print."""
        return self._tail if self._headed == index else ""


def tell_fatal_signals(descriptor: int = 2) -> None:
    """Have Python's stack written to ``descriptor`` if C code kills the process: where in the user's code it was."""
    import faulthandler  # built in: no file is opened

    faulthandler.enable(descriptor, all_threads=False)


class ThreadStreams(io.TextIOBase):
    """A stream that passes each thread's output to that thread's log, and other threads' to ``otherwise``."""

    def __init__(self, otherwise: io.TextIOBase) -> None:
        self._otherwise = otherwise
        self._of_thread = threading.local()

    def attach(self, log: ItemLog) -> None:
        """Let what the calling thread prints go to ``log``."""
        self._of_thread.log = log

    def _stream(self) -> io.TextIOBase:
        return getattr(self._of_thread, "log", self._otherwise)

    def write(self, text: str) -> int:
        """Write to the calling thread's stream."""
        return self._stream().write(text)

    def flush(self) -> None:
        """Flush the calling thread's stream."""
        self._stream().flush()


@contextmanager
def streams_replaced(stream: io.TextIOBase) -> Iterator[None]:
    """Let ``print`` and whoever uses sys.stdout and sys.stderr write to ``stream``."""
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = stream
    try:
        yield
    finally:
        stream.flush()
        sys.stdout, sys.stderr = before


@contextmanager
def descriptors_replaced(log: ItemLog) -> Iterator[None]:
    """Let C code and subprocesses write to ``log`` too: file descriptors 1 and 2 of the whole process."""
    saved = out_of_reach(os.dup(1)), out_of_reach(os.dup(2))
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        for number, copy in zip((1, 2), saved, strict=True):
            with suppress(OSError):  # user code has closed the copy: what is printed then goes on to the log
                os.dup2(copy, number)
                os.close(copy)
