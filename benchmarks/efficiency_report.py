"""What the efficiency section says: a table of all programs for each workload, and one of what is asked."""

from collections.abc import Sequence
from statistics import median

import studies
from harness import FIGURE_HEADS, Limit, Raw, Sample, Samples, column, figure, paired, table
from lineup import KNOWN, MPI, PROCESSES, RANKS, SERIAL, STATIC, is_mpi_peer
from starts import N_CORES

WORKLOADS = {
    "heavy": f"items of heavy-tailed duration (lognormal, sigma {studies.SIGMA:g}, 8 ms in the mean)",
    "equal": "equal items of 8 ms",
    "one-long": "items: equal ones of 8 ms and, last, one that is a tenth of all work",
}
LEAST_EFFICIENCY = {
    "heavy": Limit(0.97, at_least=True),
    "equal": Limit(0.99, at_least=True),
    "one-long": Limit(0.95, at_least=True),
}
AHEAD_OF_MPI_PEERS = {
    "heavy": {2: Limit(1.6, at_least=True), 3: Limit(1.2, at_least=True)},
    "equal": {2: Limit(1.6, at_least=True), 3: Limit(1.0, at_least=True)},
}
"""By ranks of the peer."""
BEYOND_STATIC = Limit(1.01)
"""Of equal items, which nobody can deal out better than in advance."""
GRAHAM = Limit(round(studies.longest_first_bound(N_CORES), 4))


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    text = [
        "Efficiency: makespan of the bare serial loop / (2 cores × makespan), paired in each round. fullrank's "
        "makespan is the longest `elapsed_seconds` of its workers, from the file; a peer's is the time of its map "
        "call, after its workers have started. Peers under MPI keep a rank that only manages, so they run on 2 ranks "
        "and, on the same two cores, on 3. Two bare loops at once are what the machine itself gives to two processes "
        "that share nothing; the bare scatter and gather deals equal numbers of items out in advance. The whole "
        "command has start-up in it, and for fullrank, and no other, a verified HDF5 file: all others keep their "
        "results in memory and end. Beside it: how many times as long as fullrank's under MPI.",
        "Inside items: the time that items spent by their own clocks / (2 cores × makespan), in one run of one "
        "program. It misses what items lose beside others (cache, memory, a busy host), and so it tells the program's "
        "own cost on a machine whose speed changes from minute to minute.",
    ]
    if "peers" in raw:
        text.append(f"Peers: {', '.join(f'{name} {version}' for name, version in raw['peers'].items())}.")
    for name in WORKLOADS:
        if name in raw:
            text += _part(name, raw[name])
    return "\n\n".join(text)


def _part(name: str, part: Raw) -> list[str]:
    samples: Samples = part["samples"]
    own = MPI + KNOWN if MPI + KNOWN in samples else MPI
    text = [f"### {part['n_items']} {WORKLOADS[name]}", _programs(samples, own, LEAST_EFFICIENCY[name])]
    asked = _asked(name, part, own)
    if asked:
        text.append(table(["asked of fullrank, mpi, 2 ranks", *FIGURE_HEADS], asked))
    return [*text, _remarks(name, part)]


def _programs(samples: Samples, own: str, asked: Limit) -> str:
    serial = column(samples, SERIAL, "makespan_seconds")
    own_walls = column(samples, own, "wall_seconds")
    with_verdict = {own, own.replace(MPI, PROCESSES)}
    rows = []
    for name in samples:
        makespans = column(samples, name, "makespan_seconds")
        n_cores = 1 if name == SERIAL else N_CORES
        ratios = [ratio / n_cores for ratio in paired(serial, makespans)]
        cells = figure(ratios, digits=3, limit=asked if name in with_verdict else None)
        walls = [sample["wall_seconds"] for sample in samples[name] if "wall_seconds" in sample]
        whole = [f"{median(walls):.3f}", f"{median(paired(walls, own_walls)):.2f}"] if walls else ["", ""]
        rows.append([name, f"{median(makespans):.3f}", *whole, *_inside(samples[name], n_cores), *cells])
    heads = ["program", "makespan, s", "whole command, s", "/ fullrank's", "inside items", "its interval"]
    return table([*heads, *FIGURE_HEADS], rows)


