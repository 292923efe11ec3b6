"""What a worker and its child say to each other: messages of a kind, on two pipes.

========  =========  ==========================================================================
kind      from       body
========  =========  ==========================================================================
JOB       worker     pickled job, and path of the worker's log
CLAIM     worker     int64 index of each item to evaluate
READY     child      empty: the function is loaded
UNREADY   child      pickled FullrankError: why the function cannot be loaded, or items not be evaluated
EARLY     child      a journal's early frame of items that have ended while the claim goes on
CLAIMED   child      pickled Evaluation of the claim, and the CPU seconds spent since the last one
========  =========  ==========================================================================

Both ends are ours; nothing else is unpickled.
"""

import os
import struct
from collections.abc import Iterator

JOB, CLAIM, READY, UNREADY, EARLY, CLAIMED = b"J", b"C", b"R", b"U", b"E", b"D"
READ_BYTES = 1 << 16
"""What a pipe holds; a buffer that is much larger costs more than the reading."""
_HEAD = struct.Struct("<cQ")

Message = tuple[bytes, bytes]
"""Kind and body."""


def send(fd: int, kind: bytes, body: bytes) -> None:
    """Write one message; BrokenPipeError if nobody will read it."""
    for part in (_HEAD.pack(kind, len(body)), body) if len(body) > 1 << 16 else (_HEAD.pack(kind, len(body)) + body,):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(fd, rest) :]


class Inbox:
    """Bytes as they come, and the whole messages in them."""

    def __init__(self) -> None:
        self._received = bytearray()

    def add(self, data: bytes) -> None:
        """Take in what was read."""
        self._received += data

    def messages(self) -> Iterator[Message]:
        """Yield and forget each message that is there as a whole."""
        while len(self._received) >= _HEAD.size:
            kind, n_bytes = _HEAD.unpack_from(self._received)
            end = _HEAD.size + n_bytes
            if len(self._received) < end:
                return
            body = bytes(self._received[_HEAD.size : end])
            del self._received[:end]
            yield kind, body


def received(fd: int) -> Iterator[Message]:
    """Yield the messages that come until the other end is closed, waiting for them."""
    inbox = Inbox()
    while data := os.read(fd, READ_BYTES):
        inbox.add(data)
        yield from inbox.messages()
