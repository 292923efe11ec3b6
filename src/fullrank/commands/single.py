"""``fullrank run --item K``: one item in this process, with its prints, its traceback, and Python's debugger."""

import json
import sys
from argparse import Namespace
from typing import Any

from fullrank.beside import accompanied
from fullrank.commands.opening import opened, users_prints
from fullrank.console import tell
from fullrank.errors import FailedItems, Stopped, UsageError

_OF_A_RUN = {
    "--fresh": "fresh",
    "--limit": "limit",
    "--retry-failed": "retry_failed",
    "-b": "backend",
    "-n": "workers",
    "--accept-change": "accept_change",
    "--stop-after": "stop_after",
}


def run_item(arguments: Namespace, config: Any) -> int:
    """Evaluate one item; nothing is written. 0 if it has a result, 75 if a signal stopped it, else 3."""
    from fullrank.dataclass import asdict
    from fullrank.single import evaluate_item
    from fullrank.stored import stored_item
    from fullrank.study import output_path
    from fullrank.workfolder import WorkFolder

    _tell_meaningless(arguments)
    if arguments.pdb:
        _check_terminal(as_json=arguments.json)
    with accompanied(may_be_orphan=True):  # an item in C code hears no Ctrl-C
        study = opened(config, as_json=arguments.json)
        with users_prints(as_json=arguments.json):
            single = evaluate_item(study, arguments.item)
    folder = WorkFolder(output_path(config, arguments.output))
    stored = stored_item(study, arguments.item, (folder.output, folder.partial))
    if arguments.json:
        told = single.to_dict() | {"stored": asdict(stored) if stored is not None else None}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.write(single.text() + (stored.text() if stored is not None else ""))
    if arguments.pdb and single.failure:
        _debug(single)
    if single.is_stopped:
        return Stopped.exit_code
    return 0 if single.is_ok else FailedItems.exit_code


def _tell_meaningless(arguments: Namespace) -> None:
    """Say which options mean nothing for one item: who adds --item to a command of a run need not take them out."""
    given = [option for option, name in _OF_A_RUN.items() if getattr(arguments, name)]
    if given:
        means = "mean" if len(given) > 1 else "means"
        tell(f"fullrank: {', '.join(given)} {means} nothing beside --item, which runs here and writes nothing\n")


def check_pdb(arguments: Namespace) -> None:
    """Raise UsageError for a debugger without an item."""
    if arguments.pdb and arguments.item is None:
        raise UsageError("--pdb: expected --item K beside it, the item to debug; `fullrank report` lists failed ones")


def _check_terminal(*, as_json: bool) -> None:
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "--pdb: the debugger needs a terminal, and no --json; leave --pdb out to see the traceback alone"
        )


def _debug(single: Any) -> None:
    """Let the user look around at the innermost frame of what the item raised, or of where it was stopped."""
    import pdb

    if single.trace is None:
        sys.stdout.write("There is no frame to look at: the item raised nothing of its own\n")
        return
    sys.stdout.write("Python's debugger: p NAME shows a variable, w where this is, u goes up, q ends\n")
    sys.stdout.flush()
    pdb.post_mortem(single.trace)
