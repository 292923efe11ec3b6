"""Figures of a run's speed, each with its formula and source, and how numbers are spelled.

Pure arithmetic; the standard library alone. Times are in s; what cannot be known is NaN, no error.

Two sources use the same words for different things. Textbooks (A. Grama, A. Gupta, G. Karypis,
V. Kumar, Introduction to Parallel Computing, 2nd ed., 2003, section 5.2) compare with a serial run:
speedup, parallel efficiency. The POP Centre of Excellence (Standard Metrics for Parallel
Performance Analysis, https://pop-coe.eu) looks at one run alone: load balance times communication
efficiency, which POP too calls parallel efficiency; here that product is the busy share.
"""

from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor, fsum, isfinite, isnan, nan
from typing import TYPE_CHECKING

from fullrank.dataclass import dataclass, fields

if TYPE_CHECKING:  # it imports numpy
    from fullrank.schema import AttemptRow, WorkerRow


def speedup(serial_seconds: float, parallel_seconds: float) -> float:
    """How many times faster than the serial run (textbook): serial / parallel.

    >>> speedup(10.0, 4.0)
    2.5
    """
    return _ratio(serial_seconds, parallel_seconds)


def parallel_efficiency(serial_seconds: float, makespan_seconds: float, *, n_workers: int) -> float:
    """Speedup per worker (textbook): serial / (n_workers * makespan).

    >>> parallel_efficiency(10.0, 4.0, n_workers=5)
    0.5
    """
    return _ratio(serial_seconds, n_workers * makespan_seconds)


def makespan(elapsed_seconds: Iterable[float]) -> float:
    """From the common start to the end of the last item: the longest of all workers' times."""
    return max(_known(elapsed_seconds), default=nan)


def load_balance(busy_seconds: Iterable[float]) -> float:
    """How evenly the work is spread (POP): mean busy time / longest busy time of a worker.

    >>> load_balance([1.0, 2.0])
    0.75
    """
    known = _known(busy_seconds)
    return _ratio(_mean(known), max(known, default=nan))


def communication_efficiency(busy_seconds: Iterable[float], makespan_seconds: float) -> float:
    """What the busiest worker loses to all but items (POP): longest busy time / makespan."""
    return _ratio(max(_known(busy_seconds), default=nan), makespan_seconds)


def busy_share(busy_seconds: Iterable[float], makespan_seconds: float) -> float:
    """Share of all workers' time that was spent inside items: mean busy time / makespan.

    POP's "parallel efficiency", load balance times communication efficiency. It is the textbook's
    only if an item takes no longer beside others than alone, which a single run cannot tell.

    >>> busy_share([1.0, 2.0], 2.5)
    0.6
    """
    return _ratio(_mean(_known(busy_seconds)), makespan_seconds)


def cores_busy(cpu_seconds: float, wall_seconds: float) -> float:
    """How many cores computed, on average: CPU seconds / wall seconds."""
    return _ratio(cpu_seconds, wall_seconds)


def shortest_makespan(total_seconds: float, longest_seconds: float, *, n_workers: int) -> float:
    """What no order of the same items can undercut: max(total / n_workers, longest item).

    R. L. Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl. Math. 17 (1969) 416.

    >>> shortest_makespan(10.0, 3.0, n_workers=2), shortest_makespan(10.0, 7.0, n_workers=2)
    (5.0, 7.0)
    """
    return max(_ratio(total_seconds, n_workers), longest_seconds)


@dataclass(frozen=True)
class Work:
    """Where the time of some workers of one attempt went.

    Workers that were killed leave no account; but for ``n_workers`` and ``n_items`` all figures are
    of the others. Shares are parts of (number of these workers) * makespan and add up to 1.
    """

    n_workers: int
    n_killed: int
    """Workers without an account."""
    n_items: int
    """Items whose end is recorded, those of killed workers included."""
    makespan_seconds: float
    compute_seconds: float
    """Inside items, all workers together."""
    cpu_seconds: float
    ready_seconds: float
    """Of the slowest worker, from the start of its process until it is ready for items: start-up and import."""
    starts_apart_seconds: float
    """From the start of the first worker's process to that of the last one's."""
    busy_share: float
    load_balance: float
    communication_efficiency: float
    cores_busy: float
    claim_share: float
    """Asking for the next items and waiting for the answer."""
    journal_share: float
    """Writing results to the journal."""
    idle_share: float
    """After a worker's last item, while others still computed."""
    other_share: float
    """The rest: the loop itself, counting, the start."""


