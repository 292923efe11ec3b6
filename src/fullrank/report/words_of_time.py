"""What a report says of time and workers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isnan, nan

from fullrank.metrics import spelled_seconds, spelled_share
from fullrank.report.across_shards import Together
from fullrank.report.facts import Report
from fullrank.report.layout import counted, table, wrapped

N_WORKERS_LISTED = 16
"""With more workers the table shows the least, the median and the most of each column."""
SHORT_SECONDS = 0.1
"""Below, nothing is concluded from CPU time: clocks tick in 10 ms."""
WAITING_SHARE = 0.8
"""Items that keep a core busy for less than this are said to wait."""


def time_section(found: Report, width: int) -> Iterator[str]:
    """Say how long the measured attempt took, and how well its workers were used."""
    if not found.workers:
        return
    yield "Time"
    for note in _scope_notes(found):
        yield from wrapped("  ", note, width)
    if found.work.n_killed == found.work.n_workers:
        return
    rows = _figures_of_time(found)
    heads = list(table([row[:2] for row in rows], left=(0,)))
    for head, (_, _, explanation) in zip(heads, rows, strict=True):
        yield from wrapped(head.ljust(max(map(len, heads)) + 2), explanation, width)
    for note in _core_notes(found):
        yield from wrapped("  ", note, width)


def _figures_of_time(found: Report) -> Sequence[tuple[str, str, str]]:
    """Return name, figure and explanation of each."""
    known = found.work
    n_workers = counted(known.n_workers - known.n_killed, "worker")
    return (
        (
            "makespan",
            spelled_seconds(known.makespan_seconds),
            "from the workers' common start to the end of the last item",
        ),
        (
            "at best",
            spelled_seconds(found.shortest_makespan_seconds),
            f"the time of all items / {n_workers}, or the longest item if that is more",
        ),
        (
            "ready after",
            spelled_seconds(known.ready_seconds),
            "from the start of the slowest worker's process: Python, your module and its setup",
        ),
        *_starts(found),
        (
            "load balance",
            spelled_share(known.load_balance),
            "POP's: the mean of the workers' times inside items / the longest",
        ),
        (
            "communication efficiency",
            spelled_share(known.communication_efficiency),
            "POP's: the longest of these times / makespan",
        ),
        (
            "busy share",
            spelled_share(known.busy_share),
            "both multiplied: what of the workers' time went into items. It is the parallel efficiency, "
            "speedup / workers, if no item takes longer beside others than alone, which one run cannot tell",
        ),
        *_rest(found),
        (
            "cores busy",
            "unknown" if isnan(known.cores_busy) else f"{known.cores_busy:.2f}",
            f"CPU time / makespan; there were {n_workers}",
        ),
    )


def _starts(found: Report) -> Iterator[tuple[str, str, str]]:
    """Say how far apart the workers' processes were started, where they are several."""
    if len({(row.host, row.pid) for row in found.workers}) > 1 and not isnan(found.work.starts_apart_seconds):
        yield (
            "starts apart",
            spelled_seconds(found.work.starts_apart_seconds),
            "from the start of the first worker's process to that of the last, to 10 ms",
        )


def _rest(found: Report) -> Iterator[tuple[str, str, str]]:
    """Say where the rest went, in a file of an earlier version: others have an account."""
    known = found.work
    rest = {
        "asking": known.claim_share,
        "writing": known.journal_share,
        "idle at the end": known.idle_share,
        "other": known.other_share,
    }
    if isnan(found.account.total_seconds):
        words = ", ".join(f"{name} {spelled_share(share)}" for name, share in rest.items())
        yield "the rest", spelled_share(1.0 - known.busy_share), words


