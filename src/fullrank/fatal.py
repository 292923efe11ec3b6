"""Where in Python a child was when a fatal signal ended it: the stack that faulthandler leaves, as a traceback."""

import os
import re
from collections.abc import Iterator
from tempfile import TemporaryFile

from fullrank.function import is_users_code

_MAX_BYTES = 1 << 16
_FRAME = '  File "'
_ESCAPED = re.compile(r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}")
"""How faulthandler writes what is not ASCII."""


class FatalStack:
    """A nameless file in which a child leaves its stack, having called :func:`~fullrank.output.tell_fatal_signals`."""

    def __init__(self) -> None:
        self._file = TemporaryFile(buffering=0)  # noqa: SIM115  # lives as long as this object

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._file.fileno()

    def take(self) -> dict[str, str]:
        """Return what a failure's description has of the last death; empty for one that left nothing, as a kill."""
        text = os.pread(self.fileno(), _MAX_BYTES, 0).decode(errors="replace")
        self._file.truncate(0)
        self._file.seek(0)
        traceback = "\n".join(reversed(list(_frames(text))))
        return {"traceback": f"Where it died (most recent call last):\n{traceback}\n"} if traceback else {}

    def close(self) -> None:
        """Free the file."""
        self._file.close()


def _frames(text: str) -> Iterator[str]:
    r"""Yield the frames of the user's code in what faulthandler wrote, the innermost first.

    >>> list(_frames('Fatal\n\nCurrent thread 0x1 (most recent call first):\n  File "/a/b.py", line 3 in f\n'))
    ['  File "/a/b.py", line 3, in f']
    """
    from linecache import getline
    from pathlib import Path

    for line in _ESCAPED.sub(lambda found: chr(int(found[0][2:], 16)), text).splitlines():
        if not line.startswith(_FRAME):
            continue
        file, _, rest = line.removeprefix(_FRAME).rpartition('", line ')
        number, _, name = rest.partition(" in ")
        if number.isdigit() and is_users_code(Path(file)):
            source = getline(file, int(number)).strip()
            yield f'{_FRAME}{file}", line {number}, in {name}' + (f"\n    {source}" if source else "")
