"""What runs inside a sub-interpreter of the ``interpreters`` backend: one worker, in a thread of the process.

It shares descriptors and mapped memory with the interpreter that made it, and no object. Signals reach the main
interpreter alone; there are no daemon threads and no ``os.fork`` (``subprocess`` works); C extensions that do not know
of sub-interpreters refuse to be loaded.
"""

import io
import mmap
import os
import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from fullrank.backends.answers import DONE, READY, tell_error
from fullrank.backends.cells import Token, TokenCounter
from fullrank.backends.guard import Guard, ThreadInterrupts
from fullrank.dataclass import replace
from fullrank.errors import BackendError
from fullrank.evaluate import load_constants
from fullrank.interrupt import Helper, tick_seconds
from fullrank.job import Job
from fullrank.output import ItemLog, streams_replaced
from fullrank.worker import LOG_SUFFIX, RUNNING_SUFFIX, Keeper, Worker, file_stem, running_cell

_REFUSAL = " does not support loading in subinterpreters"
"""How CPython refuses an extension module whose name stands before it."""


def work(number: int, *, message: int, cells: int, token: Token, start: int, answers: int) -> None:
    """Be worker ``number``; what it raises outside any item is told through ``answers``.

    The other descriptors: the pickled job in memory, the counter with its token, and a pipe that ends when all are
    to begin.
    """
    counter = TokenCounter(cells, token)
    try:
        job, finished = _received(message)
        _compute(job, number, counter=counter, finished=finished, start=start, answers=answers)
    except BaseException as error:
        with suppress(BackendError):  # user code has closed the counter: that is the error
            counter.stop()
        try:
            tell_error(answers, error)
        except OSError:  # it has closed that too
            raise error from None
    else:
        os.write(answers, DONE)


def try_to_load(*, message: int, answers: int) -> None:
    """Load what the job needs, but do not call ``setup``; tell an error of it, or that it is done."""
    job, _ = _received(message)
    try:
        with streams_replaced(io.StringIO()), _refusals_told(job):
            job.function.load()
            if job.setup is not None:
                job.setup.load()
            load_constants(replace(job, setup=None))
    except BaseException as error:
        tell_error(answers, error)
    else:
        os.write(answers, DONE)


def _received(message: int) -> tuple[Job, bytes | None]:
    with mmap.mmap(message, 0, access=mmap.ACCESS_READ) as memory:
        job, finished = pickle.loads(memory)
    return job, finished


def _compute(job: Job, number: int, *, counter: TokenCounter, finished: bytes | None, start: int, answers: int) -> None:
    stem = Path(job.work_folder, file_stem(job.attempt, number))
    running = running_cell(stem.with_suffix(RUNNING_SUFFIX))
    log = ItemLog(stem.with_suffix(LOG_SUFFIX), running)
    interrupts = ThreadInterrupts()
    with ExitStack() as stack:
        stack.callback(log.close)
        stack.enter_context(streams_replaced(log))
        with _refusals_told(job):
            worker = Worker(
                job,
                number,
                running=running,
                interrupts=interrupts,
                last_output=log.last_output,
                stop_requested=counter.stopped,
            )
        todo = job.todo(finished)
        keeper = Keeper([worker], daemon=False)  # a sub-interpreter has no daemons
        guard = Guard(running, interrupts, item_time_limit_seconds=job.item_time_limit_seconds)
        warden = _Warden(guard, counter, tick=tick_seconds(job.item_time_limit_seconds))
        os.write(answers, READY)
        os.read(start, 1)
        interrupts.attach()
        for thread in (keeper, warden):
            thread.start()
            stack.callback(thread.end)
        worker.run(counter, todo, keeper)


class _Warden(Helper):
    """Looks at the running item: an exception can be raised in a thread only from inside its interpreter."""

    def __init__(self, guard: Guard, counter: TokenCounter, *, tick: float) -> None:
        super().__init__(name="fullrank-warden", daemon=False)
        self._guard = guard
        self._counter = counter
        self._tick = tick
        self._end = threading.Event()

    def run(self) -> None:
        """Look until :meth:`end`."""
        while not self._end.wait(self._tick):
            self._guard.look(time.monotonic(), abandon=self._counter.abandoned())

    def end(self) -> None:
        """Stop and wait for the thread."""
        self._end.set()
        self.join()


@contextmanager
def _refusals_told(job: Job) -> Iterator[None]:
    """Turn what comes of an extension that does not load here into one sentence that names its package."""
    try:
        yield
    except Exception as error:
        package = refusing_package(error)
        if not package:
            raise
        raise BackendError(
            f"backend 'interpreters' cannot run {job.function.written}: "
            f"{package} does not load in a sub-interpreter. Try -b processes"
        ) from None


def refusing_package(error: BaseException) -> str:
    """Return the package that did not let itself be loaded in a sub-interpreter; "" if ``error`` came of another cause.

    >>> try:
    ...     raise ImportError("module numpy._core does not support loading in subinterpreters")
    ... except ImportError as error:
    ...     refusing_package(RuntimeError()), refusing_package(error)
    ('', 'numpy')
    """
    for cause in _causes(error):
        if isinstance(cause, ImportError) and "interpreter" in str(cause):
            return _named_package(str(cause)) or _importing_package(cause)
    return ""


def _causes(error: BaseException) -> list[BaseException]:
    """Return what an error came of, the first cause first; a package may have hidden it behind a text of its own."""
    causes: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in causes:
        causes.insert(0, following)
        following = following.__cause__ or following.__context__
    return causes


def _named_package(text: str) -> str:
    """Return the package that CPython's sentence names; "" if it is another sentence, or gives a name without it."""
    from importlib.util import find_spec

    package = text.partition(_REFUSAL)[0].rpartition("module ")[2].partition(".")[0]
    return package if _REFUSAL in text and package and find_spec(package) is not None else ""


def _importing_package(error: BaseException) -> str:
    """Return the package whose code ran the import that failed."""
    package, trace = "an extension module", error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if not module.startswith(("importlib", "_frozen_importlib", "fullrank.")):
            package = module.partition(".")[0]
        trace = trace.tb_next
    return package
