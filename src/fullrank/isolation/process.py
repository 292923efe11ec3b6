"""One child process as its worker sees it: started, asked, heard, ended."""

import os
import pickle
import select
import signal
import subprocess
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from fullrank.isolation.messages import CLAIM, JOB, READ_BYTES, Inbox, Message, send
from fullrank.job import Job
from fullrank.launcher import python_module, stripped_environment

_LEAVE_SECONDS = 1.0
"""A child whose pipe is closed may run what the user's module has registered for its exit; then it is killed."""


class IsolationProcess:
    """A child that evaluates claims.

    ``cell`` is the descriptor of the running cell that it shares, ``stack`` the one to which it writes where C code
    killed it.
    """

    def __init__(self, job: Job, cell: int, *, stack: int, log: Path) -> None:
        self._answers, writable = os.pipe()
        try:
            self._process = subprocess.Popen(
                python_module(
                    "fullrank.isolation.child",
                    str(writable),
                    str(cell),
                    str(stack),
                    folders=job.function.folders,
                ),
                stdin=subprocess.PIPE,
                bufsize=0,
                env=stripped_environment(os.environ),
                pass_fds=[writable, cell, stack],
                start_new_session=True,  # a Ctrl-C on the terminal is for the worker to judge
            )
        except BaseException:
            os.close(self._answers)
            raise
        finally:
            os.close(writable)
        os.set_blocking(self._answers, False)
        self._poll = select.poll()  # select() ends at 1,024 descriptors
        self._poll.register(self._answers, select.POLLIN)
        self._inbox = Inbox()
        self.ended = False
        """Whether it has ended and all that it said was heard."""
        self._send(JOB, pickle.dumps((job, str(log))))

    def ask(self, indices: Sequence[int]) -> None:
        """Let it evaluate a claim; a child that is dead already is noticed when it is heard."""
        self._send(CLAIM, array("q", indices).tobytes())

    def _send(self, kind: bytes, body: bytes) -> None:
        if self._process.stdin is not None:
            try:
                send(self._process.stdin.fileno(), kind, body)
            except BrokenPipeError:
                return

    def hear(self, timeout_seconds: float) -> Iterator[Message]:
        """Yield what it has said, sleeping until it says something or ends, or for ``timeout_seconds``."""
        exited = self._process.poll() is not None
        self._poll.poll(0 if exited else 1000 * timeout_seconds)
        try:
            while data := os.read(self._answers, READ_BYTES):
                self._inbox.add(data)
            self.ended = True
        except BlockingIOError:
            # a process that its items had started may hold the pipe open for ever
            self.ended = exited
        if self.ended:
            self._leave()
        yield from self._inbox.messages()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return not self.ended and self._process.poll() is None

    @property
    def return_code(self) -> int:
        """How it ended, once it has."""
        return self._process.returncode

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it; none to one that has ended."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End it, if need be by force, and free the pipes. An idle one ends by itself at the end of its input."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._leave()
        os.close(self._answers)

    def _leave(self) -> None:
        try:
            self._process.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
