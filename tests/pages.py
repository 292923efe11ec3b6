"""What the pages of the documentation show, taken from their text: commands, programs, rows of tables."""

import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

from fullrank.arguments import parser
from fullrank.errors import UsageError

ROOT = Path(__file__).parents[1]
_HISTORY = "CHANGELOG.md"
_FILES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")))
PAGES = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in _FILES if path.name != _HISTORY}

_FENCED = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
_INDENTED = re.compile(r"(?m)^    (?:\$ )?((?:mpiexec .*?)?fullrank [a-z].*)$")
_INLINE = re.compile(r"`([^`]+)`")
_INDENTED_BLOCK = re.compile(r"(?m)(?:^    .*\n(?:\n(?=    ))?)+")

NO_COMMANDS = {"fullrank comparison": "a text that stands in a file"}
PLACEHOLDERS = {"K": "3", "FILE": "results/study.h5", "FILE…": "results/study.h5", "KEY=VALUE": "run.order=index"}
"""Words that stand for a user's own."""


def commands(page: str) -> list[str]:
    """Return each ``fullrank …`` that a page shows, in its order, without a comment and what a pipe leads to."""
    text = _FENCED.sub("", PAGES[page])
    found = [(at.start(), at[1]) for at in _INDENTED.finditer(text)]
    prose = re.sub(r"(?m)^    .*$", lambda at: " " * len(at[0]), text)
    found += [(at.start(), at[1]) for at in _INLINE.finditer(prose) if re.search(r"\bfullrank [a-z]", at[1])]
    lines = [re.sub(r"\s+(#|\|) .*|\s+$", "", " ".join(line.split("\n"))) for _, line in sorted(found)]
    return [line for line in lines if line not in NO_COMMANDS]


def words(command: str) -> list[str]:
    """Return what stands behind ``fullrank`` in a command, with a user's own words for placeholders.

    >>> words("mpiexec -n 64 fullrank run study.toml --item K")
    ['run', 'study.toml', '--item', '3']
    """
    given = shlex.split(command[command.index("fullrank ") :])[1:]
    return [PLACEHOLDERS.get(word, word) for word in given]


def names_alone(command: str) -> bool:
    """Return whether a command is only spoken of: ``fullrank status --exit-code`` has no study."""
    given = words(command)
    try:
        parser().parse_args(given)
    except UsageError as error:
        return "are required" in str(error)
    return len(given) == 1


def fenced(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a page that are in a language."""
    return [block for name, block in _FENCED.findall(PAGES[page]) if name == language]


def indented(page: str) -> list[str]:
    """Return the indented blocks of a page, without the indentation."""
    text = _FENCED.sub("", PAGES[page])
    return [re.sub(r"(?m)^    ", "", at[0]) for at in _INDENTED_BLOCK.finditer(text)]


def rows(page: str, *, header: str) -> list[list[str]]:
    """Return the cells of each row of the table whose first line begins with ``| header``."""
    text = PAGES[page]
    lines = text[text.index(f"\n| {header}") + 1 :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def in_code(cell: str) -> list[str]:
    """Return what a text shows as code.

    >>> in_code("`--seed 1`, or `--fresh`")
    ['--seed 1', '--fresh']
    """
    return re.findall(r"`([^`]+)`", cell)


def command_names() -> set[str]:
    """Return the names of all commands."""
    return set(_parsers())


def option_names() -> set[str]:
    """Return the long options of all commands."""
    found = {option for command in _parsers().values() for option in command._option_string_actions}
    return {option for option in found if option.startswith("--")} | {"--version"}


def _parsers() -> dict[str, ArgumentParser]:
    (subparsers,) = (action for action in parser()._actions if isinstance(action.choices, dict))
    for command in subparsers.choices.values():
        command.complete()
    return subparsers.choices
