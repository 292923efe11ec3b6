"""The command line: arguments, exit codes, and how errors are shown."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import fullrank
from fullrank.errors import BackendError, FullrankError, Stopped, StorageError, UsageError
from fullrank.gil import watch_gil
from fullrank.launcher import Launched, launcher_from
from fullrank.witness import Witness

BACKENDS = ("serial", "threads", "processes", "interpreters", "mpi")
_INTERRUPTED = "\nfullrank: interrupted; nothing that was finished is lost, the same command goes on\n"
_EXIT_CODES = """\
exit codes: 0 every item done; 3 finished, but more items failed than allowed, or ways of running that are
compared gave different results; 2 wrong usage or config;
70 an error inside fullrank; 74 input/output error; 75 stopped early, run the same command to go on"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence and a hint."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\nTry: {self.prog} --help")


def main(argv: Sequence[str], witness: Witness | None = None) -> int:
    """Run one command and return the exit code. With a ``witness`` this is rank 0; see :func:`_as_root`."""
    watch_gil()  # before any extension module is imported
    launched = launcher_from(os.environ)
    if launched is not None and witness is not None and (launched.size > 1 or not _names_backend(argv)):
        return _as_root(argv, launched, witness)
    return _alone(argv)


def _alone(argv: Sequence[str]) -> int:
    """Run a command where no other rank waits for this process; no error leaves without its exit code."""
    try:
        return _guarded(argv, None)
    except OSError as error:
        sys.stderr.write(f"fullrank: error: {error}\n")
        return StorageError.exit_code
    except Exception:
        import traceback

        sys.stderr.write(f"fullrank: an error inside fullrank\n{traceback.format_exc()}")
        return FullrankError.exit_code


def _names_backend(argv: Sequence[str]) -> bool:
    """Return whether a backend other than mpi is asked for: then a lone rank needs no MPI."""
    return any(
        f"{option}{joint}{name}" in " ".join(argv)
        for option in ("-b", "--backend")
        for joint in (" ", "=", "")
        for name in BACKENDS[:-1]
    )


