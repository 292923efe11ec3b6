"""All ranks as root drives them, and what a rank does that is driven."""

import os
import pickle
import signal
from typing import Any

from fullrank.backends.mpi.collectives import broadcast, gather
from fullrank.backends.mpi.library import MPI, abort, world
from fullrank.backends.mpi.team import MpiTeam
from fullrank.crew import Member
from fullrank.errors import FullrankError, Stopped
from fullrank.witness import Witness


class MpiCrew:
    """All ranks of a communicator, as root sees them."""

    def __init__(self, comm: MPI.Intracomm, witness: Witness, *, stays: bool = False) -> None:
        self._comm = comm
        self.size = comm.size
        self._team = MpiTeam(comm, witness, stays=stays)
        self.member = Member(self._team)

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method on every rank and return the results by rank; raises the first error of any. Collective."""
        broadcast(self._comm, pickle.dumps((method, arguments)))
        results = [pickle.loads(part) for part in gather(self._comm, _answer(self.member, method, arguments))]
        errors = [result.error for result in results if isinstance(result, _Raised)]
        if errors:
            raise max(errors, key=lambda error: len(str(error)))  # the one that names the cause
        return results

    def leave(self, parting: object) -> None:
        """Let the other ranks leave with ``parting``: an exit code, or what they raise where they stay."""
        broadcast(self._comm, pickle.dumps(("leave", (parting,))))
        self._team.leave()


class _Raised:
    """An error that travels to root."""

    def __init__(self, error: FullrankError) -> None:
        self.error = error


def _answer(member: Member, method: str, arguments: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps(getattr(member, method)(*arguments))
    except FullrankError as error:
        return pickle.dumps(_Raised(error))


def follow(comm: MPI.Intracomm, witness: Witness, *, stays: bool = False) -> object:
    """Be a rank other than root: do what root calls until it says leave; return what it parts with."""
    team = MpiTeam(comm, witness, stays=stays)
    member = Member(team)
    while True:
        method, arguments = pickle.loads(broadcast(comm, None))
        if method == "leave":
            team.leave()
            return arguments[0]
        gather(comm, _answer(member, method, arguments))


def guarded_follow(witness: Witness) -> int:
    """:func:`follow` on the world; what it raises is shown and ends all ranks."""
    comm = world()
    try:
        parting = follow(comm, witness)
        return parting if isinstance(parting, int) else FullrankError.exit_code
    except KeyboardInterrupt:
        witness.tell("interrupted")
        abort(comm, Stopped.exit_code)  # root has heard the same signal and says so
    except BaseException as error:
        try:
            import traceback

            where = f"rank {comm.rank} of {comm.size} ({os.uname().nodename})"
            os.write(2, f"fullrank: {where}: the run ends here\n{traceback.format_exc()}".encode())
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            witness.tell(f"{where}: {type(error).__name__} outside any item")
        finally:  # user code may have left nothing with which to tell
            abort(comm, error.exit_code if isinstance(error, FullrankError) else 70)
