"""``fullrank run``: what the command line asks, carried out here or by ranks that are started, and what came of it."""

import importlib
import json
import os
import shlex
import sys
import time
from argparse import Namespace
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from fullrank.beside import accompanied
from fullrank.commands.here import ask_for_here
from fullrank.commands.opening import opened
from fullrank.commands.single import check_pdb, run_item
from fullrank.commands.without_config import study_config
from fullrank.console import TerminalConsole, output_columns, tell
from fullrank.errors import BackendError, FailedItems, Stopped, UsageError
from fullrank.launcher import launcher_from
from fullrank.output import tell_fatal_signals

_ONCE = ("--fresh", "--accept-change", "--retry-failed")
_IN_THIS_PROCESS = ("serial", "threads", "interpreters")
"""The backends that compute in this process, which is deaf while an item holds the GIL."""


def run(arguments: Namespace, crew: Any) -> int:
    """``fullrank run``."""
    check_pdb(arguments)
    config = study_config(arguments)
    tell_fatal_signals()
    if arguments.item is not None:
        return run_item(arguments, config)
    backend = arguments.backend or ("mpi" if crew is not None else "processes")
    _check_launch(arguments, backend, crew)
    if arguments.dry_run:
        return _show_preview(arguments, config, _choices(arguments, config, backend=backend, crew=crew))
    ask_for_here(arguments, n_workers=_n_workers(arguments, backend, crew))
    if backend == "mpi" and crew is None:
        return _run_under_mpiexec(arguments, config)
    with accompanied(may_be_orphan=True) if backend in _IN_THIS_PROCESS else nullcontext():
        return _run_here(arguments, config, backend=backend, crew=crew)


def _show_preview(arguments: Namespace, config: Any, choices: Any) -> int:
    """Tell what the run would do: 0 if it would begin, else 2."""
    from fullrank.abilities import check_abilities
    from fullrank.preview import preview

    check_abilities(choices.backend, config.run)
    if choices.backend == "mpi" and launcher_from(os.environ) is None:
        from fullrank.launch import find_mpiexec

        find_mpiexec()
    study = opened(config, as_json=arguments.json)
    if choices.backend == "interpreters":
        _check_interpreters(study)
    found = preview(study, choices)
    sys.stdout.write(json.dumps(found.to_dict()) + "\n" if arguments.json else found.text(width=output_columns()))
    return UsageError.exit_code if found.refusal else 0


def _check_launch(arguments: Namespace, backend: str, crew: Any) -> None:
    launched = launcher_from(os.environ)
    if launched is None or crew is None:
        return
    if backend != "mpi":
        raise UsageError(
            f"backend '{backend}' runs in one process, but {launched.name} started {launched.size}; "
            f"leave out -b, or start without {launched.name}"
        )
    if arguments.workers not in (None, crew.size):
        raise UsageError(f"-n {arguments.workers} disagrees with {launched.name}, which started {crew.size} ranks")


def _n_workers(arguments: Namespace, backend: str, crew: Any) -> int:
    from fullrank.cores import usable_cores

    if crew is not None:
        return int(crew.size)
    if backend == "serial":
        if arguments.workers not in (None, 1):
            raise UsageError(f"backend 'serial' is one worker; -n {arguments.workers} needs another one: -b processes")
        return 1
    return arguments.workers or usable_cores()


def _run_under_mpiexec(arguments: Namespace, config: Any) -> int:
    """Start the ranks; start them again if they died and items are left."""
    from fullrank.driver import MAX_FRUITLESS_RESTARTS
    from fullrank.ending import End, Ending
    from fullrank.launch import run_under_mpiexec
    from fullrank.standing import standing
    from fullrank.study import output_path

    output = output_path(config, arguments.output)
    n_ranks = _n_workers(arguments, "mpi", None)
    argv, stop_at = sys.argv[1:], _stop_time(arguments)
    n_finished = n_fruitless = 0
    while (code := run_under_mpiexec(argv, n_ranks, stop_at=stop_at)) is None:
        found = standing(output)
        n_before, n_finished = n_finished, found.n_finished
        n_fruitless = n_fruitless + 1 if n_finished == n_before else 0
        if n_fruitless > MAX_FRUITLESS_RESTARTS:
            died = Ending(End.DIED, output, config.sweep.n_items, n_finished, n_failed=found.n_failed)
            return _ended(died, arguments, config)
        tell("fullrank: the ranks died; they are started again\n")
        # the first start has done what these ask for
        argv = [argument for argument in argv if argument not in _ONCE]
    return code


def _died(config: Any) -> str:
    from fullrank.driver import MAX_FRUITLESS_RESTARTS

    return (
        f"the workers died {MAX_FRUITLESS_RESTARTS + 1} times in a row before an item was finished; "
        f"run the same command to go on, or look at: fullrank status {config.path}"
    )


def _stop_time(arguments: Namespace) -> float | None:
    from fullrank.account import process_age_seconds
    from fullrank.deadline import stop_time_told

    now = time.time()
    return stop_time_told(os.environ, now, begun=now - process_age_seconds(), stop_after_seconds=arguments.stop_after)


