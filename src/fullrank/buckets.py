"""Records of journals, sorted into buckets of the index range by whoever holds the journals."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass
from fullrank.errors import StorageError
from fullrank.gather import Records, Schema, as_bytes, packed, records_of
from fullrank.journal import Damage, Kind, read_stream, understanding

_BUFFER_BYTES = 8 << 20
_PIECE_BYTES = 64
"""What Python needs for some bytes beside them; where buckets are narrow each piece is one small record."""
_SORTED_AT_ONCE_BYTES = 4 << 20
"""Rows of frames that are sorted together: a frame alone has some dozen rows for each of many buckets."""


@dataclass(frozen=True)
class _Spill:
    """Where a part of the temporary file begins of which stream."""

    streams: NDArray[np.int64]
    """Ascending, shape (n,)."""
    starts: NDArray[np.int64]
    """Offsets in the file, shape (n + 1,); the last is where the spill ends."""


class Buckets:
    """The records of some journals, sorted into buckets; beyond a few megabytes in a nameless temporary file.

    A bucket is some streams of bytes: its rows, then one for each field whose values stand apart.
    """

    def __init__(self, schema: Schema, folder: Path) -> None:
        self._schema = schema
        self._n_streams = 1 + len(schema.apart)
        self._waiting: defaultdict[int, list[bytes]] = defaultdict(list)
        """By number of the stream: of all buckets' streams one behind the other."""
        self._n_waiting_bytes = 0
        self._unsorted: list[Records] = []
        self._n_unsorted_bytes = 0
        self._spills: list[_Spill] = []
        self._folder = folder
        self._file: BinaryIO | None = None

    def add_journal(self, stream: BinaryIO, path: Path) -> None:
        """Sort in all records of the journal at ``path``, read from ``stream``."""
        kinds = (Kind.VALUES,) if path.name in self._schema.done_again else (Kind.VALUES, Kind.FAILURES)
        for frame in read_stream(stream, path):
            if not isinstance(frame, Damage) and frame.kind in kinds:
                with understanding(path):
                    records = records_of(frame, path.name, self._schema)
                self._add(records)

    def _add(self, records: Records) -> None:
        if self._schema.n_buckets == 1:
            self._put(0, records, slice(None))
            return
        if records.apart:  # they are sorted with their rows, and have other lengths than the next frame's
            self._sort()
        self._unsorted.append(records)
        self._n_unsorted_bytes += records.rows.nbytes
        if records.apart or self._n_unsorted_bytes > _SORTED_AT_ONCE_BYTES:
            self._sort()

    def _sort(self) -> None:
        """Sort the rows that wait into their buckets; with values apart they are of one frame."""
        waiting, self._unsorted, self._n_unsorted_bytes = self._unsorted, [], 0
        if not waiting:
            return
        rows = np.concatenate([as_bytes(records.rows) for records in waiting]).view(self._schema.row_dtype)
        bucket_of = rows["index"] // self._schema.bucket_items
        # of so short numbers numpy sorts by their digits, ten times as fast
        order = np.argsort(bucket_of.astype(np.min_scalar_type(self._schema.n_buckets)), kind="stable")
        records = Records(
            as_bytes(rows)[order].view(rows.dtype), {name: v[order] for name, v in waiting[-1].apart.items()}
        )
        bucket_of = bucket_of[order]
        firsts = np.flatnonzero(np.diff(bucket_of, prepend=-1))
        ends = [*firsts[1:].tolist(), len(order)]
        for bucket, first, end in zip(bucket_of[firsts].tolist(), firsts.tolist(), ends, strict=True):
            self._put(bucket, records, slice(first, end))

    def _put(self, bucket: int, records: Records, chosen: slice) -> None:
        parts = [records.rows, *map(records.apart.get, self._schema.apart)]
        for stream, part in enumerate(parts, start=bucket * self._n_streams):
            if part is not None:
                piece = part[chosen].tobytes()
                self._waiting[stream].append(piece)
                self._n_waiting_bytes += len(piece) + _PIECE_BYTES
        if self._n_waiting_bytes > _BUFFER_BYTES and self._schema.n_buckets > 1:
            self._spill()

    def _spill(self) -> None:
        try:
            self._write_out()
        except OSError as error:
            raise StorageError.of(error, f"{self._folder}: records cannot be sorted there") from error

    def _write_out(self) -> None:
        if self._file is None:
            from tempfile import TemporaryFile

            self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115  # lives as long as this object
        streams = sorted(self._waiting)
        starts = [self._file.tell()]
        for stream in streams:
            self._file.writelines(self._waiting.pop(stream))
            starts.append(self._file.tell())
        self._spills.append(_Spill(np.array(streams, np.int64), np.array(starts, np.int64)))
        self._n_waiting_bytes = 0

    def take(self, bucket: int) -> bytes:
        """Return the records of one bucket, as :func:`fullrank.gather.blocks` takes them; each can be taken once."""
        self._sort()
        if self._file is not None:
            self._file.flush()
        first = bucket * self._n_streams
        rows, *apart = [self._pieces(stream) for stream in range(first, first + self._n_streams)]
        return packed(rows, [piece for pieces in apart for piece in pieces], self._schema)

    def _pieces(self, stream: int) -> list[bytes]:
        """Return a stream's bytes, those that were added first in front."""
        pieces = [] if self._file is None else list(self._spilled(stream, self._file.fileno()))
        return pieces + self._waiting.pop(stream, [])

    def _spilled(self, stream: int, descriptor: int) -> Iterator[bytes]:
        for spill in self._spills:
            place = int(np.searchsorted(spill.streams, stream))
            if place < len(spill.streams) and spill.streams[place] == stream:
                start, end = spill.starts[place : place + 2].tolist()
                yield os.pread(descriptor, end - start, start)

    def close(self) -> None:
        """Free the temporary file."""
        if self._file is not None:
            self._file.close()
