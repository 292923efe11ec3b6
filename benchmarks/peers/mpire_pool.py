"""mpire, which sizes its chunks itself: ``mpire_pool.py WORK.json N_WORKERS``."""

import json
import sys
import time
from pathlib import Path

from items import account, spin
from mpire import WorkerPool


def main(path: Path, n_workers: int) -> None:
    """Map the items over the workers and print the time of the call."""
    work = json.loads(path.read_text())
    with WorkerPool(n_workers, keep_alive=True) as pool:
        pool.map(abs, range(n_workers))  # start-up is no part of the makespan
        begun = time.perf_counter()
        results = pool.map_unordered(spin, work)
        seconds = time.perf_counter() - begun
    print(json.dumps({"makespan_seconds": seconds, **account(results)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
