"""Comparisons made by hand: what each way takes is given, and every round has a little noise of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import nan
from random import Random

from fullrank.compare.records import Comparison, Measurement, Variant

SERIAL = Variant("serial", 1)
THREADS, PROCESSES, MPI = Variant("threads", 2), Variant("processes", 2), Variant("mpi", 2)
LAPTOP: Mapping[str, str | int | float] = {
    "processor": "Example CPU",
    "usable_cores": 2,
    "physical_cores": 2,
    "gil": "enabled",
    "python": "3.11.7",
}


@dataclass(frozen=True)
class Way:
    """What one run of the sample takes, without noise."""

    makespan: float
    cores_busy: float = 1.0
    around: float = 0.2
    balance: float = 1.0
    compute: float | None = None
    """Inside items; by default all of the workers' time."""
    longest: float = 0.01
    others: float = nan


def comparison(
    ways: Mapping[Variant, Way],
    *,
    n_rounds: int = 11,
    noise: float = 0.01,
    n_items: int = 2000,
    n_sampled: int = 400,
    machine: Mapping[str, str | int | float] = LAPTOP,
    not_possible: Mapping[Variant, str] | None = None,
    trial: float = 0.2,
) -> Comparison:
    """Return a whole comparison; the first way is the baseline."""
    random = Random(20261126)
    measurements = [
        measured(number, round_, variant.n_workers, way, factor=1 + noise * random.uniform(-1, 1))
        for round_ in range(n_rounds)
        for number, (variant, way) in enumerate(ways.items())
    ]
    return Comparison(
        title="A study",
        config_path="study.toml",
        n_items=n_items,
        n_sampled=n_sampled,
        variants=tuple(ways),
        measurements=tuple(measurements),
        not_possible=not_possible or {},
        trial_start_end_seconds=dict.fromkeys(ways, (trial, trial + 0.001, trial + 0.002)),
        machine=machine,
        n_rounds_asked=n_rounds,
    )


def measured(variant: int, round_: int, n_workers: int, way: Way, *, factor: float = 1.0) -> Measurement:
    makespan = way.makespan * factor
    compute = makespan * n_workers * way.balance if way.compute is None else way.compute * factor
    return Measurement(
        variant=variant,
        round=round_,
        wall_seconds=makespan + way.around,
        makespan_seconds=makespan,
        cpu_seconds=makespan * way.cores_busy,
        compute_seconds=compute,
        longest_item_seconds=way.longest,
        load_balance=way.balance,
        others_cores=way.others,
    )


def stopped(whole: Comparison, *, after: int) -> Comparison:
    """Return the comparison as Ctrl-C leaves it after so many measurements."""
    return replace(whole, measurements=whole.measurements[:after], partial=True)


PURE_PYTHON = {
    SERIAL: Way(4.0),
    THREADS: Way(4.08, cores_busy=1.0, compute=8.1),
    PROCESSES: Way(2.05, cores_busy=2.0),
    MPI: Way(2.04, cores_busy=2.0, around=0.5),
}
"""What `make compare` shows on two cores."""
RELEASES_THE_GIL = {
    SERIAL: Way(4.0),
    THREADS: Way(2.02, cores_busy=2.0, around=0.2),
    PROCESSES: Way(2.05, cores_busy=2.0, around=0.3),
    MPI: Way(2.04, cores_busy=2.0, around=0.5),
}
