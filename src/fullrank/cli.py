"""The command line: arguments, exit codes, and how errors are shown."""

import importlib
import io
import os
import sys
from contextlib import redirect_stdout
from errno import EBADF, EDQUOT, EFBIG, EIO, EMFILE, ENOSPC

from fullrank.arguments import parser
from fullrank.console import tell
from fullrank.errors import BackendError, FullrankError, Stopped, StorageError, UsageError
from fullrank.gil import watch_gil
from fullrank.launcher import Launched, launcher_from
from fullrank.told_code import exit_code_teller

TYPE_CHECKING = False  # typing's own opens a dozen files
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fullrank.witness import Witness

_INTERRUPTED = "\nfullrank: interrupted; nothing that was finished is lost, the same command goes on\n"


def main(argv: "Sequence[str]", witness: "Witness | None" = None) -> int:
    """Run one command and return the exit code. With a ``witness`` this is rank 0; see :func:`_as_root`."""
    _mend_streams()
    watch_gil()  # before any extension module is imported
    launched = launcher_from(os.environ)
    if launched is not None and witness is not None and (launched.size > 1 or not _names_backend(argv)):
        return _as_root(argv, launched, witness)
    return _alone(argv)


def _mend_streams() -> None:
    """See to it that a sentence can always be written.

    Where a descriptor was closed (``>&-``), the next file that is opened would get its number, and what is printed.
    Characters that the locale cannot encode are replaced.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            os.set_inheritable(number, True)  # mpiexec does not start without
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _alone(argv: "Sequence[str]") -> int:
    """Run a command where no other rank waits for this process; no error leaves without its exit code."""
    try:
        return _guarded(argv, None)
    except OSError as error:
        tell(f"fullrank: error: {_unwritten(error)}\n")
        return StorageError.exit_code
    except Exception:
        import traceback

        tell(f"fullrank: an error inside fullrank\n{traceback.format_exc()}")
        return FullrankError.exit_code


def _unwritten(error: OSError) -> str:
    """Return what an error of the system says; what else is written has a file's name with it."""
    if error.errno == EMFILE:
        return str(StorageError.of(error, "no more files can be opened"))
    is_output = error.filename is None and error.errno in (ENOSPC, EDQUOT, EFBIG, EIO, EBADF)
    return f"standard output cannot be written: {error.strerror}" if is_output else str(error)


def _names_backend(argv: "Sequence[str]") -> bool:
    """Return whether a backend other than mpi is asked for, or nothing that runs: then a lone rank needs no MPI."""
    try:
        with redirect_stdout(io.StringIO()):  # help is written by whoever runs the command
            arguments = parser().parse_args(argv)
    except (UsageError, SystemExit):
        return True
    return getattr(arguments, "backend", None) not in (None, "mpi")


def _guarded(argv: "Sequence[str]", crew: object) -> int:
    """Run a command; show what it raises without a traceback if it is a user's to mend."""
    try:
        arguments = parser().parse_args(argv)
        if not hasattr(arguments, "command"):
            parser().print_help()
            return 0
        command = getattr(importlib.import_module(arguments.module), arguments.command)
        code: int = command(arguments, crew)
        sys.stdout.flush()  # here a pipe that nobody reads is no error
        return code
    except FullrankError as error:
        tell(f"fullrank: error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        if crew is not None:  # it may have come in the middle of a collective
            raise
        tell(_INTERRUPTED)
        return Stopped.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _as_root(argv: "Sequence[str]", launched: Launched, witness: "Witness") -> int:
    """Run a command as rank 0: whatever happens here, the other ranks are told or ended."""
    from fullrank.interrupt import EARLY

    EARLY.install()
    tell_code = exit_code_teller()
    try:
        from fullrank.backends import mpi

        comm = mpi.joined(launched)
    except BackendError as error:
        tell(f"fullrank: error: {error}\n")
        return tell_code(error.exit_code)
    except (ImportError, RuntimeError) as error:
        tell(f"fullrank: error: {_no_mpi(launched, error)}\n")
        sys.stderr.flush()
        tell_code(BackendError.exit_code)
        if launched.size > 1:
            witness.fail_launch()
        return BackendError.exit_code
    try:
        crew = mpi.MpiCrew(comm, witness)
        try:
            code = _guarded(argv, crew)
        except SystemExit as leaving:  # --help
            code = int(leaving.code or 0)
        leave_with = tell_code(code)
        crew.leave(leave_with)
        return leave_with
    except KeyboardInterrupt:
        tell(_INTERRUPTED)
        tell_code(Stopped.exit_code)
        witness.tell("interrupted")
        mpi.abort(comm, Stopped.exit_code)
    except BaseException as error:
        try:
            import traceback

            where = f"root ({os.uname().nodename})"
            tell(f"fullrank: {where}: the run ends here\n{traceback.format_exc()}")
            tell_code(FullrankError.exit_code)
            witness.tell(f"{where}: {type(error).__name__} outside any item")
        finally:  # user code may have left nothing with which to tell
            mpi.abort(comm, FullrankError.exit_code)


def _no_mpi(launched: Launched, error: Exception) -> str:
    return (
        f"{launched.name} started {launched.size} processes, but mpi4py cannot load an MPI library "
        f"on {os.uname().nodename}: {error}\n"
        f"Install one with: pip install 'fullrank[mpich]'"
    )
