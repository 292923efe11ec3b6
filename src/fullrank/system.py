"""The calls by which what has to survive a crash reaches the disk.

Journals, lock, work folder and result change the disk through a :class:`System` and nothing else. :mod:`os` itself is
the real one; a test puts a disk in its place that counts, fails, forgets and dies.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from fullrank.errors import StorageError

_NOT_FOR_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)
"""What a file system answers that cannot sync a folder, or lets one write there and not look."""


class System(Protocol):
    """Calls of :mod:`os`, which tells of each what it does and raises."""

    def open(self, path: Path, flags: int, mode: int = 0o777, /) -> int:
        """Open a file or a folder."""

    def write(self, fd: int, data: bytes | memoryview, /) -> int:
        """Write at the end, perhaps not all."""

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int, /) -> int:
        """Write at a place, perhaps not all."""

    def ftruncate(self, fd: int, length: int, /) -> None:
        """Set a file's size."""

    def fsync(self, fd: int, /) -> None:
        """Have the disk keep a file's content, or the names in a folder."""

    def close(self, fd: int, /) -> None:
        """Close a file."""

    def replace(self, source: Path, target: Path, /) -> None:
        """Rename, over what has that name."""

    def link(self, source: Path, target: Path, /) -> None:
        """Give a file a second name, which must be free."""

    def unlink(self, path: Path, /) -> None:
        """Remove a name."""

    def mkdir(self, path: Path, mode: int = 0o777, /) -> None:
        """Make a folder."""

    def rmdir(self, path: Path, /) -> None:
        """Remove an empty folder."""

    def utime(self, path: Path, /) -> None:
        """Set a file's times to now."""


PRIVATE_FOLDER = 0o700
"""Journals and what was printed are nobody else's business; the result has the rights that the umask gives."""


@contextmanager
def refused_as(what: str) -> Iterator[None]:
    """Raise StorageError for ``what`` the system refuses within this context."""
    try:
        yield
    except OSError as error:
        raise StorageError.of(error, what) from error


def write_all(system: System, fd: int, data: bytes) -> None:
    """Write all of ``data``; a call may take only a part of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[system.write(fd, rest) :]


def write_and_sync(system: System, path: Path, data: bytes, *, flags: int, mode: int = 0o666) -> None:
    """Write ``data`` to a file opened with ``flags``, and have the disk keep it."""
    fd = system.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, mode)
    try:
        write_all(system, fd, data)
        system.fsync(fd)
    finally:
        system.close(fd)


def sync_folder(system: System, folder: Path) -> None:
    """Have the disk keep the names in a folder, where the file system can."""
    try:
        fd = system.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            system.fsync(fd)
        finally:
            system.close(fd)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS:
            raise


def make_folders(system: System, folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder with ``mode``, and those above it, that outlives a loss of power; it may be there.

    Raises FileExistsError if something else has its name.
    """
    if folder.is_dir():
        return
    if not folder.parent.exists():
        make_folders(system, folder.parent)
    try:
        system.mkdir(folder, mode)
    except FileExistsError:
        if not folder.is_dir():
            raise
    sync_folder(system, folder.parent)


def remove(system: System, path: Path) -> None:
    """Remove a name, if it is there."""
    with suppress(FileNotFoundError):
        system.unlink(path)


def discard(system: System, path: Path) -> None:
    """Remove a file that is worth nothing, if that can be: what went wrong before is what has to be told."""
    with suppress(OSError):
        system.unlink(path)
