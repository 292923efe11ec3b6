"""mpipool: ``mpiexec -n N python mpipool_pool.py WORK.json``.

It hands items out in the order of the list, one by one: neither of its interfaces has chunks (2.2.1).
"""

import json
import sys
import time
from pathlib import Path

from items import account, spin
from mpipool import MPIExecutor


def main(path: Path) -> None:
    """Map the items over the ranks and print the time of the call; other ranks than root stay in MPIExecutor."""
    with MPIExecutor() as pool:
        pool.workers_exit()
        work = json.loads(path.read_text())
        begun = time.perf_counter()
        results = list(pool.map(spin, work))
        seconds = time.perf_counter() - begun
        print(json.dumps({"makespan_seconds": seconds, **account(results)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
