"""Whether the threads of this Python take turns, and what made them.

A free-threaded build starts without the lock. Importing an extension module that has not declared to do without
switches it on for good, and CPython says so in a warning: that is where the module's name comes from.
"""

import sys
import warnings

TYPE_CHECKING = False  # typing's own opens a dozen files
if TYPE_CHECKING:
    from typing import TextIO

_SENTENCE = "The global interpreter lock (GIL) has been enabled to load module '"
_enabled_by: list[str] = []
"""The module that switched the lock on, once one has."""


def watch_gil() -> None:
    """Note the module that switches the lock on, from now on; nothing to do on a build that always has it."""
    if _is_enabled():
        return
    show = warnings.showwarning

    def note_and_show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: "TextIO | None" = None,
        line: str | None = None,
    ) -> None:
        if str(message).startswith(_SENTENCE):
            _enabled_by.append(str(message).removeprefix(_SENTENCE).partition("'")[0])
        show(message, category, filename, lineno, file, line)

    warnings.showwarning = note_and_show


def gil_state() -> str:
    """Return ``enabled``, ``disabled`` or ``enabled by MODULE``; to be asked once the user's module is imported."""
    if not _is_enabled():
        return "disabled"
    return f"enabled by {_enabled_by[0]}" if _enabled_by else "enabled"


def _is_enabled() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())
