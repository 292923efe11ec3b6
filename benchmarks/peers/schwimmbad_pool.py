"""schwimmbad: ``mpiexec -n N python schwimmbad_pool.py WORK.json``."""

import json
import sys
import time
from pathlib import Path

from items import account, spin
from schwimmbad import MPIPool


def main(path: Path) -> None:
    """Map the items over the ranks and print the time of the call; other ranks than root stay in MPIPool."""
    # no `with`: the pool closes itself at exit, and if it is closed twice (0.4.2) one start in seven ends with a signal
    pool = MPIPool()
    work = json.loads(path.read_text())
    begun = time.perf_counter()
    results = pool.map(spin, work)
    seconds = time.perf_counter() - begun
    print(json.dumps({"makespan_seconds": seconds, **account(results)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
