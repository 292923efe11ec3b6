"""How often the intervals of ``fullrank plan`` hold: synthetic studies whose true makespans are known.

Run as a program it writes the table of docs/plan.md, failing cells included:

    python benchmarks/plan_coverage.py [N_STUDIES]
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from heapq import heappop, heappush
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fullrank.plan.predict import Forecast, forecasts
from fullrank.schedule import Pace, guided_claims

Seconds = NDArray[np.float64]

DURATIONS: dict[str, Callable[[np.random.Generator, int], Seconds]] = {
    "constant": lambda random, n: np.full(n, 0.1),
    "uniform": lambda random, n: random.uniform(0.0, 0.2, n),
    "exponential": lambda random, n: random.exponential(0.1, n),
    "lognormal, sigma 1": lambda random, n: random.lognormal(np.log(0.1), 1.0, n),
    "Pareto, alpha 1.1": lambda random, n: 0.1 * (1 + random.pareto(1.1, n)),
}
"""In s, of the items of one study."""
SIZES, WORKERS = ((100, 1000), (400, 1000), (400, 2000)), (16, 128)
"""Items of a pilot and of its study, and numbers of workers."""
N_DRAWS = 100
"""Half of what a plan draws, for time."""
WANTED = 0.85
WIDEST = {"constant": 0.15, "uniform": 0.15}
"""Median width of the interval, in makespans, that is asked for."""
START, END = "<!-- table -->\n", "<!-- end of table -->\n"
PAGE = Path(__file__).parents[1] / "docs" / "plan.md"


class Cell(NamedTuple):
    """What came of the studies of one kind."""

    kind: str
    n_pilot: int
    n_items: int
    n_workers: int
    n_studies: int
    n_predicted: int
    n_covered: int
    width: float
    """Median, in makespans; NaN if nothing was predicted."""

    @property
    def coverage(self) -> float:
        """Of those that were predicted; NaN if none was."""
        return self.n_covered / self.n_predicted if self.n_predicted else float("nan")

    @property
    def holds(self) -> bool:
        """Whether the cell is as good as asked for; one without a prediction says nothing false."""
        wide = self.width > WIDEST.get(self.kind, float("inf"))
        return not self.n_predicted or (self.coverage >= WANTED and not wide)


class _Counter:
    """Positions that are given out at once."""

    def __init__(self) -> None:
        self._next = self._given = 0

    def begin(self, size: int) -> None:
        self._given, self._next = self._next, self._next + size

    def result(self) -> int:
        return self._given


def true_makespan(seconds: Seconds, n_workers: int) -> float:
    """Return the makespan in s of items of these durations: each worker claims as those of a real run do."""
    counter, now = _Counter(), 0.0
    paces = [Pace() for _ in range(n_workers)]
    claims = [guided_claims(counter, len(seconds), n_workers=n_workers, pace=pace, clock=lambda: now) for pace in paces]
    free = [(0.0, worker) for worker in range(n_workers)]
    while free:
        now, worker = heappop(free)
        claimed = next(claims[worker], None)
        if claimed is not None:
            busy = float(seconds[claimed.start : claimed.stop].sum())
            paces[worker].add_items(len(claimed), busy)
            heappush(free, (now + busy, worker))
    return now


def cells(kind: str, n_pilot: int, n_items: int, n_studies: int, workers: tuple[int, ...] = WORKERS) -> list[Cell]:
    """Return what comes of ``n_studies`` studies of one kind and size, for each number of workers; fixed seeds."""
    told: dict[int, list[tuple[Forecast, float]]] = {n_workers: [] for n_workers in workers}
    for number in range(n_studies):
        random = np.random.default_rng([number, n_pilot, n_items, len(kind)])
        seconds = DURATIONS[kind](random, n_items)
        sample, left = seconds[:n_pilot], seconds[n_pilot:]
        for forecast in forecasts(sample, n_left=len(left), counts=workers, seed=number, n_draws=N_DRAWS):
            told[forecast.n_workers].append((forecast, true_makespan(left, forecast.n_workers)))
    return [_cell(kind, n_pilot, n_items, n_workers, told[n_workers]) for n_workers in workers]


def _cell(kind: str, n_pilot: int, n_items: int, n_workers: int, told: list[tuple[Forecast, float]]) -> Cell:
    predicted = [(forecast.wall, truth) for forecast, truth in told if forecast.wall is not None]
    rounding = 1e-9  # sums of the same numbers in another order
    covered = [wall.least * (1 - rounding) <= truth <= wall.most * (1 + rounding) for wall, truth in predicted]
    widths = [(wall.most - wall.least) / truth for wall, truth in predicted]
    width = float(np.median(widths)) if widths else float("nan")
    return Cell(kind, n_pilot, n_items, n_workers, len(told), len(predicted), sum(covered), width)


def table(found: list[Cell]) -> str:
    """Return the cells as a table of Markdown; those that are not as good as asked for are marked."""
    lines = [
        "| durations | pilot | items | workers | predicted | holds | median width |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for cell in found:
        coverage = f"{cell.coverage:.1%}" if cell.n_predicted else "-"
        width = f"{cell.width:.1%}" if cell.n_predicted else "-"
        lines.append(
            f"| {cell.kind} | {cell.n_pilot} | {cell.n_items:,} | {cell.n_workers} "
            f"| {cell.n_predicted} of {cell.n_studies} | {coverage}{'' if cell.holds else ' **fails**'} | {width} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure all cells and write the table."""
    n_studies = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    found: list[Cell] = []
    with ProcessPoolExecutor() as pool:
        asked = [pool.submit(cells, kind, *size, n_studies) for size, kind in product(SIZES, DURATIONS)]
        for answer in asked:
            found += answer.result()
            print(table(answer.result()), flush=True)
    head, _, rest = PAGE.read_text("utf-8").partition(START)
    PAGE.write_text(head + START + table(found) + END + rest.partition(END)[2], "utf-8")


if __name__ == "__main__":
    main()
