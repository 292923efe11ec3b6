"""From journals to the file: many items of some numbers, beside h5py that writes the same arrays from memory."""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import studies
from harness import FIGURE_HEADS, Limit, Raw, Sample, column, figure, neighbours, paired, table, take_rounds
from programs import OWN, Bench, run

from fullrank.store import ResultFile

TITLE = "From journals to the file"
GATHER, H5PY = "fullrank gather", "plain h5py"
ASKED_SPEED = Limit(0.5, at_least=True)
ASKED_GROWTH = Limit(200)
N_ITEMS = 10_000_000
N_ROUNDS = 7
"""The most: each takes half a minute."""
N_ROUNDS_ONE_CORE = 3
N_RUNS = 3
_PARTS = (
    (GATHER, "gather", "journals read, records sorted and put in their places"),
    (GATHER, "write", "file written"),
    (GATHER, "verify", "file read back and verified"),
    (H5PY, "write", "plain h5py, the same arrays from memory: write"),
    (H5PY, "check", "plain h5py: read back, SHA-256"),
)


def measure(bench: Bench) -> Raw:
    """Have runs leave journals, and gather those of the last one again and again: on two cores, and on one."""
    n_items = 200_000 if bench.quick else N_ITEMS
    # one more than are evaluated: the journals of a run that is not complete stay
    config = studies.write_returning_eight(bench.scratch / "eight.toml", n_items + 1)
    output = bench.scratch / "eight.h5"
    at_end: Raw = {"runs": []}
    with neighbours(at_end):
        for number in range(min(N_RUNS, bench.n_rounds)):
            bench.tell(f"run {number + 1}: {n_items:,} items, for its journals")
            at_end["runs"].append(_run(config, output, n_items))

    def rounds(most: int, *options: str) -> Raw:
        programs: dict[str, Callable[[], Sample]] = {
            GATHER: partial(_gather, config, output, *options),
            H5PY: partial(_plain_h5py, _gathered(output), *options),
        }
        return take_rounds(programs, min(most, bench.n_rounds), tell=bench.tell)

    raw = {"n_items": n_items, "at_end": at_end} | rounds(N_ROUNDS)
    bench.tell("the same on one core")
    return raw | {"one_core": rounds(N_ROUNDS_ONE_CORE, "--one-core")}


def _gathered(output: Path) -> Path:
    return output.with_name("eight.partial.h5")


def _run(config: Path, output: Path, n_items: int) -> Sample:
    """Run all items but one on two ranks, as if for the first time; return what came after the last one, in s."""
    shutil.rmtree(output.with_name(f"{output.name}.work"), ignore_errors=True)
    limit = ["--limit", str(n_items), "--quiet", "--json"]
    run([*OWN.mpiexec(2), *OWN.fullrank, "run", str(config), "-o", str(output), *limit], folder=config.parent)
    with ResultFile(_gathered(output)) as file:
        (attempt,) = file.attempts()
    return {"gather_seconds": attempt.gather_seconds, "write_seconds": attempt.write_seconds}


def _gather(config: Path, output: Path, *options: str) -> Sample:
    return dict(run(OWN.script("gathering.py", config, output, *options), folder=config.parent).told())


