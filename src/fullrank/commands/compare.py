"""``fullrank compare``, and the report of its file."""

import json
import os
import shlex
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from fullrank.commands.here import ask_for_here
from fullrank.commands.pictures import refuse_own_files, write_pictures
from fullrank.commands.without_config import study_config
from fullrank.compare import MOST_ROUNDS
from fullrank.errors import Stopped, UsageError
from fullrank.launcher import launcher_from


def compare(arguments: Namespace, _crew: Any) -> int:
    """``fullrank compare``."""
    from fullrank.compare import conduct
    from fullrank.compare.variants import parse_backends, parse_counts
    from fullrank.console import TerminalConsole
    from fullrank.implied import write_new_config

    _refuse_results(arguments.config)
    if arguments.rounds is not None and arguments.rounds > MOST_ROUNDS:
        raise UsageError(f"--rounds: expected at most {MOST_ROUNDS}, got {arguments.rounds}")
    choices = conduct.Choices(
        output=arguments.output.absolute(),
        backends=parse_backends(arguments.backends),
        counts=None if arguments.workers is None else parse_counts(arguments.workers),
        n_rounds=arguments.rounds,
        budget_seconds=arguments.budget,
        take_over=arguments.take_over,
    )
    arguments.config = arguments.config[0]
    config = study_config(arguments, output=None, writes=True)
    if (launched := launcher_from(os.environ)) is not None:
        raise UsageError(f"compare starts the ranks that it needs; start it once, without {launched.name}")
    ask_for_here(arguments)
    write_new_config(config)  # by which the runs find it
    comparison = conduct.compare(config, choices, say=TerminalConsole(quiet=False).say)
    _show(comparison, as_json=arguments.json)
    if not arguments.json:
        sys.stdout.write(
            f"\nAll values: {choices.output}; this report again: fullrank report {_quoted(choices.output)}\n"
        )
    return Stopped.exit_code if comparison.partial else 0


def _refuse_results(files: list[Path]) -> None:
    """Refuse what is meant for ``fullrank diff``."""
    results = [file for file in files if file.suffix in (".h5", ".hdf5", ".nc")]
    if len(files) > 1 or results:
        named = " ".join(shlex.quote(str(file)) for file in files)
        hint = "; did you mean `fullrank diff`, which tells whether two results are equal?"
        if not results:
            hint = "; compare one study after the other"
        raise UsageError(f"compare: expected one study, a TOML file, got {named}{hint}")


def is_report_of_comparison(arguments: Namespace) -> bool:
    """Print the reports that ``fullrank report`` is asked for if they are of comparisons, from their files alone."""
    from fullrank.store import is_comparison, read_comparison

    are_comparisons = [is_comparison(path) for path in arguments.files]
    if any(are_comparisons) and len(arguments.files) > 1:
        raise UsageError("report: expected one comparison, or results; ask for the report of each comparison by itself")
    if are_comparisons == [True]:
        refuse_own_files(arguments, arguments.files[0], arguments.files[0])
        comparison = read_comparison(arguments.files[0])
        written = write_pictures(arguments, comparison)
        _show(comparison, as_json=arguments.json)
        if not arguments.json:
            sys.stdout.write(written)
    return are_comparisons == [True]


def _show(comparison: Any, *, as_json: bool) -> None:
    from fullrank.compare import words
    from fullrank.console import output_columns

    if as_json:
        sys.stdout.write(json.dumps(words.to_dict(comparison), indent=2) + "\n")
    else:
        sys.stdout.write(words.text(comparison, width=output_columns()))


def _quoted(path: Path) -> str:
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
