"""What an item costs that does nothing, and where that goes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import studies
from harness import (
    FIGURE_HEADS,
    Limit,
    Raw,
    Sample,
    Samples,
    column,
    figure,
    table,
    take_rounds,
)
from programs import OWN, Bench, run

from fullrank.store import ResultFile

TITLE = "Cost of an item that does nothing"
BARE, H5PY = "bare loop", "plain h5py"
ASKED_OF_WORKER, ASKED_OF_ROOT = Limit(0.8), Limit(1.0)
_ACCOUNT = ("elapsed_seconds", "compute_seconds", "claim_seconds", "journal_seconds")


def measure(bench: Bench) -> Raw:
    """Measure a run of many items, one of a single item, a bare loop, and h5py writing the same arrays."""
    n_items = 100_000 if bench.quick else 1_000_000
    many = studies.write_doing_nothing(bench.scratch / "many.toml", n_items)
    one = studies.write_doing_nothing(bench.scratch / "one.toml", 1)
    programs: dict[str, Callable[[], Sample]] = {BARE: partial(_bare_loop, bench.scratch, n_items)}
    for name, command, options in _WAYS:
        programs[name] = partial(_fullrank, many, command(), *options)
        programs[f"{name}, one item"] = partial(_fullrank, one, command(), *options)
    programs[H5PY] = partial(_plain_h5py, _example(many))
    return {"n_items": n_items} | take_rounds(programs, bench.n_rounds, tell=bench.tell)


_WAYS: tuple[tuple[str, Callable[[], list[str]], tuple[str, ...]], ...] = (
    ("serial", lambda: OWN.fullrank, ("-b", "serial")),
    ("mpi, 1 rank", lambda: [*OWN.mpiexec(1), *OWN.fullrank], ()),
)


def _bare_loop(folder: Path, n_items: int) -> Sample:
    return dict(run(OWN.script("bare_loop.py", "nothing", n_items), folder=folder).told())


def _example(config: Path) -> Path:
    """Return a result of the study, for h5py to write again."""
    output = config.with_name("example.h5")
    run([*OWN.fullrank, "run", str(config), "-b", "serial", "-q", "-o", str(output)], folder=config.parent)
    return output


def _plain_h5py(result: Path) -> Sample:
    copy = result.with_name("copy.h5")
    return dict(run(OWN.script("plain_h5py.py", result, copy), folder=result.parent).told())


def _fullrank(config: Path, command: list[str], *options: str) -> Sample:
    output = config.with_suffix(".h5")
    arguments = ["run", str(config), "-o", str(output), "--quiet", *options]
    finished = run([*command, *arguments], folder=config.parent)
    with ResultFile(output) as file:
        (worker,) = file.workers()
    output.unlink()
    account = {name: getattr(worker, name) for name in _ACCOUNT}
    return {"wall_seconds": finished.wall_seconds, "cpu_seconds": finished.cpu_seconds} | account


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    n_items, samples = raw["n_items"], raw["samples"]
    rows = [row for name, _, _ in _WAYS for row in _rows(samples, name, n_items)]
    return "\n\n".join(
        [
            f"{n_items:,} items on one worker. Worker: from its start to the end of its last item, less the bare loop. "
            "Root: whole command, less the same command with one item (start-up), less what the worker took; beside it "
            "what h5py alone takes for the same arrays, with the same chunks and filters, in one thread. The parts "
            "of the worker's time follow, marked ·; those of root's are in [WHERE.md](WHERE.md#root). Root's time is "
            "wall time on two cores: while its first one puts records in their places, the second one filters and "
            "digests. CPU is what all processes and threads of the whole command used, less that of the command with "
            "one item; the items' own calls are in it. [WHERE.md](WHERE.md#the-worker) has the instructions that are "
            "behind it, too.",
            table(["µs an item", *FIGURE_HEADS], rows),
        ]
    )


def _rows(samples: Samples, name: str, n_items: int) -> list[list[str]]:
    def per_item(key: str, of: str = name) -> list[float]:
        return [1e6 * value / n_items for value in column(samples, of, key)]

    bare = per_item("loop_seconds", BARE)
    wall, startup = per_item("wall_seconds"), per_item("wall_seconds", f"{name}, one item")
    elapsed, compute = per_item("elapsed_seconds"), per_item("compute_seconds")
    claim, journal = per_item("claim_seconds"), per_item("journal_seconds")
    run_wall = _minus(wall, startup)
    cpu = _minus(per_item("cpu_seconds"), per_item("cpu_seconds", f"{name}, one item"))
    of_worker = (
        ("loop: call, clock, catch", _minus(compute, bare)),
        ("claims", claim),
        ("parameters, results to bytes", _minus(elapsed, compute, claim, journal)),
        ("journal", journal),
    )
    beside = (
        ("plain h5py, the same arrays: write", per_item("write_seconds", H5PY)),
        ("plain h5py, the same arrays: read back, SHA-256", per_item("check_seconds", H5PY)),
    )
    start = f"{name}: start-up, ms for the whole command with one item"
    return [
        [f"**{name}: worker**", *figure(_minus(elapsed, bare), digits=3, limit=ASKED_OF_WORKER)],
        *([f"· {what}", *figure(values, digits=3)] for what, values in of_worker),
        [
            f"**{name}: root** (gather, HDF5, verification, report)",
            *figure(_minus(run_wall, elapsed), digits=3, limit=ASKED_OF_ROOT),
        ],
        *([f"· beside it: {what}", *figure(values, digits=3)] for what, values in beside),
        [f"{name}: both", *figure(_minus(run_wall, bare), digits=3)],
        [f"{name}: CPU of the whole command, less that of one item", *figure(cpu, digits=3)],
        [start, *figure([value * n_items / 1000 for value in startup], digits=0)],
    ]


def _minus(values: list[float], *others: list[float]) -> list[float]:
    """Subtract round by round."""
    return [value - sum(rest) for value, *rest in zip(values, *others, strict=True)]
