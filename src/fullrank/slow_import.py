"""What a user's file computes while it is imported: named once, for every worker would compute it again."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from linecache import getline
from pathlib import Path
from types import FrameType

from fullrank.function import is_users_code
from fullrank.interrupt import Helper

SLOW_SECONDS = 10.0
_TOP_LEVEL = "<module>"
_MAX_LINE_CHARACTERS = 120


@contextmanager
def told_if_slow(
    written: str, notify: Callable[[str], object], *, after_seconds: float | None = None
) -> Iterator[None]:
    """Have ``notify`` told which line this thread is at, if it is still importing then; the import goes on.

    ``written`` is the function as the study names it; without ``after_seconds`` it is told after :data:`SLOW_SECONDS`.
    The thread that tells sleeps until then.
    """
    seconds = SLOW_SECONDS if after_seconds is None else after_seconds
    ended, importer = threading.Event(), threading.get_ident()

    def tell() -> None:
        if not ended.wait(seconds):
            notify(_told(written, sys._current_frames().get(importer), seconds))

    helper = Helper(target=tell, name="fullrank-slow-import", daemon=True)
    helper.start()
    try:
        yield
    finally:
        ended.set()
        helper.join()


def _told(written: str, frame: FrameType | None, seconds: float) -> str:
    place = written.rpartition(":")[0]
    line = _line_of_user(frame)
    if line is None:
        return f"importing {place} takes longer than {seconds:g} s; every worker will import it as well"
    file, number = line
    source = getline(file, number).strip()[:_MAX_LINE_CHARACTERS]
    if source.startswith(("import ", "from ")):
        cure = "every worker will do the same. Import there what the function needs, and nothing else"
    else:
        cure = (
            "every worker will compute it again. Put it into a function that `setup` under [workload] names, "
            'or under `if __name__ == "__main__":` if items do not need it'
        )
    return f"importing {place} takes longer than {seconds:g} s. It is at {file}, line {number}:\n    {source}\n{cure}"


def _line_of_user(frame: FrameType | None) -> tuple[str, int] | None:
    """Return file and number of the innermost line at the top level of a file of the user's, of no installed package.

    What such a line calls runs because it stands there: this is the line to move.
    """
    fallback = None
    while frame is not None:
        file = frame.f_code.co_filename
        if frame.f_code.co_name == _TOP_LEVEL and is_users_code(Path(file)):
            if not _is_installed(file):
                return file, frame.f_lineno
            fallback = file, frame.f_lineno  # the function itself is of an installed package
        frame = frame.f_back
    return fallback


def _is_installed(file: str) -> bool:
    import site
    import sysconfig

    folders = [sysconfig.get_path("stdlib"), *site.getsitepackages(), site.getusersitepackages()]
    return any(Path(file).is_relative_to(folder) for folder in folders)
