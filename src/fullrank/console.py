"""Where commands speak: sentences and progress on standard error."""

import os
import sys
from contextlib import suppress
from typing import Any, TextIO


def tell(text: str) -> None:
    """Write to standard error; where that cannot be written, on a full disk say, the exit code alone tells."""
    with suppress(OSError):
        sys.stderr.write(text)


class TerminalConsole:
    """Sentences and progress on standard error, whatever user code does to that descriptor meanwhile."""

    def __init__(self, *, quiet: bool) -> None:
        self._stream: TextIO = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
        self._quiet = quiet

    def say(self, sentence: str) -> None:
        """Print one sentence; a run does not end because it cannot be written."""
        with suppress(OSError):
            self._stream.write(f"fullrank: {sentence}\n")

    def display(self) -> Any:
        """Return a progress display that fits the stream."""
        from fullrank.launch import TERMINAL_VARIABLE
        from fullrank.progress import choose_display

        return choose_display(self._stream, quiet=self._quiet, force_terminal=os.environ.get(TERMINAL_VARIABLE) == "1")
