"""What each command does; it returns the exit code. Only this file and ``cli.py`` print."""

import importlib
import json
import os
import shlex
import sys
import time
from argparse import Namespace
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from fullrank.commands_compare import ask_for_here, is_report_of_comparison
from fullrank.commands_pictures import check_pictures, write_pictures
from fullrank.errors import BackendError, FailedItems, OutputError, Stopped, UsageError
from fullrank.launcher import launcher_from


class TerminalConsole:
    """Sentences and progress on standard error, whatever user code does to that descriptor meanwhile."""

    def __init__(self, *, quiet: bool) -> None:
        self._stream: TextIO = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
        self._quiet = quiet

    def say(self, sentence: str) -> None:
        """Print one sentence."""
        self._stream.write(f"fullrank: {sentence}\n")

    def display(self) -> Any:
        """Return a progress display that fits the stream."""
        from fullrank.launch import TERMINAL_VARIABLE
        from fullrank.progress import choose_display

        return choose_display(self._stream, quiet=self._quiet, force_terminal=os.environ.get(TERMINAL_VARIABLE) == "1")


def run(arguments: Namespace, crew: Any) -> int:
    """``fullrank run``."""
    from fullrank.config import load

    config = load(arguments.config)
    if arguments.item is not None:
        return _run_item(config, arguments.item)
    backend = arguments.backend or ("mpi" if crew is not None else "processes")
    _check_launch(arguments, backend, crew)
    ask_for_here(arguments, n_workers=_n_workers(arguments, backend, crew))
    if backend == "mpi" and crew is None:
        return _run_under_mpiexec(arguments, config)
    return _run_here(arguments, config, backend=backend, crew=crew)


def _run_item(config: Any, index: int) -> int:
    """Evaluate one item here, with its prints and its traceback; nothing is written."""
    from fullrank.single import evaluate_item
    from fullrank.study import open_study

    study = open_study(config)
    single = evaluate_item(study, index)
    sys.stdout.write(single.text())
    return 0 if single.is_ok else FailedItems.exit_code


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
    from fullrank.launch import run_under_mpiexec
    from fullrank.standing import standing
    from fullrank.study import output_path

    output = output_path(config, arguments.output)
    n_ranks = _n_workers(arguments, "mpi", None)
    argv, stop_at = sys.argv[1:], _stop_time(arguments)
    n_finished = n_fruitless = 0
    while (code := run_under_mpiexec(argv, n_ranks, stop_at=stop_at)) is None:
        n_before, n_finished = n_finished, standing(output).n_finished
        n_fruitless = n_fruitless + 1 if n_finished == n_before else 0
        if n_fruitless > MAX_FRUITLESS_RESTARTS:
            sys.stderr.write(f"fullrank: error: {_died(config)}\n")
            return Stopped.exit_code
        sys.stderr.write("fullrank: the ranks died; they are started again\n")
        # what --fresh was to move aside was moved by the first start
        argv = [argument for argument in argv if argument != "--fresh"]
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
    from fullrank.provenance import collect
    from fullrank.study import open_study, output_path

    check_abilities(backend, config.run)
    with interruptible():
        study = open_study(config)
        if backend == "interpreters":
            _check_interpreters(study)
    if crew is None:
        crew = LocalCrew(LocalTeam(importlib.import_module(f"fullrank.backends.{backend}").run))
    mpi_library = importlib.import_module("fullrank.backends.mpi").library() if backend == "mpi" else ""
    provenance = collect(argv=["fullrank", *sys.argv[1:]], config_folder=config.path.parent, mpi_library=mpi_library)
    provenance["config_path"] = str(config.path)
    choices = driver.Choices(
        output=output_path(config, arguments.output),
        backend=backend,
        n_workers=_n_workers(arguments, backend, crew if backend == "mpi" else None),
        fresh=arguments.fresh,
        take_over=arguments.take_over,
        stop_at=_stop_time(arguments),
        limit=arguments.limit,
        provenance=provenance,
    )
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
    return _tell_ending(ending, config, arguments.allow_failures)


def _check_interpreters(study: Any) -> None:
    """Refuse a function that cannot be loaded in a sub-interpreter, before anything of the user's is touched."""
    from fullrank.backends.interpreters import impossible

    reason = impossible(study.job(backend="interpreters", n_workers=1, work_folder=Path()))
    if reason is not None:
        raise BackendError(reason)


