"""``fullrank run``: what the command line asks, carried out here or by ranks that are started, and what came of it."""

import json
import os
import sys
import time
from argparse import Namespace
from contextlib import nullcontext
from typing import Any

from fullrank.account import process_age_seconds
from fullrank.allocation import find_starter
from fullrank.beside import accompanied
from fullrank.commands.ended import ended
from fullrank.commands.here import ask_for_here
from fullrank.commands.opening import opened
from fullrank.commands.single import check_pdb, run_item
from fullrank.commands.without_config import study_config
from fullrank.console import TerminalConsole, output_columns, tell
from fullrank.errors import UsageError
from fullrank.launcher import launcher_from
from fullrank.output import tell_fatal_signals
from fullrank.request import Request, request_here

_IN_THIS_PROCESS = ("serial", "threads", "interpreters")
"""The backends that compute in this process, which is deaf while an item holds the GIL."""


def run(arguments: Namespace, crew: Any) -> int:
    """``fullrank run``."""
    check_pdb(arguments)
    writes = arguments.item is None and not arguments.dry_run
    config = study_config(arguments, output=arguments.output, writes=writes)
    tell_fatal_signals()
    if arguments.item is not None:
        return run_item(arguments, config)
    asked_at = time.time() - process_age_seconds()
    asked = Request(config, arguments, crew, asked_at=asked_at, is_reported=not arguments.json)
    request = request_here(asked, warn=_warn)
    _check_launch(request)
    if arguments.dry_run:
        return _show_preview(request)
    ask_for_here(arguments, n_workers=request.n_workers)
    if request.backend == "mpi" and crew is None:
        return _run_on_ranks(request)
    with accompanied(may_be_orphan=True) if request.backend in _IN_THIS_PROCESS else nullcontext():
        return _run_here(request)


def _show_preview(request: Request) -> int:
    """Tell what the run would do: 0 if it would begin, else 2."""
    from fullrank.abilities import check_abilities
    from fullrank.conduct import check_interpreters
    from fullrank.preview import preview

    arguments, choices = request.arguments, request.choices()
    check_abilities(choices.backend, request.config.run)
    if choices.backend == "mpi" and launcher_from(os.environ) is None:
        find_starter(os.environ, request.allocation)
    study = opened(request.config, as_json=arguments.json)
    if choices.backend == "interpreters":
        check_interpreters(study)
    found = preview(study, choices)
    sys.stdout.write(json.dumps(found.to_dict()) + "\n" if arguments.json else found.text(width=output_columns()))
    return UsageError.exit_code if found.refusal else 0


def _check_launch(request: Request) -> None:
    launched, crew, n_asked = launcher_from(os.environ), request.crew, request.arguments.workers
    if launched is None or crew is None:
        return
    if request.backend != "mpi":
        raise UsageError(
            f"backend '{request.backend}' runs in one process, but {launched.name} started {launched.size}; "
            f"leave out -b, or start without {launched.name}"
        )
    if n_asked not in (None, crew.size):
        raise UsageError(f"-n {n_asked} disagrees with {launched.name}, which started {crew.size} ranks")


def _run_on_ranks(request: Request) -> int:
    """Start the ranks; start them again if they died and items are left."""
    from fullrank.conduct import conduct_on_ranks
    from fullrank.ending import End, Ending
    from fullrank.standing import standing

    code = conduct_on_ranks(request, sys.argv[1:], warn=_warn)
    if code is not None:
        return code
    found = standing(request.output)
    n_items = request.config.sweep.n_items
    return ended(Ending(End.DIED, request.output, n_items, found.n_finished, n_failed=found.n_failed), request)


def _warn(sentence: str) -> None:
    tell(f"fullrank: {sentence}\n")


def _run_here(request: Request) -> int:
    from fullrank.abilities import check_abilities

    check_abilities(request.backend, request.config.run)
    from fullrank.conduct import conduct  # before user code, from whose import on garbage is collected

    study = opened(request.config, as_json=request.arguments.json)
    console = TerminalConsole(quiet=request.arguments.quiet)
    ending = conduct(request, study, console=console, warn=console.say, command=["fullrank", *sys.argv[1:]])
    return ended(ending, request)