def work(workers: Sequence["WorkerRow"]) -> Work:
    """Add up the accounts of one attempt's workers."""
    known = [row for row in workers if not isnan(row.elapsed_seconds)]
    span = makespan(row.elapsed_seconds for row in known)
    busy = [row.compute_seconds for row in known]
    cpu_seconds = _sum(row.cpu_seconds for row in known)
    room = len(known) * span
    claim_share = _ratio(_sum(row.claim_seconds for row in known), room)
    journal_share = _ratio(_sum(row.journal_seconds for row in known), room)
    idle_share = _ratio(_sum(span - row.elapsed_seconds for row in known), room)
    share = busy_share(busy, span)
    other_share = 1.0 - share - claim_share - journal_share - idle_share
    return Work(
        n_workers=len(workers),
        n_killed=len(workers) - len(known),
        n_items=sum(row.n_items for row in workers),
        makespan_seconds=span,
        compute_seconds=_sum(busy),
        cpu_seconds=cpu_seconds,
        ready_seconds=max((_ready(row) for row in known), default=nan),
        starts_apart_seconds=_starts_apart(known),
        busy_share=share,
        load_balance=load_balance(busy),
        communication_efficiency=communication_efficiency(busy, span),
        cores_busy=cores_busy(cpu_seconds, span),
        claim_share=claim_share,
        journal_share=journal_share,
        idle_share=idle_share,
        other_share=max(other_share, 0.0),  # NaN stays, for it comes first
    )


@dataclass(frozen=True)
class Account:
    """Where core-seconds went: of one worker, or of several together. In s; all NaN if there is no account."""

    total_seconds: float
    """From the start of its process, or of root's where root started it, until root wrote the account."""
    startup_seconds: float
    """Until the worker could receive its job: Python, MPI, and root reading the study and earlier journals."""
    import_seconds: float
    start_wait_seconds: float
    """For the slowest worker's import."""
    prepare_seconds: float
    compute_seconds: float
    encode_seconds: float
    claim_seconds: float
    """Asking the shared counter, and telling it what is finished."""
    journal_seconds: float
    idle_seconds: float
    """While others still computed; ``close_seconds``: from there until all workers had ended."""
    close_seconds: float
    gather_seconds: float
    write_seconds: float
    unexplained_seconds: float

    def phases(self) -> dict[str, float]:
        """Return the seconds of each phase, by name, in about the order of time; they add up to the total."""
        return {name.removesuffix("_seconds"): seconds for name, seconds in vars(self).items() if name != _TOTAL}

    def shares(self) -> dict[str, float]:
        """Return each phase as a part of the total."""
        return {name: _ratio(seconds, self.total_seconds) for name, seconds in self.phases().items()}


_TOTAL = "total_seconds"


def accounts(workers: Sequence["WorkerRow"], attempt: "AttemptRow") -> tuple[Account, ...]:
    """Return the account of each worker of an attempt."""
    span = makespan(row.elapsed_seconds for row in workers)
    return tuple(_account(row, attempt, span) for row in workers)


def _account(row: "WorkerRow", attempt: "AttemptRow", makespan_seconds: float) -> Account:
    idle_seconds = min(row.end_wait_seconds, makespan_seconds - row.elapsed_seconds)
    phases = {
        "startup_seconds": row.launch_seconds + row.startup_seconds - row.root_import_seconds,
        "import_seconds": row.root_import_seconds + row.import_seconds,
        "start_wait_seconds": row.start_wait_seconds,
        "prepare_seconds": row.prepare_seconds,
        "compute_seconds": row.compute_seconds,
        "encode_seconds": row.encode_seconds,
        "claim_seconds": row.claim_seconds + row.count_seconds,
        "journal_seconds": row.journal_seconds,
        "idle_seconds": idle_seconds,
        "close_seconds": row.end_wait_seconds - idle_seconds,
        "gather_seconds": attempt.gather_seconds,
        "write_seconds": attempt.write_seconds,
    }
    rest = row.account_seconds - fsum(phases.values())
    if isnan(rest):
        return Account(*[nan] * len(fields(Account)))
    return Account(total_seconds=row.account_seconds, **phases, unexplained_seconds=rest)


