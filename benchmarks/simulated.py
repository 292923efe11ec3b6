"""Scale, simulated: the claims of up to 10^5 ranks, with the costs of a claim that are measured here."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import floor, log10
from statistics import median

import machine
import numpy as np
import rawfile
import scale
import simulated_picture
import studies
from harness import FIGURE_HEADS, Raw, Sample, Samples, column, figure, median_interval, table, take_rounds
from numpy.typing import NDArray
from programs import HERE, MPI_LIBRARIES, OWN, Bench, run, with_libraries
from simulate import Costs, play
from waiting import OVER_NETWORK

from fullrank.costs.first import MOST_FIRST
from fullrank.leading import CostsLeft
from fullrank.looks import LONGEST_SECONDS, LOOK_SECONDS, SHORTEST_SECONDS, Looks
from fullrank.schedule import LONGEST_TARGET_SECONDS, WAITS_PER_TARGET
from fullrank.store import ResultFile
from fullrank.worker import SYNC_SECONDS

TITLE = "Scale, simulated: up to 100,000 ranks"
WINDOW, MESSAGES, BESIDE = "window: root's memory answers", "messages: root answers", "beside the item of a claim"
WAYS = (WINDOW, MESSAGES)
RANKS = (100, 300, 1000, 3000, 10_000, 30_000, 100_000)
QUICK_RANKS = (10, 100)
STUDIES = {"1,000 items of 10 ms a rank": (0.01, 1000, False), "20 items of 1 s a rank": (1.0, 20, True)}
"""Mean seconds of an item, items a rank, and whether their costs are known and the longest go first."""
SIGMA, SEED = 0.5, 20261123
"""Half of scale.py's: at 1.0 the longest of two million items lasts several times a rank's share, and is the bound."""
DEARER = 3
"""How many times what is measured an answer takes, where it is tried what that does; a factor takes two minutes."""
N_ROUNDS = 9
"""At most, of the costs."""
PICTURE = HERE / "scale.png"
_N_RANKS = {"window": 2, "messages": 9}
"""Of claims.py."""
N_HELD, HELD_SECONDS = 100, 0.025
"""Items so long that each is a claim."""
KEPT = HERE / "raw.h5"


@dataclass(frozen=True)
class Case:
    """A study that is played."""

    way: str
    """To the counter."""
    study: str
    n_ranks: int
    dearer: int = 1
    """How many times what is measured an answer takes."""
    all_sorted: bool = False
    """Whether all items go out by falling cost, and not only as many as fullrank sorts."""

    @property
    def series(self) -> str:
        """What the cases of the same line of the picture have in common."""
        return f"{self.study}; {self.way}"

    @property
    def n_items(self) -> int:
        """Of the whole study."""
        return STUDIES[self.study][1] * self.n_ranks

    @property
    def is_sorted(self) -> bool:
        """Whether items go out by falling cost, as many of them as fullrank sorts."""
        return STUDIES[self.study][2]


def measure(bench: Bench) -> Raw:
    """Measure what claims cost, and play studies with the medians."""
    programs = {
        WINDOW: partial(_claims, bench, "window"),
        MESSAGES: partial(_claims, bench, "messages"),
        BESIDE: partial(_beside, bench),
    }
    measured = take_rounds(programs, min(N_ROUNDS, bench.n_rounds), tell=bench.tell)
    costs = {way: _costs(measured["samples"], way) for way in WAYS}
    ranks = QUICK_RANKS if bench.quick else RANKS
    series = [Case(*asked) for asked in product(WAYS, STUDIES, ranks)]
    varied = [other for case in series if case.n_ranks == ranks[-1] for other in _varied(case)]
    bench.tell(f"{len(series) + len(varied)} studies are played; the largest take minutes")
    played = _played_all([*series, *varied], costs)
    runs: simulated_picture.Runs = {}
    for case in series:
        runs.setdefault(case.series, []).append(played[case])
    if not bench.quick:
        simulated_picture.draw(runs, PICTURE)
    kept: simulated_picture.Runs = {}
    for case in varied:
        kept.setdefault(case.series, []).append(
            {"dearer": case.dearer, "all_sorted": int(case.all_sorted), **played[case]}
        )
    return {"costs": measured, "runs": runs, "varied": kept, "real": _beside_real(bench, costs[WINDOW])}


def _varied(case: Case) -> list[Case]:
    """Return what is played beside a case, to see what its figures hang on."""
    varied = [replace(case, dearer=0), replace(case, dearer=DEARER)]
    return [*varied, replace(case, all_sorted=True)] if case.is_sorted and case.way == WINDOW else varied


def _played_all(cases: Sequence[Case], costs: Mapping[str, Costs]) -> dict[Case, dict[str, float]]:
    with ProcessPoolExecutor() as pool:
        largest_first = sorted(cases, key=lambda case: -case.n_ranks)
        jobs = {case: pool.submit(_played, case, costs[case.way]) for case in largest_first}
        return {case: jobs[case].result() for case in cases}


def _claims(bench: Bench, way: str) -> Sample:
    apart = ["env", *OVER_NETWORK[_library()]] if way == "messages" else []
    told = run([*apart, *OWN.mpiexec(_N_RANKS[way]), *OWN.script("claims.py", way)], folder=bench.scratch).told()
    return {name: float(told[name]) for name in ("claim_microseconds", "service_microseconds")}


def _library() -> str:
    """Return which MPI library the costs are of."""
    return next(name for name in MPI_LIBRARIES if with_libraries().get(name) == OWN)


def _beside(bench: Bench) -> Sample:
    """Return what a claim of one item takes beyond the item, of a real run."""
    study = studies.write_holding(bench.scratch / "held.toml", N_HELD, HELD_SECONDS, isolate=False)
    output = study.with_suffix(".h5")
    run([*OWN.mpiexec(1), *OWN.fullrank, "run", str(study), "-o", str(output), "--quiet"], folder=bench.scratch)
    with ResultFile(output) as file:
        (worker,) = file.workers()
    output.unlink()
    seconds = worker.elapsed_seconds - worker.compute_seconds
    return {"beside_microseconds": 1e6 * seconds / worker.n_claims}


def _costs(samples: Samples, way: str) -> Costs:
    """Return the medians. A way is half of a whole claim, which has an answer in it: that is counted twice."""

    def seconds(name: str, key: str) -> float:
        return 1e-6 * median(column(samples, name, key))

    return Costs(
        way_seconds=seconds(way, "claim_microseconds") / 2,
        service_seconds=seconds(way, "service_microseconds"),
        looks=partial(Looks, 0.0) if way == MESSAGES else None,
        look_seconds=LOOK_SECONDS,
        # of a real run, with its claim by the window and cold caches: what is played of a claim is not counted again
        beside_seconds=max(0.0, seconds(BESIDE, "beside_microseconds") - seconds(WINDOW, "claim_microseconds")),
    )


def _played(case: Case, costs: Costs) -> dict[str, float]:
    mean_seconds, *_ = STUDIES[case.study]
    random = np.random.default_rng([SEED, case.n_ranks])
    costs = replace(costs, service_seconds=case.dearer * costs.service_seconds)

    def draw(n: int) -> NDArray[np.float64]:
        return random.lognormal(np.log(mean_seconds) - SIGMA**2 / 2, SIGMA, n)

    if case.is_sorted:
        seconds = np.sort(draw(case.n_items))[::-1]
        n_first = case.n_items if case.all_sorted else min(case.n_items, MOST_FIRST)
        random.shuffle(seconds[n_first:])
        rest_cost = float(seconds[n_first:].mean()) if n_first < case.n_items else 0.0
        part = CostsLeft(seconds[:n_first].tolist(), case.n_items - n_first, rest_cost=rest_cost).part
        found = play(scale.blocks(seconds), case.n_items, case.n_ranks, costs, part=part)
    else:
        found = play(draw, case.n_items, case.n_ranks, costs)
    return {
        "n_ranks": case.n_ranks,
        "n_items": case.n_items,
        "n_claims": found.n_claims,
        "makespan_seconds": round(found.makespan_seconds, 6),
        "others_seconds": round(found.others_seconds, 6),
        "bound_seconds": round(found.bound_seconds, 6),
        "root_load": round(found.root_load, 6),
        "beside_items": round(found.beside_items, 6),
    }


def _beside_real(bench: Bench, costs: Costs) -> Raw:
    """Play the studies of scale.py that grow with their ranks, and put beside them what those took, as far as kept."""
    real = _kept_scale(bench)
    samples: Samples = real["raw"]["samples"] if real else {}
    entries: Raw = {}
    for cell in scale.cells():
        if cell.library != _library() or not cell.study.n_each:
            continue
        entry = {"played": scale.played_efficiency(cell, costs)}
        if cell.name in samples:
            late_seconds = median(column(samples, cell.name, "late_seconds"))
            entry["late_milliseconds"] = 1000 * late_seconds
            entry["played_late"] = scale.played_efficiency(cell, costs, late_seconds=late_seconds)
            entry["measured"] = [cell.bound_seconds / each for each in column(samples, cell.name, "makespan_seconds")]
        entries[cell.name] = entry
    return {"date": real.get("date", ""), "commit": real.get("commit", ""), "entries": entries}


def _kept_scale(bench: Bench) -> Raw:
    """Return the section "scale" of raw.h5; empty if there is none of this machine and these versions."""
    try:
        kept = rawfile.load(KEPT)
    except OSError:  # none, or a damaged one, of which who writes it tells
        return {}
    section: Raw = kept["sections"].get("scale", {})
    then, now = section.get("machine", {}), machine.facts(bench, {})
    return section if all(then.get(name) == fact for name, fact in now.items()) else {}


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    samples: Samples = raw["costs"]["samples"]
    rows = [
        [f"{name}: {what}, µs", *figure(column(samples, name, key), digits=1)[:2]]
        for name, what, key in (
            (WINDOW, "a claim of one rank alone", "claim_microseconds"),
            (WINDOW, "its answer, at most", "service_microseconds"),
            (MESSAGES, "a claim of one rank alone", "claim_microseconds"),
            (MESSAGES, "its answer", "service_microseconds"),
            (BESIDE, "claim, journal, tally and all, after 25 ms", "beside_microseconds"),
        )
    ]
    entries = [(key, entry) for key in product(WAYS, STUDIES) for entry in raw["runs"][Case(*key, 0).series]]
    return "\n\n".join(
        [
            _what_is_played(),
            _what_costs_are(),
            table(["cost", *FIGURE_HEADS[:2]], rows),
            *_real(raw["real"]),
            "### Studies of ever more ranks",
            f"![Makespan, claims and load on root, by the number of ranks]({PICTURE.name})",
            table(
                ["ranks, study, counter", "items", *_HEADS],
                [
                    [f"{entry['n_ranks']:,}, {study}, {_short(way)}", f"{entry['n_items']:,}", *_cells(entry)]
                    for (way, study), entry in entries
                ],
            ),
            *_limits(raw),
        ]
    )


_HEADS = ("claims", "makespan / bound", "the others' / bound", "beside items, %", "root's load, %")


def _cells(entry: Mapping[str, float]) -> list[str]:
    return [
        f"{entry['n_claims']:,}",
        f"{_excess(entry):.3f}",
        f"{entry['others_seconds'] / entry['bound_seconds']:.3f}",
        f"{100 * entry['beside_items']:.1f}",
        f"{100 * entry['root_load']:.1f}",
    ]


def _excess(entry: Mapping[str, float]) -> float:
    return entry["makespan_seconds"] / entry["bound_seconds"]


def _short(way: str) -> str:
    return way.partition(":")[0]


def _what_is_played() -> str:
    return (
        "No machine of so many ranks was there. What follows is played: each rank runs the claims that a real one runs "
        "(`schedule.guided_claims`), and one counter answers them one by one, at costs that are measured here. "
        "*Window*: memory of root's that others reach without it, as within a host and over networks whose "
        "hardware adds. *Messages*: what is used between hosts where that is not so; root looks for them, every "
        f"{1000 * SHORTEST_SECONDS:g} to {1000 * LONGEST_SECONDS:g} ms, the more often the more is asked "
        f"(`looks.py`), and its own item waits for {1000 * LOOK_SECONDS:g} ms while it looks and for as long as it "
        "answers. *Bound*: max(all items' time / "
        "ranks, longest item), which no schedule beats (R. L. Graham, SIAM J. Appl. Math. 17 (1969) 416). *The "
        "others'*: until the last rank but root has ended. *Beside "
        "items*: what ranks spend beside their items to the end of their last one, in percent of the items' time. "
        "*Root's load*: the share of the makespan in which the counter answers. Items are lognormal (sigma "
        f"{SIGMA:g}) and drawn one by one; an event is a claim, whose items are summed. Those of 1 s have costs that "
        "are known, and the longest go first; those of 10 ms have not. Sigma is half of that in the real runs: at 1 "
        "the longest of two million items lasts several times a rank's share; the bound would be this one item, and "
        "makespan / bound would tell nothing of claims."
    )


def _what_costs_are() -> str:
    return (
        "Costs are the medians. *A claim of one rank alone* adds the last claim's items to the tally and asks for "
        "positions, of a root that computes (window) or looks all the time (messages); half of it is taken for the way "
        "to the counter and half for the way back, and the answer counted beside it. The window's *answer* is the wall "
        "time over the claims of two ranks that claim as fast as they can: an upper bound of the time for which one "
        "claim, addition to the tally included, keeps root's memory from others, and mostly what the two ranks' own "
        "Python takes. These are costs within a host; a network's way is some µs longer. The messages' *answer* is "
        "root's CPU time for each answer of a look, receipt and tally included: the slope of what looks take over how "
        f"many claims they answer, of {_N_RANKS['messages'] - 1} ranks that claim by the TCP of one host while root "
        "computes for 4 ms between looks. *Beside the item of a claim* is of a real run of one rank, whose items last "
        f"{1000 * HELD_SECONDS:g} ms and leave cold caches behind ([WHERE.md](WHERE.md), A claim): all that is not the "
        "item, the claim by the window in it; one with warm caches is taken off, for that is played."
    )


def _real(real: Raw) -> list[str]:
    """Return the studies that were played and run."""
    entries: Mapping[str, Raw] = real["entries"]
    text = (
        "The studies of the section before that grow with their ranks, with the same durations: the efficiency that is "
        "played with the window's costs beside the one that was measured"
    )
    of_commit = f", of commit {real['commit']}" if real.get("commit") else ""
    if not any("measured" in entry for entry in entries.values()):
        measured = "; no measured ones of this machine and these versions were there"
    else:
        measured = (
            f" ({real['date']}{of_commit}; the schedule that is played is that of this section's commit). *Items "
            "late* is played with items that last longer than asked by as much as those did in the mean, for far "
            "more ranks than cores take turns; what then remains between played and measured is what is not played: "
            "ranks that begin one after the other, and that wait for a core between items"
        )
    rows = [
        [name, f"{entry['played']:.3f}", *_measured(entry)] for name, entry in entries.items()
    ]  # in the order of scale.py
    heads = ["played beside real", "played", "late, ms", "items late", "measured", "its 95 % interval"]
    return ["### Played beside real", f"{text}{measured}.", table(heads, rows)]


def _measured(entry: Raw) -> list[str]:
    if "measured" not in entry:
        return [""] * 4
    middle, interval, *_ = figure(entry["measured"], digits=3)
    return [f"{entry['late_milliseconds']:.2f}", f"{entry['played_late']:.3f}", middle, interval]


def _limits(raw: Raw) -> list[str]:
    """Return what the largest studies hang on, what limits them, and what comes next."""
    rows, (_, long) = [], STUDIES
    largest: dict[tuple[str, str], Mapping[str, float]] = {}
    varied: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    for key in product(WAYS, STUDIES):
        series = Case(*key, 0).series
        largest[key], varied[key] = raw["runs"][series][-1], raw["varied"][series]
        rows.append([f"{key[1]}, {_short(key[0])}: as measured", *_cells(largest[key])])
        rows += [[f"· {_varied_name(entry)}", *_cells(entry)] for entry in varied[key]]
    most = largest[WINDOW, long]["n_ranks"]
    return [
        f"### What {most:,} ranks hang on",
        table([f"{most:,} ranks", *_HEADS], rows),
        _sorting(
            largest[WINDOW, long],
            next(entry for entry in varied[WINDOW, long] if entry["all_sorted"]),
            next((entry for entry in varied[WINDOW, long] if not entry["dearer"]), None),
        ),
        _counter_limit(raw["costs"]["samples"], largest, most),
        _not_in_it(most),
    ]


def _varied_name(entry: Mapping[str, float]) -> str:
    if entry["all_sorted"]:
        return f"all {entry['n_items']:,} items by falling cost"
    return f"an answer takes {entry['dearer']:g} times as long" if entry["dearer"] else "an answer takes no time"


def _sorting(
    as_it_is: Mapping[str, float], all_sorted: Mapping[str, float], at_once: Mapping[str, float] | None
) -> str:
    """Say what it costs that only so many items are sorted, and what the counter's answers cost."""
    of_counter = (
        f"{_excess(at_once):.3f} if the counter answered in no time" if at_once else "less of a quicker counter"
    )
    unsorted = max(0, as_it_is["n_items"] - MOST_FIRST)
    if not unsorted:
        return (
            f"All items of known cost go out by falling cost, as long as they are {MOST_FIRST:,} at most. With the "
            f"window, makespan / bound is {_excess(as_it_is):.3f}, and would be {of_counter}."
        )
    return (
        f"Not all of it is the counter. Only the {MOST_FIRST:,} dearest items go out by falling cost (`MOST_FIRST` in "
        f"costs/first.py, for each rank holds them in memory); the other {unsorted:,} go out in no order, and whoever "
        "meets a long one of them last ends late. With the window, makespan / bound is "
        f"{_excess(as_it_is):.3f} so; it would be {_excess(all_sorted):.3f} with all of them sorted, and {of_counter}. "
        "Each is one study with drawn durations: differences of a percent may be of the draw."
    )


