"""The MPI library: loaded as fullrank needs it, and its few calls that are not about data."""

import os
import sys
from typing import NoReturn

import mpi4py

# Open MPI's wheel complains once a rank about a component that it lacks
os.environ.setdefault("OMPI_MCA_osc", "^ucx")
# the keeper's and the display's thread call no MPI
mpi4py.rc.thread_level = "funneled"

from mpi4py import MPI  # noqa: E402  # the settings above count when it is loaded

__all__ = ["MPI", "ROOT", "abort", "library", "world"]

ROOT = 0


def world() -> MPI.Intracomm:
    """Return the communicator of all ranks that were started together."""
    return MPI.COMM_WORLD


def library() -> str:
    """Return the MPI library's name and version, as in ``MPICH 5.0.2``."""
    name, version = MPI.get_vendor()
    return f"{name} {'.'.join(map(str, version))}"


def abort(comm: MPI.Comm, exit_code: int) -> NoReturn:
    """End all ranks now: one of them cannot go on and the others would wait for it for ever."""
    try:
        sys.stderr.flush()
    finally:
        comm.Abort(exit_code)
        os._exit(exit_code)
