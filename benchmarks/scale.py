"""Scale, real: up to 64 ranks on two cores, whose items sleep: what is lost is claims, polling and start skew alone."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heapreplace
from pathlib import Path
from statistics import median

import numpy as np
from harness import FIGURE_HEADS, Limit, Raw, Sample, Samples, column, figure, table, take_rounds
from numpy.typing import NDArray
from programs import HERE, MPI_LIBRARIES, Bench, Environment, ProgramError, run, with_libraries
from simulate import Costs, Draw, play

from fullrank.costs.first import first_items
from fullrank.leading import CostsLeft
from fullrank.schedule import Order
from fullrank.store import ResultFile

TITLE = "Scale: up to 64 ranks on two cores"
N_CORES = 2
ITEMS = HERE / "peers" / "sleeping.py"
MEAN_SECONDS, SIGMA, SEED = 0.06, 1.0, 20261123
ASKED, ASKED_RANKS = Limit(0.95, at_least=True), 64
"""Of the efficiency of every study on so many ranks."""
N_ROUNDS = 7
"""At most: a round takes some minutes."""


@dataclass(frozen=True)
class Study:
    """Items, and on how many ranks they are run."""

    order: str
    ranks: tuple[int, ...]
    n_each: int = 0
    """Items a rank; 0: ``n_items``, whatever the ranks."""
    n_items: int = 0


STUDIES = {
    "40 items a rank, costs known": Study("longest-first", (2, 4, 8, 16, 32, 64), n_each=40),
    "40 items a rank, costs unknown": Study("spread", (2, 4, 8, 16, 32, 64), n_each=40),
    "1,280 items, costs known": Study("longest-first", (8, 16, 32, 64), n_items=1280),
}
QUICK_RANKS = (4,)


@dataclass(frozen=True)
class Cell:
    """A study on a number of ranks of one MPI library."""

    library: str
    title: str
    """Of the study."""
    n_ranks: int

    @property
    def name(self) -> str:
        """What its samples are kept under."""
        return f"{self.library}, {self.n_ranks} ranks: {self.title}"

    @property
    def study(self) -> Study:
        """What is run."""
        return STUDIES[self.title]

    @property
    def n_items(self) -> int:
        """Of the study on so many ranks."""
        return self.study.n_items or self.study.n_each * self.n_ranks

    @property
    def limit(self) -> Limit | None:
        """What is asked of the efficiency, whether or not the order of the study can reach it."""
        return ASKED if self.n_ranks == ASKED_RANKS else None

    @property
    def bound_seconds(self) -> float:
        """The makespan that no schedule beats."""
        return least_seconds(durations(self.n_items), self.n_ranks)

    @property
    def greedy_efficiency(self) -> float:
        """What the order reaches if claims cost nothing."""
        visited = in_order(durations(self.n_items), self.study.order)
        return self.bound_seconds / greedy_seconds(visited, self.n_ranks)


def cells() -> Iterator[Cell]:
    """Yield all there are, in the order of the report."""
    for library in MPI_LIBRARIES:
        for title, study in STUDIES.items():
            yield from (Cell(library, title, n_ranks) for n_ranks in study.ranks)


def durations(n_items: int) -> list[float]:
    """Return the durations of items in s, lognormal and of the mean that is wanted, to the microsecond."""
    generator = random.Random(SEED)
    drawn = [generator.lognormvariate(0, SIGMA) for _ in range(n_items)]
    scale = MEAN_SECONDS * n_items / sum(drawn)
    return [round(scale * each, 6) for each in drawn]


def least_seconds(seconds: Sequence[float], n_workers: int) -> float:
    """Return the makespan that no schedule beats: R. L. Graham, SIAM J. Appl. Math. 17 (1969) 416.

    >>> least_seconds([1.0, 1.0, 4.0], 2)
    4.0
    """
    return max(sum(seconds) / n_workers, max(seconds))


def greedy_seconds(seconds: Sequence[float], n_workers: int) -> float:
    """Return the makespan if whoever is free takes the next item at once, and that costs nothing.

    >>> greedy_seconds([1.0, 1.0, 4.0], 2)
    5.0
    """
    ends = [0.0] * n_workers
    for each in seconds:
        heapreplace(ends, ends[0] + each)
    return max(ends)


def in_order(seconds: Sequence[float], order: str) -> list[float]:
    """Return the durations as they are visited."""
    if order == "longest-first":
        return sorted(seconds, reverse=True)
    return [seconds[index] for index in Order.named(order, len(seconds)).indices(range(len(seconds)))]


def played_efficiency(cell: Cell, costs: Costs, *, late_seconds: float = 0.0) -> float:
    """Return the efficiency of a cell's claims when they are played, with items that last so much longer than asked."""
    seconds = durations(cell.n_items)
    visited = np.array(in_order(seconds, cell.study.order)) + late_seconds
    part = None
    if cell.study.order == "longest-first":
        first = first_items(np.array(seconds), Order(cell.n_items), n_workers=cell.n_ranks)
        part = CostsLeft(first.costs.tolist(), cell.n_items - len(first.costs), rest_cost=first.rest_cost).part
    found = play(blocks(visited), cell.n_items, cell.n_ranks, costs, part=part)
    return cell.bound_seconds / found.makespan_seconds


