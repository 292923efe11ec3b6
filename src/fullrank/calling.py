"""One run for a caller in Python: what the command line prints goes to the logger ``fullrank``, errors are raised."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from fullrank.abilities import check_abilities
from fullrank.conduct import conduct, conduct_on_ranks, died
from fullrank.ending import End, Ending
from fullrank.errors import FailedItems, FullrankError, Stopped, StorageError, UsageError
from fullrank.implied import write_config
from fullrank.in_python import in_python
from fullrank.interrupt import interruptible
from fullrank.named import as_it_stands
from fullrank.progress import Silent
from fullrank.request import Request
from fullrank.study import open_study
from fullrank.workfolder import WorkFolder

logger = logging.getLogger("fullrank")

_ERROR = "fullrank: error: "
_AGAIN = "the same call goes on"
_BY_CODE = {kind.exit_code: kind for kind in (UsageError, StorageError, FailedItems, Stopped)}


class _LoggingConsole:
    """Where a run tells what happens: the logger. There is no progress display."""

    def say(self, sentence: str) -> None:
        """Log one sentence."""
        logger.info(in_python(sentence))

    def display(self) -> "_LoggingDisplay":
        """Return what logs what a display would say."""
        return _LoggingDisplay()


class _LoggingDisplay(Silent):
    def say(self, sentence: str) -> None:
        """Log a sentence about a worker that gives no sign of life."""
        logger.warning(sentence)


def run(request: Request) -> Path:
    """Run a study in and from this process, or on the ranks there are; return the file, a partial one after a limit.

    Raises Stopped for a run that ended early, FailedItems for one that was stopped for failures.
    """
    check_abilities(request.backend, request.config.run)
    with as_it_stands(request.config.workload.file):
        with interruptible():
            study = open_study(request.config)
        ending = conduct(request, study, console=_LoggingConsole(), warn=logger.warning, command=sys.orig_argv)
    return _file_of(ending, request)


def _file_of(ending: Ending, request: Request) -> Path:
    finished = f"{ending.n_finished:,} of {ending.n_items:,} items are finished"
    if ending.end is End.STOPPED:
        raise Stopped(f"{ending.output}: stopped; {finished}, none is lost. The same call goes on")
    if ending.end is End.DIED:
        raise Stopped(f"{ending.output}: {died(request, again=_AGAIN)}")
    if ending.end is End.FAILURES:
        raise FailedItems(
            f"{ending.output}: stopped, because too many items failed; {finished}. The first of them:\n"
            f"{ending.first_failure}"
        )
    n_failed = ending.summary.n_failed if ending.summary is not None else 0
    told = f"{ending.output}: {finished}, {n_failed:,} of them failed"
    logger.log(logging.WARNING if n_failed else logging.INFO, told)
    return ending.output


def run_on_ranks(request: Request, words: Sequence[str]) -> Path:
    """Start ranks with mpiexec, again if they died, and return the file as :func:`run` does.

    ``words`` are those of the command line of the same run.
    """
    if request.config.is_unwritten:
        write_config(request.config)  # by which the ranks find it
    output = _Output()
    code = conduct_on_ranks(request, words, warn=logger.warning, hear=output.take)
    if code is None:
        raise Stopped(f"{request.output}: {died(request, again=_AGAIN)}")
    if code != 0:
        _raise(code, output.text)
    partial = WorkFolder(request.output).partial
    return partial if request.arguments.limit is not None and partial.exists() else request.output


def _raise(code: int, text: str) -> NoReturn:
    """Raise what root ended with, in its own words."""
    _, _, told = text.partition(_ERROR)
    raise _BY_CODE.get(code, FullrankError)((told or text).strip() or f"the ranks ended with exit code {code}")


class _Output:
    """What ranks write, as lines for the logger."""

    def __init__(self) -> None:
        self.text = ""
        self._rest = ""

    def take(self, data: bytes) -> None:
        """Log the lines that are whole."""
        text = data.decode(errors="replace")
        self.text += text
        *lines, self._rest = (self._rest + text).split("\n")
        for line in filter(None, lines):
            logger.info(in_python(line.removeprefix("fullrank: ")))
