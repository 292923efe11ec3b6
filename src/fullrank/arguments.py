"""The command line: its commands, and how it is read."""

import argparse
import re
import sys
from itertools import zip_longest

import fullrank
from fullrank.errors import UsageError
from fullrank.option_values import DEFAULT_WATCH_SECONDS

TYPE_CHECKING = False  # typing's own takes a tenth of the time that a help page does
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

_EXIT_CODES = """\
exit codes: 0 every item done; 3 finished, but more items failed than allowed, or ways of running that are
compared gave different results; 2 wrong usage or config;
70 an error inside fullrank; 74 input/output error; 75 stopped early, run the same command to go on"""

_COMMANDS = (
    ("run", "run a study, or go on with one", "run", "run study.toml -n 4"),
    (
        "new",
        "write a config to start from: for your function, or with an example",
        "new",
        "new --function sim.py:simulate",
    ),
    ("status", "how far a study is", "files", "status study.toml"),
    ("report", "what ran, how well, and what came out", "files", "report results/study.h5"),
    ("gather", "write what is finished to a file", "files", "gather study.toml --partial"),
    (
        "clean",
        "delete what a study that does not run left beside its result; lists it and asks",
        "clean",
        "clean study.toml",
    ),
    ("verify", "check that files are whole and true", "files", "verify results/*.h5"),
    ("export", "write a result as CSV, one row an item", "export", "export study.toml --csv -"),
    ("diff", "compare two results, to the last bit or within a tolerance", "files", "diff a.h5 b.h5"),
    (
        "compare",
        "measure which way of using the cores pays, for one study on this machine",
        "compare",
        "compare study.toml --budget 5m",
    ),
    ("plan", "predict how long a study takes on P workers", "plan", "plan study.toml -n 16,64"),
    ("selftest", "kill real runs here and count what is lost", "selftest", "selftest --kills 100 --dir /scratch/me"),
    (
        "submit",
        "check a study here, and queue it as a job of Slurm, PBS, Grid Engine or LSF",
        "submit",
        "submit study.toml --time 2h -- --nodes=2 --ntasks-per-node=32 -A abc",
    ),
    (
        "doctor",
        "whether a study can run well here: Python, cores, MPI, threads, disk, batch system, each with its cure",
        "doctor",
        "doctor study.toml; mpiexec -n 4 fullrank doctor",
    ),
)
"""Name, what it is for, the module of ``commands`` with its function, an example."""

_LIKE_DURATION = re.compile(r"[\d.:]+[a-z]?")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence and a hint.

    That of a ``command``, whose function is in ``module``, is made when it reads or shows something: all of them take
    longer than all else of a help page, and one command is used at a time.
    """

    def __init__(self, *, command: str = "", module: str = "", **settings: "Any") -> None:
        self._command, self._module = command, module
        self._settings = settings | {"allow_abbrev": False}  # a restart looks for options by their whole name
        self._is_made = False
        if not command:
            self.complete()

    def complete(self) -> None:
        """Be made, with the options of the command."""
        if self._is_made:
            return
        self._is_made = True
        super().__init__(**self._settings)
        if self._command:
            from fullrank.commands.options import add_options

            self.set_defaults(module=f"fullrank.commands.{self._module}", command=self._command)
            add_options(self, self._command)

    def __getattr__(self, name: str) -> "Any":
        """Be made as soon as anything is asked for that a parser has."""
        if self.__dict__.get("_is_made", True):
            raise AttributeError(name)
        self.complete()
        return getattr(self, name)

    def _check_help(self, action: argparse.Action) -> None:
        """Leave out what Python 3.14 does here: it tries the line of help for a command on the command's own parser."""

    def error(self, message: str) -> "NoReturn":
        raise UsageError(f"{message}\nTry: {self.prog} --help")

    def format_help(self) -> str:
        """Return the help page."""
        self.complete()
        return super().format_help()

    def parse_known_args(  # type: ignore[override]  # argparse has overloads for other namespaces
        self, args: "Sequence[str] | None" = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; a word behind ``--watch`` that is no duration is the study, and not its value.

        What follows ``--`` stays unread as ``native``, if the command has such words.
        """
        self.complete()
        words = list(sys.argv[1:] if args is None else args)
        n_own = words.index("--") if "--" in words else len(words)
        own, others = words[:n_own], words[n_own:]
        own = [_watch_alone(*pair) for pair in zip_longest(own, own[1:])]
        if self.get_default("native") is None:
            return super().parse_known_args(own + others, namespace)
        found, unknown = super().parse_known_args(own, namespace)
        found.native = others[1:]
        return found, unknown


def _watch_alone(word: str, following: str | None) -> str:
    """Return ``--watch`` with its usual value where the following word is none.

    >>> _watch_alone("--watch", "study.toml"), _watch_alone("--watch", "5"), _watch_alone("-n", "5")
    ('--watch=2', '--watch', '-n')
    """
    is_bare = word == "--watch" and following is not None and not _LIKE_DURATION.fullmatch(following)
    return f"{word}={DEFAULT_WATCH_SECONDS:g}" if is_bare else word


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; it tells the module and the name of the command's function."""
    parser = _Parser(
        prog="fullrank",
        description="Run a slow, pure-Python function over many parameter sets on every core there is.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fullrank {fullrank.__version__}")
    # with its usual prog argparse would format a usage, which takes as long as the rest of this
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", prog="fullrank", parser_class=_Parser)
    for name, what, module, example in _COMMANDS:
        subparsers.add_parser(
            name,
            command=name,
            module=module,
            help=what,
            description=what[0].upper() + what[1:] + ".",
            epilog=f"example: fullrank {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    return parser
