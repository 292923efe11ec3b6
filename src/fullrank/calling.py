"""One run for a caller in Python: what the command line prints goes to the logger ``fullrank``, errors are raised."""

import importlib
import logging
import os
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from fullrank import driver
from fullrank.abilities import check_abilities
from fullrank.account import system_seconds
from fullrank.choices import Choices
from fullrank.config import Config
from fullrank.cores import usable_cores
from fullrank.crew import Crew, LocalCrew, LocalTeam
from fullrank.deadline import stop_time_told
from fullrank.ending import End, Ending
from fullrank.errors import BackendError, FailedItems, FullrankError, Stopped, StorageError, UsageError
from fullrank.implied import write_config
from fullrank.interrupt import interruptible
from fullrank.launch import run_under_mpiexec
from fullrank.named import as_it_stands
from fullrank.progress import Silent
from fullrank.provenance import collect
from fullrank.standing import standing
from fullrank.study import Study, open_study, output_path
from fullrank.workfolder import WorkFolder

logger = logging.getLogger("fullrank")

_ERROR = "fullrank: error: "
_BY_CODE = {kind.exit_code: kind for kind in (UsageError, StorageError, FailedItems, Stopped)}
_ONCE = ("--fresh", "--accept-change", "--retry-failed")
"""What the first start of the ranks has done."""


@dataclass(frozen=True)
class Call:
    """A run that is asked for, as the command line would have it."""

    config: Config
    words: Sequence[str]
    """Of the command line of the same run: ``run CONFIG …``."""
    arguments: Namespace
    """The same, read."""
    backend: str

    @property
    def output(self) -> Path:
        """Where the result goes, absolute."""
        return output_path(self.config, self.arguments.output)

    def n_workers(self, crew: Crew | None) -> int:
        """Return how many workers compute; with a crew of ranks each of these is one."""
        if crew is not None:
            return crew.size
        return 1 if self.backend == "serial" else self.arguments.workers or usable_cores()

    def stop_at(self) -> float | None:
        """Return the time from which no item is begun; None if there is none."""
        now = time.time()
        return stop_time_told(os.environ, now, begun=now, stop_after_seconds=self.arguments.stop_after)


class _LoggingConsole:
    """Where a run tells what happens: the logger. There is no progress display."""

    def say(self, sentence: str) -> None:
        """Log one sentence."""
        logger.info(sentence)

    def display(self) -> "_LoggingDisplay":
        """Return what logs what a display would say."""
        return _LoggingDisplay()


class _LoggingDisplay(Silent):
    def say(self, sentence: str) -> None:
        """Log a sentence about a worker that gives no sign of life."""
        logger.warning(sentence)


def conduct(call: Call, crew: Crew | None) -> Path:
    """Run a study in and from this process, or on the ranks of ``crew``; return the file, a partial one after a limit.

    Raises Stopped for a run that ended early, FailedItems for one that was stopped for failures.
    """
    begun = system_seconds()
    check_abilities(call.backend, call.config.run)
    with as_it_stands(call.config.workload.file):
        with interruptible():
            study = open_study(call.config)
            _check_interpreters(study, call.backend)
        choices = _choices(call, crew, begun=begun)
        if call.config.sweep.replicates is not None and call.config.workload.seed is None:
            logger.warning("replicates without a seed cannot be repeated; give a seed")
        if study.shares_global_generators(call.backend, choices.n_workers):
            logger.warning(
                "threads share the global random generators, so results depend on timing; "
                "let the function take 'seed', or use another backend"
            )
        if crew is None:
            crew = LocalCrew(LocalTeam(importlib.import_module(f"fullrank.backends.{call.backend}").run))
        ending = driver.run(study, choices, crew=crew, console=_LoggingConsole())
    return _file_of(ending, call)


def _choices(call: Call, crew: Crew | None, *, begun: float) -> Choices:
    arguments = call.arguments
    mpi_library = importlib.import_module("fullrank.backends.mpi").library() if call.backend == "mpi" else ""
    provenance = collect(argv=sys.orig_argv, config_folder=call.config.path.parent, mpi_library=mpi_library)
    provenance["config_path"] = str(call.config.path)
    return Choices(
        output=call.output,
        backend=call.backend,
        n_workers=call.n_workers(crew),
        fresh=arguments.fresh,
        accept_change=arguments.accept_change,
        retry_failed=arguments.retry_failed,
        take_over=arguments.take_over,
        begun=begun,
        stop_at=call.stop_at(),
        limit=arguments.limit,
        provenance=provenance,
    )


def _check_interpreters(study: Study, backend: str) -> None:
    if backend != "interpreters":
        return
    from fullrank.backends.interpreters import impossible

    reason = impossible(study.job(backend=backend, n_workers=1, work_folder=Path()))
    if reason is not None:
        raise BackendError(reason)


def _file_of(ending: Ending, call: Call) -> Path:
    finished = f"{ending.n_finished:,} of {ending.n_items:,} items are finished"
    if ending.end is End.STOPPED:
        raise Stopped(f"{ending.output}: stopped; {finished}, none is lost. The same call goes on")
    if ending.end is End.DIED:
        raise Stopped(_died(call))
    if ending.end is End.FAILURES:
        raise FailedItems(
            f"{ending.output}: stopped, because too many items failed; {finished}. The first of them:\n"
            f"{ending.first_failure}"
        )
    n_failed = ending.summary.n_failed if ending.summary is not None else 0
    told = f"{ending.output}: {finished}, {n_failed:,} of them failed"
    logger.log(logging.WARNING if n_failed else logging.INFO, told)
    return ending.output


def _died(call: Call) -> str:
    return (
        f"{call.output}: the workers died {driver.MAX_FRUITLESS_RESTARTS + 1} times in a row before an item was "
        f"finished; the same call goes on, and fullrank status {call.config.path} tells more"
    )


def conduct_on_ranks(call: Call) -> Path:
    """Start ranks with mpiexec, again if they died, and return the file as :func:`conduct` does."""
    if call.config.is_unwritten:
        write_config(call.config)  # by which the ranks find it
    words, n_ranks, stop_at = list(call.words), call.n_workers(None), call.stop_at()
    n_finished = n_fruitless = 0
    while True:
        output = _Output()
        code = run_under_mpiexec(words, n_ranks, stop_at=stop_at, hear=output.take)
        if code is not None:
            break
        n_before, n_finished = n_finished, standing(call.output).n_finished
        n_fruitless = n_fruitless + 1 if n_finished == n_before else 0
        if n_fruitless > driver.MAX_FRUITLESS_RESTARTS:
            raise Stopped(_died(call))
        logger.warning("the ranks died; they are started again")
        words = [word for word in words if word not in _ONCE]
    if code != 0:
        _raise(code, output.text)
    partial = WorkFolder(call.output).partial
    return partial if call.arguments.limit is not None and partial.exists() else call.output


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
            logger.info(line.removeprefix("fullrank: "))