def _counter_limit(samples: Samples, largest: Mapping[tuple[str, str], Mapping[str, float]], most: float) -> str:
    short, long = STUDIES
    loads = {key: 100 * entry["root_load"] for key, entry in largest.items()}
    return (
        "Where the counter limits: it answers one claim after the other. As long as items are short, claims get longer "
        f"where it is slow: they aim at {WAITS_PER_TARGET} times what they are waited for, at "
        f"{LONGEST_TARGET_SECONDS:g} s at most. On {most:,} ranks it is busy for "
        f"{loads[WINDOW, short]:.0f} % of the time (window) and {loads[MESSAGES, short]:.0f} % (messages) with items "
        f"of {1000 * STUDIES[short][0]:g} ms: all ask at once at the start, for one item, and by messages an answer to "
        f"each of {most:,} takes {most * _costs(samples, MESSAGES).service_seconds:.1f} s. Items of 1 s and more go "
        "out one by one, and nothing makes that rarer: "
        f"{loads[WINDOW, long]:.0f} % and {loads[MESSAGES, long]:.0f} %. Ranks whose claims take 1 s each would fill "
        f"it at {_full(samples, MESSAGES)} of them by messages, for that is how well its answer is known, and by the "
        f"window, whose answer takes what is played at most, at {_full(samples, WINDOW)} or more. By messages it hurts "
        "earlier. Root, which computes too, stops its own item for as long as it answers, so that a long one ends "
        "last of all: the table has how much later than the others' it is; and root looks for messages up "
        "to a tenth more, or a fifth where looks take what *Waiting* has. What would come first there is a root that "
        "takes no long item, or none, while it is asked that much. That an answer costs the same however many ask is "
        "assumed: a look at 100,000 connections takes longer than one at "
        f"{_N_RANKS['messages'] - 1}, which is why dearer answers are in the "
        "table."
    )