def summed(parts: Iterable[Account]) -> Account:
    """Return the account of several workers together; those without one do not count."""
    known = [part for part in parts if not isnan(part.total_seconds)]
    return Account(*(_sum(getattr(part, entry.name) for part in known) for entry in fields(Account)))


def _ready(row: "WorkerRow") -> float:
    return row.startup_seconds + row.import_seconds


def _starts_apart(rows: Sequence["WorkerRow"]) -> float:
    """Look back from the workers' common start, which is one moment on all hosts, whatever their clocks say."""
    ages = _known(_ready(row) + row.start_wait_seconds for row in rows)
    return max(ages) - min(ages) if ages else nan


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not isnan(value)]


def _sum(values: Iterable[float]) -> float:
    known = list(values)
    return fsum(known) if known else nan


def _mean(values: Sequence[float]) -> float:
    return _ratio(_sum(values), len(values))


def _ratio(dividend: float, divisor: float) -> float:
    return dividend / divisor if divisor else nan


def spelled_seconds(seconds: float) -> str:
    """Spell a duration for people: three digits, or two units.

    >>> [spelled_seconds(s) for s in (0.0000123, 0.0932, 1.234, 723, 11100, 183600, float("inf"))]
    ['12.3 µs', '93.2 ms', '1.23 s', '12 min 3 s', '3 h 5 min', '2 d 3 h', 'unknown']
    """
    if not isfinite(seconds):
        return "unknown"
    if seconds >= 59.95:
        return _in_two_units(floor(seconds + 0.5))
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 0.9995:
            return f"{_in_three_digits(seconds * factor)} {unit}"
    return "0 s" if seconds == 0 else "< 1 µs"


def _in_three_digits(value: float) -> str:
    n_decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{n_decimals}f}"


def _in_two_units(seconds: int) -> str:
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    first = next(number for number, (_, size) in enumerate(units) if seconds >= size)
    (large, size), (small, small_size) = units[first : first + 2]
    whole, rest = divmod(seconds, size)
    return f"{whole} {large} {rest // small_size} {small}" if rest >= small_size else f"{whole} {large}"


def spelled_share(share: float) -> str:
    """Spell a part of 1 in percent.

    >>> spelled_share(0.98149), spelled_share(float("nan"))
    ('98.1 %', 'unknown')
    """
    return "unknown" if isnan(share) else f"{100 * share:.1f} %"


def spelled_range(least_seconds: float, most_seconds: float) -> str:
    """Spell a range in one unit, rounded outwards.

    >>> [spelled_range(*r) for r in ((41.3, 54.2), (0.0, 8.0), (130.0, 170.0), (5e3, 9e3))]
    ['about 40-55 s', 'less than 8 s', 'about 2.1-2.9 min', 'about 1.3-2.5 h']
    """
    limits = (("s", 1, 100), ("min", 60, 6000), ("h", 3600, 48 * 3600), ("d", 86400, float("inf")))
    unit, size = next((unit, size) for unit, size, limit in limits if most_seconds < limit)
    least = _rounded(least_seconds / size, floor, in_tenths=size > 1)
    most = _rounded(most_seconds / size, ceil, in_tenths=size > 1)
    if not float(least):
        return f"less than {most} {unit}"
    return f"about {least} {unit}" if least == most else f"about {least}-{most} {unit}"


def _rounded(value: float, to_whole: Callable[[float], int], *, in_tenths: bool) -> str:
    """Round to what an estimate deserves: tenths below 10, fives from 20 on."""
    if value < 10 and in_tenths:
        return f"{to_whole(10 * value) / 10:g}"
    step = 1 if value < 20 else 5 if value < 100 else 10
    return str(to_whole(value / step) * step)
