"""Equal numbers of items, dealt out in advance: ``mpiexec -n N python static_scatter.py WORK.json``."""

import json
import sys
import time
from pathlib import Path

from items import account, spin
from mpi4py import MPI


def main(path: Path) -> None:
    """Scatter the items, evaluate them on all ranks, gather, and print the time of it."""
    comm = MPI.COMM_WORLD
    shares = None
    if comm.rank == 0:
        work = json.loads(path.read_text())
        shares = [
            work[len(work) * rank // comm.size : len(work) * (rank + 1) // comm.size] for rank in range(comm.size)
        ]
    comm.barrier()
    begun = time.perf_counter()
    own = [spin(iterations) for iterations in comm.scatter(shares)]
    gathered = comm.gather(own)
    seconds = time.perf_counter() - begun
    if gathered is not None:
        results = [result for share in gathered for result in share]
        print(json.dumps({"makespan_seconds": seconds, **account(results)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
