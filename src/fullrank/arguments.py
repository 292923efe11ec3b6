"""The arguments of each command, and its help page."""

import argparse
import re
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NoReturn

import fullrank
from fullrank.backends import BACKENDS
from fullrank.commands import plan_options, submission
from fullrank.commands.without_config import add_options
from fullrank.compare import DEFAULT_BUDGET
from fullrank.errors import UsageError
from fullrank.option_values import DEFAULT_WATCH_SECONDS
from fullrank.option_values import duration as _duration
from fullrank.option_values import natural as _natural
from fullrank.option_values import positive as _positive

_EXIT_CODES = """\
exit codes: 0 every item done; 3 finished, but more items failed than allowed, or ways of running that are
compared gave different results; 2 wrong usage or config;
70 an error inside fullrank; 74 input/output error; 75 stopped early, run the same command to go on"""

_STUDY = "the study's config, its output, or the FILE.py:FUNCTION of a run without a config"
_LIKE_DURATION = re.compile(r"[\d.:]+[a-z]?")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence and a hint."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"allow_abbrev": False})  # a restart looks for options by their whole name

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\nTry: {self.prog} --help")

    def parse_known_args(  # type: ignore[override]  # argparse has overloads for other namespaces
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; a word behind ``--watch`` that is no duration is the study, and not its value.

        What follows ``--`` stays unread as ``native``, if the command has such words.
        """
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
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)

    run = _command(subparsers, "run", "run a study, or go on with one", "run", example="run study.toml -n 4")
    run.add_argument(
        "config",
        type=Path,
        metavar="CONFIG|FUNCTION",
        help="the study: a TOML file; or FILE.py:FUNCTION with the options below",
    )
    run.add_argument(
        "-n", "--workers", type=_positive, metavar="N", help="how many workers (all usable cores, all ranks of a job)"
    )
    run.add_argument(
        "-b",
        "--backend",
        choices=BACKENDS,
        help="how to run (mpi under a launcher and over a job's nodes, else processes)",
    )
    run.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the result goes")
    run.add_argument(
        "--stop-after",
        type=_duration,
        metavar="TIME",
        help="begin no item later than that after the start of this command: 90, 90s, 55m, 1h30m or 1:30:00",
    )
    again = run.add_mutually_exclusive_group()
    again.add_argument("--fresh", action="store_true", help="start anew; old results are moved aside")
    again.add_argument(
        "--accept-change", action="store_true", help="keep what is finished, although code or constants have changed"
    )
    run.add_argument("--retry-failed", action="store_true", help="do the items again that have failed so far")
    run.add_argument("--take-over", action="store_true", help="take the output over from a run that you know is dead")
    run.add_argument(
        "--allow-failures", type=_natural, default=0, metavar="N", help="exit with 0 if at most N items failed (0)"
    )
    run.add_argument(
        "--limit",
        type=_positive,
        metavar="N",
        help="only N items, the same fair sample every time (those of it that are finished count), into "
        "NAME.partial.h5; a run without it keeps them and goes on",
    )
    run.add_argument(
        "--shard",
        metavar="K/N",
        help="only the K-th of N fixed shares of the items; runs of the others, on any nodes, work in the same output, "
        "and the last one gathers. auto/N: K is the element of an array job",
    )
    run.add_argument(
        "--item",
        type=_natural,
        metavar="K",
        help="run item K alone, in this process, and show its result or traceback; writes nothing",
    )
    run.add_argument("--pdb", action="store_true", help="with --item: Python's debugger where it raises or is stopped")
    run.add_argument(
        "--dry-run", action="store_true", help="show what the run would do; nothing is started and nothing written"
    )
    _add_settings(run)
    _add_here(run)
    run.add_argument("-q", "--quiet", action="store_true", help="no progress display")
    add_options(run, natural=_natural, positive=_positive)

    new = _command(
        subparsers,
        "new",
        "write a config to start from: for your function, or with an example",
        "new",
        example="new --function sim.py:simulate",
    )
    new.add_argument("name", nargs="?", metavar="NAME", help="write an example: NAME.py and NAME.toml")
    new.add_argument("--function", metavar="FILE.py:FUNCTION", help="write a config for this one, from its parameters")
    new.add_argument(
        "-o", "--output", type=Path, metavar="CONFIG", help="where the config goes (FUNCTION.toml beside the function)"
    )

    status = _command(subparsers, "status", "how far a study is", "files", example="status study.toml")
    _add_study(status)
    status.add_argument(
        "--watch",
        type=_duration,
        nargs="?",
        const=DEFAULT_WATCH_SECONDS,
        metavar="SECONDS",
        help="look again and again until the run ends (every %(const)g s)",
    )
    status.add_argument(
        "--until-complete",
        action="store_true",
        help="watch until every item has an end, also while nothing runs: a job that waits in a queue, say",
    )
    status.add_argument("--exit-code", action="store_true", help="tell it by the exit code: 0, 2, 3 or 75")
    report = _command(
        subparsers,
        "report",
        "what ran, how well, and what came out",
        "files",
        example="report results/study.h5",
    )
    report.add_argument("files", type=Path, nargs="+", metavar="FILE")
    report.add_argument("--plot", type=Path, metavar="IMAGE", help="also draw it, as .png, .pdf or .svg")
    report.add_argument("--html", type=Path, metavar="PAGE", help="also write it, with its figures, as one web page")
    gather = _command(
        subparsers, "gather", "write what is finished to a file", "files", example="gather study.toml --partial"
    )
    _add_study(gather)
    gather.add_argument("--partial", action="store_true", help="also if items are missing: into NAME.partial.h5")
    clean = _command(
        subparsers,
        "clean",
        "delete what a study that does not run left beside its result; lists it and asks",
        "clean",
        example="clean study.toml",
    )
    _add_study(clean)
    clean.add_argument("--all", action="store_true", help="also results that --fresh moved aside")
    clean.add_argument("--result", action="store_true", help="also the result itself")
    clean.add_argument("--yes", action="store_true", help="delete without a question")
    verify = _command(
        subparsers, "verify", "check that files are whole and true", "files", example="verify results/*.h5"
    )
    verify.add_argument("files", type=Path, nargs="+", metavar="FILE")
    export = _command(
        subparsers, "export", "write a result as CSV, one row an item", "export", example="export study.toml --csv -"
    )
    export.add_argument("file", type=Path, metavar="STUDY", help=_STUDY)
    export.add_argument("--csv", type=Path, required=True, metavar="TABLE", help="where it goes; - is standard output")
    export.add_argument("--all", action="store_true", help="also the items that have no end yet, with empty cells")
    export.add_argument("--force", action="store_true", help="overwrite TABLE if it is there")
    diff = _command(
        subparsers,
        "diff",
        "compare two results, to the last bit or within a tolerance",
        "files",
        example="diff a.h5 b.h5",
    )
    diff.add_argument("first", type=Path, metavar="A")
    diff.add_argument("second", type=Path, metavar="B")
    diff.add_argument(
        "--rtol", type=float, default=0.0, metavar="X", help="relative tolerance (0: equal to the last bit)"
    )
    compare = _command(
        subparsers,
        "compare",
        "measure which way of using the cores pays, for one study on this machine",
        "compare",
        example="compare study.toml --budget 5m",
    )
    _add_comparison(compare)
    plan = _command(
        subparsers, "plan", "predict how long a study takes on P workers", "plan", example="plan study.toml -n 16,64"
    )
    plan_options.add_options(plan)
    _add_settings(plan)
    _add_here(plan)
    selftest = _command(
        subparsers,
        "selftest",
        "kill real runs here and count what is lost",
        "selftest",
        example="selftest --kills 100 --dir /scratch/me",
    )
    selftest.add_argument("--kills", type=_positive, default=20, metavar="N", help="how many kills (20)")
    selftest.add_argument("--dir", type=Path, metavar="DIR", help="a folder of the file system to test")
    selftest.add_argument(
        "--seed", type=_natural, default=1, metavar="S", help="what is killed when follows from it (1)"
    )
    submit = _command(
        subparsers,
        "submit",
        "check a study here, and queue it as a job of Slurm, PBS, Grid Engine or LSF",
        "submit",
        example="submit study.toml --time 2h -- --nodes=2 --ntasks-per-node=32 -A abc",
    )
    submission.add_options(submit, duration=_duration, positive=_positive)
    _add_settings(submit)
    doctor = _command(
        subparsers,
        "doctor",
        "whether a study can run well here: Python, cores, MPI, threads, disk, batch system, each with its cure",
        "doctor",
        example="doctor study.toml; mpiexec -n 4 fullrank doctor",
    )
    _add_examination(doctor)
    reading = (status, report, gather, clean, verify, export, diff)
    for command in (run, new, *reading, compare, plan, selftest, submit, doctor):
        command.add_argument("--json", action="store_true", help="for programs: JSON on standard output")
    return parser


def _command(  # type: ignore[no-untyped-def]  # argparse keeps the type of its subparsers private
    subparsers, name: str, what: str, module: str, *, example: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=f"example: fullrank {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(module=f"fullrank.commands.{module}", command=name)
    return parser


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help=_STUDY)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the output, if it was chosen with -o")


def _add_examination(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, nargs="?", metavar="CONFIG", help="a study: its function is imported, too")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where its result would go")


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", type=Path, nargs="+", metavar="CONFIG|FUNCTION", help="the study: a TOML file; or FILE.py:FUNCTION"
    )
    parser.add_argument(
        "--backends",
        default=",".join(BACKENDS),
        metavar="B,…",
        help="ways of running, beside the serial baseline (%(default)s)",
    )
    parser.add_argument("-n", "--workers", metavar="N,…", help="numbers of workers (2, 4, 8 … all usable cores)")
    parser.add_argument("--rounds", type=_positive, metavar="R", help="how often each way runs (what a verdict takes)")
    parser.add_argument(
        "--budget",
        type=_duration,
        default=DEFAULT_BUDGET,
        metavar="TIME",
        help="how long it may take in all: 90s, 5m, 1h (%(default)s)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("compare.h5"), metavar="FILE", help="all raw values (%(default)s)"
    )
    parser.add_argument("--take-over", action="store_true", help="take FILE over from one that you know is dead")
    _add_settings(parser)
    _add_here(parser)
    add_options(parser, natural=_natural, positive=_positive)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a key of the study's file, with another value: run.order=index, 'sweep.grid.x0=[0.1, 0.2]'; repeatable",
    )


def _add_here(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--here", action="store_true", help="also on a node that looks like a cluster's login node")
