"""The append-only record of finished items: frames with a checksum, one file a worker and attempt.

A frame is ``magic kind version n_rows meta_bytes body_bytes crc32`` (little-endian, 28 bytes), then JSON text
(``meta``), then binary columns (``body``). The checksum covers all of it but itself. Files are created new, appended
to, and never opened for writing again; a torn tail is ignored, a damaged frame is skipped and named.

==========  =======================================  =======================================================
kind        meta                                     body, for n_rows items
==========  =======================================  =======================================================
HEADER      what wrote the file                      empty
VALUES      ``[[name, dtype, shape], …]``            int64 index, float32 seconds, then each column
FAILURES    ``[{exception, traceback, output}, …]``  int64 index, float32 seconds, int8 status
ACCOUNT     the worker's account of its time         empty
EARLY_…     as VALUES and FAILURES: items of a claim that goes on; void once VALUES or FAILURES follow
==========  =======================================  =======================================================
"""

import errno
import json
import os
import struct
import threading
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO

from fullrank.dataclass import dataclass, replace
from fullrank.errors import JournalError
from fullrank.system import System, sync_folder, write_all

VERSION = 1
MAGIC = b"FRJ\x1f"
_HEADER = struct.Struct("<4sBBxxIIQ")
_CRC = struct.Struct("<I")
_SIZE = _HEADER.size + _CRC.size


class Kind(IntEnum):
    """What a frame holds; the numbers stand in files and never change their meaning."""

    HEADER = 1
    VALUES = 2
    FAILURES = 3
    ACCOUNT = 4
    EARLY_VALUES = 5
    EARLY_FAILURES = 6


_STANDS_FOR: dict[int, int] = {Kind.EARLY_VALUES: Kind.VALUES, Kind.EARLY_FAILURES: Kind.FAILURES}


@dataclass(frozen=True)
class Frame:
    """One whole, checked frame."""

    kind: int
    n_rows: int
    meta: bytes
    """JSON text."""
    body: bytes

    def indices(self) -> "array[int]":
        """Return the item index of each row (VALUES and FAILURES)."""
        column = array("q")
        column.frombytes(self.body[: 8 * self.n_rows])
        return column

    def json(self) -> Any:
        """Return ``meta`` as Python data."""
        return json.loads(self.meta)


@dataclass(frozen=True)
class Damage:
    """Bytes of a journal that are no frame although whole frames follow them."""

    path: Path
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.path}: bytes {self.start}-{self.stop} are damaged; the items in them are evaluated again"


def pack(kind: Kind, n_rows: int, *, meta: bytes, body: bytes = b"") -> bytes:
    """Return one frame as bytes."""
    head = _HEADER.pack(MAGIC, kind, VERSION, n_rows, len(meta), len(body))
    crc = zlib.crc32(body, zlib.crc32(meta, zlib.crc32(head)))
    return b"".join((head, _CRC.pack(crc), meta, body))


def _read_frame(file: BinaryIO, size: int) -> Frame | None:
    """Return the frame at the file's position, or None if there is no whole and true one."""
    head = file.read(_SIZE)
    if len(head) < _SIZE or head[:4] != MAGIC:
        return None
    _, kind, version, n_rows, n_meta, n_body = _HEADER.unpack(head[: _HEADER.size])
    if n_meta + n_body > size - file.tell():
        return None
    meta, body = file.read(n_meta), file.read(n_body)
    (crc,) = _CRC.unpack(head[_HEADER.size :])
    if zlib.crc32(body, zlib.crc32(meta, zlib.crc32(head[: _HEADER.size]))) != crc:
        return None
    if version > VERSION:
        raise JournalError(
            f"the journal was written by a newer fullrank (its version is {version}, this one reads up to {VERSION})"
        )
    return Frame(kind, n_rows, meta, body)


def _next_frame_after(file: BinaryIO, start: int, size: int) -> int | None:
    """Return the offset of the first whole frame behind ``start``, or None."""
    offset, keep, window = start, b"", 1 << 20
    while True:
        file.seek(offset)
        data = keep + file.read(window)
        base = offset - len(keep)
        found = data.find(MAGIC)
        while found >= 0:
            file.seek(base + found)
            if _read_frame(file, size) is not None:
                return base + found
            found = data.find(MAGIC, found + 1)
        if len(data) - len(keep) < window:
            return None
        offset, keep = base + len(data), data[-len(MAGIC) + 1 :]


def read(path: Path) -> Iterator[Frame | Damage]:
    """Yield every whole frame of a journal, and a :class:`Damage` where some bytes between frames are none.

    A tail that is no whole frame is what a killed writer leaves behind; it ends the iteration silently.
    Raises JournalError for a journal of a newer version.
    """
    with path.open("rb") as file:
        yield from read_stream(file, path)


