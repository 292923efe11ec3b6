"""Items that wait and need no core, so that there can be more workers than cores. Standard library only."""

import time


def wait(seconds: float) -> tuple[float, float]:
    """Return when the item began and ended, in s of the clock that all processes of a machine share."""
    begun = time.monotonic()
    time.sleep(seconds)
    return begun, time.monotonic()


def cost(seconds: float) -> float:
    """Return what an item costs, in s: known beforehand."""
    return seconds
