"""``fullrank plan``."""

import json
import os
import sys
from argparse import Namespace
from typing import Any

from fullrank.commands.here import ask_for_here
from fullrank.commands.without_config import study_config
from fullrank.errors import UsageError
from fullrank.launcher import launcher_from


def plan(arguments: Namespace, _crew: Any) -> int:
    """``fullrank plan``."""
    from fullrank.console import TerminalConsole, output_columns
    from fullrank.implied import write_new_config
    from fullrank.plan import conduct, words
    from fullrank.study import output_path

    if (launched := launcher_from(os.environ)) is not None:
        raise UsageError(f"plan starts the workers that it needs; start it once, without {launched.name}")
    config = study_config(arguments, output=arguments.output, writes=True)
    ask_for_here(arguments)
    write_new_config(config)  # by which the runs find it
    found = conduct.plan(
        config,
        output_path(config, arguments.output),
        counts=arguments.workers,
        budget_seconds=arguments.pilot,
        say=TerminalConsole(quiet=False).say,
    )
    if arguments.json:
        sys.stdout.write(json.dumps(words.to_dict(found), indent=2) + "\n")
    else:
        sys.stdout.write(words.text(found, width=output_columns()))
    return 0
