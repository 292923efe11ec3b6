"""What a claim costs on two ranks, as JSON: ``claims.py window`` or ``claims.py messages``.

The window is reached while root is busy in Python; messages are answered by a root that looks all the time, so that
how often it looks in a real run is no part of it.
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
MANY = 2**40


def main() -> None:
    """Measure one way of claiming."""
    comm = world()
    told = _window(comm) if sys.argv[1] == "window" else _messages(comm)
    if comm.rank != ROOT:
        print(json.dumps(told), flush=True)
    wait_for_all(comm)


def _claim_seconds(counter: WindowCounter | MessageCounter) -> float:
    begun = time.perf_counter()
    counter.begin(1)
    counter.result()
    return time.perf_counter() - begun


def _window(comm: MPI.Intracomm) -> dict[str, float]:
    """Time claims of one rank alone, then of both at once: then the counter is what both wait for."""
    counter = WindowCounter(comm, MANY)
    wait_for_all(comm)
    alone: list[float] = []
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        if comm.rank != ROOT:
            alone.append(_claim_seconds(counter))
    wait_for_all(comm)
    begun = time.perf_counter()
    for _ in range(N_CLAIMS):
        _claim_seconds(counter)
    service_seconds = (time.perf_counter() - begun) / (N_CLAIMS * comm.size)
    wait_for_all(comm)
    counter.free()
    return _told(median(alone) if alone else 0.0, service_seconds)


def _messages(comm: MPI.Intracomm) -> dict[str, float]:
    """Time claims, and at root each look that answers one, less a look that finds none."""
    counter = MessageCounter(comm, MANY)
    wait_for_all(comm)
    service = array("d", [0.0])
    claims = []
    if comm.rank == ROOT:
        answering, n_answered = [], 0
        while n_answered < N_CLAIMS:
            while not comm.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG):
                pass
            seconds, before = _serve_seconds(counter), n_answered
            n_answered = counter.tally().n_finished
            if n_answered == before + 1:  # of those that answered one
                answering.append(seconds)
        service[0] = median(answering) - median(_serve_seconds(counter) for _ in range(N_CLAIMS))
    else:
        for _ in range(N_CLAIMS):
            counter.add_finished(1, 0, busy_milliseconds=0)
            claims.append(_claim_seconds(counter))
    wait(comm.Ibcast(service, ROOT))
    return _told(median(claims) if claims else 0.0, service[0])


def _serve_seconds(counter: MessageCounter) -> float:
    begun = time.perf_counter()
    counter.serve()
    return time.perf_counter() - begun


def _told(claim_seconds: float, service_seconds: float) -> dict[str, float]:
    way_seconds = max(0.0, claim_seconds - service_seconds) / 2
    return {"way_microseconds": 1e6 * way_seconds, "service_microseconds": 1e6 * service_seconds}


if __name__ == "__main__":
    main()