def _tell_ending(ending: Any, config: Any, n_allowed: int) -> int:
    from fullrank.driver import End

    if ending.end is End.STOPPED:
        left = f"{ending.n_finished:,} of {ending.n_items:,} items are finished"
        sys.stderr.write(f"fullrank: stopped; {left}, none is lost. Run the same command to go on\n")
        return Stopped.exit_code
    if ending.end is End.DIED:
        sys.stderr.write(f"fullrank: error: {_died(config)}\n")
        return Stopped.exit_code
    if ending.end is End.FAILURES:
        why = (
            "stopped at the first failed item, as run.on_error asks; the same command goes on with the others:"
            if config.run.on_error == "stop"
            else "stopped, because too many items failed; mend the function or the study and run the same command "
            "again. The first of them:"
        )
        sys.stderr.write(f"fullrank: error: {why}\n{ending.first_failure}\n")
        return FailedItems.exit_code
    if ending.end is End.ALREADY_COMPLETE:
        failed = f", {ending.summary.n_failed:,} of them failed" if ending.summary.n_failed else ""
        sys.stdout.write(
            f"already complete: {ending.n_items:,} items{failed}; nothing to do. "
            f"Compute again with --fresh, or into another file with -o\nResult: {ending.output}\n"
        )
    else:
        _print_summary(ending)
    if ending.end is End.LIMIT:
        sys.stdout.write(
            f"{ending.n_finished:,} of {ending.n_items:,} items are finished; "
            f"the same command without --limit keeps them and goes on\n"
        )
    if ending.summary.n_failed > n_allowed:
        return FailedItems.exit_code
    return 0


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


def status(arguments: Namespace, _crew: Any) -> int:
    """``fullrank status``."""
    from fullrank.standing import standing

    found = standing(arguments.study, arguments.output)
    if arguments.json:
        sys.stdout.write(json.dumps(found.to_dict()) + "\n")
    else:
        sys.stdout.write(found.text() + "\n")
    return found.exit_code if arguments.exit_code else 0


def report(arguments: Namespace, _crew: Any) -> int:
    """``fullrank report``."""
    from fullrank.report import report as make_report
    from fullrank.report import text

    check_pictures(arguments)
    if is_report_of_comparison(arguments):
        return 0
    reports = [make_report(_result_of(path)) for path in arguments.files]
    written = write_pictures(arguments, reports[0])
    if arguments.json:
        shown = [made.to_dict() for made in reports]
        sys.stdout.write(json.dumps(shown if len(shown) > 1 else shown[0], indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(text(made) for made in reports))
        sys.stdout.write(written)
    return 0


def _result_of(path: Path) -> Path:
    """Return the result file that is meant: a config's, if a config is named; say so if it is not finished."""
    from fullrank.standing import output_of
    from fullrank.workfolder import WorkFolder

    result = output_of(path, None)
    if not result.exists() and WorkFolder(result).identity() is not None:
        raise OutputError(
            f"{result}: not finished yet; see how far it is with: fullrank status {path}, "
            f"or write what is there with: fullrank gather {path} --partial"
        )
    return result


def gather(arguments: Namespace, _crew: Any) -> int:
    """``fullrank gather``."""
    from fullrank.partial import gather as gather_finished

    written = gather_finished(arguments.study, arguments.output, partial=arguments.partial)
    if arguments.json:
        sys.stdout.write(json.dumps(written.to_dict()) + "\n")
    else:
        sys.stdout.write(written.text() + "\n")
    return 0


def verify(arguments: Namespace, _crew: Any) -> int:
    """``fullrank verify``."""
    from dataclasses import asdict

    from fullrank.store import verify as verify_file

    code, shown = 0, []
    for path in arguments.files:
        try:
            summary = verify_file(path)
        except OutputError as error:
            code = error.exit_code
            shown.append({"file": str(path), "error": str(error)})
            if not arguments.json:
                sys.stderr.write(f"fullrank: error: {error}\n")
            continue
        shown.append({"file": str(path)} | asdict(summary))
        if not arguments.json:
            whole = "complete" if summary.complete else f"partial: {summary.n_missing:,} items missing"
            sys.stdout.write(
                f"{path}: {whole}, true to its digests; {summary.n_ok:,} of {summary.n_items:,} items ok\n"
                f"  results_sha256 {summary.results_sha256}\n"
            )
    if arguments.json:
        sys.stdout.write(json.dumps(shown) + "\n")
    return code


def selftest(arguments: Namespace, _crew: Any) -> int:
    """``fullrank selftest``: 0 if nothing was lost, 70 if something was."""
    from fullrank.errors import FullrankError
    from fullrank.interrupt import interruptible
    from fullrank.selftest import selftest as kill_and_count

    def tell(sentence: str) -> None:
        sys.stderr.write(f"fullrank: {sentence}\n")

    with interruptible():
        figures = kill_and_count(arguments.kills, arguments.dir, seed=arguments.seed, tell=tell)
    sys.stdout.write(json.dumps(figures.to_dict()) + "\n" if arguments.json else figures.text())
    return 0 if figures.holds else FullrankError.exit_code


def diff(arguments: Namespace, _crew: Any) -> int:
    """``fullrank diff``: 0 if equal, 1 if not."""
    from fullrank.store import differences

    found = differences(arguments.first, arguments.second, rtol=arguments.rtol)
    if arguments.json:
        sys.stdout.write(json.dumps({"equal": not found, "differences": found}) + "\n")
    elif found:
        sys.stdout.write("\n".join(found) + "\n")
    else:
        how = "to the last bit" if arguments.rtol == 0 else f"within a relative tolerance of {arguments.rtol:g}"
        sys.stdout.write(f"equal {how}: {arguments.first} and {arguments.second}\n")
    return 1 if found else 0
