"""How much of two cores reaches the items: fullrank, its peers, and what the machine itself allows."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

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
from programs import OWN, PEERS, Bench, ProgramError, run

from fullrank.store import ResultFile

TITLE = "Efficiency on two cores"
N_CORES = 2
SERIAL, CEILING = "bare loop, one process", "two bare loops, dealt out by known cost"
MPI, PROCESSES = "fullrank, mpi, 2 ranks", "fullrank, processes, 2 workers"
WORKLOADS = {
    "heavy": f"items of heavy-tailed duration (lognormal, sigma {studies.SIGMA:g}, 8 ms in the mean)",
    "equal": "equal items of 8 ms",
}
ASKED = {"heavy": Limit(0.96, at_least=True), "equal": Limit(0.98, at_least=True)}
CHUNKSIZES = (2, 5, 12, 30)
"""Tried for the tuned mpi4py.futures; 1 is its default and stands for itself."""

Program = Callable[[], Sample]


def measure(bench: Bench) -> Raw:
    """Measure both workloads; returns per workload its size, the chunk sizes found, and the samples."""
    rate = run(OWN.script("bare_loop.py", "rate", 40), folder=bench.scratch).told()
    per_second = rate["iterations_per_second"]
    share = 10 if bench.quick else 1
    work = {
        "heavy": studies.heavy_tailed(600 // share, per_second),
        "equal": studies.equal(400 // share, per_second),
    }
    return {name: _measure_one(bench, name, items) for name, items in work.items()}


def _measure_one(bench: Bench, name: str, work: list[int]) -> Raw:
    raw: Raw = {
        "n_items": len(work),
        "least_makespan_share": studies.least_makespan(work, N_CORES),
        "chunksizes": {},
    }
    items = _Items(bench.scratch, name, work)
    programs: dict[str, Program] = {
        SERIAL: partial(_peer, items, OWN.script("bare_loop.py", "spin", items.list)),
        CEILING: partial(_two_loops, items, work),
        MPI: partial(_fullrank, items, [*OWN.mpiexec(2), *OWN.fullrank]),
        PROCESSES: partial(_fullrank, items, OWN.fullrank, "-b", "processes", "-n", "2"),
    }
    for n_ranks in (2, 3):
        best = _tuned_chunksize(bench, items, n_ranks)
        raw["chunksizes"][str(n_ranks)] = best
        for chunksize in (1, best):
            programs[f"mpi4py.futures, {n_ranks} ranks, chunks of {chunksize}"] = partial(
                _futures, items, n_ranks, chunksize=chunksize
            )
    for n_ranks in (2, 3):
        command = [*PEERS.mpiexec(n_ranks), *PEERS.script("schwimmbad_pool.py", items.list)]
        programs[f"schwimmbad, {n_ranks} ranks"] = partial(_peer, items, command)
    _drop_missing(programs, bench)
    return raw | take_rounds(programs, bench.n_rounds, tell=bench.tell)


def _drop_missing(programs: dict[str, Program], bench: Bench) -> None:
    """Leave out a peer that is not installed."""
    try:
        run([str(PEERS.python), "-c", "import schwimmbad"], folder=bench.scratch)
    except ProgramError:
        for name in [name for name in programs if name.startswith("schwimmbad")]:
            bench.tell(f"{name}: left out, schwimmbad is not installed; `make bench` does that")
            del programs[name]


class _Items:
    """One workload as files, and what its results must add up to."""

    def __init__(self, folder: Path, name: str, work: list[int]) -> None:
        self.folder = folder
        self.list = folder / f"{name}.json"
        self.list.write_text(json.dumps(work))
        self.config = studies.write_spinning(folder / f"{name}.toml", work)
        self.output = folder / f"{name}.h5"
        self._checksum: int | None = None

    def check(self, checksum: int) -> None:
        """Refuse a program whose results are not those of the first one that ran."""
        self._checksum = checksum if self._checksum is None else self._checksum
        if checksum != self._checksum:
            raise ProgramError(f"{self.list.stem}: the results differ; no time of them means anything")


def _peer(items: _Items, command: list[str]) -> Sample:
    finished = run(command, folder=items.folder)
    told = finished.told()
    items.check(told["checksum"])
    return {
        "makespan_seconds": told["makespan_seconds"],
        "inside_seconds": told["inside_seconds"],
        "wall_seconds": finished.wall_seconds,
    }


def _futures(items: _Items, n_ranks: int, *, chunksize: int) -> Sample:
    script = PEERS.script("futures_pool.py", items.list, chunksize)
    return _peer(items, [*PEERS.mpiexec(n_ranks), script[0], "-m", "mpi4py.futures", *script[1:]])


def _tuned_chunksize(bench: Bench, items: _Items, n_ranks: int) -> int:
    """Return the chunk size with which mpi4py.futures was fastest, the better of two tries each."""

    def best_of_two(chunksize: int) -> float:
        bench.tell(f"tuning mpi4py.futures, {n_ranks} ranks: chunks of {chunksize}")
        tries = [_futures(items, n_ranks, chunksize=chunksize) for _ in range(2)]
        return min(sample["makespan_seconds"] for sample in tries)

    return min(CHUNKSIZES, key=best_of_two)


def _two_loops(items: _Items, work: list[int]) -> Sample:
    """Run two bare loops side by side: what the machine gives to two processes that share nothing."""
    shares = studies.dealt_out(work, N_CORES)
    paths = [items.list.with_suffix(f".{number}.json") for number in range(N_CORES)]
    for path, share in zip(paths, shares, strict=True):
        path.write_text(json.dumps(share))
    commands = [OWN.script("bare_loop.py", "spin", path) for path in paths]
    with ThreadPoolExecutor(N_CORES) as pool:
        told = [done.told() for done in pool.map(partial(run, folder=items.folder), commands)]
    items.check(sum(entry["checksum"] for entry in told))
    return {
        "makespan_seconds": max(entry["makespan_seconds"] for entry in told),
        "inside_seconds": sum(entry["inside_seconds"] for entry in told),
    }


def _fullrank(items: _Items, command: list[str], *options: str) -> Sample:
    arguments = ["run", str(items.config), "-o", str(items.output), "--quiet", *options]
    finished = run([*command, *arguments], folder=items.folder)
    with ResultFile(items.output) as file:
        elapsed = [worker.elapsed_seconds for worker in file.workers()]
        blocks = list(file.blocks(file.n_items))
    items.output.unlink()
    values = blocks[0].values
    items.check(int(values["value"].sum()))
    return {
        "makespan_seconds": max(elapsed),
        "inside_seconds": float((values["ended"] - values["begun"]).sum()),
        "by_clock_seconds": float(values["ended"].max() - values["begun"].min()),
        "wall_seconds": finished.wall_seconds,
    }


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    text = [
        "Efficiency: makespan of the bare serial loop / (2 cores × makespan), paired in each round. fullrank's "
        "makespan is the longest `elapsed_seconds` of its workers, from the file; a peer's is the time of its map "
        "call. Peers keep a rank that only manages, so they run on 2 ranks and, on the same two cores, on 3. Two bare "
        "loops at once are what the machine itself gives to two processes that share nothing. The whole command has "
        "start-up in it, and for fullrank a verified HDF5 file; peers keep their results in memory.",
        "Inside items: the time that items spent by their own clocks / (2 cores × makespan), in one run of one "
        "program. It misses what items lose beside others (cache, memory, a busy host), and so it tells the program's "
        "own cost on a machine whose speed changes from minute to minute.",
    ]
    for name, part in raw.items():
        text += [f"### {part['n_items']} {WORKLOADS[name]}", _table(part, ASKED[name]), _remarks(part)]
    return "\n\n".join(text)


def _table(part: Raw, asked: Limit) -> str:
    samples: Samples = part["samples"]
    serial = column(samples, SERIAL, "makespan_seconds")
    rows = []
    for name in samples:
        makespans = column(samples, name, "makespan_seconds")
        n_cores = 1 if name == SERIAL else N_CORES
        ratios = [one / (n_cores * other) for one, other in zip(serial, makespans, strict=True)]
        cells = figure(ratios, digits=3, limit=asked if name in (MPI, PROCESSES) else None)
        rows.append([name, f"{median(makespans):.3f}", _wall(samples[name]), *_inside(samples[name], n_cores), *cells])
    heads = ["program", "makespan, s", "whole command, s", "inside items", "its interval", *FIGURE_HEADS]
    return table(heads, rows)


def _inside(samples: Sequence[Sample], n_cores: int) -> list[str]:
    """Return the median share of the cores' time inside items and its interval; raw values of old have none."""
    if not all("inside_seconds" in sample for sample in samples):
        return ["", ""]
    shares = [sample["inside_seconds"] / (n_cores * sample["makespan_seconds"]) for sample in samples]
    return figure(shares, digits=3)[:2]


def _wall(samples: Sequence[Sample]) -> str:
    walls = [sample["wall_seconds"] for sample in samples if "wall_seconds" in sample]
    return f"{median(walls):.3f}" if walls else ""


def _remarks(part: Raw) -> str:
    samples: Samples = part["samples"]
    serial = median(column(samples, SERIAL, "makespan_seconds"))
    differences = [
        clock / own - 1
        for name in (MPI, PROCESSES)
        for own, clock in zip(
            column(samples, name, "makespan_seconds"),
            column(samples, name, "by_clock_seconds"),
            strict=True,
        )
    ]
    return (
        f"No schedule on two cores takes less than {serial * part['least_makespan_share']:.3f} s (half the work, or "
        "the longest item). By clocks that the items read themselves, from the first one's start to the last one's "
        f"end, fullrank's makespans are longer by {100 * min(differences):+.1f} to {100 * max(differences):+.1f} %."
    )
