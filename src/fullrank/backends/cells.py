"""The shared counter of ``processes``: a few integers in anonymous memory, under a lock the kernel keeps.

A POSIX record lock belongs to a process and falls with it, so a worker killed inside a claim leaves no lock shut.
"""

import fcntl
import mmap
import os
import tempfile

from fullrank.backends.base import (
    BUSY_MILLISECONDS,
    CELLS_BYTES,
    FAILED,
    FINISHED,
    MAX_CLAIMS,
    POSITION,
    Tally,
    tally_of,
)


def create_cells() -> int:
    """Return the descriptor of new, zeroed cells without a name; children inherit it."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("fullrank-counter")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, CELLS_BYTES)
    return fd


class ProcessCounter:
    """One process's view of the cells; for one thread of it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._cells = memoryview(mmap.mmap(fd, CELLS_BYTES)).cast("q")
        self._answer = 0

    def begin(self, size: int) -> None:
        """Fetch the position and add ``size`` to it."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        self._answer = self._cells[POSITION]
        self._cells[POSITION] = self._answer + size
        fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def result(self) -> int:
        """Return the position that was fetched."""
        return self._answer

    def add_finished(self, n_finished: int, n_failed: int, *, busy_milliseconds: int) -> None:
        """Add to the tally."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        self._cells[FINISHED] += n_finished
        self._cells[FAILED] += n_failed
        self._cells[BUSY_MILLISECONDS] += busy_milliseconds
        fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def stop(self) -> None:
        """Let every later claim find nothing."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        self._cells[POSITION] = MAX_CLAIMS
        fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def stopped(self) -> bool:
        """Return whether the counter was stopped."""
        return self._cells[POSITION] >= MAX_CLAIMS

    def tally(self) -> Tally:
        """Return how far the workers are; without the lock, for display."""
        return tally_of(self._cells)
