"""A worker's path of items that do nothing, marked for callgrind: ``noop_worker.py FOLDER KIND SMALL GREAT``.

KIND is ``total``, ``phases``, or ``claims``: then three items are a claim, and what surrounds them is most of it.

Each mark is a call of ``getppid``, before which callgrind dumps what it has counted (``--dump-before=getppid``); the
names of what was counted are printed, one for each dump, "" where something begins.

Items are claimed by the schedule and from the counter of a run with one worker. Claims are as long as the clock says
and would differ from run to run: what the schedule is told of durations is made up, see :class:`MadeUpPace`, but each
clock is read that a run reads. Left out is what is not of an item: the thread that flushes and syncs journals once a
second; the timer of a time limit, for none is set; and MPI's fetch-and-add, one a claim of thousands of items.
"""

import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fullrank.axes import LinearAxis
from fullrank.backends.base import LocalCounter
from fullrank.dataclass import replace
from fullrank.encode import Naming
from fullrank.evaluate import Evaluator, Interrupts
from fullrank.function import POSITIONAL, FunctionSource, Parameter
from fullrank.job import Job
from fullrank.schedule import Pace, Todo, spread_stride
from fullrank.sweep import Sweep
from fullrank.worker import Keeper, Worker, running_cell

N_VALUES = 1_000_000
"""Of the axis, of which the first ones to visit are evaluated: of few values a worker would keep a list."""
N_WARM_UP = 4096
"""Items by which all is loaded that a first item loads."""
ITEM_SECONDS, LONG_ITEM_SECONDS = 0.5e-6, 6e-3
"""What an item is said to take: about what it does take, and so much that three are a claim."""
ITEMS_A_CLAIM = 3
N_VALUES_IN_CLAIMS = 16
"""Of each of two axes."""
FINISHED = b"\xb6"
"""Of eight positions three are left."""
PEERS = Path(__file__).with_name("peers")
CLAIMS = "claims, tally"
BARE = "bare loop"
names: list[str] = []


def mark(name: str) -> None:
    """Have all that was counted since the mark before stand for ``name``."""
    names.append(name)
    os.getppid()


class MadeUpPace(Pace):
    """What a worker has seen: items and claims that all take the same, claims about what they do take."""

    CLAIM_SECONDS = 0.4e-6
    OVERHEAD_SECONDS = 50e-6

    def __init__(self, item_seconds: float) -> None:
        super().__init__()
        self._item_seconds = item_seconds

    def add_items(self, n_items: int, seconds: float) -> None:
        """Count items, whatever they took."""
        super().add_items(n_items, n_items * self._item_seconds)

    def add_claim(self, seconds: float) -> None:
        """Remember one answer of the counter, however long it was waited for."""
        super().add_claim(self.CLAIM_SECONDS)

    def add_overhead(self, seconds: float) -> None:
        """Remember one claim, whatever it took beyond its items."""
        super().add_overhead(self.OVERHEAD_SECONDS)


def job_of(n_items: int, folder: Path, n_values: int) -> Job:
    """Return a job whose items return their only parameter, a float: the first ``n_items`` to visit of an axis."""
    return Job(
        function=FunctionSource("items:nothing", (str(PEERS),)),
        parameters=(Parameter("x", POSITIONAL, required=True),),
        setup=None,
        setup_parameters=(),
        constants={},
        seed=None,
        sweep=Sweep("grid", (LinearAxis("x", start=0.0, stop=1.0, num=n_values),)),
        naming=Naming("nothing"),
        stride=spread_stride(n_values),
        schedule="guided",
        n_workers=1,
        attempt=1,
        backend="serial",
        work_folder=str(folder),
        among=range(n_items),
    )


def evaluate(n_items: int, folder: Path, n_values: int = N_VALUES) -> Path:
    """Evaluate items with the journal in ``folder``, which is made, and return the journal's path."""
    return _run(job_of(n_items, folder, n_values), None, MadeUpPace(ITEM_SECONDS)).journal.path