@contextmanager
def understanding(path: Path) -> Iterator[None]:
    """Turn what frames with a true checksum and a strange content make a reader raise into JournalError."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        raise JournalError(
            f"{path}: holds what no fullrank writes ({type(error).__name__}: {error!s:.100}); "
            f"move it away, and its items are evaluated again"
        ) from error


def read_stream(file: BinaryIO, path: Path) -> Iterator[Frame | Damage]:
    """Yield what :func:`read` yields, from a seekable stream that holds the journal at ``path``.

    Early frames are yielded as what they stand for, and only if the worker died before it wrote the claim's own.
    """
    early: list[Frame] = []
    for frame in _frames(file, path):
        if isinstance(frame, Frame) and frame.kind in _STANDS_FOR:
            early.append(replace(frame, kind=_STANDS_FOR[frame.kind]))
            continue
        if isinstance(frame, Frame) and frame.kind in _STANDS_FOR.values():
            early.clear()
        yield frame
    yield from early


def _frames(file: BinaryIO, path: Path) -> Iterator[Frame | Damage]:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    while True:
        start = file.tell()
        frame = _read_frame(file, size)
        if frame is None:
            found = _next_frame_after(file, start + 1, size)
            if found is None:
                return
            yield Damage(path, start, found)
            file.seek(found)
        else:
            yield frame


class JournalWriter:
    """One worker's journal, created new.

    Several threads may call its methods. After an error of the file system nothing more is written, and every call
    that would write raises it again: what stands before the error stays readable.
    """

    def __init__(
        self, path: Path, header: dict[str, Any], *, write_interval_seconds: float = 0.0, system: System = os
    ) -> None:
        self.path = path
        self._interval_seconds = write_interval_seconds
        self._system = system
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._oldest_pending = 0.0
        self._dirty = True
        self._folder_synced = False
        self._failure: OSError | None = None
        try:
            self._fd = system.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            raise JournalError.of(error, f"{path}: the journal cannot be created") from error
        self._open = True
        self._identity = os.fstat(self._fd)
        self._pending.append(pack(Kind.HEADER, 0, meta=json.dumps(header).encode()))
        self.flush()

    def append(self, frame: bytes, *, since: float, now: float) -> None:
        """Add one frame of items that ran from ``since`` to ``now`` (s, any one clock).

        It reaches the file at once, or with a write interval when the oldest frame that waits began that long ago;
        :meth:`flush` of another thread bounds the wait.
        """
        with self._lock:
            if not self._pending:
                self._oldest_pending = since
            self._pending.append(frame)
            if now - self._oldest_pending >= self._interval_seconds:
                self._write_pending()

    def flush(self) -> None:
        """Hand everything appended to the operating system; safe from the death of this process from then on."""
        with self._lock:
            self._write_pending()

    def _write_pending(self) -> None:
        if self._failure is not None:
            raise self._unwritten(self._failure)
        if not self._pending or not self._open:
            return
        data = b"".join(self._pending)
        self._pending.clear()
        self._dirty = True
        try:
            self._regain()
            write_all(self._system, self._fd, data)
        except OSError as error:
            self._failure = error
            self._close_file()
            raise self._unwritten(error) from error

    def _regain(self) -> None:
        """Open the journal again if user code has closed its descriptor, whose number may be that of a file of its own.

        Raises OSError if what stands at the path is another file by now.
        """
        if self._has_file():
            return
        self._fd = self._system.open(self.path, os.O_WRONLY | os.O_APPEND)
        if not self._has_file():
            raise OSError(errno.ESTALE, "another file stands there")

    def _has_file(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), self._identity)
        except OSError:
            return False

    def _unwritten(self, error: OSError) -> JournalError:
        return JournalError.of(error, f"{self.path}: the journal cannot be written")

    def _close_file(self) -> None:
        """Close the file, whose content is safe or lost already."""
        self._open = False
        with suppress(OSError):
            if self._has_file():
                self._system.close(self._fd)

    def sync(self) -> None:
        """Flush, then have the disk keep it: safe from the loss of the node from then on.

        The wait for the disk is outside the lock, so that a worker's appending goes on meanwhile.
        """
        with self._lock:
            self._write_pending()
            if not self._dirty or not self._open:
                return
            self._dirty = False
        fd = -1
        try:
            with self._lock:
                self._regain()
                fd = os.dup(self._fd)
            self._system.fsync(fd)
            if not self._folder_synced:
                sync_folder(self._system, self.path.parent)  # the file's name
                self._folder_synced = True
        except OSError as error:
            # what the disk has dropped it does not get by asking again
            with self._lock:
                self._failure = self._failure or error
                if self._open:
                    self._close_file()
            raise JournalError.of(error, f"{self.path}: the journal cannot be synced") from error
        finally:
            if fd >= 0:
                os.close(fd)

    def close(self) -> None:
        """Sync and close; further calls do nothing."""
        if not self._open:
            return
        try:
            self.sync()
        finally:
            with self._lock:
                if self._open:
                    self._close_file()
