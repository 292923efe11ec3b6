"""Asked by doctor, in a process beside each rank: who meets under this launcher, and what each sees.

It is started as the launcher would start the rank itself, so that an MPI library that aborts or waits takes down
nothing but this process.
"""

import json
import os
import platform
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import fullrank
from fullrank.dataclass import asdict
from fullrank.doctor.asking import within
from fullrank.doctor.facts import RankFacts

if TYPE_CHECKING:
    from fullrank.backends.mpi.library import MPI

_LOOK_SECONDS = 5.0
"""For one look into the output's folder."""


def main() -> int:
    """Meet all ranks; root tells of each. The command line names root's folder."""
    from fullrank.doctor.answering import teller

    tell = teller()
    try:
        from fullrank.backends.mpi.library import world
    except (ImportError, RuntimeError) as error:
        tell({"failure": f"mpi4py cannot load an MPI library on {os.uname().nodename}: {error}"})
        return 1
    ranks = meet(world(), Path(sys.argv[1]))
    if ranks:
        tell({"ranks": [asdict(rank) for rank in ranks]})
    return 0


def meet(comm: "MPI.Intracomm", folder: Path) -> tuple[RankFacts, ...]:
    """Return the facts of all ranks, by rank, on root; none elsewhere. Collective over ``comm``.

    ``folder`` is root's; root's file in it is gone again when this returns.
    """
    from fullrank.backends.mpi.collectives import broadcast, gather
    from fullrank.backends.mpi.library import ROOT

    token = _left_token(folder) if comm.rank == ROOT else None
    message = None if comm.rank != ROOT else str(token or "").encode(errors="surrogateescape")
    named = broadcast(comm, message).decode(errors="surrogateescape")
    own = asdict(facts_of(comm.rank, comm.size, unseen=_unseen(named)))
    told = [json.loads(part) for part in gather(comm, json.dumps(own).encode())]
    if token is not None:
        _removed(token)
    return tuple(rank_facts(part) for part in told)


def facts_of(rank: int, size: int, *, unseen: str) -> RankFacts:
    """Return the facts of this process."""
    from fullrank.backends.mpi.library import library
    from fullrank.cores import cores_behind
    from fullrank.doctor.gather import thread_settings

    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return RankFacts(
        rank=rank,
        size=size,
        library=library(),
        software=f"Python {platform.python_version()} with fullrank {fullrank.__version__}",
        host=os.uname().nodename,
        cpus=tuple(cpus),
        cores=tuple(sorted(cores_behind())),
        n_threads=max(thread_settings(os.environ).values(), default=1),
        unseen=unseen,
    )


def rank_facts(told: dict[str, object]) -> RankFacts:
    """Return the facts that became JSON."""
    as_tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    return RankFacts(**as_tuples)  # type: ignore[arg-type]  # written by asdict()


def _left_token(folder: Path) -> Path | None:
    """Leave a file for the other ranks; None where the folder takes none, which another check tells."""
    path = folder / f".fullrank-doctor-{uuid.uuid4().hex}"
    try:
        within(_LOOK_SECONDS, lambda: path.write_text(path.name))
    except OSError:  # TimeoutError is one
        return None
    return path


def _unseen(token: str) -> str:
    if not token:
        return ""
    path = Path(token)
    try:
        return "" if within(_LOOK_SECONDS, path.read_text) == path.name else "it has another content"
    except OSError as error:
        return error.strerror or str(error)


def _removed(token: Path) -> None:
    try:
        within(_LOOK_SECONDS, token.unlink)
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main())
