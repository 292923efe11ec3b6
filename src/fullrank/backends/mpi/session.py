"""A run on the ranks of a script that a user started with mpiexec: it ends, and the ranks go on."""

import os
from collections.abc import Callable
from typing import NoReturn, TypeVar

from fullrank.backends.mpi.crew import MpiCrew, follow
from fullrank.backends.mpi.library import MPI, ROOT, abort, world
from fullrank.errors import FullrankError, Stopped
from fullrank.witness import Witness

T = TypeVar("T")


def together(conduct: Callable[[MpiCrew], T]) -> T | None:
    """Let root conduct a run on all ranks; return what that returns on root, None elsewhere. Collective over the world.

    A FullrankError of root's is raised on every rank. Anything else ends all ranks: they wait for each other.
    """
    comm = world().Dup()  # messages of the script's own are none of ours
    witness = Witness()  # no process: a rank that has MPI must not fork
    try:
        if comm.rank != ROOT:
            error = follow(comm, witness, stays=True)
            if isinstance(error, FullrankError):
                raise error
            return None
        return _conducted(conduct, MpiCrew(comm, witness, stays=True))
    except FullrankError:
        raise
    except BaseException as error:
        _end_all(comm, error)
    finally:
        comm.Free()


def _conducted(conduct: Callable[[MpiCrew], T], crew: MpiCrew) -> T:
    try:
        result = conduct(crew)
    except FullrankError as error:
        crew.leave(error)
        raise
    crew.leave(None)
    return result


def _end_all(comm: MPI.Intracomm, error: BaseException) -> NoReturn:
    import traceback

    where = f"rank {comm.rank} of {comm.size} ({os.uname().nodename})"
    os.write(2, f"fullrank: {where}: the run ends here\n{''.join(traceback.format_exception(error))}".encode())
    abort(comm, Stopped.exit_code if isinstance(error, KeyboardInterrupt) else FullrankError.exit_code)