def evaluate_in_claims(n_items: int, folder: Path) -> int:
    """Evaluate items of two parameters and two results, in claims of three, and return the number of claims.

    They are what a study has left of which the rest is finished. A worker's first claims are smaller, and its last.
    """
    axes = tuple(LinearAxis(name, start=0.0, stop=1.0, num=N_VALUES_IN_CLAIMS) for name in "xy")
    sweep = Sweep("grid", axes)
    job = replace(
        job_of(n_items // ITEMS_A_CLAIM * 8, folder, sweep.n_items),
        function=FunctionSource("items:pair", (str(PEERS),)),
        parameters=tuple(Parameter(axis.name, POSITIONAL, required=True) for axis in axes),
        sweep=sweep,
        naming=Naming("pair"),
    )
    gc.collect()  # else one that falls into a run of few claims is counted as theirs
    finished = FINISHED * (sweep.n_items // 8)
    return _run(job, finished, MadeUpPace(LONG_ITEM_SECONDS))._n_claims


def _run(job: Job, finished: bytes | None, pace: Pace) -> Worker:
    """Run a worker on what is left of a job between marks, and return it."""
    folder = Path(job.work_folder)
    folder.mkdir()
    running = running_cell(folder / "cell")
    todo = job.todo(finished)
    worker = Worker(job, 0, running=running, interrupts=Interrupts())
    worker._pace = pace
    mark("")
    worker.run(LocalCounter(), todo, Keeper([]))
    mark(CLAIMS)
    worker.close()
    return worker


def small_claims(sizes: list[int], folder: Path) -> None:
    """Evaluate two numbers of items in small claims.

    Raises SystemExit unless the claims of which the second has more are all of three items.
    """
    evaluate_in_claims(sizes[0], folder / "warm-up")
    fewer, more = (evaluate_in_claims(n_items, folder / f"{n_items}") for n_items in sizes)
    if ITEMS_A_CLAIM * (more - fewer) != sizes[1] - sizes[0]:
        raise SystemExit(f"expected claims of {ITEMS_A_CLAIM} items, got {more - fewer} of {sizes[1] - sizes[0]}")


def bare_loop(n_items: int) -> None:
    """Call the function in a loop, as ``bare_loop.py`` does."""
    from bare_loop import do_nothing

    mark("")
    do_nothing(n_items)
    mark(BARE)


def marked_phases() -> None:
    """Mark the ends of what a worker does with a claim; what is left between them is of the claims."""

    def after(owner: Any, method: str, name: str) -> None:
        before: Callable[..., Any] = getattr(owner, method)

        def marked(*arguments: Any, **options: Any) -> Any:
            found = before(*arguments, **options)
            mark(name)
            return found

        setattr(owner, method, marked)

    indices = Todo.indices

    def marked_indices(todo: Todo, positions: range) -> list[int]:
        mark(CLAIMS)
        found = indices(todo, positions)
        mark("which items: visiting order")
        return found

    Todo.indices = marked_indices  # type: ignore[method-assign]
    after(Evaluator, "_batch", "parameters")
    finish = Evaluator._finish

    def marked_finish(evaluator: Evaluator, claim: Any) -> Any:
        mark("loop: call, clock, running cell")
        found = finish(evaluator, claim)
        mark("durations, results to bytes")
        return found

    Evaluator._finish = marked_finish  # type: ignore[method-assign]
    after(Worker, "_record", "journal: checksum, write")


def items(kind: str, sizes: list[int], folder: Path) -> None:
    """Evaluate two numbers of items in claims as a run has them."""
    evaluate(N_WARM_UP, folder / "warm-up")
    if kind == "phases":
        for n_items in sizes:
            bare_loop(n_items)
        marked_phases()
    for n_items in sizes:
        evaluate(n_items, folder / f"{n_items}")


def main() -> None:
    """Be the program that callgrind runs."""
    kind, sizes = sys.argv[2], [int(size) for size in sys.argv[3:]]
    sys.path.insert(0, str(PEERS))
    with tempfile.TemporaryDirectory(dir=sys.argv[1]) as name:
        folder = Path(name)
        if kind == "claims":
            small_claims(sizes, folder)
        else:
            items(kind, sizes, folder)
    print(json.dumps(names))


if __name__ == "__main__":
    main()