def blocks(seconds: NDArray[np.float64]) -> Draw:
    """Return what gives out durations that are known, in their order."""
    given = 0

    def draw(n: int) -> NDArray[np.float64]:
        nonlocal given
        given += n
        return seconds[given - n : given]

    return draw


def measure(bench: Bench) -> Raw:
    """Measure studies that grow with the ranks, and one that does not."""
    libraries = with_libraries()
    programs = {
        cell.name: partial(_run, cell, libraries[cell.library], bench.scratch)
        for cell in cells()
        if cell.library in libraries and (not bench.quick or cell.n_ranks in QUICK_RANKS)
    }
    n_rounds = 1 if bench.quick else min(N_ROUNDS, bench.n_rounds)
    return take_rounds(programs, n_rounds, tell=bench.tell)


def _write(path: Path, cell: Cell) -> None:
    cost = f"cost = {json.dumps(f'{ITEMS}:cost')}" if cell.study.order == "longest-first" else ""
    path.write_text(
        f"""title = "Sleeping"
[workload]
function = {json.dumps(f"{ITEMS}:wait")}
[sweep.zip]
seconds = {durations(cell.n_items)}
[results]
names = ["begun", "ended"]
[run]
order = "{cell.study.order}"
{cost}
"""
    )


def _run(cell: Cell, environment: Environment, folder: Path) -> Sample:
    study, output = folder / "sleeping.toml", folder / "sleeping.h5"
    _write(study, cell)
    command = [*environment.mpiexec(cell.n_ranks), *environment.fullrank, "run", str(study), "-o", str(output)]
    finished = run([*command, "--quiet", "--here"], folder=folder)
    with ResultFile(output) as file:
        begun, ended, asked = (file.array(name) for name in ("begun", "ended", "seconds"))
        workers = file.workers()
    output.unlink()
    if len(workers) != cell.n_ranks:
        raise ProgramError(f"{cell.name}: expected {cell.n_ranks} workers in the file, got {len(workers)}")
    return {
        "makespan_seconds": float(ended.max() - begun.min()),
        "late_seconds": float((ended - begun - asked).mean()),
        "cpu_seconds": sum(worker.cpu_seconds for worker in workers),
        "wall_seconds": finished.wall_seconds,
    }


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    samples: Samples = raw["samples"]
    text = [
        f"Items that sleep, for lognormal times (sigma {SIGMA:g}, {1000 * MEAN_SECONDS:g} ms in the mean, the same "
        "ones in every run), on far more ranks than cores. Efficiency: the bound max(all the items' time / ranks, "
        "longest item), which no schedule beats, over the makespan: from the begin of the first item to the end of the "
        "last one, by the clocks that the items read and that are in the file. Late: how much longer than asked an "
        "item slept, some 0.2 ms by itself and more where the cores were busy with others; processor: what the workers "
        "used of both cores between items. *Greedy* is the efficiency of the same order if a claim cost nothing and "
        "each rank took its next item the moment it is free: where costs are unknown a long item may be met last, and "
        "whoever deals the items out in this order does about as well. Each delay changes which rank takes which item, "
        "so a run may do a little better or worse.",
        _asked(),
    ]
    for library in MPI_LIBRARIES:
        rows = [_row(cell, samples) for cell in cells() if cell.library == library and cell.name in samples]
        if rows:
            heads = ["ranks: study", "bound, s", "makespan, s", "late, ms", "processor, %", "greedy", *FIGURE_HEADS]
            text += [f"### {library}", table(heads, rows)]
    return "\n\n".join(text)


def _asked() -> str:
    """Say what is asked, and which studies cannot reach it in their order."""
    (library, *_) = MPI_LIBRARIES
    asked = [cell for cell in cells() if cell.library == library and cell.limit is not None]
    reached = "; ".join(f"{cell.greedy_efficiency:.3f} with {cell.title}" for cell in asked)
    return (
        f"An efficiency of {ASKED.value:g} is asked of every study on {ASKED_RANKS} ranks, whatever its order can "
        f"reach. Greedy reaches {reached}. What is missing beside greedy is what claims cost on two cores that all "
        "these ranks share (processor), items that end late because of it (late), and ranks that begin one after the "
        "other."
    )


def _row(cell: Cell, samples: Samples) -> list[str]:
    bound = cell.bound_seconds
    makespans = column(samples, cell.name, "makespan_seconds")
    busy = [
        cpu / N_CORES / makespan
        for cpu, makespan in zip(column(samples, cell.name, "cpu_seconds"), makespans, strict=True)
    ]
    return [
        f"{cell.n_ranks}: {cell.title}",
        f"{bound:.2f}",
        f"{median(makespans):.3f}",
        f"{1000 * median(column(samples, cell.name, 'late_seconds')):.2f}",
        f"{100 * median(busy):.0f}",
        f"{cell.greedy_efficiency:.3f}",
        *figure([bound / makespan for makespan in makespans], digits=3, limit=cell.limit),
    ]
