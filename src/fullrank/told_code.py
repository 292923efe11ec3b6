"""Root's exit code on its way to the process that started the ranks: among what root prints, and taken out again.

No launcher's own exit code is to be trusted. Standard output comes from whatever host root is on, and leaves no file
behind that a kill would keep.
"""

import os
import re
from collections.abc import Callable

from fullrank.beside import out_of_reach

MARK_VARIABLE = "FULLRANK_EXIT_CODE_MARK"
"""What begins the lines that root tells, where a process waits for them: a random word."""
_N_MARK_BYTES = 16
_BEGUN = b"-"
"""What root tells at its begin, in the place of a code."""
_LINE = re.compile(rb"\d{1,3}|-")
_N_MOST = 3
"""Bytes behind the mark."""


def exit_code_teller() -> Callable[[int], int]:
    """Tell the process that started the ranks, if one did, that root is here; return what tells it the exit code.

    That returns what the ranks are to end with: 0 if the code is told, for Open MPI's mpiexec would call any other one
    a failure that ended the job. To be called before user code can change the environment or standard output.
    """
    mark = os.environ.pop(MARK_VARIABLE, "")
    if not mark:
        return lambda code: code
    output = out_of_reach(os.dup(1))

    def tell(code: int, what: bytes = b"") -> int:
        try:
            os.write(output, b"%s:%s\n" % (mark.encode(), what or b"%d" % code))
        except OSError:  # nobody listens any more
            return code
        return 0

    tell(0, _BEGUN)
    return tell


class ToldCode:
    """The listener's side: takes what root tells out of what it prints, in whatever pieces that comes."""

    def __init__(self) -> None:
        self.mark = os.urandom(_N_MARK_BYTES).hex()
        self.code: int | None = None
        """What root told last; None if nothing."""
        self.has_begun = False
        """Whether root was there at all."""
        self._held = b""

    def without(self, data: bytes) -> bytes:
        """Return what can be passed on once ``data`` has come: all but root's lines, or what may become one."""
        mark, rest, passed = self.mark.encode() + b":", self._held + data, b""
        while (begin := rest.find(mark)) >= 0:
            number, end, after = rest[begin + len(mark) :].partition(b"\n")
            if not end and len(number) <= _N_MOST:
                break  # the rest of the line is still to come
            passed += rest[:begin]
            if end and _LINE.fullmatch(number):
                self.has_begun = True
                self.code = self.code if number == _BEGUN else int(number)
                rest = after
            else:  # no line of root's
                passed += mark
                rest = rest[begin + len(mark) :]
        n_held = len(rest) - begin if begin >= 0 else _n_of_beginning(rest, mark)
        self._held = rest[len(rest) - n_held :]
        return passed + rest[: len(rest) - n_held]

    def left(self) -> bytes:
        """Return what was held back and became no such line."""
        held, self._held = self._held, b""
        return held


def _n_of_beginning(data: bytes, mark: bytes) -> int:
    """Return how many bytes at the end of ``data`` are the beginning of ``mark``.

    >>> _n_of_beginning(b"..ab", b"abc"), _n_of_beginning(b"..ac", b"abc")
    (2, 0)
    """
    return next((n for n in range(min(len(data), len(mark) - 1), 0, -1) if data.endswith(mark[:n])), 0)