def _guarded(argv: Sequence[str], crew: object) -> int:
    """Run a command; show what it raises without a traceback if it is a user's to mend."""
    try:
        arguments = _parser().parse_args(argv)
        if not hasattr(arguments, "command"):
            _parser().print_help()
            return 0
        code: int = arguments.command(arguments, crew)
        sys.stdout.flush()  # here a pipe that nobody reads is no error
        return code
    except FullrankError as error:
        sys.stderr.write(f"fullrank: error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        if crew is not None:  # it may have come in the middle of a collective
            raise
        sys.stderr.write(_INTERRUPTED)
        return Stopped.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _as_root(argv: Sequence[str], launched: Launched, witness: Witness) -> int:
    """Run a command as rank 0: whatever happens here, the other ranks are told or ended."""
    try:
        from fullrank.backends import mpi
    except (ImportError, RuntimeError) as error:
        sys.stderr.write(f"fullrank: error: {_no_mpi(launched, error)}\n")
        sys.stderr.flush()
        if launched.size > 1:
            witness.fail_launch()
        return BackendError.exit_code
    comm = mpi.world()
    if comm.size != launched.size:
        sys.stderr.write(f"fullrank: error: {_strange_world(launched, comm.size, mpi.library())}\n")
        return BackendError.exit_code
    try:
        crew = mpi.MpiCrew(comm, witness)
        try:
            code = _guarded(argv, crew)
        except SystemExit as leaving:  # --help
            code = int(leaving.code or 0)
        _tell(code)
        crew.leave(code)
        return code
    except KeyboardInterrupt:
        sys.stderr.write(_INTERRUPTED)
        _tell(Stopped.exit_code)
        witness.tell("interrupted")
        mpi.abort(comm, Stopped.exit_code)
    except BaseException as error:
        import traceback

        where = f"root ({os.uname().nodename})"
        sys.stderr.write(f"fullrank: {where}: the run ends here\n{traceback.format_exc()}")
        _tell(FullrankError.exit_code)
        witness.tell(f"{where}: {type(error).__name__} outside any item")
        mpi.abort(comm, FullrankError.exit_code)


def _tell(code: int) -> None:
    from fullrank.launch import tell_exit_code

    tell_exit_code(code)


def _no_mpi(launched: Launched, error: Exception) -> str:
    return (
        f"{launched.name} started {launched.size} processes, but mpi4py cannot load an MPI library "
        f"on {os.uname().nodename}: {error}\n"
        f"Install one with: pip install 'fullrank[mpich]'"
    )


def _strange_world(launched: Launched, size: int, library: str) -> str:
    return (
        f"{launched.name} started {launched.size} processes, but each is a world of {size} rank: the launcher "
        f"and the MPI library that mpi4py loads ({library}) do not belong together.\n"
        f"Start with that library's mpiexec, or let fullrank find it: fullrank run CONFIG -n {launched.size} -b mpi"
    )


def _parser() -> argparse.ArgumentParser:
    from fullrank import commands, commands_compare

    parser = _Parser(
        prog="fullrank",
        description="Run a slow, pure-Python function over many parameter sets on every core there is.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fullrank {fullrank.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)

    run = _command(subparsers, "run", "run a study, or go on with one", commands.run, example="run study.toml -n 4")
    run.add_argument("config", type=Path, metavar="CONFIG", help="the study: a TOML file")
    run.add_argument("-n", "--workers", type=_positive, metavar="N", help="how many workers (all usable cores)")
    run.add_argument("-b", "--backend", choices=BACKENDS, help="how to run (mpi under a launcher, else processes)")
    run.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the result goes")
    run.add_argument(
        "--stop-after",
        type=_duration,
        metavar="TIME",
        help="begin no item later than that after the start of this command: 90, 90s, 55m, 2h or 1:30:00",
    )
    run.add_argument("--fresh", action="store_true", help="start anew; old results are moved aside")
    run.add_argument("--take-over", action="store_true", help="take the output over from a run that you know is dead")
    run.add_argument(
        "--allow-failures", type=_natural, default=0, metavar="N", help="exit with 0 if at most N items failed (0)"
    )
    run.add_argument(
        "--limit",
        type=_positive,
        metavar="N",
        help="only N items, a fair sample, into NAME.partial.h5; a run without it keeps them and goes on",
    )
    run.add_argument(
        "--item",
        type=_natural,
        metavar="K",
        help="run item K alone, in this process, and show its result or traceback; writes nothing",
    )
    _add_here(run)
    run.add_argument("-q", "--quiet", action="store_true", help="no progress display")

    status = _command(subparsers, "status", "how far a study is", commands.status, example="status study.toml")
    _add_study(status)
    status.add_argument("--exit-code", action="store_true", help="tell it by the exit code: 0, 3 or 75")
    report = _command(
        subparsers,
        "report",
        "what ran, how well, and what came out",
        commands.report,
        example="report results/study.h5",
    )
    report.add_argument("files", type=Path, nargs="+", metavar="FILE")
    report.add_argument("--plot", type=Path, metavar="IMAGE", help="also draw it, as .png, .pdf or .svg")
    report.add_argument("--html", type=Path, metavar="PAGE", help="also write it, with its figures, as one web page")
    gather = _command(
        subparsers, "gather", "write what is finished to a file", commands.gather, example="gather study.toml --partial"
    )
    _add_study(gather)
    gather.add_argument("--partial", action="store_true", help="also if items are missing: into NAME.partial.h5")
    verify = _command(
        subparsers, "verify", "check that files are whole and true", commands.verify, example="verify results/*.h5"
    )
    verify.add_argument("files", type=Path, nargs="+", metavar="FILE")
    diff = _command(
        subparsers,
        "diff",
        "compare two results, to the last bit or within a tolerance",
        commands.diff,
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
        commands_compare.compare,
        example="compare study.toml --budget 5m",
    )
    _add_comparison(compare)
    selftest = _command(
        subparsers,
        "selftest",
        "kill real runs here and count what is lost",
        commands.selftest,
        example="selftest --kills 100 --dir /scratch/me",
    )
    selftest.add_argument("--kills", type=_positive, default=20, metavar="N", help="how many kills (20)")
    selftest.add_argument("--dir", type=Path, metavar="DIR", help="a folder of the file system to test")
    selftest.add_argument(
        "--seed", type=_natural, default=1, metavar="S", help="what is killed when follows from it (1)"
    )
    for command in (status, report, gather, verify, diff, compare, selftest):
        command.add_argument("--json", action="store_true", help="for programs")
    return parser


def _command(  # type: ignore[no-untyped-def]  # argparse keeps the type of its subparsers private
    subparsers, name: str, what: str, function, *, example: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name, help=what, description=what[0].upper() + what[1:] + ".", epilog=f"example: fullrank {example}"
    )
    parser.set_defaults(command=function)
    return parser


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="CONFIG|FILE", help="the study's config, or its output")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the output, if it was chosen with -o")


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, nargs="+", metavar="CONFIG", help="the study: a TOML file")
    parser.add_argument(
        "--backends",
        default="serial,threads,processes,interpreters,mpi",
        metavar="B,…",
        help="ways of running, beside the serial baseline (%(default)s)",
    )
    parser.add_argument("-n", "--workers", metavar="N,…", help="numbers of workers (2, 4, 8 … all usable cores)")
    parser.add_argument(
        "--rounds", type=_positive, metavar="R", help="how often each way is measured (what a verdict takes)"
    )
    parser.add_argument(
        "--budget", type=_duration, default=300.0, metavar="TIME", help="how long it may take in all: 90s, 5m, 1h (5m)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("compare.h5"), metavar="FILE", help="all raw values (%(default)s)"
    )
    _add_here(parser)


def _add_here(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--here", action="store_true", help="also on a node that looks like a cluster's login node")


def _duration(text: str) -> float:
    from fullrank.durations import duration_seconds

    try:
        return duration_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected an integer >= 1, got {text}")
    return number


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected an integer >= 0, got {text}")
    return number
