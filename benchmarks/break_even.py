"""From which duration of its items on a study of many pays: whole commands, two workers beside the bare loop."""

from collections.abc import Callable, Sequence
from functools import partial
from math import exp, inf, log
from pathlib import Path
from statistics import median

import studies
from harness import FIGURE_HEADS, Raw, Sample, Samples, column, figure, paired, table, take_rounds
from programs import OWN, Bench, run
from starts import Agreement, checksum, iterations_per_second

from fullrank.store import ResultFile

TITLE = "Break-even of short items"
N_ITEMS = 10_000
ITEM_US = (40, 80, 160, 320)
BARE = "bare loop"
WAYS: dict[str, Callable[[], list[str]]] = {
    "fullrank, mpi, 2 ranks": lambda: [*OWN.mpiexec(2), *OWN.fullrank, "run"],
    "fullrank, processes, 2 workers": lambda: [*OWN.fullrank, "run", "-b", "processes", "-n", "2"],
}


def measure(bench: Bench) -> Raw:
    """Measure whole commands of many equal items, of some durations."""
    per_second = iterations_per_second(bench.scratch)
    fewer = 10 if bench.quick else 1
    n_items, item_us = N_ITEMS // fewer, [fewer * wanted for wanted in ITEM_US]
    programs: dict[str, Callable[[], Sample]] = {}
    for wanted_us in item_us:
        iterations = round(per_second * wanted_us / 1e6)
        config = studies.write_turning(bench.scratch / f"turn-{wanted_us}.toml", n_items, iterations)
        study = _Study(config, n_items, iterations)
        programs[_name(BARE, wanted_us)] = study.bare_loop
        for way, command in WAYS.items():
            programs[_name(way, wanted_us)] = partial(study.fullrank, command())
    return {"n_items": n_items, "item_us": item_us} | take_rounds(programs, bench.n_rounds, tell=bench.tell)


class _Study:
    """Equal items of one duration."""

    def __init__(self, config: Path, n_items: int, iterations: int) -> None:
        self.config, self.n_items, self.iterations = config, n_items, iterations
        self._agreement = Agreement(config.stem)

    def bare_loop(self) -> Sample:
        command = OWN.script("bare_loop.py", "turn", self.n_items, self.iterations)
        finished = run(command, folder=self.config.parent)
        told = finished.told()
        self._agreement.check(told["checksum"])
        return {"loop_seconds": told["loop_seconds"], "wall_seconds": finished.wall_seconds}

    def fullrank(self, command: Sequence[str]) -> Sample:
        output = self.config.with_suffix(".h5")
        finished = run([*command, str(self.config), "-o", str(output), "--quiet"], folder=self.config.parent)
        with ResultFile(output) as file:
            (block,) = file.blocks(file.n_items)
        output.unlink()
        self._agreement.check(checksum(block.values["turn"].tolist()))
        return {"wall_seconds": finished.wall_seconds}


def _name(program: str, item_us: int) -> str:
    return f"{program}, {item_us} µs"


def crossing(durations: Sequence[float], ratios: Sequence[float]) -> float:
    """Return the duration from which on a ratio that was measured at rising durations is below one.

    Between two durations the logarithms of both lie on a line. Infinity: it is not below one at the last; zero: it is
    at all of them.

    >>> round(crossing([10, 40], [2.0, 0.5]), 9), crossing([10, 40], [3.0, 2.0]), crossing([10, 40], [0.9, 0.5])
    (20.0, inf, 0.0)
    """
    above = [number for number, ratio in enumerate(ratios) if ratio >= 1]
    if not above:
        return 0.0
    last = above[-1]
    if last == len(ratios) - 1:
        return inf
    (begin, end), (high, low) = (map(log, values[last : last + 2]) for values in (durations, ratios))
    return exp(begin + (end - begin) * high / (high - low))


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    n_items = raw["n_items"]
    rows = [_beside(raw, way, item_us) for way in WAYS for item_us in raw["item_us"]]
    for way in WAYS:
        cells = [cell.replace("inf", "∞") for cell in figure(found(raw, way), digits=0)]
        rows.append([f"**{way}: break-even, µs an item**", "", "", *cells])
    return "\n\n".join(
        [
            f"{n_items:,} equal items, each of which returns one number; whole commands, and their ratio, paired in "
            "each round. fullrank's has in it the start of two processes and a verified HDF5 file, the bare loop's the "
            "start of Python. Break-even: the duration of an item, by the bare loop's clock in the same round, from "
            "which on fullrank ends first; between two durations it is interpolated in logarithms (∞: not at the "
            "longest one; 0: at the shortest one too).",
            table(["program; item", "bare loop, s", "fullrank, s", *FIGURE_HEADS], rows),
        ]
    )


def _beside(raw: Raw, way: str, item_us: int) -> list[str]:
    """Return the row of a way and an item, which is called by what it took in the bare loop."""
    samples: Samples = raw["samples"]
    loop_us = 1e6 * median(column(samples, _name(BARE, item_us), "loop_seconds")) / raw["n_items"]
    bare, own = (column(samples, _name(program, item_us), "wall_seconds") for program in (BARE, way))
    walls = [f"{median(values):.3f}" for values in (bare, own)]
    return [f"{way}; {loop_us:.0f} µs: fullrank / bare loop", *walls, *figure(paired(own, bare), digits=2)]


def found(raw: Raw, way: str) -> list[float]:
    """Return the break-even duration in µs of each round."""
    samples, item_us = raw["samples"], raw["item_us"]
    loops = [column(samples, _name(BARE, wanted), "loop_seconds") for wanted in item_us]
    ratios = [
        paired(*(column(samples, _name(program, wanted), "wall_seconds") for program in (way, BARE)))
        for wanted in item_us
    ]
    n_rounds = len(loops[0])
    return [
        crossing(
            [1e6 * of_one[number] / raw["n_items"] for of_one in loops],
            [of_one[number] for of_one in ratios],
        )
        for number in range(n_rounds)
    ]
