"""What the efficiency section says: a table of all programs for each workload, and one of what is asked."""

from collections.abc import Collection, Sequence
from statistics import median

import studies
from harness import FIGURE_HEADS, Limit, Raw, Sample, Samples, column, figure, paired, table
from lineup import CEILING, KNOWN, MPI, MUCH_SLOWER, PROCESSES, RANKS, SERIAL, STATIC, is_mpi_peer, is_process_pool
from starts import N_CORES

from fullrank.compare.statistics import FEWEST_ROUNDS

WORKLOADS = {
    "heavy": f"items of heavy-tailed duration (lognormal, sigma {studies.SIGMA:g}, 8 ms in the mean)",
    "equal": "equal items of 8 ms",
    "one-long": "items of which the last is a tenth of all work; the others are equal, of 8 ms",
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


_BY_CLOCKS = "fullrank's efficiency by the items' own clocks: the least makespan there is / the one it had"


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    text = [
        "Efficiency: makespan of the bare serial loop / (2 cores × makespan), paired in each round. fullrank's "
        "makespan is the longest `elapsed_seconds` of its workers, from the file; gathering the results into that file "
        "comes later, and only the whole command has it. The makespan of a peer is the time of its map call, after its "
        "workers have started; in it, and in that of the scatter, results are brought to root's memory. Peers under "
        "MPI keep a rank that only manages, so they run on 2 ranks and, on the same two cores, on 3. Two bare loops at "
        "once are what the machine itself gives to two processes that share nothing: their makespan is that of both "
        "speeds together, as if the work had been dealt out by them; where one ends first, the other one's rest runs "
        "alone, which makes this look rather too fast. The bare scatter and gather deals equal numbers "
        "of items out in advance, and waits for the slower core. The whole command has start-up in it, and for "
        "fullrank, and no other, a verified HDF5 file: all others keep their results in memory and end. The column "
        "`/ fullrank's` says how many times as long as that of fullrank under MPI the whole command took. Programs "
        f"that stood aside, on which no verdict rests, have only the first {FEWEST_ROUNDS} rounds.",
        "Inside items: the time that items spent by their own clocks / (2 cores × makespan), in one run of one "
        "program. Items themselves are slower beside others (cache, memory, a busy host), and this share does not show "
        "that; nor does it show a rank that only manages and takes a core from the items, as on 3 ranks. Of a program "
        "whose every process computes it shows what the program itself costs, also on a machine whose speed changes "
        "from minute to minute.",
        "The efficiency that is asked for is that beside the serial loop. A machine on which two bare loops at once "
        "are slower than one by one gives less to every program; and the speed of a virtual machine changes between "
        "the two that are paired. So the same limit is held against the efficiency by the items' own clocks, "
        "too: the least makespan that their durations allow in that very run, beside the one it had.",
        "Figures are medians, with their 95 % intervals in parentheses or beside them. Each verdict is one of 95 % by "
        "itself; that all of them hold together is less certain. They take the rounds to be independent of each other.",
    ]
    peers = {name: version for name, version in raw["peers"].items() if name != "mpi"}
    of_mpi = [raw["peers"]["mpi"]] if "mpi" in raw["peers"] else []
    text.append(f"Peers: {', '.join([f'{name} {version}' for name, version in peers.items()] + of_mpi)}.")
    for name in WORKLOADS:
        if name in raw:
            text += _part(name, raw[name])
    return "\n\n".join(text)


def _part(name: str, part: Raw) -> list[str]:
    samples: Samples = part["samples"]
    own = MPI + KNOWN if MPI + KNOWN in samples else MPI
    return [
        f"### {part['n_items']} {WORKLOADS[name]}",
        _programs(samples, own, LEAST_EFFICIENCY[name], part["aside"]),
        table([f"{own}, beside others", *FIGURE_HEADS], _asked(name, part, own)),
        _remarks(name, part),
        *_trials(part),
    ]


def _programs(samples: Samples, own: str, asked: Limit, aside: Collection[str]) -> str:
    serial = column(samples, SERIAL, "makespan_seconds")
    own_walls = column(samples, own, "wall_seconds")
    with_verdict = {own, own.replace(MPI, PROCESSES)}
    rows = []
    for name in samples:
        makespans = column(samples, name, "makespan_seconds")
        n_cores = 1 if name == SERIAL else N_CORES
        ratios = [ratio / n_cores for ratio in paired(serial, makespans)]
        *efficiency, limit, said = figure(ratios, digits=3, limit=asked if name in with_verdict else None)
        walls = [sample["wall_seconds"] for sample in samples[name] if "wall_seconds" in sample]
        whole = [f"{median(walls):.3f}", folded(paired(walls, own_walls), digits=2)] if walls else ["", ""]
        inside = folded(_inside(samples[name], n_cores), digits=3) if "inside_seconds" in samples[name][0] else ""
        named = f"{name} (aside)" if name in aside else name
        rows.append([named, f"{median(makespans):.3f}", *whole, inside, _in_one_cell(*efficiency), limit, said])
    heads = ["program", "makespan, s", "whole command, s", "/ fullrank's", "inside items", "efficiency"]
    return table([*heads, "asked", "verdict"], rows)


def _inside(samples: Sequence[Sample], n_cores: int) -> list[float]:
    """Return the share of the cores' time inside items, by round."""
    return [sample["inside_seconds"] / (n_cores * sample["makespan_seconds"]) for sample in samples]


def folded(values: Sequence[float], *, digits: int) -> str:
    """Return the median and its interval, for one cell.

    >>> folded([1.0] * 5 + [2.0], digits=1), folded([1.0], digits=1)
    ('1.0 (1.0 to 2.0)', '1.0')
    """
    return _in_one_cell(*figure(values, digits=digits)[:2])


def _in_one_cell(middle: str, interval: str) -> str:
    return f"{middle} ({interval})" if interval else middle


def _asked(workload: str, part: Raw, own: str) -> list[list[str]]:
    """Return the rows of what is told beside efficiency, as far as there are samples for it."""
    samples: Samples = part["samples"]
    rows = []
    for n_ranks, limit in AHEAD_OF_MPI_PEERS.get(workload, {}).items():
        best = best_of(samples, own, [name for name in samples if is_mpi_peer(name, n_ranks)])
        if best:
            ratios = walls_beside(samples, best, own)
            rows.append([f"whole command of {best} / fullrank's", *figure(ratios, digits=2, limit=limit)])
            least = [_least_seconds(sample) for sample in samples[own]]
            label = "· the most that ratio could be: fullrank without start, end or idle core"
            rows.append([label, *figure(paired(column(samples, best, "wall_seconds"), least), digits=2)])
    with_processes = own.replace(MPI, PROCESSES)
    best = best_of(samples, with_processes, [name for name in samples if is_process_pool(name)])
    if best:
        ratios = walls_beside(samples, best, with_processes)
        rows.append([f"whole command of {best} / fullrank's with processes", *figure(ratios, digits=2)])
    if workload == "equal" and STATIC in samples:
        ratios = paired(column(samples, own, "makespan_seconds"), column(samples, STATIC, "makespan_seconds"))
        rows.append(
            [
                "fullrank's makespan / that of the bare scatter and gather",
                *figure(ratios, digits=3, limit=BEYOND_STATIC),
            ]
        )
    by_clocks = [1 / over_least(sample) for sample in samples[own]]
    rows.append([_BY_CLOCKS, *figure(by_clocks, digits=3, limit=LEAST_EFFICIENCY[workload])])
    if own == MPI + KNOWN:
        rows += [_over_least(samples, name) for name in (own, with_processes)]
    ratios = paired(column(samples, CEILING, "makespan_seconds"), column(samples, own, "makespan_seconds"))
    rows.append(["makespan of two bare loops at once / fullrank's", *figure(ratios, digits=3)])
    return rows


def _over_least(samples: Samples, name: str) -> list[str]:
    """Return the row of a makespan over the least there is, of which Graham's bound is asked in every round."""
    beyond = [over_least(sample) for sample in samples[name]]
    said = "holds" if GRAHAM.holds(max(beyond)) else "DOES NOT HOLD"
    what = f"{name}: makespan / the least there is, and the worst round's, which is judged"
    return [what, f"{median(beyond):.3f}", f"worst {max(beyond):.3f}", str(GRAHAM), said]


def best_of(samples: Samples, own: str, names: Collection[str]) -> str | None:
    """Return the program whose whole command is shortest beside ``own``, in the median; None if there is none.

    Those that took part in fewer rounds than another one of ``names`` are passed over: medians of other rounds are
    none to compare.
    """
    n_rounds = max((len(samples[name]) for name in names), default=0)
    whole = [name for name in names if len(samples[name]) == n_rounds]
    return min(whole, key=lambda name: median(walls_beside(samples, name, own)), default=None)


def walls_beside(samples: Samples, name: str, own: str) -> list[float]:
    """Return how many times as long as that of ``own`` the whole command of a program took, by round."""
    return paired(column(samples, name, "wall_seconds"), column(samples, own, "wall_seconds"))


def over_least(sample: Sample, n_workers: int = N_CORES) -> float:
    """Return a makespan over what no schedule of the same items beats, by their own clocks (Graham 1969).

    >>> over_least({"makespan_seconds": 6.0, "inside_seconds": 8.0, "longest_seconds": 5.0}, 2)
    1.2
    """
    return sample["makespan_seconds"] / _least_seconds(sample, n_workers)


def _least_seconds(sample: Sample, n_workers: int = N_CORES) -> float:
    return max(sample["inside_seconds"] / n_workers, sample["longest_seconds"])


def _remarks(name: str, part: Raw) -> str:
    samples: Samples = part["samples"]
    makespans = column(samples, SERIAL, "makespan_seconds")
    serial = median(makespans)
    differences = [
        sample["by_clock_seconds"] / sample["makespan_seconds"] - 1
        for of_one in samples.values()
        for sample in of_one
        if "by_clock_seconds" in sample  # of fullrank alone
    ]
    text = (
        f"In the serial loop an item took {_mean_ms(part, makespans)} in the mean: how many iterations it has was "
        "reckoned from the machine's speed when the section began. No schedule on two cores takes less than "
        f"{serial * part['least_makespan_share']:.3f} s (half the work, or the longest item), by the serial loop; in "
        "the ratio of makespans the least there is comes from the clocks that the items of the same run read "
        "themselves. By those clocks, from the first item's start to the last one's end, fullrank's makespan differs "
        f"by {100 * min(differences):+.2f} to {100 * max(differences):+.2f} % from the one in the file."
    )
    if name in AHEAD_OF_MPI_PEERS:
        text += (
            " Of each pool of MPI the variant that was fastest before the first round took part in all rounds, unless "
            f"it took more than {MUCH_SLOWER:g} times as long there as the fastest pool on as many ranks; such a pool, "
            "each pool's default, and all pools of processes, stand aside. fullrank is held against the pool on "
            f"{' or '.join(map(str, RANKS))} ranks whose whole command was shortest beside its own, in the median. It "
            "is chosen by the same rounds that judge, which makes the best of several look rather faster than it is: "
            "that counts against fullrank. The variant of a pool is chosen by few starts, which may pass over its best "
            "one: that counts for fullrank. The line below a ratio tells what it would be if fullrank's items had "
            "taken their own time alone, with no core ever idle."
        )
    if name == "one-long":
        text += (
            ' Costs known: `order = "longest-first"`, for which Graham\'s bound (R. L. Graham, Bounds on '
            "multiprocessing timing anomalies, SIAM J. Appl. Math. 17, 1969) is 4/3 - 1/(3m) times the best makespan "
            f"on m workers, {GRAHAM.value:.4f} on two. It is a theorem of schedules whose claims cost nothing, and "
            "asked of every round as it is measured; it is looser "
            f"than the efficiency of {LEAST_EFFICIENCY[name].value:g} that is asked for above, which allows "
            f"{1 / LEAST_EFFICIENCY[name].value:.2f} times half the serial loop's. Presorted: the peer's list is "
            "sorted by the same costs, which takes its user one line; on 2 ranks a pool of MPI has one worker, for "
            "which no order matters. schwimmbad hands out the last item of its list first: presorted, its list has the "
            "longest item last, and unsorted it begins with the long one. All peers of this study stand aside; of the "
            "pools of processes only multiprocessing's takes part, with chunks of one item, and of those of MPI the "
            "best variant on 3 ranks."
        )
    return text


def _mean_ms(part: Raw, makespans: Sequence[float]) -> str:
    """Return an item's mean duration, and the least and the greatest of a round."""
    seconds = (median(makespans), min(makespans), max(makespans))
    middle, least, most = (1e3 * of_all / part["n_items"] for of_all in seconds)
    return f"{middle:.1f} ms ({least:.1f} to {most:.1f} in single rounds)"


def _trials(part: Raw) -> list[str]:
    """Return what was tried before the first round, a line a pool; none if no peer was installed."""
    if not part["trials"]:
        return []
    lines = []
    for pool, tried in part["trials"].items():
        seconds = {variant: column(tried["samples"], variant, "wall_seconds") for variant in tried["samples"]}
        told = [f"{variant} ({', '.join(f'{each:.2f}' for each in starts)})" for variant, starts in seconds.items()]
        lines.append(f"- {pool}: {'; '.join(told)}")
    head = "Tried before the first round, in turns: s of the whole command of each start. The least median takes part."
    return [head, "\n".join(lines)]
