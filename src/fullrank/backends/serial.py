"""One worker: the calling thread, which has to be the main one."""

import os
from contextlib import ExitStack
from pathlib import Path

from fullrank.backends.base import LocalCounter, Outcome, Watch
from fullrank.interrupt import MainThreadInterrupts
from fullrank.job import Job
from fullrank.output import ItemLog, streams_replaced
from fullrank.schedule import Todo
from fullrank.system import System
from fullrank.worker import LOG_SUFFIX, RUNNING_SUFFIX, Keeper, Worker, file_stem, running_cell


def run(job: Job, todo: Todo, watch: Watch, *, system: System = os) -> Outcome:
    """Evaluate all items here; see :class:`fullrank.backends.base.Backend`."""
    stem = Path(job.work_folder, file_stem(job.attempt, 0))
    running = running_cell(stem.with_suffix(RUNNING_SUFFIX), system, of_child=job.isolate)
    signals = MainThreadInterrupts(
        running=running, item_time_limit_seconds=job.item_time_limit_seconds, stop_at=job.stop_at
    )
    log = ItemLog(stem.with_suffix(LOG_SUFFIX), running)
    counter = LocalCounter()
    with ExitStack() as stack:
        stack.callback(log.close)
        stack.enter_context(streams_replaced(log))
        worker = Worker(
            job,
            0,
            running=running,
            interrupts=signals.interrupts,
            last_output=log.last_output,
            stop_requested=signals.requested_now,
            system=system,
        )
        stack.callback(worker.close)
        keeper = Keeper([worker])
        keeper.start()
        stack.callback(keeper.end)
        stack.enter_context(watch(counter))
        stack.enter_context(signals.installed())
        worker.run(counter, todo, keeper)
    return Outcome(stopped=signals.requested)