def _plain_h5py(result: Path, *options: str) -> Sample:
    copy = result.with_name("copy.h5")
    return dict(run(OWN.script("plain_h5py.py", result, copy, *options), folder=result.parent).told())


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    n_items = raw["n_items"]
    of_rounds, of_one_core = _Rounds(raw, n_items), _Rounds(raw["one_core"], n_items)
    growth = column(raw["samples"], GATHER, "growth_mb")
    heads = ["µs an item", "wall", "95 % interval", "CPU", "95 % interval"]
    heads_of_few = ["", "median", "least", "most"]
    return "\n\n".join(
        [
            f"{n_items:,} items of eight floats, computed by two ranks, whose journals one process gathers. "
            "Plain h5py has all arrays in memory, status and durations among them, and writes them with the same "
            "chunks and filters, one after the other.",
            "The two do not use the cores alike. fullrank filters chunks in as many threads as there are cores, four "
            "at most, and takes digests in another one; HDF5 filters in the one thread that calls it. So wall "
            "is what a user waits for either, on two cores, and CPU is what all threads used. What is asked is of the "
            "arrays' arrival in the file; it gets its name once it is verified, for which plain h5py's does not wait.",
            table(heads, [[what, *of_rounds.wall_and_cpu(name, part)] for name, part, what in _PARTS]),
            table(
                ["", *FIGURE_HEADS],
                [
                    [
                        "**speed of gathering and writing / of h5py's writing, wall**",
                        *figure(of_rounds.speeds(""), digits=2, limit=ASKED_SPEED),
                    ],
                    ["the same, CPU", *figure(of_rounds.speeds("_cpu"), digits=2)],
                    ["the same, wall, verification too", *figure(of_rounds.speeds_verified(), digits=2)],
                    [
                        "with verification / of h5py's writing and reading back, wall",
                        *figure(of_rounds.speeds_beside_read_back(), digits=2),
                    ],
                    ["**growth of the most memory held, MB**", *figure(growth, digits=0, limit=ASKED_GROWTH)],
                ],
            ),
            f"Both bound to one core, in {of_one_core.n_rounds} rounds, of which nothing is asked:",
            table(heads_of_few, of_one_core.rows_of_few()),
            "At the end of a run its two ranks read and sort their own journals, and root writes. "
            f"{len(raw['at_end']['runs'])} runs came before the rounds, so their ratio is to the median of plain "
            "h5py's writing in all rounds; nothing is asked of it:",
            table(heads_of_few, _rows_at_end(raw)),
        ]
    )


class _Rounds:
    """The rounds on two cores, or on one; values in µs an item."""

    def __init__(self, raw: Raw, n_items: int) -> None:
        self._samples = raw["samples"]
        self._n_items = n_items
        self.n_rounds = len(self._samples[GATHER])

    def of(self, name: str, key: str) -> list[float]:
        return [1e6 * seconds / self._n_items for seconds in column(self._samples, name, f"{key}_seconds")]

    def arrivals(self, kind: str) -> list[float]:
        """Gathering and writing; ``kind`` is ``_cpu`` for what all threads used, else nothing."""
        parts = self.of(GATHER, f"gather{kind}"), self.of(GATHER, f"write{kind}")
        return [gather + write for gather, write in zip(*parts, strict=True)]

    def speeds(self, kind: str) -> list[float]:
        return paired(self.of(H5PY, f"write{kind}"), self.arrivals(kind))

    def _verified(self) -> list[float]:
        return [each + more for each, more in zip(self.arrivals(""), self.of(GATHER, "verify"), strict=True)]

    def speeds_verified(self) -> list[float]:
        return paired(self.of(H5PY, "write"), self._verified())

    def speeds_beside_read_back(self) -> list[float]:
        both = zip(self.of(H5PY, "write"), self.of(H5PY, "check"), strict=True)
        return paired([write + read for write, read in both], self._verified())

    def wall_and_cpu(self, name: str, part: str) -> list[str]:
        kinds = (part, f"{part}_cpu")
        return [cell for kind in kinds for cell in figure(self.of(name, kind), digits=3)[:2]]

    def rows_of_few(self) -> list[list[str]]:
        return [
            ["gathering and writing, µs an item", *_spread(self.arrivals(""), 3)],
            ["plain h5py's writing, µs an item", *_spread(self.of(H5PY, "write"), 3)],
            ["speed of gathering and writing / of h5py's writing, wall", *_spread(self.speeds(""), 2)],
            ["the same, CPU", *_spread(self.speeds("_cpu"), 2)],
        ]


def _rows_at_end(raw: Raw) -> list[list[str]]:
    micros = [1e6 * (part["gather_seconds"] + part["write_seconds"]) / raw["n_items"] for part in raw["at_end"]["runs"]]
    plain = median(_Rounds(raw, raw["n_items"]).of(H5PY, "write"))
    return [
        ["gathering and writing, µs an item", *_spread(micros, 3)],
        ["speed of gathering and writing / of h5py's writing, wall", *_spread([plain / each for each in micros], 2)],
    ]


def _spread(values: Sequence[float], digits: int) -> list[str]:
    return [f"{value:,.{digits}f}" for value in (median(values), min(values), max(values))]
