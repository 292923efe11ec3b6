"""What started ranks write, passed on to where this process writes.

It comes through pipes, which can always be written: an mpiexec that cannot write, be it to a full disk, a terminal that
was closed or a pipe that nobody reads, ends its ranks.
"""

import os
import select
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from fullrank.interrupt import Helper
from fullrank.system import write_all
from fullrank.told_code import ToldCode

LAST_OUTPUT_SECONDS = 5.0
"""Wait for output that mpiexec left in a pipe; a process that outlives it may keep the pipe open for ever."""
_PIECE_BYTES = 1 << 16

Hear = Callable[[bytes], object]


class PassingOn(Helper):
    """Passes on what comes through pipes, but root's exit code, which it keeps in ``told``.

    ``output`` goes to ``hear``, from this thread, or to standard output, and ``errors`` to standard error.
    """

    def __init__(
        self, output: IO[bytes] | None, errors: IO[bytes] | None, *, told: ToldCode, hear: Hear | None = None
    ) -> None:
        super().__init__(name="fullrank-output", daemon=True)
        # where both have something, what was said on the way comes before the summary
        self._waiting = [pipe for pipe in (errors, output) if pipe is not None]
        self._errors = errors
        self._told = told
        self._hear = hear or _write_out
        self._is_idle = False
        self.error: OSError | None = None
        """Why standard output was not written; what comes after it is read and dropped."""

    def run(self) -> None:
        """Read until no process can write any more, or nobody waits for it."""
        poll = select.poll()
        for pipe in self._waiting:
            poll.register(pipe, select.POLLIN)
        with suppress(ValueError):  # they were closed
            while self._waiting:
                ready = {number for number, _ in poll.poll(0) or self._sleep(poll)}
                for pipe in [pipe for pipe in self._waiting if pipe.fileno() in ready]:
                    if not self._pass_on_piece(pipe):
                        poll.unregister(pipe)
                        self._waiting.remove(pipe)
        self._pass_on(self._told.left())

    def wait_for_last(self) -> None:
        """Wait a while for what is still to come, once mpiexec has ended."""
        self.join(LAST_OUTPUT_SECONDS)

    def finish(self) -> None:
        """Wait until what has come is written: to a terminal that Ctrl-S has halted, say, or to a slow reader."""
        while self.is_alive() and not self._is_idle:
            self.join(LAST_OUTPUT_SECONDS)

    def _sleep(self, poll: select.poll) -> list[tuple[int, int]]:
        """Wait until there is something; nothing was there just now."""
        self._is_idle = True
        ready = poll.poll()
        self._is_idle = False
        return ready

    def _pass_on_piece(self, pipe: IO[bytes]) -> bool:
        """Pass on what is there; return whether more may come."""
        data = os.read(pipe.fileno(), _PIECE_BYTES)
        if pipe is self._errors:
            with suppress(OSError):  # who cannot see how far a run is wants its result all the same
                write_all(os, 2, data)
        else:
            self._pass_on(self._told.without(data))
        return bool(data)

    def _pass_on(self, data: bytes) -> None:
        try:
            if self.error is None and data:
                self._hear(data)
        except OSError as error:
            self.error = error


def _write_out(data: bytes) -> None:
    write_all(os, 1, data)
