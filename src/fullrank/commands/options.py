"""The options of each command, added to its parser when they are asked for."""

import argparse
from collections.abc import Callable
from pathlib import Path

from fullrank.backends import BACKENDS
from fullrank.commands import plan_options, submission, without_config
from fullrank.compare import DEFAULT_BUDGET
from fullrank.option_values import DEFAULT_WATCH_SECONDS
from fullrank.option_values import duration as _duration
from fullrank.option_values import job as _job
from fullrank.option_values import natural as _natural
from fullrank.option_values import positive as _positive

_STUDY = "the study's config, its output, or the FILE.py:FUNCTION of a run without a config"


def add_options(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the options of a command to its parser."""
    _OF_COMMAND[command](parser)
    parser.add_argument("--json", action="store_true", help="for programs: JSON on standard output")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        type=Path,
        metavar="CONFIG|FUNCTION",
        help="the study: a TOML file; or FILE.py:FUNCTION with the options below",
    )
    parser.add_argument(
        "-n", "--workers", type=_positive, metavar="N", help="how many workers (all usable cores, all ranks of a job)"
    )
    parser.add_argument(
        "-b",
        "--backend",
        choices=BACKENDS,
        help="how to run (mpi under a launcher and over a job's nodes, else processes)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the result goes")
    parser.add_argument(
        "--stop-after",
        type=_duration,
        metavar="TIME",
        help="begin no item later than that after the start of this command: 90, 90s, 55m, 1h30m or 1:30:00",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--fresh", action="store_true", help="start anew; old results are moved aside")
    again.add_argument(
        "--accept-change", action="store_true", help="keep what is finished, although code or constants have changed"
    )
    parser.add_argument("--retry-failed", action="store_true", help="do the items again that have failed so far")
    parser.add_argument(
        "--take-over", action="store_true", help="take the output over from a run that you know is dead"
    )
    parser.add_argument(
        "--allow-failures", type=_natural, default=0, metavar="N", help="exit with 0 if at most N items failed (0)"
    )
    parser.add_argument(
        "--limit",
        type=_positive,
        metavar="N",
        help="only N items, the same fair sample every time (those of it that are finished count), into "
        "NAME.partial.h5; a run without it keeps them and goes on",
    )
    parser.add_argument(
        "--shard",
        metavar="K/N",
        help="only the K-th of N fixed shares of the items; runs of the others, on any nodes, work in the same output, "
        "and the last one gathers. auto/N: K is the element of an array job",
    )
    parser.add_argument(
        "--item",
        type=_natural,
        metavar="K",
        help="run item K alone, in this process, and show its result or traceback; writes nothing",
    )
    parser.add_argument(
        "--pdb", action="store_true", help="with --item: Python's debugger where it raises or is stopped"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what the run would do; nothing is started and nothing written"
    )
    _add_settings(parser)
    _add_here(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress display")
    without_config.add_options(parser, natural=_natural, positive=_positive)


def _add_new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="write an example: NAME.py and NAME.toml")
    parser.add_argument(
        "--function", metavar="FILE.py:FUNCTION", help="write a config for this one, from its parameters"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="CONFIG", help="where the config goes (FUNCTION.toml beside the function)"
    )


def _add_status(parser: argparse.ArgumentParser) -> None:
    _add_study(parser)
    parser.add_argument(
        "--watch",
        type=_duration,
        nargs="?",
        const=DEFAULT_WATCH_SECONDS,
        metavar="SECONDS",
        help="look again and again until the run ends (every %(const)g s)",
    )
    parser.add_argument(
        "--until-complete",
        action="store_true",
        help="watch until every item has an end, also while nothing runs: a job that waits in a queue, say",
    )
    parser.add_argument(
        "--job",
        type=_job,
        metavar="SYSTEM:NUMBER",
        help="with --until-complete: until that job is over, whatever is left then (slurm:4711)",
    )
    parser.add_argument("--exit-code", action="store_true", help="tell it by the exit code: 0, 2, 3 or 75")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="IMAGE", help="also draw it, as .png, .pdf or .svg")
    parser.add_argument("--html", type=Path, metavar="PAGE", help="also write it, with its figures, as one web page")


def _add_gather(parser: argparse.ArgumentParser) -> None:
    _add_study(parser)
    parser.add_argument("--partial", action="store_true", help="also if items are missing: into NAME.partial.h5")


def _add_clean(parser: argparse.ArgumentParser) -> None:
    _add_study(parser)
    parser.add_argument("--all", action="store_true", help="also results that --fresh moved aside")
    parser.add_argument("--result", action="store_true", help="also the result itself")
    parser.add_argument("--yes", action="store_true", help="delete without a question")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="STUDY", help=_STUDY)
    parser.add_argument("--csv", type=Path, required=True, metavar="TABLE", help="where it goes; - is standard output")
    parser.add_argument("--all", action="store_true", help="also the items that have no end yet, with empty cells")
    parser.add_argument("--force", action="store_true", help="overwrite TABLE if it is there")


def _add_diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, metavar="A")
    parser.add_argument("second", type=Path, metavar="B")
    parser.add_argument(
        "--rtol", type=float, default=0.0, metavar="X", help="relative tolerance (0: equal to the last bit)"
    )


def _add_plan(parser: argparse.ArgumentParser) -> None:
    plan_options.add_options(parser)
    _add_settings(parser)
    _add_here(parser)


def _add_selftest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=_positive, default=20, metavar="N", help="how many kills (20)")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="a folder of the file system to test")
    parser.add_argument("--seed", type=_natural, default=1, metavar="S", help="what is killed when follows from it (1)")


def _add_submit(parser: argparse.ArgumentParser) -> None:
    submission.add_options(parser, duration=_duration, positive=_positive)
    _add_settings(parser)


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help=_STUDY)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the output, if it was chosen with -o")


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, nargs="?", metavar="CONFIG", help="a study: its function is imported, too")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where its result would go")


def _add_compare(parser: argparse.ArgumentParser) -> None:
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
    without_config.add_options(parser, natural=_natural, positive=_positive)


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


_OF_COMMAND: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "run": _add_run,
    "new": _add_new,
    "status": _add_status,
    "report": _add_report,
    "gather": _add_gather,
    "clean": _add_clean,
    "verify": _add_verify,
    "export": _add_export,
    "diff": _add_diff,
    "compare": _add_compare,
    "plan": _add_plan,
    "selftest": _add_selftest,
    "submit": _add_submit,
    "doctor": _add_doctor,
}
