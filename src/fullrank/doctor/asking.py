"""Questions that may never be answered, each put to a process of its own that is ended when its time is over.

A folder on a file server that is down keeps whoever looks at it, whatever signal it gets; so does an MPI library that
waits for a rank. The process that asks looks at neither.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from fullrank.dataclass import dataclass
from fullrank.errors import beginning
from fullrank.parent import end_with

T = TypeVar("T")

_END_SECONDS = 2.0
"""For an end after SIGTERM, then for the last words of a killed one."""
_TELLING_WORDS = ("error", "abort", "unsupported", "cannot", "fail", "refuse", "denied", "not found", "no such")
_MAX_CHARACTERS = 300


@dataclass(frozen=True)
class Answer:
    """What a process said."""

    told: tuple[dict[str, Any], ...]
    """Its answers, in their order; those before its time was over count, too."""
    complaint: str
    """The line of its standard error that tells most, "" if there is none."""
    exit_code: int | None
    """None: its time was over."""


def ask(
    command: Sequence[str], *, limit_seconds: float, environ: Mapping[str, str], keeps_descriptors: bool = False
) -> Answer:
    """Start ``command``, whose answers are lines of JSON objects, and return what it said within ``limit_seconds``.

    With ``keeps_descriptors`` it inherits those by which a launcher talks to its ranks.
    """
    with _started(command, environ, keeps_descriptors=keeps_descriptors) as process:
        is_late = False
        try:
            out, err = process.communicate(timeout=limit_seconds)
        except subprocess.TimeoutExpired as late:
            is_late = True
            out, err = _ended(process) or (late.stdout or b"", late.stderr or b"")
        except BaseException:
            _ended(process)
            raise
    return Answer(_objects(out), _complaint(err.decode(errors="replace")), None if is_late else process.returncode)


class _Forgotten(subprocess.Popen[bytes]):
    """A process that is not waited for when it does not even end by SIGKILL."""

    def __exit__(self, *_error: object) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()


def _started(command: Sequence[str], environ: Mapping[str, str], *, keeps_descriptors: bool) -> _Forgotten:
    return _Forgotten(
        command,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        close_fds=not keeps_descriptors,
        start_new_session=True,
        preexec_fn=end_with(os.getpid()),
    )


def _ended(process: _Forgotten) -> tuple[bytes, bytes] | None:
    """End a process and those it started; return all it said, None if it cannot be ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_END_SECONDS)
    return None


def _objects(out: bytes) -> tuple[dict[str, Any], ...]:
    found = []
    for line in out.splitlines():
        with suppress(ValueError):  # what a launcher or a library prints
            found.append(json.loads(line))
    return tuple(told for told in found if isinstance(told, dict))


def _complaint(text: str) -> str:
    r"""Return the line that tells why.

    >>> _complaint("----\nAbort(1): PMI version is unsupported\n  Exit code: 16\n")
    'Abort(1): PMI version is unsupported'
    """
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip(" \t-=*")]
    telling = [line for line in lines if any(word in line.lower() for word in _TELLING_WORDS)]
    return beginning(telling[-1] if telling else lines[0] if lines else "", _MAX_CHARACTERS)


def within(limit_seconds: float, call: Callable[[], T]) -> T:
    """Return ``call()``, made by a thread that is left to itself if it lasts longer: then TimeoutError.

    What ``call`` raises is raised.
    """
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="fullrank-doctor", daemon=True)
    thread.start()
    thread.join(limit_seconds)
    if raised:
        raise raised[0]
    if not found:
        raise TimeoutError(f"no answer within {limit_seconds:g} s")
    return found[0]
