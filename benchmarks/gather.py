"""From journals to the file: many items of some numbers, beside h5py that writes the same arrays from memory."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import studies
from harness import FIGURE_HEADS, Limit, Raw, Sample, column, figure, table, take_rounds
from programs import OWN, Bench, run

from fullrank.store import ResultFile

TITLE = "From journals to the file"
GATHER, H5PY = "fullrank gather", "plain h5py"
ASKED_SPEED = Limit(0.5, at_least=True)
ASKED_GROWTH = Limit(200)
N_ITEMS = 10_000_000
N_ROUNDS = 7
"""The most: each takes a minute and a half."""


def measure(bench: Bench) -> Raw:
    """Have a run leave journals, and gather them again and again."""
    n_items = 200_000 if bench.quick else N_ITEMS
    # one more than are evaluated: the journals of a run that is not complete stay
    config = studies.write_returning_eight(bench.scratch / "eight.toml", n_items + 1)
    output = bench.scratch / "eight.h5"
    bench.tell(f"a run of {n_items:,} items, for its journals")
    limit = ["--limit", str(n_items), "--quiet", "--json"]
    run([*OWN.mpiexec(2), *OWN.fullrank, "run", str(config), "-o", str(output), *limit], folder=bench.scratch)
    gathered = output.with_name("eight.partial.h5")
    programs: dict[str, Callable[[], Sample]] = {
        GATHER: partial(_gather, config, output),
        H5PY: partial(_plain_h5py, gathered),
    }
    with ResultFile(gathered) as file:
        (attempt,) = file.attempts()
    of_run = {"gather_seconds": attempt.gather_seconds, "write_seconds": attempt.write_seconds}
    return {"n_items": n_items, "run": of_run} | take_rounds(programs, min(N_ROUNDS, bench.n_rounds), tell=bench.tell)


def _gather(config: Path, output: Path) -> Sample:
    return dict(run(OWN.script("gathering.py", config, output), folder=config.parent).told())


def _plain_h5py(result: Path) -> Sample:
    copy = result.with_name("copy.h5")
    return dict(run(OWN.script("plain_h5py.py", result, copy), folder=result.parent).told())


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    n_items, samples = raw["n_items"], raw["samples"]

    def of(name: str, key: str) -> list[float]:
        return column(samples, name, f"{key}_seconds")

    def row(what: str, seconds: list[float]) -> list[str]:
        return [what, *figure([1e6 * value / n_items for value in seconds], digits=3)]

    gather, write, plain = of(GATHER, "gather"), of(GATHER, "write"), of(H5PY, "write")
    arrive = [one + other for one, other in zip(gather, write, strict=True)]
    speeds = [limit / whole for limit, whole in zip(plain, arrive, strict=True)]
    rows = [
        row("journals read, records sorted and put in their places", gather),
        row("file written", write),
        row("file read back and verified", of(GATHER, "verify")),
        row("plain h5py, the same arrays from memory: write", plain),
        row("plain h5py: read back, SHA-256", of(H5PY, "check")),
    ]
    of_run = raw["run"]["gather_seconds"] + raw["run"]["write_seconds"]
    growth = column(samples, GATHER, "growth_mb")
    figures = [
        ["**speed of gathering and writing / of h5py's writing**", *figure(speeds, digits=2, limit=ASKED_SPEED)],
        ["**growth of the most memory held, MB**", *figure(growth, digits=0, limit=ASKED_GROWTH)],
    ]
    return "\n\n".join(
        [
            f"{n_items:,} items of eight floats, computed by two ranks, whose journals one process gathers. "
            "Plain h5py has all arrays in memory, status and durations among them, and writes them with the same "
            "chunks and filters, one after the other.",
            table(["µs an item", *FIGURE_HEADS], rows),
            table(["", *FIGURE_HEADS], figures),
            f"At the end of the run itself, whose two ranks read and sort their own journals, gathering and writing "
            f"took {1e6 * of_run / n_items:.3f} µs an item.",
        ]
    )
