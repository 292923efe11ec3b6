"""schwimmbad: ``mpiexec -n N python schwimmbad_pool.py WORK.json [BATCH]``, of which the last is a number of items."""

import json
import sys
import time
from pathlib import Path

from items import account, spin
from schwimmbad import MPIPool
from schwimmbad.utils import batch_tasks


def main(path: Path, batch: int | None) -> None:
    """Map the items over the ranks and print the time of the call; other ranks than root stay in MPIPool.

    The pool hands the last item of the list out first.
    """
    # no `with`: the pool closes itself at exit, and if it is closed twice (0.4.2) one start in seven ends with a signal
    pool = MPIPool()
    work = json.loads(path.read_text())
    begun = time.perf_counter()
    if batch is None:
        results = pool.map(spin, work)
    else:
        batches = batch_tasks(-(-len(work) // batch), data=work, include_idx=False)
        results = [result for of_one in pool.map(spin_all, batches) for result in of_one]
    seconds = time.perf_counter() - begun
    print(json.dumps({"makespan_seconds": seconds, **account(results)}))


def spin_all(batch: list[int]) -> list[tuple[int, float, float]]:
    """Evaluate the items of a batch."""
    return [spin(iterations) for iterations in batch]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else None)
