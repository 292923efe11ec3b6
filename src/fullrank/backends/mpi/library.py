"""The MPI library: loaded and begun as fullrank needs it, and its few calls that are not about data."""

import os
import sys
from typing import NoReturn

import mpi4py

from fullrank.errors import BackendError
from fullrank.launcher import Launched

# Open MPI's wheel complains once a rank about a component that it lacks
os.environ.setdefault("OMPI_MCA_osc", "^ucx")
# some libraries end a process in MPI_Init that was started by another one's launcher
mpi4py.rc.initialize = False
mpi4py.rc.finalize = True

from mpi4py import MPI  # noqa: E402  # the settings above count when it is loaded

__all__ = ["MPI", "ROOT", "abort", "joined", "library", "world"]

ROOT = 0


def world() -> MPI.Intracomm:
    """Return the communicator of all ranks that were started together; MPI begins here, if it has not."""
    if not MPI.Is_initialized():
        MPI.Init_thread(MPI.THREAD_FUNNELED)  # the keeper's and the display's thread call no MPI
    return MPI.COMM_WORLD


def joined(launched: Launched) -> MPI.Intracomm:
    """:func:`world`, of the ranks that a launcher has started.

    Raises BackendError, with the cure, if the launcher is another library's.
    """
    apart = f"{launched.name} started {launched.size} processes, but"
    together = (
        f"do not belong together.\nStart with that library's mpiexec, or let fullrank find it: "
        f"fullrank run CONFIG -n {launched.size} -b mpi"
    )
    if launched.is_pmix_alone and MPI.get_vendor()[0] == "MPICH" and "pmix" not in MPI.Get_library_version():
        raise BackendError(f"{apart} that launcher and the MPI library that mpi4py loads ({library()}) {together}")
    comm = world()
    if comm.size != launched.size:
        raise BackendError(
            f"{apart} each is a world of {comm.size} rank: the launcher and the MPI library that mpi4py loads "
            f"({library()}) {together}"
        )
    return comm


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
