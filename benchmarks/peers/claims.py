"""What a claim costs, as JSON: ``claims.py window`` on two ranks, or ``claims.py messages`` on some more.

A claim is what a worker's is: the tally of the claim before is added to, positions are asked for, and the answer is
waited for. Root computes meanwhile, in Python and outside the library, where that is what it does in a run.
"""

import json
import random
import sys
import time
from array import array
from statistics import linear_regression, median

from fullrank.backends.mpi.collectives import wait, wait_for_all
from fullrank.backends.mpi.counter import WindowCounter
from fullrank.backends.mpi.library import MPI, ROOT, world
from fullrank.backends.mpi.messages import MessageCounter

N_CLAIMS = 2000
N_APART, APART_SECONDS = 300, 0.004
"""Claims of each rank that reach root while it computes, and for how long it does before it looks: they are there by
then."""
LEAST_LOOKS = 20
"""With as many answers, for their median to count."""
MANY = 2**40

Counter = WindowCounter | MessageCounter


def main() -> None:
    """Measure one way of claiming."""
    comm = world()
    told = _window(comm) if sys.argv[1] == "window" else _messages(comm)
    if comm.rank == ROOT + 1:
        print(json.dumps(told), flush=True)
    wait_for_all(comm)


def _claim_seconds(counter: Counter) -> float:
    begun = time.perf_counter()
    counter.add_finished(1, 0, busy_milliseconds=0)
    counter.begin(1)
    counter.result()
    return time.perf_counter() - begun


def _compute(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def _window(comm: MPI.Intracomm) -> dict[str, float]:
    """Time claims of one rank alone, and of both at once.

    Of both, the wall time over all claims is the most for which a claim can keep the counter from others: were it
    longer, so many claims would not have been answered. Most of it is what the askers' own Python takes.
    """
    counter = WindowCounter(comm, MANY)
    wait_for_all(comm)
    alone: list[float] = []
    if comm.rank == ROOT:
        _compute(0.5)
    else:
        end = time.perf_counter() + 0.5
        while time.perf_counter() < end:
            alone.append(_claim_seconds(counter))
    wait_for_all(comm)
    begun = time.perf_counter()
    for _ in range(N_CLAIMS):
        _claim_seconds(counter)
    service_seconds = (time.perf_counter() - begun) / (N_CLAIMS * comm.size)
    wait_for_all(comm)
    counter.free()
    return _told(alone, service_seconds)


def _messages(comm: MPI.Intracomm) -> dict[str, float]:
    """Time claims of a rank whose root looks all the time, then looks of a root that computes while all others claim.

    What one more answer takes is the slope of the looks' times over how many they answered: receipt, answer and tally.
    """
    counter = MessageCounter(comm, MANY)
    wait_for_all(comm)
    service = array("d", [0.0])
    alone: list[float] = []
    if comm.rank == ROOT:
        while counter.tally().n_finished < N_CLAIMS:
            counter.serve()
    elif comm.rank == ROOT + 1:
        alone = [_claim_seconds(counter) for _ in range(N_CLAIMS)]
    wait_for_all(comm)
    if comm.rank == ROOT:
        service[0] = _answer_seconds(counter, N_CLAIMS + N_APART * (comm.size - 1))
    else:
        draw = random.Random(comm.rank)
        for _ in range(N_APART):
            _claim_seconds(counter)
            time.sleep(draw.uniform(0.0, 4 * APART_SECONDS))  # so that now more are there, now fewer
    wait(comm.Ibcast(service, ROOT))
    return _told(alone, service[0])


def _answer_seconds(counter: MessageCounter, n_finished: int) -> float:
    """Look until so many are finished; return what each answer of a look takes: CPU time, for cores are shared."""
    looks: dict[int, list[float]] = {}
    while (before := counter.tally().n_finished) < n_finished:
        _compute(APART_SECONDS)
        begun = time.thread_time()
        counter.serve()
        seconds = time.thread_time() - begun
        looks.setdefault(counter.tally().n_finished - before, []).append(seconds)
    medians = {n: median(seconds) for n, seconds in looks.items() if n and len(seconds) >= LEAST_LOOKS}
    return linear_regression([*medians], [*medians.values()]).slope


def _told(alone: list[float], service_seconds: float) -> dict[str, float]:
    return {
        "claim_microseconds": 1e6 * median(alone) if alone else 0.0,
        "service_microseconds": 1e6 * service_seconds,
    }


if __name__ == "__main__":
    main()