def _run_here(arguments: Namespace, config: Any, *, backend: str, crew: Any) -> int:
    from fullrank import driver
    from fullrank.abilities import check_abilities
    from fullrank.crew import LocalCrew, LocalTeam
    from fullrank.interrupt import interruptible
    from fullrank.provenance import collect, origin

    check_abilities(backend, config.run)
    study = opened(config, as_json=arguments.json)
    if backend == "interpreters":
        with interruptible():
            _check_interpreters(study)
    if crew is None:
        crew = LocalCrew(LocalTeam(importlib.import_module(f"fullrank.backends.{backend}").run))
    mpi_library = importlib.import_module("fullrank.backends.mpi").library() if backend == "mpi" else ""
    provenance = collect(argv=["fullrank", *sys.argv[1:]], config_folder=config.path.parent, mpi_library=mpi_library)
    choices = _choices(arguments, config, backend=backend, crew=crew if backend == "mpi" else None)
    choices = replace(choices, provenance=provenance | origin(config))
    console = TerminalConsole(quiet=arguments.quiet)
    if config.sweep.replicates is not None and config.workload.seed is None:
        console.say("replicates without a seed cannot be repeated; add seed = 1 (or another one) under [workload]")
    if study.shares_global_generators(backend, choices.n_workers):
        console.say(
            "threads share the global random generators, so results depend on timing; "
            "let the function take 'seed', or use another backend"
        )
    if choices.stop_at is not None:
        console.say(f"no item is begun after {datetime.fromtimestamp(choices.stop_at):%Y-%m-%d %H:%M:%S}")
    ending = driver.run(study, choices, crew=crew, console=console)
    return _ended(ending, arguments, config)


def _choices(arguments: Namespace, config: Any, *, backend: str, crew: Any) -> Any:
    from fullrank.choices import Choices
    from fullrank.study import output_path

    return Choices(
        output=output_path(config, arguments.output),
        backend=backend,
        n_workers=_n_workers(arguments, backend, crew),
        fresh=arguments.fresh,
        accept_change=arguments.accept_change,
        retry_failed=arguments.retry_failed,
        take_over=arguments.take_over,
        stop_at=_stop_time(arguments),
        limit=arguments.limit,
    )


def _check_interpreters(study: Any) -> None:
    """Refuse a function that cannot be loaded in a sub-interpreter, before anything of the user's is touched."""
    from fullrank.backends.interpreters import impossible

    reason = impossible(study.job(backend="interpreters", n_workers=1, work_folder=Path()))
    if reason is not None:
        raise BackendError(reason)


def _ended(ending: Any, arguments: Namespace, config: Any) -> int:
    """Tell what came of the run, and return the exit code."""
    code = _exit_code(ending, arguments.allow_failures)
    if arguments.json:
        sys.stdout.write(json.dumps(ending.to_dict() | {"exit_code": code}) + "\n")
    _tell_ending(ending, config, as_json=arguments.json)
    return code


def _exit_code(ending: Any, n_allowed: int) -> int:
    from fullrank.ending import End

    if ending.end in (End.STOPPED, End.DIED):
        return Stopped.exit_code
    if ending.end is End.FAILURES or ending.summary.n_failed > n_allowed:
        return FailedItems.exit_code
    return 0


def _tell_ending(ending: Any, config: Any, *, as_json: bool) -> None:
    """Tell what came of the run: what is amiss on standard error, the rest where a person reads standard output."""
    from fullrank.ending import End

    if ending.end is End.STOPPED:
        left = f"{ending.n_finished:,} of {ending.n_items:,} items are finished"
        tell(f"fullrank: stopped; {left}, none is lost. Run the same command to go on\n")
    elif ending.end is End.DIED:
        tell(f"fullrank: error: {_died(config)}\n")
    elif ending.end is End.FAILURES:
        why = (
            "stopped at the first failed item, as run.on_error asks; the same command goes on with the others:"
            if config.run.on_error == "stop"
            else "stopped, because too many items failed; mend the function or the study and run the same command "
            "again. The first of them:"
        )
        tell(f"fullrank: error: {why}\n{ending.first_failure}\n")
    elif as_json:
        return
    elif ending.end is End.ALREADY_COMPLETE:
        failed = f", {ending.summary.n_failed:,} of them failed" if ending.summary.n_failed else ""
        retry = "those alone with --retry-failed, all " if failed else ""
        sys.stdout.write(
            f"already complete: {ending.n_items:,} items{failed}; nothing to do. "
            f"Compute again {retry}with --fresh, or into another file with -o\nResult: {ending.output}\n"
        )
    else:
        _print_summary(ending)
    if ending.end is End.LIMIT and not as_json:
        sys.stdout.write(
            f"{ending.n_finished:,} of {ending.n_items:,} items are finished; "
            f"the same command without --limit keeps them and goes on\n"
        )


def _print_summary(ending: Any) -> None:
    from fullrank.report import brief, report

    sys.stdout.write(brief(report(ending.output)))
    if ending.printed is not None:
        sys.stdout.write(f"\nWhat the function printed: {ending.printed}")
    sys.stdout.write(f"\nWhat ran where, and how well: fullrank report {shlex.quote(str(_shown(ending.output)))}")
    sys.stdout.write(f"\nResult: {ending.output}\n")


def _shown(path: Path) -> Path:
    """Return ``path`` as short as it can be written here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
