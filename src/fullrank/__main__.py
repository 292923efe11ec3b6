"""Entry point: decides what this process is before anything is imported that only root needs."""

import os
import sys

from fullrank.launcher import launcher_from, thread_limits


def main() -> int:
    """Run the command line, or follow root; return the exit code."""
    _renew_environment()
    launched = launcher_from(os.environ)
    if launched is not None and launched.rank > 0 and sys.argv[1:2] == ["run"]:
        return _follow(launched.size)
    from fullrank.cli import main as command_line

    return command_line(sys.argv[1:])


def _renew_environment() -> None:
    """Start this process again with what workers need in the environment; Python reads PYTHONHASHSEED only then."""
    missing = thread_limits(os.environ)
    if sys.argv[1:2] == ["run"] and missing:
        os.environ.update(missing)
        if "PYTHONHASHSEED" in missing and sys.orig_argv:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _follow(size: int) -> int:
    """Be a rank other than root."""
    try:
        from fullrank.backends import mpi
    except (ImportError, RuntimeError):  # without an MPI library
        return 2  # root says why
    if mpi.world().size != size:
        return 2
    return mpi.guarded_follow()


if __name__ == "__main__":
    sys.exit(main())
