"""N threads of this process; the main thread sleeps and supervises.

With the GIL they share one core for pure-Python items: the variant to compare the others with.
"""

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from fullrank.account import Arrival
from fullrank.backends.base import LocalCounter, Outcome, Watch
from fullrank.backends.guard import Guard, ThreadInterrupts
from fullrank.claim import IDLE
from fullrank.dataclass import dataclass
from fullrank.interrupt import KILL_SECONDS, StopSignals, tick_seconds
from fullrank.job import Job
from fullrank.output import ItemLog, ThreadStreams, streams_replaced
from fullrank.schedule import Todo
from fullrank.worker import LOG_SUFFIX, RUNNING_SUFFIX, Keeper, Worker, file_stem, running_cell


class LockedCounter(LocalCounter):
    """A counter that any number of threads may use; each worker claims through a :class:`ThreadCounter`."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


@dataclass
class ThreadCounter:
    """One thread's view of the shared counter: its own answer, everything else under the lock."""

    shared: LockedCounter
    _answer: int = 0

    def begin(self, size: int) -> None:
        """Fetch the position and add ``size`` to it."""
        with self.shared.lock:
            self.shared.begin(size)
            self._answer = self.shared.result()

    def result(self) -> int:
        """Return the position that was fetched."""
        return self._answer

    def add_finished(self, n_finished: int, n_failed: int, *, busy_milliseconds: int) -> None:
        """Add to the tally."""
        with self.shared.lock:
            self.shared.add_finished(n_finished, n_failed, busy_milliseconds=busy_milliseconds)

    def stop(self) -> None:
        """Let every later claim find nothing."""
        with self.shared.lock:
            self.shared.stop()

    def stopped(self) -> bool:
        """Return whether the counter was stopped."""
        return self.shared.stopped()


class _Thread(threading.Thread):
    """One worker."""

    def __init__(
        self, job: Job, number: int, *, streams: ThreadStreams, counter: LockedCounter, signals: StopSignals
    ) -> None:
        super().__init__(name=f"fullrank-worker-{number}", daemon=True)
        stem = Path(job.work_folder, file_stem(job.attempt, number))
        self.running = running_cell(stem.with_suffix(RUNNING_SUFFIX), of_child=job.isolate)
        self.interrupts = ThreadInterrupts()
        self.guard = Guard(self.running, self.interrupts, item_time_limit_seconds=job.item_time_limit_seconds)
        self.error: BaseException | None = None
        self._log = ItemLog(stem.with_suffix(LOG_SUFFIX), self.running)
        self._signals = signals
        self._streams = streams
        self._counter = counter
        self._job = job
        self._number = number
        self.worker: Worker | None = None
        self._todo: Todo | None = None
        self._keeper: Keeper | None = None
        self._go = threading.Event()

    def prepare(self, arrival: Arrival) -> Worker:
        """Import the function, in the calling thread: the first import is nobody's compute."""
        self.worker = Worker(
            self._job,
            self._number,
            running=self.running,
            interrupts=self.interrupts,
            last_output=self._log.last_output,
            stop_requested=lambda: self._signals.requested,
            arrival=arrival,
        )
        return self.worker

    def begin(self, todo: Todo, keeper: Keeper, *, go: threading.Event) -> None:
        """Start the thread, which computes once ``go`` is set."""
        self._todo, self._keeper, self._go = todo, keeper, go
        self.start()

    def run(self) -> None:
        """Run the worker's loop; what it raises waits in ``error``."""
        self._streams.attach(self._log)
        self.interrupts.attach()
        self._go.wait()
        try:
            cast(Worker, self.worker).run(
                ThreadCounter(self._counter), cast(Todo, self._todo), cast(Keeper, self._keeper)
            )
        except BaseException as error:
            self.error = error
            ThreadCounter(self._counter).stop()
        finally:
            self._log.close()


def run(job: Job, todo: Todo, watch: Watch) -> Outcome:
    """Evaluate all items in threads; see :class:`fullrank.backends.base.Backend`."""
    counter = LockedCounter()
    signals = StopSignals(stop_at=job.stop_at)
    with ExitStack() as stack:
        main_log = ItemLog(Path(job.work_folder, f"a{job.attempt:04d}-main{LOG_SUFFIX}"), [IDLE])
        stack.callback(main_log.close)
        streams = ThreadStreams(main_log)
        stack.enter_context(streams_replaced(streams))
        threads = [
            _Thread(job, number, streams=streams, counter=counter, signals=signals) for number in range(job.n_workers)
        ]
        arrival = Arrival.now(job.account_start_seconds)  # of all: each waits for what is imported for the others
        for thread in threads:
            stack.callback(thread.prepare(arrival).close)
        keeper = Keeper([cast(Worker, thread.worker) for thread in threads])
        keeper.start()
        stack.callback(keeper.end)
        stack.enter_context(signals.installed())
        stack.enter_context(watch(counter))
        go = threading.Event()
        for thread in threads:
            thread.begin(todo, keeper, go=go)
        signals.stop_claims(counter)
        go.set()  # not before: an item may leave no room for a thread, whose start would be waited for without end
        _supervise(threads, counter, signals=signals, tick=tick_seconds(job.item_time_limit_seconds))
    for thread in threads:
        if thread.error is not None:
            raise thread.error
    return Outcome(stopped=signals.requested)


def _supervise(
    threads: list[_Thread],
    counter: LockedCounter,
    *,
    signals: StopSignals,
    tick: float,
) -> None:
    """Sleep until all threads have ended; interrupt items that are over their limit or in the way of a stop."""
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(tick / len(threads))
        now = time.monotonic()
        signals.stop_claims(counter)
        if now >= signals.abandon_at + KILL_SECONDS:
            return  # they are in C code, or asleep; as daemons they end with the process
        for thread in threads:
            thread.guard.look(now, abandon=now >= signals.abandon_at)
