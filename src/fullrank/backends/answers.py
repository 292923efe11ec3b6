"""What a worker of another process or interpreter says to whoever started it: ready, done, or what went wrong.

Both ends of the pipe are ours; nothing else is unpickled.
"""

import os
import pickle
import select
import traceback
from collections.abc import Callable, Iterable

from fullrank.errors import FullrankError

READY, DONE = b"ready", b"done"


def tell_error(answers: int, error: BaseException) -> None:
    """Say what was raised outside any item; from inside the worker, where it was caught."""
    os.write(answers, pickle.dumps(error if isinstance(error, FullrankError) else traceback.format_exc()[-8192:]))


class Answers:
    """The starter's end of one worker's pipe, and what came through it."""

    def __init__(self, worker: int, *, place: Callable[[int], int] = lambda fd: fd) -> None:
        """``place`` gives each end another number."""
        self._worker = worker
        self.readable, self.writable = map(place, os.pipe())
        self._received = b""

    def hear(self) -> bool:
        """Read what is there; False once all other ends are closed."""
        data = os.read(self.readable, 1 << 16)
        self._received += data
        return bool(data)

    @property
    def ready(self) -> bool:
        """Whether the worker waits for the common start, or is past it."""
        return self._received.startswith(READY)

    @property
    def told(self) -> bytes:
        """What the worker said after it was ready: that it is done, or an error."""
        return self._received.removeprefix(READY)

    def error(self) -> FullrankError | None:
        """Return what the worker raised outside any item, if it could tell."""
        if not self.told or self.told == DONE:
            return None
        error = pickle.loads(self.told)
        if isinstance(error, FullrankError):
            return error
        return FullrankError(f"worker {self._worker} ended outside any item:\n{error}")


def wait_for_answers(waited_for: Iterable[Answers], seconds: float) -> list[Answers]:
    """Sleep until one of the workers says something or ends, at most so long; return those to hear."""
    poll = select.poll()  # select() ends at 1,024 descriptors
    by_descriptor = {answers.readable: answers for answers in waited_for}
    for readable in by_descriptor:
        poll.register(readable, select.POLLIN)
    return [by_descriptor[readable] for readable, _ in poll.poll(1000 * seconds)]
