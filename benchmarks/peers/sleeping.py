"""Items that wait and need no core, so that there can be more workers than cores. Standard library only."""

import os
import time

RANK_VARIABLES = ("PMI_RANK", "OMPI_COMM_WORLD_RANK")


def wait(seconds: float) -> tuple[float, float]:
    """Return when the item began and ended, in s of the clock that all processes of a machine share."""
    begun = time.monotonic()
    time.sleep(seconds)
    return begun, time.monotonic()


def cost(seconds: float) -> float:
    """Return what an item costs, in s: known beforehand."""
    return seconds


def wait_for_one(k: int, long_seconds: float, short_seconds: float, rank: int) -> tuple[int, float, float]:
    """Wait long in one item: that of the MPI rank ``rank``, or item 0 where there are no ranks.

    Returns the process it ran in, and when it began and ended in s.
    """
    own = next((int(os.environ[name]) for name in RANK_VARIABLES if name in os.environ), None)
    is_long = k == 0 if own is None else own == rank
    begun = time.monotonic()
    time.sleep(long_seconds if is_long else short_seconds)
    return os.getpid(), begun, time.monotonic()
