"""The shared counters of ``processes`` and ``interpreters``: a few integers in anonymous memory, and a lock."""

import errno
import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from fullrank.backends.base import CELLS_BYTES, N_CELLS, LocalCounter
from fullrank.beside import out_of_reach
from fullrank.errors import BackendError


def create_memory(n_bytes: int) -> int:
    """Return the descriptor of new, zeroed memory without a name; children inherit it."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("fullrank")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, n_bytes)
    return fd


def create_cells() -> int:
    """Return the descriptor of new, zeroed cells."""
    return create_memory(CELLS_BYTES)


class MappedCounter(LocalCounter):
    """One worker's view of cells in shared memory; for one thread. Reading needs no lock."""

    def __init__(self, fd: int) -> None:
        super().__init__(memoryview(mmap.mmap(fd, 0)).cast("q"))

    def _alone(self) -> AbstractContextManager[None]:
        """Return a context in which no other worker changes the cells."""
        raise NotImplementedError

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


class ProcessCounter(MappedCounter):
    """A counter for processes, under a POSIX record lock.

    The lock belongs to a process and falls with it, so a worker killed inside a claim leaves no lock shut.
    """

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._fd = fd

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)


TOKEN_CELLS_BYTES = CELLS_BYTES + 8
_ABANDON = N_CELLS
Token = tuple[int, int]
"""Descriptors to read and to write a pipe with one byte in it; who has taken it out may change the cells."""


def create_token() -> Token:
    """Return a new pipe with the byte in it."""
    readable, writable = map(out_of_reach, os.pipe())
    os.write(writable, b"!")
    return readable, writable


class TokenCounter(MappedCounter):
    """A counter for interpreters of one process, under a token.

    They share no object, so no lock of Python's; a record lock keeps out other processes alone. Whoever finds the pipe
    empty sleeps in the kernel. Beside the cells is one that tells workers to abandon their items.
    """

    def __init__(self, fd: int, token: Token) -> None:
        super().__init__(fd)
        self._readable, self._writable = token

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            byte = os.read(self._readable, 1)
            try:
                yield
            finally:
                if os.write(self._writable, byte) != 1:
                    raise OSError(errno.EPIPE, "its other end is closed")
        except OSError as error:
            raise BackendError(
                f"the function has closed descriptors that it did not open, and with them what the workers of backend "
                f"'interpreters' share ({error.strerror}); what was finished is kept, and -b processes goes on"
            ) from None

    def abandon(self) -> None:
        """Tell all workers to abandon the items they run."""
        self.cells[_ABANDON] = 1

    def abandoned(self) -> bool:
        """Return whether running items are to be abandoned."""
        return self.cells[_ABANDON] != 0
