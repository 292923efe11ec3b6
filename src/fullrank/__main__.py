"""Entry point: decides what this process is before anything is imported that only root needs."""

import os
import sys
import time

from fullrank import garbage, leaving
from fullrank.launcher import Launched, launcher_from, thread_limits

TYPE_CHECKING = False  # typing's own opens a dozen files
if TYPE_CHECKING:
    from fullrank.witness import Witness

_READING = ("status", "report", "verify", "diff", "export")
"""The commands that read files of others too, and run none of the user's code."""
_TELLING = ("status", "report", "verify", "diff")
"""The commands that change nothing, and tell by their exit code too."""
_COLLECTIVE = ("doctor",)
"""The commands that bring the ranks together by processes of their own; root alone is heard."""
_WAIT_FOR_ROOT_SECONDS = 1.0


def main() -> int:
    """Run the command line, or follow root; return the exit code."""
    _renew_environment()
    launched = launcher_from(os.environ)
    is_run = sys.argv[1:2] == ["run"]  # no other command runs user code in this process
    is_rank = launched is not None and is_run
    if is_run:
        garbage.put_off()
    if launched is not None and is_rank:
        code, who = _be_rank(launched), f"rank {launched.rank} of {launched.size} ({os.uname().nodename})"
    else:
        code, who = _command_line() if launched is None else _once(launched), "this process"
    if is_run:
        leaving.see_off(code, who, is_rank=is_rank)
    return code


def _command_line() -> int:
    from fullrank.cli import main as command_line

    if sys.argv[1:2] and sys.argv[1] in _READING:
        from fullrank.apart import apart

        return apart(command_line, sys.argv[1:])
    return command_line(sys.argv[1:])


def _once(launched: Launched) -> int:
    """Carry out, on one of several ranks, a command that needs none: root alone is heard, and changes anything."""
    command = sys.argv[1] if sys.argv[1:2] else "--help"
    if launched.rank == 0:
        if launched.size > 1 and command not in _COLLECTIVE:
            hint = f"rank 0 of {launched.size} alone carries out {command}; {launched.name} is for fullrank run"
            os.write(2, f"fullrank: {hint}\n".encode(errors="surrogateescape"))
    elif command not in (*_TELLING, *_COLLECTIVE):
        return 0
    else:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        if command in _COLLECTIVE:
            _command_line()
            return 0  # the end of a rank that has failed may end root before it has spoken
    return _command_line()


def _be_rank(launched: Launched) -> int:
    """Be one of the processes that a launcher started, with a witness of its end."""
    from fullrank.witness import call_witness

    witness = call_witness(launched.rank, launched.size)
    try:
        if launched.rank > 0:
            return _follow(launched, witness)
        from fullrank.cli import main as command_line

        return command_line(sys.argv[1:], witness)
    except Exception:  # a module that cannot be imported here, say; the others wait in MPI_Init
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        witness.fail_launch()
    finally:
        witness.dismiss()


def _renew_environment() -> None:
    """Start this process again with what workers need in the environment; Python reads PYTHONHASHSEED only then."""
    missing = thread_limits(os.environ)
    if sys.argv[1:2] == ["run"] and missing:
        os.environ.update(missing)
        if "PYTHONHASHSEED" in missing and sys.orig_argv:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _follow(launched: Launched, witness: "Witness") -> int:
    """Be a rank other than root."""
    from fullrank.errors import BackendError
    from fullrank.interrupt import EARLY

    EARLY.install()
    try:
        from fullrank.backends import mpi

        mpi.joined(launched)
    except BackendError as error:  # root says why
        time.sleep(_WAIT_FOR_ROOT_SECONDS)
        return error.exit_code
    except (ImportError, RuntimeError) as error:  # without an MPI library
        time.sleep(_WAIT_FOR_ROOT_SECONDS)  # if root has none either it says so, and the launcher ends this process
        where = f"rank {launched.rank} of {launched.size} ({os.uname().nodename})"
        os.write(2, f"fullrank: error: {where}: mpi4py cannot load an MPI library: {error}\n".encode())
        witness.fail_launch()
    garbage.begin()
    return mpi.guarded_follow(witness)


if __name__ == "__main__":
    sys.exit(main())