def _full(samples: Samples, way: str) -> str:
    """Say how many ranks fill the counter whose claims take 1 s each, by both ends of what an answer takes."""
    answers = column(samples, way, "service_microseconds")
    ends = median_interval(answers) or (median(answers), median(answers))
    few, many = (_about(1e6 * LONGEST_TARGET_SECONDS / end) for end in reversed(ends))
    return few if few == many or way == WINDOW else f"{few} to {many}"


def _about(number: float) -> str:
    """Return a number with two digits that count.

    >>> _about(123456.0), _about(987.0), _about(3.21)
    ('120,000', '990', '3')
    """
    return f"{round(number, 1 - floor(log10(number))):,.0f}"


def _not_in_it(most: float) -> str:
    return (
        "All this is of claims alone. Other things plausibly bind first on a real machine, and none of them is played: "
        f"{most:,} journals in one shared folder, each synced every {SYNC_SECONDS:g} s, which are "
        f"{most / SYNC_SECONDS:,.0f} syncs a second of one file system; the start of so many Pythons, each of which "
        "opens its files there; gathering, in which root goes through all the journals. Nor are a network's "
        "congestion, and noise. Of claims, what would come next is a counter per node, which "
        "takes from root's what its ranks use up in a second or so: root would hear one claim of a node in place of "
        "one of each rank, and ranks ask memory of their own node, at the costs of the window. It is not built."
    )
