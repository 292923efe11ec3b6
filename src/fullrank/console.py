"""Where commands speak: sentences and progress on standard error, reports on standard output."""

import os
import sys
from contextlib import suppress

from fullrank.beside import out_of_reach

TYPE_CHECKING = False  # typing's own opens a dozen files
if TYPE_CHECKING:
    from typing import Any, TextIO

FILE_COLUMNS = 100
"""Of a report that goes to a file or another program."""


def output_columns() -> int:
    """Return how wide a report may be: as wide as the terminal, if standard output is one."""
    try:
        return os.get_terminal_size(1).columns or FILE_COLUMNS  # some pseudo-terminals have no size
    except OSError:
        return FILE_COLUMNS


def tell(text: str) -> None:
    """Write to standard error; where that cannot be written, on a full disk say, the exit code alone tells."""
    with suppress(OSError):
        sys.stderr.write(text)


class TerminalConsole:
    """Sentences and progress on standard error, whatever user code does to that descriptor meanwhile."""

    def __init__(self, *, quiet: bool) -> None:
        self._stream: TextIO = os.fdopen(out_of_reach(os.dup(2)), "w", buffering=1, encoding="utf-8", errors="replace")
        self._quiet = quiet

    def say(self, sentence: str) -> None:
        """Print one sentence; a run does not end because it cannot be written."""
        with suppress(OSError):
            self._stream.write(f"fullrank: {sentence}\n")

    def close(self) -> None:
        """Give the descriptor back."""
        with suppress(OSError):
            self._stream.close()

    def display(self) -> "Any":
        """Return a progress display that fits the stream."""
        from fullrank.launch import TERMINAL_VARIABLE
        from fullrank.progress import choose_display

        return choose_display(self._stream, quiet=self._quiet, force_terminal=os.environ.get(TERMINAL_VARIABLE) == "1")