def _scope_notes(found: Report) -> Iterator[str]:
    """Say what the figures of time are of, where that is not all."""
    known = found.work
    n_others = known.n_workers - known.n_killed
    if len(found.attempts) > 1:
        did = f"{known.n_items:,} of the {counted(found.items.n_items, 'item')}"
        yield f"Attempt {found.attempt} did {did}; times and workers here are of it alone."
    if found.shards is not None:
        yield _across_shards(found.shards)
    if not n_others:
        yield "Its workers were killed before they could account for their time: no figures."
    elif known.n_killed:
        killed = f"{known.n_killed:,} of {counted(known.n_workers, 'worker')}"
        yield f"{killed} left no account of the time (killed); the figures are of the rest."


def _across_shards(found: Together) -> str:
    return (
        f"{counted(found.n_shards, 'shard')} together, with {counted(found.n_workers, 'worker')}: makespan "
        f"{spelled_seconds(found.makespan_seconds)} from the start of the first to the end of the last, waits in a "
        f"queue included; load balance {spelled_share(found.load_balance)}, communication efficiency "
        f"{spelled_share(found.communication_efficiency)}, busy share {spelled_share(found.busy_share)}."
    )


def _core_notes(found: Report) -> Iterator[str]:
    known = found.work
    if not known.compute_seconds >= SHORT_SECONDS:
        return
    n_cores = found.provenance.get("usable_cores")
    n_here = found.hosts.get(str(found.provenance.get("host", "")), 0)
    if isinstance(n_cores, int) and n_here > n_cores:
        cores = counted(n_cores, "usable core")
        # the clock of an item runs on while the core is another worker's
        yield f"{n_here:,} workers shared {cores}: the busy share counts their waiting as work."
    elif known.cpu_seconds < WAITING_SHARE * known.compute_seconds:
        busy = spelled_share(known.cpu_seconds / known.compute_seconds)
        share = f"Inside items a core was busy {busy}"
        gil = str(found.provenance.get("gil", "enabled"))
        if found.workers[0].backend == "threads" and gil != "disabled":
            module = gil.removeprefix("enabled").removeprefix(" by ")
            since = f" since {module} switched the GIL on" if module else ""
            yield (
                f"{share} of the time: threads of one Python take turns{since}, and the busy share counts "
                "their waiting as work. Try -b processes."
            )
        else:
            yield f"{share} of the time: items wait, for a disk, a network or a free core."


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)  # statistics.median costs its import
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def workers_section(found: Report, width: int) -> Iterator[str]:
    """Show where each worker's time went."""
    if found.work.n_killed == len(found.workers):
        return
    columns = {
        "items": [float(row.n_items) for row in found.workers],
        "inside items": [row.compute_seconds for row in found.workers],
        "asking": [row.claim_seconds for row in found.workers],
        "writing": [row.journal_seconds for row in found.workers],
        "idle at the end": [found.work.makespan_seconds - row.elapsed_seconds for row in found.workers],
        "CPU": [row.cpu_seconds for row in found.workers],
    }
    yield "Workers, times in s"
    if len(found.workers) > N_WORKERS_LISTED:
        rows = [("", *columns), *_worker_summary(columns)]
        yield from table(rows, left=(0,), has_head=True)
    else:
        heads = [(str(row.worker), row.host) for row in found.workers]
        spelled = [_column(name, values) for name, values in columns.items()]
        rows = [(*head, *cells) for head, *cells in zip(heads, *spelled, strict=True)]
        yield from table([("worker", "host", *columns), *rows], left=(1,), has_head=True)


def _worker_summary(columns: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, ...]]:
    ways: dict[str, Callable[[Sequence[float]], float]] = {"least": min, "median": _median, "most": max}
    chosen = {
        name: [choose([v for v in values if not isnan(v)] or [nan]) for choose in ways.values()]
        for name, values in columns.items()
    }
    spelled = [_column(name, values) for name, values in chosen.items()]
    yield from zip(ways, *spelled, strict=True)


def _column(name: str, values: Sequence[float]) -> list[str]:
    """Spell numbers below each other, with as many decimals as the greatest deserves."""
    greatest = max((value for value in values if not isnan(value)), default=0.0)
    n_decimals = 0 if name == "items" else 3 if greatest < 100 else 1
    return ["-" if isnan(value) else f"{value:,.{n_decimals}f}" for value in values]
