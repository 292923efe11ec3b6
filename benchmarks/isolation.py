"""What it costs to evaluate items in a child process of their worker."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import studies
from harness import FIGURE_HEADS, Limit, Raw, Sample, Samples, column, figure, table, take_rounds
from programs import OWN, Bench, run

from fullrank.store import ResultFile

TITLE = "Cost of isolation"
ASKED = Limit(1.0)
_ITEMS = {100.0: 30, 10.0: 200, 1.0: 1000}
"""Milliseconds an item → how many."""
_WORKERS = {"serial": 1, "processes": 2}


def measure(bench: Bench) -> Raw:
    """Measure runs of items of a fixed duration, with and without isolation."""
    programs: dict[str, Callable[[], Sample]] = {}
    for item_ms, n_items in _ITEMS.items():
        n_items = 4 if bench.quick else n_items
        for isolate in (False, True):
            config = bench.scratch / f"hold-{item_ms:g}-{isolate}.toml"
            studies.write_holding(config, n_items, item_ms / 1000, isolate=isolate)
            for backend in _WORKERS:
                programs[_name(item_ms, backend, isolate=isolate)] = partial(_fullrank, config, backend)
    return take_rounds(programs, bench.n_rounds, tell=bench.tell)


def _name(item_ms: float, backend: str, *, isolate: bool) -> str:
    return f"{item_ms:g} ms, {backend}{', isolated' if isolate else ''}"


def _fullrank(config: Path, backend: str) -> Sample:
    output = config.with_suffix(".h5")
    n_workers = str(_WORKERS[backend])
    run(
        [*OWN.fullrank, "run", str(config), "-b", backend, "-n", n_workers, "-q", "-o", str(output)],
        folder=config.parent,
    )
    with ResultFile(output) as file:
        workers = list(file.workers())
    output.unlink()
    return {
        "elapsed_seconds": sum(worker.elapsed_seconds for worker in workers),
        "compute_seconds": sum(worker.compute_seconds for worker in workers),
        "n_items": float(sum(worker.n_items for worker in workers)),
    }


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    samples = raw["samples"]
    rows = []
    for item_ms in _ITEMS:
        for backend, n_workers in _WORKERS.items():
            limit = ASKED if item_ms == max(_ITEMS) else None
            label = f"items of {item_ms:g} ms, {backend}, {n_workers} worker{'s' if n_workers > 1 else ''}"
            values = _added_percent(samples, item_ms, backend)
            rows.append([label, *figure(values, digits=2, limit=limit)])
    return "\n\n".join(
        [
            "Items that hold their core until a clock says that their time is over. What a run takes longer with "
            "isolation than without: the workers' elapsed seconds, those of one less those of the other, in percent "
            "of the time that the items ask for, round by round. The child tells its worker "
            "of what has ended, between two items and for a tenth of the time at most: that is most of it where items "
            "are short, and counted among no item's seconds. What the worker takes from an item while it holds "
            "its core does not show, for the item ends by the clock.",
            table(["percent added", *FIGURE_HEADS], rows),
        ]
    )


def _added_percent(samples: Samples, item_ms: float, backend: str) -> list[float]:
    names = [_name(item_ms, backend, isolate=isolate) for isolate in (True, False)]
    isolated, plain = (_percent(samples, name, item_ms) for name in names)
    return [one - other for one, other in zip(isolated, plain, strict=True)]


def _percent(samples: Samples, name: str, item_ms: float) -> list[float]:
    """Return what the workers took, in percent of what their items ask for."""
    elapsed, n_items = column(samples, name, "elapsed_seconds"), column(samples, name, "n_items")
    return [100 * seconds / (number * item_ms / 1000) for seconds, number in zip(elapsed, n_items, strict=True)]
