"""Scale, simulated: the claims of up to 10^5 ranks, with the costs of a claim that are measured here."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from operator import itemgetter

import numpy as np
import simulated_picture
import studies
from harness import FIGURE_HEADS, Raw, Sample, Samples, column, figure, table, take_rounds
from numpy.typing import NDArray
from programs import HERE, OWN, Bench, run
from simulate import Costs, Draw, play

from fullrank.costs.first import MOST_FIRST
from fullrank.interrupt import SERVING_SECONDS
from fullrank.schedule import LONGEST_TARGET_SECONDS
from fullrank.store import ResultFile

TITLE = "Scale, simulated: up to 100,000 ranks"
WINDOW, MESSAGES, BESIDE = "window: root's memory answers", "messages: root answers", "beside the items of a claim"
WAYS = (WINDOW, MESSAGES)
RANKS = (100, 300, 1000, 3000, 10_000, 100_000)
QUICK_RANKS = (10, 100)
STUDIES = {"1,000 items of 10 ms a rank": (0.01, 1000, False), "20 items of 1 s a rank": (1.0, 20, True)}
"""Mean seconds of an item, items a rank, and whether their costs are known and the longest go first."""
SIGMA, SEED = 0.5, 20261123
N_ROUNDS = 9
"""At most, of the costs."""
PICTURE = HERE / "scale.png"
N_HELD, HELD_SECONDS = 100, 0.025
"""Items so long that each is a claim."""


def measure(bench: Bench) -> Raw:
    """Measure what claims cost, and play studies with the least of it: the rest is what disturbed them."""
    programs = {
        WINDOW: partial(_claims, bench, "window"),
        MESSAGES: partial(_claims, bench, "messages"),
        BESIDE: partial(_beside, bench),
    }
    measured = take_rounds(programs, min(N_ROUNDS, bench.n_rounds), tell=bench.tell)
    asked = list(product(WAYS, STUDIES, QUICK_RANKS if bench.quick else RANKS))
    costs = {way: _costs(measured["samples"], way) for way in WAYS}
    bench.tell(f"{len(asked)} studies are played; the largest takes minutes")
    with ProcessPoolExecutor() as pool:
        jobs = [pool.submit(_played, study, n_ranks, costs[way]) for way, study, n_ranks in asked]
        runs: simulated_picture.Runs = {}
        for (way, study, _), job in zip(asked, jobs, strict=True):
            runs.setdefault(_series(way, study), []).append(job.result())
    if not bench.quick:
        simulated_picture.draw(runs, PICTURE)
    return {"costs": measured, "runs": runs}


def _series(way: str, study: str) -> str:
    return f"{study}; {way}"


def _claims(bench: Bench, way: str) -> Sample:
    apart = ["env", "MPIR_CVAR_NOLOCAL=1"] if way == "messages" else []
    told = run([*apart, *OWN.mpiexec(2), *OWN.script("claims.py", way)], folder=bench.scratch).told()
    return {name: float(told[name]) for name in ("way_microseconds", "service_microseconds")}


def _beside(bench: Bench) -> Sample:
    """Return what a claim of one item takes beyond item and counter, of a real run."""
    study = studies.write_holding(bench.scratch / "held.toml", N_HELD, HELD_SECONDS, isolate=False)
    output = study.with_suffix(".h5")
    run([*OWN.mpiexec(1), *OWN.fullrank, "run", str(study), "-o", str(output), "--quiet"], folder=bench.scratch)
    with ResultFile(output) as file:
        (worker,) = file.workers()
    output.unlink()
    seconds = worker.elapsed_seconds - worker.compute_seconds - worker.claim_seconds
    return {"beside_microseconds": 1e6 * seconds / worker.n_claims}


def _costs(samples: Samples, way: str) -> Costs:
    def least_seconds(name: str, key: str) -> float:
        return 1e-6 * min(column(samples, name, key))

    return Costs(
        way_seconds=least_seconds(way, "way_microseconds"),
        service_seconds=least_seconds(way, "service_microseconds"),
        tick_seconds=SERVING_SECONDS if way == MESSAGES else 0.0,
        beside_seconds=least_seconds(BESIDE, "beside_microseconds"),
    )


def _played(study: str, n_ranks: int, costs: Costs) -> dict[str, float]:
    mean_seconds, n_each, falls = STUDIES[study]
    random, n_items = np.random.default_rng([SEED, n_ranks]), n_each * n_ranks

    def draw(n: int) -> NDArray[np.float64]:
        return random.lognormal(np.log(mean_seconds) - SIGMA**2 / 2, SIGMA, n)

    if falls:
        seconds = np.sort(draw(n_items))[::-1]
        random.shuffle(seconds[MOST_FIRST:])
        found = play(_blocks(seconds), n_items, n_ranks, costs, n_single=min(n_items, MOST_FIRST))
    else:
        found = play(draw, n_items, n_ranks, costs)
    return {
        "n_ranks": n_ranks,
        "n_items": n_each * n_ranks,
        "n_claims": found.n_claims,
        "makespan_seconds": round(found.makespan_seconds, 6),
        "bound_seconds": round(found.bound_seconds, 6),
        "root_load": round(found.root_load, 6),
        "beside_items": round(found.beside_items, 6),
    }


def _blocks(seconds: NDArray[np.float64]) -> Draw:
    given = 0

    def draw(n: int) -> NDArray[np.float64]:
        nonlocal given
        given += n
        return seconds[given - n : given]

    return draw


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    samples: Samples = raw["costs"]["samples"]
    rows = [
        [f"{name}: {what}, µs", *_cost(column(samples, name, key))]
        for name, what, key in (
            (WINDOW, "the way to the counter", "way_microseconds"),
            (WINDOW, "its answer", "service_microseconds"),
            (MESSAGES, "the way to root", "way_microseconds"),
            (MESSAGES, "root's answer", "service_microseconds"),
            (BESIDE, "journal, tally and all", "beside_microseconds"),
        )
    ]
    return "\n\n".join(
        [
            "No machine of so many ranks was there. What follows is played: each rank runs the claims that a real one "
            "runs (`schedule.guided_claims`), and one counter answers them one by one, at the costs that are measured "
            "here between two ranks. *Window*: memory of root's that others reach without it, as within a host and "
            "over networks whose hardware adds; its costs here are those within a host, and a network's way is some "
            "µs longer. *Messages*: what is used between hosts where that is not so; root looks for them every "
            f"{1000 * SERVING_SECONDS:g} ms, and its own item waits while it answers. They are measured over the TCP "
            "of one host. Items are lognormal "
            f"(sigma {SIGMA:g}) and drawn one by one; an event is a claim, whose items are summed. Those of 1 s have "
            "costs that are known, and the longest go first; those of 10 ms have not. Not in it: start, "
            "gathering, the tally's own messages, a network's congestion, and noise.",
            table(["cost", "least, used", *FIGURE_HEADS[:2]], rows),
            f"![Makespan, claims and load on root, by the number of ranks]({PICTURE.name})",
            table(
                ["ranks, study, counter", "items", "claims", "makespan / bound", "beside items, %", "root's load, %"],
                [
                    _row(way, study, entry)
                    for way, study in product(WAYS, STUDIES)
                    for entry in raw["runs"][_series(way, study)]
                ],
            ),
            _limits(raw),
        ]
    )


def _cost(values: Sequence[float]) -> list[str]:
    return [f"{min(values):.1f}", *figure(values, digits=1)[:2]]


def _row(way: str, study: str, entry: Mapping[str, float]) -> list[str]:
    return [
        f"{entry['n_ranks']:,}, {study}, {way.partition(':')[0]}",
        f"{entry['n_items']:,}",
        f"{entry['n_claims']:,}",
        f"{entry['makespan_seconds'] / entry['bound_seconds']:.3f}",
        f"{100 * entry['beside_items']:.1f}",
        f"{100 * entry['root_load']:.1f}",
    ]


def _limits(raw: Raw) -> str:
    """Say what limits it, and what comes next."""
    largest = {key: max(raw["runs"][_series(*key)], key=itemgetter("n_ranks")) for key in product(WAYS, STUDIES)}
    loads = {key: 100 * entry["root_load"] for key, entry in largest.items()}
    most = max(entry["n_ranks"] for entry in largest.values())
    short, long = STUDIES
    answers = {way: _costs(raw["costs"]["samples"], way).service_seconds for way in WAYS}
    full = {way: round(LONGEST_TARGET_SECONDS / seconds, -4) for way, seconds in answers.items()}
    return (
        "What limits it: the counter answers one claim after the other. As long as items are short, claims get longer "
        f"where the counter is slow, up to {LONGEST_TARGET_SECONDS:g} s: on {most:,} ranks it is busy for "
        f"{loads[WINDOW, short]:.0f} % of the time (window) and {loads[MESSAGES, short]:.0f} % (messages) with items "
        f"of {1000 * STUDIES[short][0]:g} ms, though all ask at once at the start, with claims of one item that double "
        "from then on. Items of 1 s and more go out one by one, and nothing makes that rarer: "
        f"{loads[WINDOW, long]:.0f} % and {loads[MESSAGES, long]:.0f} %. Full it would be at some "
        f"{full[WINDOW]:,.0f} ranks (window) and {full[MESSAGES]:,.0f} (messages) whose claims take 1 s each; of root, "
        "which computes too, messages take that share of its own items' time. What comes next, where that matters: a "
        "counter per node, which takes from root's what its ranks use up in a second or so. Root then hears one claim "
        "of a node in place of one of each rank, and ranks ask memory of their own node, at the costs of the window."
    )
