"""The shared counter of ``processes``: a few integers in anonymous memory, under a lock the kernel keeps.

A POSIX record lock belongs to a process and falls with it, so a worker killed inside a claim leaves no lock shut.
"""

import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from fullrank.backends.base import CELLS_BYTES, LocalCounter


def create_cells() -> int:
    """Return the descriptor of new, zeroed cells without a name; children inherit it."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("fullrank-counter")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, CELLS_BYTES)
    return fd


class ProcessCounter(LocalCounter):
    """One process's view of the cells; for one thread of it. Reading needs no lock."""

    def __init__(self, fd: int) -> None:
        super().__init__(memoryview(mmap.mmap(fd, CELLS_BYTES)).cast("q"))
        self._fd = fd

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def begin(self, size: int) -> None:
        """Fetch the position and add ``size`` to it."""
        with self._alone():
            super().begin(size)

    def add_finished(self, n_finished: int, n_failed: int, *, busy_milliseconds: int) -> None:
        """Add to the tally."""
        with self._alone():
            super().add_finished(n_finished, n_failed, busy_milliseconds=busy_milliseconds)

    def stop(self) -> None:
        """Let every later claim find nothing."""
        with self._alone():
            super().stop()
