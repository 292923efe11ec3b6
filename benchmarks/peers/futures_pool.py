"""mpi4py.futures: ``mpiexec -n N python -m mpi4py.futures futures_pool.py WORK.json CHUNKSIZE [BACKOFF]``.

BACKOFF: the most seconds that manager and workers sleep before they look for a message again; 0.001 if not given.
"""

import json
import sys
import time
from pathlib import Path

from items import account, spin
from mpi4py.futures import MPIPoolExecutor


def main(path: Path, chunksize: int, backoff_seconds: float | None) -> None:
    """Map the items over the ranks and print the time of the call."""
    work = json.loads(path.read_text())
    with MPIPoolExecutor(backoff=backoff_seconds) as pool:
        pool.bootup()  # waits until the workers are there: start-up is no part of the makespan
        begun = time.perf_counter()
        results = list(pool.map(spin, work, chunksize=chunksize))
        seconds = time.perf_counter() - begun
    print(json.dumps({"makespan_seconds": seconds, **account(results)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) if sys.argv[3:] else None)
