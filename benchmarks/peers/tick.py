"""Root's timer where nobody asks: what each tick takes. Started on two ranks; root prints it as JSON."""

import json
import signal
import time
from statistics import median

from fullrank.backends.mpi.collectives import wait_for_all
from fullrank.backends.mpi.library import ROOT, world
from fullrank.backends.mpi.messages import MessageCounter
from fullrank.claim import IDLE
from fullrank.interrupt import SERVING_SECONDS, MainThreadInterrupts

N_BLOCKS, N_TICKS = 51, 200


def main() -> None:
    """Raise the timer's signal again and again, in blocks, and take the median block: others may disturb some."""
    comm = world()
    if comm.rank == ROOT:
        counter = MessageCounter(comm, 1)
        signals = MainThreadInterrupts(running=[IDLE], item_time_limit_seconds=None)
        with signals.installed():
            signals.serve(counter.serve)
            signal.setitimer(signal.ITIMER_REAL, 0)  # no ticks but those that are raised here
            blocks = [_seconds() for _ in range(N_BLOCKS)]
        told = {"tick_microseconds": 1e6 * median(blocks) / N_TICKS, "period_milliseconds": 1e3 * SERVING_SECONDS}
        print(json.dumps(told), flush=True)
    wait_for_all(comm)


def _seconds() -> float:
    begun = time.thread_time()
    for _ in range(N_TICKS):
        signal.raise_signal(signal.SIGALRM)
    return time.thread_time() - begun


if __name__ == "__main__":
    main()
