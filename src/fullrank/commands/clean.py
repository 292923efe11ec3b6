"""``fullrank clean``: the only command that deletes, what is fullrank's own and after a question."""

import json
import sys
from argparse import Namespace
from typing import Any

from fullrank.console import tell
from fullrank.errors import UsageError


def clean(arguments: Namespace, _crew: Any) -> int:
    """``fullrank clean``: 0 if nothing is left of what was to go, 2 if it stays because nobody agreed."""
    from fullrank.implied import named_study
    from fullrank.leftovers import delete, find
    from fullrank.standing import output_of

    output = output_of(named_study(arguments.study, arguments.output), arguments.output)
    found = find(output, aside=arguments.all, result=arguments.result)
    if not arguments.json:
        sys.stdout.write(_in_words(found))
    is_wanted = bool(found.ours) and _agreed(arguments)
    if is_wanted:
        delete(found)
    if arguments.json:
        sys.stdout.write(json.dumps(found.to_dict() | {"is_deleted": is_wanted}) + "\n")
    elif is_wanted:
        sys.stdout.write("deleted\n")
    if found.ours and not is_wanted:
        tell("fullrank: nothing was deleted\n")
    return 0 if is_wanted or not found.ours else UsageError.exit_code


def _in_words(found: Any) -> str:
    from fullrank.report.layout import printable, table
    from fullrank.room import spelled_bytes

    lines = [f"nothing to delete at {found.output}"]
    if found.ours:
        names = [(leftover.path + "/" * leftover.is_folder, leftover) for leftover in found.ours]
        rows = [(spelled_bytes(leftover.n_bytes), name, leftover.what) for name, leftover in names]
        lines = [f"{spelled_bytes(found.n_bytes)} to delete:", *table(rows, left=(1, 2))]
    return "".join(f"{printable(line)}\n" for line in [*lines, *found.strange])


def _agreed(arguments: Namespace) -> bool:
    """Return whether the user wants it."""
    if arguments.yes:
        return True
    if arguments.json or not sys.stdin.isatty():
        raise UsageError("clean: nothing was deleted: there is no terminal to ask at; add --yes if it is to go")
    tell("Delete this for ever? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
