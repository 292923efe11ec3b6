"""A worker's path of items that do nothing, marked for callgrind: ``noop_worker.py FOLDER total|phases N``.

Each mark is a call of ``getppid``, before which callgrind dumps what it has counted (``--dump-before=getppid``); the
names of what was counted are printed, one for each dump. Claims have a fixed size here: real ones are as long as the
clock says, and would differ from run to run.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fullrank.axes import LinearAxis
from fullrank.backends.base import LocalCounter
from fullrank.encode import Naming
from fullrank.evaluate import Evaluator, Interrupts
from fullrank.function import POSITIONAL, FunctionSource, Parameter
from fullrank.job import Job
from fullrank.schedule import Todo, spread_stride
from fullrank.sweep import Sweep
from fullrank.worker import Keeper, Worker, running_cell

CLAIM_ITEMS = 4096
N_VALUES = 1_000_000
"""Of the axis, of which the first ones to visit are evaluated: of few values a worker would keep a list."""
PEERS = Path(__file__).with_name("peers")
names: list[str] = []


def mark(name: str) -> None:
    """Have all that was counted since the mark before stand for ``name``."""
    names.append(name)
    os.getppid()


def job_of(n_items: int, folder: Path) -> Job:
    """Return a job whose items return their only parameter, a float."""
    return Job(
        function=FunctionSource("items:nothing", (str(PEERS),)),
        parameters=(Parameter("x", POSITIONAL, required=True),),
        setup=None,
        setup_parameters=(),
        constants={},
        seed=None,
        sweep=Sweep("grid", (LinearAxis("x", start=0.0, stop=1.0, num=N_VALUES),)),
        naming=Naming("nothing"),
        stride=spread_stride(N_VALUES),
        schedule="guided",
        n_workers=1,
        attempt=1,
        backend="serial",
        work_folder=str(folder),
        among=range(n_items),
    )


class FixedClaims(Worker):
    """A worker that claims the same number of items whatever they take."""

    def _claims(self, counter: Any, todo: Todo) -> Iterator[range]:
        for start in range(0, todo.n_items, CLAIM_ITEMS):
            yield range(start, min(start + CLAIM_ITEMS, todo.n_items))


def evaluate(n_items: int, folder: Path) -> None:
    """Evaluate a study with the journal in ``folder``."""
    folder.mkdir()
    job = job_of(n_items, folder)
    running = running_cell(folder / "cell")
    todo = job.todo(None)
    worker = FixedClaims(job, 0, running=running, interrupts=Interrupts())
    mark("")
    worker.run(LocalCounter(), todo, Keeper([]))
    mark(f"{n_items}")
    worker.close()


def bare_loop(n_items: int) -> None:
    """Call the function in a loop, as ``bare_loop.py`` does."""
    from bare_loop import do_nothing

    mark("")
    do_nothing(n_items)
    mark("bare loop")


def marked_phases() -> None:
    """Mark the ends of what a worker does with a claim."""

    def after(owner: Any, method: str, name: str) -> None:
        before: Callable[..., Any] = getattr(owner, method)

        def marked(*arguments: Any, **options: Any) -> Any:
            found = before(*arguments, **options)
            mark(name)
            return found

        setattr(owner, method, marked)

    after(Todo, "indices", "which items: visiting order")
    after(Evaluator, "_batch", "parameters")
    finish = Evaluator._finish

    def marked_finish(evaluator: Evaluator, claim: Any) -> Any:
        mark("loop: call, clock, running cell")
        found = finish(evaluator, claim)
        mark("durations, results to bytes")
        return found

    Evaluator._finish = marked_finish  # type: ignore[method-assign]
    after(Worker, "_record", "journal: checksum, write")


def main() -> None:
    """Be the program that callgrind runs."""
    kind, n_items = sys.argv[2], int(sys.argv[3])
    sys.path.insert(0, str(PEERS))
    with tempfile.TemporaryDirectory(dir=sys.argv[1]) as name:
        folder = Path(name)
        evaluate(CLAIM_ITEMS, folder / "warm-up")
        if kind == "phases":
            bare_loop(CLAIM_ITEMS)
            bare_loop(CLAIM_ITEMS + n_items)
            marked_phases()
        evaluate(CLAIM_ITEMS, folder / "small")
        evaluate(CLAIM_ITEMS + n_items, folder / "great")
    print(json.dumps(names))


if __name__ == "__main__":
    main()
