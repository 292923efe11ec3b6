"""The serial baseline: a loop.

``bare_loop.py spin WORK.json [AT]``, ``turn N ITERATIONS``, ``nothing N``, or ``rate N`` for calibration.
AT: the moment on the machine's clock (time.monotonic) at which to begin, for loops that are to run at once.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median

from items import account, checksum, nothing, spin, turn


def spin_all(path: Path, begin_at: float = 0.0) -> dict[str, float]:
    """Evaluate the items of a work list, one after the other, from a moment on."""
    work = json.loads(path.read_text())
    time.sleep(max(0.0, begin_at - time.monotonic()))
    late_seconds = time.monotonic() - begin_at
    begun = time.perf_counter()
    results = [spin(iterations) for iterations in work]
    seconds = time.perf_counter() - begun
    return {"makespan_seconds": seconds, "late_seconds": late_seconds if begin_at else 0.0, **account(results)}


def turn_all(n_items: int, iterations: int) -> dict[str, float]:
    """Evaluate equal items, and keep what they return."""
    begun = time.perf_counter()
    results = [turn(x, iterations) for x in range(n_items)]
    return {"loop_seconds": time.perf_counter() - begun, "checksum": checksum(results)}


def do_nothing(n_items: int) -> dict[str, float]:
    """Call the function that does nothing, and keep nothing."""
    x = 0.5
    begun = time.perf_counter()
    for _ in range(n_items):
        nothing(x)
    return {"loop_seconds": time.perf_counter() - begun}


def measure_rate(n_tries: int) -> dict[str, float]:
    """Return how many iterations of ``spin`` this machine does in a second: the median of some tries."""
    n_iterations = 100_000

    def rate() -> float:
        begun = time.perf_counter()
        spin(n_iterations)
        return n_iterations / (time.perf_counter() - begun)

    return {"iterations_per_second": median(rate() for _ in range(n_tries))}


if __name__ == "__main__":
    kind, what, *more = sys.argv[1:]
    if kind == "spin":
        told = spin_all(Path(what), *map(float, more))
    elif kind == "turn":
        told = turn_all(int(what), int(*more))
    else:
        told = do_nothing(int(what)) if kind == "nothing" else measure_rate(int(what))
    print(json.dumps(told))
