"""A run that is asked for carried out: in and from this process, or by ranks that are started for it."""

import importlib
import os
import shlex
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from fullrank import driver, sharded
from fullrank.choices import Console
from fullrank.crew import LocalCrew, LocalTeam
from fullrank.ending import Ending
from fullrank.errors import BackendError
from fullrank.interrupt import interruptible
from fullrank.provenance import collect, origin
from fullrank.request import Request
from fullrank.study import Study

_ONCE = ("--fresh", "--accept-change", "--retry-failed")
"""What the first start of the ranks has done."""

Say = Callable[[str], object]


def conduct(request: Request, study: Study, *, console: Console, warn: Say, command: Sequence[str]) -> Ending:
    """Run a study that is open; ``warn`` is told what makes its results doubtful, ``command`` goes into the file."""
    if request.backend == "interpreters":
        with interruptible():
            check_interpreters(study)
    crew = request.crew
    if crew is None:
        crew = LocalCrew(LocalTeam(importlib.import_module(f"fullrank.backends.{request.backend}").run))
    mpi_library = importlib.import_module("fullrank.backends.mpi").library() if request.backend == "mpi" else ""
    config = request.config
    provenance = collect(argv=command, config_folder=config.path.parent, mpi_library=mpi_library)
    choices = request.choices(provenance | origin(config))
    if config.sweep.replicates is not None and config.workload.seed is None:
        warn(f"replicates without a seed cannot be repeated; {config.wording.seed_cure}")
    if study.shares_global_generators(choices.backend, choices.n_workers):
        warn(
            "threads share the global random generators, so results depend on timing; "
            "let the function take 'seed', or use another backend"
        )
    if choices.stop_at is not None:
        console.say(f"no item is begun after {datetime.fromtimestamp(choices.stop_at):%Y-%m-%d %H:%M:%S}")
    if choices.shard is not None:
        return sharded.run_shard(study, choices, choices.shard, crew=crew, console=console)
    return driver.run(study, choices, crew=crew, console=console)


def check_interpreters(study: Study) -> None:
    """Refuse a function that cannot be loaded in a sub-interpreter, before anything of the user's is touched."""
    from fullrank.backends.interpreters import impossible

    reason = impossible(study.job(backend="interpreters", n_workers=1, work_folder=Path()))
    if reason is not None:
        raise BackendError(reason)


def conduct_on_ranks(
    request: Request, words: Sequence[str], *, warn: Say, hear: Callable[[bytes], object] | None = None
) -> int | None:
    """Start ``fullrank WORDS`` on ranks, again while they die and items are left, and return root's exit code.

    None: they died too often, as :func:`died` says. What they write is for ``hear`` to take; without it, it goes where
    this process writes. Raises BackendError if the launcher started no ranks each time.
    """
    from fullrank.allocation import find_starter
    from fullrank.launch import NoRoot, run_on_ranks
    from fullrank.standing import standing

    starter = request.starter or find_starter(os.environ, request.allocation)
    start = partial(run_on_ranks, n_ranks=request.n_workers, starter=starter, stop_at=request.stop_at, hear=hear)
    left, output, n_finished, n_fruitless = list(words), request.output, 0, 0
    while True:
        missing: NoRoot | None = None
        try:
            code = start(left)
        except NoRoot as error:  # or it was killed before it could tell that it is there
            code, missing = None, error
        if code is not None:
            return code
        n_before, n_finished = n_finished, standing(output).n_finished
        n_fruitless = n_fruitless + 1 if n_finished == n_before else 0
        if n_fruitless > driver.MAX_FRUITLESS_RESTARTS:
            if missing is not None:
                raise missing
            return None
        warn(f"{'no ranks came up' if missing else 'the ranks died'}; they are started again")
        left = [word for word in left if word not in _ONCE]


def died(request: Request, *, again: str) -> str:
    """Return what is told of workers that always died; ``again`` says how the run goes on."""
    return (
        f"the workers died {driver.MAX_FRUITLESS_RESTARTS + 1} times in a row before an item was finished; "
        f"{again}, and this tells more: fullrank status {shlex.quote(str(request.config.path))}"
    )
