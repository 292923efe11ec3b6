"""The file beneath HDF5 while it is written."""

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from fullrank.system import System


class Sink(io.RawIOBase):
    """A new file that takes what HDF5 writes and never tells it of a failure.

    HDF5 keeps objects open that it failed to write, tries again whenever Python lets go of one, and
    tells each time on stderr. So after the first failure (a full disk, a quota, Ctrl-C) nothing
    more is written, and whoever writes asks :meth:`check` how it went.

    Raises:
        OSError: the file cannot be created; an earlier one of this name is emptied.
    """

    def __init__(self, path: Path, system: System = os) -> None:
        super().__init__()
        self._system = system
        self._descriptor = -1  # Python closes what could not be opened, too
        self._position = 0
        self._error: BaseException | None = None
        self._descriptor = system.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)

    def check(self) -> None:
        """Raise the first error of writing, if there was one."""
        if self._error is not None:
            raise self._error

    def give_up(self) -> None:
        """Write nothing more."""
        self._error = self._error or OSError("given up")

    def write(self, data: Any) -> int:
        """Write all of ``data`` at the position."""
        rest = memoryview(data)
        try:
            while rest and self._error is None:
                n_bytes = self._system.pwrite(self._descriptor, rest, self._position)
                rest = rest[n_bytes:]
                self._position += n_bytes
        except BaseException as error:  # a signal's too: it must not pass through HDF5
            self._error = error
        return len(data)

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from the position on."""
        if self._error is not None:
            return len(buffer)
        n_bytes = os.preadv(self._descriptor, [buffer], self._position)
        self._position += n_bytes
        return n_bytes

    def truncate(self, size: int | None = None) -> int:
        """Set the file's size."""
        size = self._position if size is None else size
        try:
            self._system.ftruncate(self._descriptor, size if self._error is None else 0)
        except BaseException as error:
            self._error = self._error or error
        return size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position."""
        start = {
            os.SEEK_SET: 0,
            os.SEEK_CUR: self._position,
            os.SEEK_END: os.fstat(self._descriptor).st_size,
        }
        self._position = start[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readable(self) -> bool:
        """HDF5 reads back what it wrote."""
        return True

    def writable(self) -> bool:
        """It is there for that."""
        return True

    def seekable(self) -> bool:
        """HDF5 writes where it likes."""
        return True

    def sync(self) -> None:
        """Have the system bring everything to the disk."""
        self._system.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; harmless if it is closed."""
        if not self.closed and self._descriptor >= 0:
            with suppress(OSError):  # what is worth anything was synced
                self._system.close(self._descriptor)
        super().close()
