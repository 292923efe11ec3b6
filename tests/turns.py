"""Workers of a simulation, each on a clock of its own, which take turns as their clocks say."""

import heapq
from collections.abc import Callable, Iterator


def take_turns(work: Callable[[int], Iterator[float]], n_workers: int) -> None:
    """Let workers 0 to ``n_workers`` - 1 do one step after the other, whoever is earliest first.

    ``work`` returns the steps of a worker, each of which yields the worker's time at its end.
    """
    queue = [(0.0, worker, work(worker)) for worker in range(n_workers)]
    while queue:
        _, worker, steps = heapq.heappop(queue)
        if (then := next(steps, None)) is not None:
            heapq.heappush(queue, (then, worker, steps))