def _inside(samples: Sequence[Sample], n_cores: int) -> list[str]:
    """Return the median share of the cores' time inside items and its interval."""
    shares = [sample["inside_seconds"] / (n_cores * sample["makespan_seconds"]) for sample in samples]
    return figure(shares, digits=3)[:2]


def _asked(workload: str, part: Raw, own: str) -> list[list[str]]:
    """Return the rows of what is asked beside efficiency, as far as there are samples for it."""
    samples: Samples = part["samples"]
    least = [part["least_makespan_share"] * seconds for seconds in column(samples, SERIAL, "makespan_seconds")]
    rows = []
    for n_ranks, limit in AHEAD_OF_MPI_PEERS.get(workload, {}).items():
        best = best_mpi_peer(samples, n_ranks)
        if best:
            ratios = paired(column(samples, best, "wall_seconds"), column(samples, own, "wall_seconds"))
            rows.append([f"whole command of {best} / its own", *figure(ratios, digits=2, limit=limit)])
            ahead = paired(column(samples, best, "wall_seconds"), least)
            rows.append(["· the same / the least makespan there is, without any start", *figure(ahead, digits=2)])
    if workload == "equal" and STATIC in samples:
        ratios = paired(column(samples, own, "makespan_seconds"), column(samples, STATIC, "makespan_seconds"))
        rows.append(["makespan / that of the bare scatter and gather", *figure(ratios, digits=3, limit=BEYOND_STATIC)])
    if own == MPI + KNOWN:
        beyond = [over_least(sample) for sample in samples[own]]
        cells = figure(beyond, digits=3)[:2]
        said = "holds" if GRAHAM.holds(max(beyond)) else "DOES NOT HOLD"
        rows.append(["makespan / the least there is; the verdict is on all rounds", *cells, str(GRAHAM), said])
    return rows


def best_mpi_peer(samples: Samples, n_ranks: int) -> str | None:
    """Return the pool of MPI on so many ranks whose whole command is shortest in the median, None if there is none."""
    names = [name for name in samples if is_mpi_peer(name, n_ranks)]
    return min(names, key=lambda name: median(column(samples, name, "wall_seconds")), default=None)


def over_least(sample: Sample, n_workers: int = N_CORES) -> float:
    """Return a makespan over what no schedule of the same items beats, by their own clocks (Graham 1969).

    >>> over_least({"makespan_seconds": 6.0, "inside_seconds": 8.0, "longest_seconds": 5.0}, 2)
    1.2
    """
    return sample["makespan_seconds"] / max(sample["inside_seconds"] / n_workers, sample["longest_seconds"])


def _remarks(name: str, part: Raw) -> str:
    samples: Samples = part["samples"]
    serial = median(column(samples, SERIAL, "makespan_seconds"))
    differences = [
        sample["by_clock_seconds"] / sample["makespan_seconds"] - 1
        for of_one in samples.values()
        for sample in of_one
        if "by_clock_seconds" in sample
    ]
    text = (
        f"No schedule on two cores takes less than {serial * part['least_makespan_share']:.3f} s (half the work, or "
        "the longest item). By clocks that the items read themselves, from the first one's start to the last one's "
        f"end, fullrank's makespans are longer by {100 * min(differences):+.1f} to {100 * max(differences):+.1f} %."
    )
    if name in AHEAD_OF_MPI_PEERS:
        text += (
            " The peer that fullrank is held against is the one whose whole command was shortest in the median of all "
            f"pools on {' or '.join(map(str, RANKS))} ranks, chunks of mpi4py.futures tuned before the first round. "
            "The line below tells how far ahead of it a program would be that took no time to start and lost none."
        )
    if name == "one-long":
        text += (
            ' Costs known: `order = "longest-first"`, for which Graham\'s bound (R. L. Graham, Bounds on '
            "multiprocessing timing anomalies, SIAM J. Appl. Math. 17, 1969) is 4/3 - 1/(3m) times the best makespan "
            f"on m workers, {GRAHAM.value:.4f} on two. The least there is: half the time inside items, or the longest "
            "item, by the clocks of the same run. Presorted: the peer's list is sorted by the same costs, which takes "
            "its user one line; on 2 ranks a pool of MPI has one worker, for which no order matters."
        )
    return text
