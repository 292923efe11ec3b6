"""The study that ``selftest`` kills: pure-Python items of some milliseconds, a few of them long. Standard library only.

Every evaluation adds a line to a file of its own, whose truth owes nothing to the journals.
"""

import math
import os
import random
import time

SHORTEST_SECONDS, LONGEST_SECONDS = 0.002, 0.06
_TAIL = 0.7
"""Of a Pareto distribution: the mean is nearly three times the shortest, and one item in 130 takes the longest."""


def value_of(index: int, seed: int) -> float:
    """Return item ``index``'s result: an orbit of the logistic map, whose last bit depends on every step."""
    x = random.Random(f"{seed}/{index}").random()
    for _ in range(50):
        x = 3.9 * x * (1.0 - x)
    return index + x


def seconds_of(index: int, seed: int) -> float:
    """Return how long item ``index`` takes."""
    share = 1.0 - random.Random(f"{index}/{seed}").random()
    return min(LONGEST_SECONDS, SHORTEST_SECONDS / math.pow(share, _TAIL))


def evaluate(index: int, salt: int, evaluations: str) -> float:
    """Compute for the item's time, having noted in the file ``evaluations`` that it was begun."""
    end = time.perf_counter() + seconds_of(index, salt)
    line = os.open(evaluations, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(line, b"%d\n" % index)
    finally:
        os.close(line)
    value = value_of(index, salt)
    while time.perf_counter() < end:
        value_of(index, salt)
    return value
