"""Root's timer where nobody asks: what each tick takes, and what the same work takes with it and without.

``tick.py N_PAIRS``, started on two ranks, of which the other one asks for nothing; root prints it as JSON.
"""

import json
import signal
import sys
import time
from statistics import median

from fullrank.backends.mpi.collectives import wait_for_all
from fullrank.backends.mpi.library import ROOT, world
from fullrank.backends.mpi.messages import MessageCounter
from fullrank.claim import IDLE
from fullrank.compare.statistics import median_interval
from fullrank.interrupt import MainThreadInterrupts

N_BLOCKS, N_TICKS = 51, 200
EVERY_SECONDS = 0.005
WORK_SECONDS = 0.05
"""Ten ticks; short, so that both of a pair are disturbed alike."""
WORK_BYTES = 1 << 19
"""What the work goes through again and again: as much as a second cache holds, so that a tick finds none of its own
data there, and the work less of its."""

_DATA = bytes(range(256)) * (WORK_BYTES // 256)


def main() -> None:
    """Time ticks that are raised, and pairs of the same work."""
    comm = world()
    if comm.rank == ROOT:
        counter = MessageCounter(comm, 1)
        signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None)
        with signals.installed():
            signals.serve(counter.serve)
            told = {"tick_microseconds": _tick_microseconds()}  # no tick comes by itself: each puts the next one off
            told |= _directly(signals, counter, n_pairs=int(sys.argv[1]))
        print(json.dumps(told), flush=True)
    wait_for_all(comm)


def _stop_timer() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


def _tick_microseconds() -> float:
    """Raise the timer's signal again and again, in blocks, and take the median block: others may disturb some."""
    return 1e6 * median(_raised_seconds() for _ in range(N_BLOCKS)) / N_TICKS


def _raised_seconds() -> float:
    begun = time.thread_time()
    for _ in range(N_TICKS):
        signal.raise_signal(signal.SIGALRM)
    return time.thread_time() - begun


def _directly(signals: MainThreadInterrupts, counter: MessageCounter, *, n_pairs: int) -> dict[str, float]:
    """Return by how many µs a tick lengthens work, in seconds of the process, and an interval of 95 %."""

    def serve() -> float:
        counter.serve()
        return EVERY_SECONDS

    _stop_timer()
    n_steps = _steps()
    found = []
    for number in range(n_pairs):
        seconds = {}
        for is_on in (True, False) if number % 2 else (False, True):
            if is_on:
                signals.serve(serve)
            seconds[is_on] = _work_seconds(n_steps)
            _stop_timer()
        found.append(1e6 * EVERY_SECONDS * (seconds[True] / seconds[False] - 1))
    low, high = median_interval(found) or (min(found), max(found))
    return {"direct_microseconds": median(found), "direct_low": low, "direct_high": high}


def _steps() -> int:
    """Return how many steps of work last as long as they should."""
    n_steps = 100_000
    return round(n_steps * WORK_SECONDS / min(_work_seconds(n_steps) for _ in range(5)))


def _work_seconds(n_steps: int) -> float:
    begun, total = time.process_time(), 0
    for step in range(n_steps):
        total += _DATA[64 * step % WORK_BYTES]
    return time.process_time() - begun


if __name__ == "__main__":
    main()
