"""A study's function imported for a command, with what the import prints and takes."""

import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import Any

from fullrank import garbage
from fullrank.console import tell


def opened(config: Any, *, as_json: bool) -> Any:
    """Return the study of ``config``; a stop signal ends the import, and one that takes long is told."""
    from fullrank.interrupt import interruptible
    from fullrank.study import open_study

    garbage.begin()
    with interruptible(), users_prints(as_json=as_json):
        return open_study(config, notify=lambda sentence: tell(f"fullrank: {sentence}\n"))


def users_prints(*, as_json: bool) -> AbstractContextManager[object]:
    """Return a context whose prints go to standard error if standard output is a program's to read."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()
