"""concurrent.futures: ``executor_pool.py WORK.json N_WORKERS CHUNKSIZE``."""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from items import account, spin


def main(path: Path, n_workers: int, chunksize: int) -> None:
    """Map the items over the workers and print the time of the call."""
    work = json.loads(path.read_text())
    with ProcessPoolExecutor(n_workers) as pool:
        list(pool.map(abs, range(n_workers)))  # start-up is no part of the makespan
        begun = time.perf_counter()
        results = list(pool.map(spin, work, chunksize=chunksize))
        seconds = time.perf_counter() - begun
    print(json.dumps({"makespan_seconds": seconds, **account(results)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
