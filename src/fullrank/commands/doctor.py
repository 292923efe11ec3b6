"""``fullrank doctor``."""

import json
import os
import sys
from argparse import Namespace
from typing import Any

from fullrank.launcher import launcher_from

EXIT_CODE_OF_PROBLEM = 1
_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor(arguments: Namespace, _crew: Any) -> int:
    """``fullrank doctor``: 0 if there is no problem, else 1. Under a launcher all ranks take part, and root tells."""
    from fullrank.doctor import words
    from fullrank.doctor.examine import examine, follow

    launched = launcher_from(os.environ)
    if launched is not None and launched.rank > 0:
        follow(launched)
        return 0
    found = examine(arguments.config, arguments.output, launched)
    if arguments.json:
        sys.stdout.write(json.dumps(words.to_dict(found), indent=2) + "\n")
    else:
        _show(found, in_colours=launched is None and sys.stdout.isatty())
    return EXIT_CODE_OF_PROBLEM if found.has_problem else 0


def _show(found: Any, *, in_colours: bool) -> None:
    """Write the screen; a launcher may give its ranks a terminal that leads to a file."""
    from fullrank.console import output_columns
    from fullrank.doctor import words

    if not in_colours:
        sys.stdout.write(words.text(found, width=output_columns()))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for level, line in words.lines(found, width=output_columns()):
        shown = Text(line)
        shown.stylize(_STYLES.get(level, ""), 0, len(level))
        console.print(shown)
