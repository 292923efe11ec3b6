"""Root's path of items that do nothing, for callgrind, and by the clock.

``noop_root.py leave FOLDER N...`` has a worker leave the journal of all N items of a study, for each N.
``noop_root.py total FOLDER N...`` makes the result files of these journals, between marks as in ``noop_worker.py``, as
a run does: the journals are counted, their records sorted into buckets, put in their places and written, the file is
verified, and its report is put together meanwhile. What stands in the file beside the items is left out, as far as
a file can be without it; it does not grow with them.
``noop_root.py stages CONFIG OUTPUT`` is a run of a study on one worker that prints, on its last line, the seconds of
root's stages from the end of the last item on.
"""

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import noop_worker
import studies
from noop_worker import PEERS, mark

from fullrank import commit, gather, store
from fullrank.backends import serial
from fullrank.buckets import Buckets
from fullrank.config import load
from fullrank.crew import LocalCrew, LocalTeam, Member
from fullrank.onlooking import RunOnlooker
from fullrank.report import Reading
from fullrank.store import chunks, sink
from fullrank.study import open_study
from fullrank.survey import Survey

SEED = 20261127
BUCKET_BYTES = 2 << 20
"""For the count: an eighth of a run's, so that an eighth of the items has several buckets too."""
REST = "all else: names, work folder, report in words"
BY_THREADS = "chunks filtered"


class MadeUpClock:
    """A clock that goes on by 200 to 300 ns from reading to reading: durations that are compressed as real ones are.

    Real ones differ from run to run and from machine to machine, and so does what it takes to compress them.
    """

    def __init__(self) -> None:
        self._drawn = random.Random(SEED)
        self._nanoseconds = 0

    def __call__(self) -> float:
        """Return seconds."""
        self._nanoseconds += 200 + int(100 * self._drawn.random() ** 2)
        return 1e-9 * self._nanoseconds


def leave(n_items: int, folder: Path) -> None:
    """Leave a study of so many items in ``folder``, and its journal beside it."""
    sys.path.insert(0, str(PEERS))
    studies.write_doing_nothing(_config(folder, n_items), n_items)
    clock = time.perf_counter
    time.perf_counter = MadeUpClock()
    try:
        noop_worker.evaluate(n_items, folder / f"{n_items}", n_values=n_items)
    finally:
        time.perf_counter = clock


def _config(folder: Path, n_items: int) -> Path:
    return folder / f"{n_items}.toml"


def write(n_items: int, folder: Path) -> None:
    """Write what :func:`leave` has left into a file, and verify it."""
    study = open_study(load(_config(folder, n_items)))
    journals = [str(path) for path in (folder / f"{n_items}").glob("*.journal")]
    identity = study.identity.to_json()
    nothing_else = commit.Commit(study.config, identity, (identity,), (), (), {}, {})
    crew = LocalCrew(LocalTeam(serial.run))
    output = folder / f"{n_items}.h5"
    onlooker = RunOnlooker(lambda: None, is_reported=True)
    mark("")
    (survey,) = crew.call("survey", journals, 0)
    _, summary = commit.write_file(crew, survey, commit=nothing_else, temporary=output, onlooker=onlooker)
    mark(f"{n_items}")
    if summary.n_ok != n_items:
        raise SystemExit(f"{output}: expected {n_items} items with a result, got {summary.n_ok}")
    output.unlink()


class Stages:
    """Seconds of stages by the clock; what a stage calls that is one itself is not counted twice."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inside = [REST]
        self._since: float | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Count from now on."""
        self._since = time.perf_counter()

    def change(self) -> None:
        """Count what has passed for the stage that it is in."""
        if self._since is not None:
            now = time.perf_counter()
            self.seconds[self._inside[-1]] += now - self._since
            self._since = now

    def watch(self, owner: Any, function: str, stage: str) -> None:
        """Count the calls of a function, which the main thread makes, for ``stage``."""
        called = getattr(owner, function)

        @wraps(called)
        def timed(*arguments: Any, **named: Any) -> Any:
            self.change()
            self._inside.append(stage)
            try:
                return called(*arguments, **named)
            finally:
                self.change()
                self._inside.pop()

        setattr(owner, function, timed)

    def watch_threads(self, owner: Any, function: str, what: str, cpu_seconds: Counter[str]) -> None:
        """Add up the CPU time of a function's calls, which threads make."""
        called: Callable[..., Any] = getattr(owner, function)

        def timed(*arguments: Any) -> Any:
            begun = time.thread_time()
            found = called(*arguments)
            with self._lock:
                cpu_seconds[what] += time.thread_time() - begun
            return found

        setattr(owner, function, timed)


def run_by_stages(config: str, output: str) -> None:
    """Run a study, and print the seconds of root's stages and the CPU time of its threads."""
    from fullrank.cli import main as command_line

    stages = Stages()
    by_threads: Counter[str] = Counter()
    work = Member.work

    def work_then_begin(member: Member, job: Any) -> Any:
        outcome = work(member, job)
        stages.begin()
        return outcome

    Member.work = work_then_begin  # type: ignore[method-assign]
    for owner, function, stage in _STAGES:
        stages.watch(owner, function, stage)
    stages.watch_threads(chunks, "filtered", BY_THREADS, by_threads)
    code = command_line(["run", config, "-b", "serial", "-o", output])
    stages.change()
    print(json.dumps({"stages": stages.seconds, "threads": by_threads}))
    sys.exit(code)


_READING, _WRITING = "report, read meanwhile", "columns made and digested"
_STAGES: tuple[tuple[Any, str, str], ...] = (
    (Survey, "add_journal", "journals read and checked, layouts and items counted"),
    (Member, "sort", "records read again, sorted into buckets"),
    (Buckets, "take", "buckets joined"),
    (gather, "_block", "records put in their places"),
    (store.FileWriter, "__init__", "file created, values of the axis made"),
    (store.FileWriter, "write", _WRITING),
    (chunks.Filters, "add", "chunks given to threads, stored"),
    (chunks.Filters, "finish", "last chunks waited for, stored"),
    (store.FileWriter, "finish", "tables written, file closed"),
    (sink.Sink, "sync", "file brought to the disk"),
    (commit, "verify", "verification: all read back, SHA-256, counts"),
    (Reading, "begin", _READING),
    (Reading, "add", _READING),
    (Reading, "end", _READING),
)
STAGES = tuple(dict.fromkeys(stage for _, _, stage in _STAGES))
"""In the order in which they begin."""


def main() -> None:
    """Be one of the programs."""
    kind, *arguments = sys.argv[1:]
    if kind == "stages":
        run_by_stages(*arguments)
        return
    folder, sizes = Path(arguments[0]), [int(size) for size in arguments[1:]]
    if kind == "total":
        gather.BUCKET_BYTES = BUCKET_BYTES
    for n_items in sizes:
        (leave if kind == "leave" else write)(n_items, folder)
    print(json.dumps(noop_worker.names))


if __name__ == "__main__":
    main()
