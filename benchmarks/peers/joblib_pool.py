"""joblib with loky: ``joblib_pool.py WORK.json N_WORKERS BATCH``, of which the last is a number or ``auto``."""

import json
import sys
import time
from pathlib import Path

from items import account, spin
from joblib import Parallel, delayed


def main(path: Path, n_workers: int, batch: int | str) -> None:
    """Map the items over the workers and print the time of the call."""
    work = json.loads(path.read_text())
    with Parallel(n_workers, backend="loky", batch_size=batch) as parallel:
        parallel(delayed(abs)(number) for number in range(n_workers))  # start-up is no part of the makespan
        begun = time.perf_counter()
        results = parallel(delayed(spin)(iterations) for iterations in work)
        seconds = time.perf_counter() - begun
    print(json.dumps({"makespan_seconds": seconds, **account(results)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if sys.argv[3] == "auto" else int(sys.argv[3]))
