"""What a child has told of a claim that goes on: for the journal meanwhile, and for ever if the child dies."""

import io
import threading
from array import array
from collections.abc import Sequence
from pathlib import Path

from fullrank.evaluate import Evaluation
from fullrank.journal import Frame, Kind, pack, read_stream


class EarlyFrames:
    """A claim's early frames; added by one thread, asked for by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: list[bytes] = []
        self._n_given = 0

    def add(self, frame: bytes) -> None:
        """Keep one more."""
        with self._lock:
            self._frames.append(frame)

    def new(self) -> list[bytes]:
        """Return those that were added since the last call."""
        with self._lock:
            new, self._n_given = self._frames[self._n_given :], len(self._frames)
            return new

    def take(self) -> list[bytes]:
        """Return all, and forget them: the claim's own frames come next."""
        with self._lock:
            frames, self._frames, self._n_given = self._frames, [], 0
            return frames


def items_in(early_frames: Sequence[bytes]) -> set[int]:
    """Return the indices of the items that frames tell of."""
    return {index for frame in _settled(early_frames) for index in frame.indices()}


def settled(early_frames: Sequence[bytes]) -> Evaluation:
    """Return what early frames tell as the end of a claim: its process has died and will say no more."""
    frames = _settled(early_frames)
    return Evaluation(
        [pack(Kind(frame.kind), frame.n_rows, meta=frame.meta, body=frame.body) for frame in frames],
        n_finished=sum(frame.n_rows for frame in frames),
        n_failed=sum(frame.n_rows for frame in frames if frame.kind == Kind.FAILURES),
        busy_seconds=sum(_seconds_in(frame) for frame in frames),
    )


def _settled(early_frames: Sequence[bytes]) -> list[Frame]:
    stream = io.BytesIO(b"".join(early_frames))
    return [frame for frame in read_stream(stream, Path("early frames")) if isinstance(frame, Frame)]


def _seconds_in(frame: Frame) -> float:
    column = array("f")
    column.frombytes(frame.body[8 * frame.n_rows : 12 * frame.n_rows])
    return sum(column)
