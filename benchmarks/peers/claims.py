"""What a claim costs on two ranks, as JSON: ``claims.py window`` or ``claims.py messages``.

A claim is what a worker's is: the tally of the claim before is added to, positions are asked for, and the answer is
waited for. Root computes meanwhile, in Python and outside the library, where that is what it does in a run.
"""

import json
import sys
import time
from array import array
from statistics import median

from fullrank.backends.mpi.collectives import wait, wait_for_all
from fullrank.backends.mpi.counter import WindowCounter
from fullrank.backends.mpi.library import MPI, ROOT, world
from fullrank.backends.mpi.messages import MessageCounter

N_CLAIMS = 2000
N_APART, APART_SECONDS = 1000, 0.002
"""Claims that reach root while it computes, and for how long it does before it looks: a message is there by then."""
MANY = 2**40

Counter = WindowCounter | MessageCounter


def main() -> None:
    """Measure one way of claiming."""
    comm = world()
    told = _window(comm) if sys.argv[1] == "window" else _messages(comm)
    if comm.rank != ROOT:
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
    """Time claims of a rank whose root looks all the time, and at a root that computes the looks that answer one.

    Such a look has the receipt in it, the answer and the tally, with root's caches full of other things. A look in
    vain, after as much computing, is taken off: root's timer has it whether or not somebody asks.
    """
    counter = MessageCounter(comm, MANY)
    wait_for_all(comm)
    service = array("d", [0.0])
    alone: list[float] = []
    if comm.rank == ROOT:
        while counter.tally().n_finished < N_CLAIMS:
            counter.serve()
        answering = _answering_seconds(counter, N_CLAIMS + N_APART)
        in_vain = [_serve_seconds(counter) for _ in range(N_APART // 5)]
        service[0] = median(answering) - median(in_vain)
    else:
        alone = [_claim_seconds(counter) for _ in range(N_CLAIMS)]
        for _ in range(N_APART):
            _claim_seconds(counter)
    wait(comm.Ibcast(service, ROOT))
    return _told(alone, service[0])


def _answering_seconds(counter: MessageCounter, n_finished: int) -> list[float]:
    """Return what looks took that answered one claim each, until so many are finished."""
    found = []
    while (before := counter.tally().n_finished) < n_finished:
        seconds = _serve_seconds(counter)
        if counter.tally().n_finished == before + 1:
            found.append(seconds)
    return found


def _serve_seconds(counter: MessageCounter) -> float:
    _compute(APART_SECONDS)
    begun = time.perf_counter()
    counter.serve()
    return time.perf_counter() - begun


def _told(alone: list[float], service_seconds: float) -> dict[str, float]:
    return {
        "claim_microseconds": 1e6 * median(alone) if alone else 0.0,
        "service_microseconds": 1e6 * service_seconds,
    }


if __name__ == "__main__":
    main()
