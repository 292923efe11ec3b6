"""A comparison in words, and as a mapping for programs."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import isfinite, isnan
from typing import Any

from fullrank.compare.records import Comparison
from fullrank.compare.statistics import Estimate
from fullrank.compare.summary import Summary
from fullrank.compare.verdict import Judgement, Outcome, Verdict, judge
from fullrank.metrics import spelled_seconds
from fullrank.report.layout import counted, printable, shortened, table, wrapped

TABLE_FIGURES = ("command", "makespan", "around it", "CPU", "balance", "items/s", "whole study")


def text(comparison: Comparison, *, width: int = 100) -> str:
    """Spell the whole report as plain text of at most ``width`` columns; it ends with a line feed.

    Paths and commands stay whole. Texts of the file cannot break lines or steer a terminal.
    """
    judged = judge(comparison)
    sections = (
        _heading(comparison),
        _verdicts(comparison, judged, width),
        _recommended(judged, width),
        _measured(judged, width),
        _cautions(judged, width),
        _machine(comparison, width),
    )
    parts = ["\n".join(map(printable, section)) for section in sections]
    return "\n\n".join(part for part in parts if part) + "\n"


def _heading(comparison: Comparison) -> Iterator[str]:
    yield comparison.title
    ways = counted(len(comparison.variants), "way")
    sample = f"{comparison.n_sampled:,} of {counted(comparison.n_items, 'item')}"
    if comparison.n_sampled == comparison.n_items:
        sample = f"all {counted(comparison.n_items, 'item')}"
    yield f"{ways} of running {shlex.quote(comparison.config_path)}, {_rounds(comparison)}, {sample} each time"


def _rounds(comparison: Comparison) -> str:
    if not comparison.partial:
        return counted(comparison.n_rounds_asked, "round")
    n_begun = len({measurement.round for measurement in comparison.measurements})
    return f"stopped in round {n_begun} of {comparison.n_rounds_asked}"


def _verdicts(comparison: Comparison, judged: Judgement, width: int) -> Iterator[str]:
    rows = [("way", "speed-up", "cores busy")] + [_verdict_cells(verdict, comparison) for verdict in judged.verdicts]
    texts = ["verdict"] + [verdict.reason for verdict in judged.verdicts]
    # what is not possible has no figures beside it, and so no need to stand in the last column
    lasts = [False] + [verdict.outcome is Outcome.NOT_POSSIBLE for verdict in judged.verdicts]
    lines = list(table(rows, left=(0, 1, 2)))
    room = max(map(len, lines)) + 2
    first = 2 + max(len(row[0]) for row in rows) + 2
    for line, said, is_last in zip(lines, texts, lasts, strict=True):
        yield from wrapped(line.ljust(first if is_last else room), said, width)
    if any(verdict.summary and verdict.summary.speedup.interval for verdict in judged.verdicts):
        yield ""
        told = (
            "Speed-up: makespan of the baseline / makespan of this way, median of the rounds; the brackets hold the "
            "true ones with 95 % confidence, all of them together."
        )
        yield from wrapped("  ", told, width)


def _verdict_cells(verdict: Verdict, comparison: Comparison) -> tuple[str, str, str]:
    summary = verdict.summary
    if summary is None:
        return str(verdict.variant), "", ""
    speedup = "1" if verdict.outcome is Outcome.BASELINE else _estimate(summary.speedup)
    return str(verdict.variant), speedup, _cores_busy(summary, comparison)


def _estimate(found: Estimate) -> str:
    """Spell a ratio and where it lies.

    >>> _estimate(Estimate(1.954, (1.912, 1.98), 7)), _estimate(Estimate(1.954, None, 5))
    ('1.95× [1.91, 1.98]', '1.95×')
    """
    if isnan(found.median):
        return "not measured"
    interval = f" [{_ratio(found.interval[0])}, {_ratio(found.interval[1])}]" if found.interval else ""
    return f"{_ratio(found.median)}×{interval}"


def _ratio(value: float) -> str:
    """Spell a ratio so that what is not 1 is never spelled as 1.

    >>> _ratio(0.98), _ratio(1.0), _ratio(0.9996), _ratio(1.0004), _ratio(63.21)
    ('0.98', '1.00', '0.9996', '1.0004', '63.2')
    """
    if value >= 9.995:
        return f"{value:.1f}"
    spelled = f"{value:.2f}"
    return f"{value:.5g}" if spelled == "1.00" and value != 1 else spelled


def _cores_busy(summary: Summary, comparison: Comparison) -> str:
    if isnan(summary.cores_busy):
        return "unknown"
    n_cores = comparison.machine.get("usable_cores")
    of = f" of {n_cores}" if n_cores and summary.variant.backend != "mpi" else ""
    allocated = comparison.machine.get("allocated_usable_cores", n_cores)
    of = f" of {allocated}" if allocated and summary.variant.backend == "mpi" else of
    return f"{summary.cores_busy:.1f}{of}"


def _recommended(judged: Judgement, width: int) -> Iterator[str]:
    found = judged.recommendation
    yield "Recommended" if found.variant else "No recommendation yet"
    yield f"  {found.command}"
    for reason in found.reasons:
        yield from wrapped("  ", reason, width)


def _measured(judged: Judgement, width: int) -> Iterator[str]:
    rows = [
        _figures(verdict.summary)
        for verdict in judged.verdicts
        if verdict.summary is not None and not isnan(verdict.summary.wall_seconds)
    ]
    if not rows:
        return
    yield "Medians of one run of the sample, and what they predict"
    for line in table([("way", *TABLE_FIGURES), *rows], left=(0,)):
        yield shortened(line, width)


def _figures(summary: Summary) -> tuple[str, ...]:
    return (
        str(summary.variant),
        spelled_seconds(summary.wall_seconds),
        spelled_seconds(summary.makespan_seconds),
        spelled_seconds(summary.around_seconds),
        spelled_seconds(summary.cpu_seconds),
        "" if isnan(summary.load_balance) else f"{summary.load_balance:.2f}",
        f"{summary.items_per_second:,.0f}" if summary.items_per_second >= 100 else f"{summary.items_per_second:.3g}",
        spelled_seconds(summary.study_seconds),
    )


def _cautions(judged: Judgement, width: int) -> Iterator[str]:
    if judged.cautions:
        yield "Keep in mind"
        for caution in judged.cautions:
            yield from wrapped("  - ", caution, width)


def _machine(comparison: Comparison, width: int) -> Iterator[str]:
    facts = dict(comparison.machine)
    parts = [str(facts.pop("processor"))] if facts.get("processor") else []
    usable, physical = facts.pop("usable_cores", None), facts.pop("physical_cores", None)
    if usable:
        parts.append(f"{usable} usable cores" + (f" ({physical} physical)" if physical else ""))
    if gil := facts.pop("gil", None):
        parts.append(f"GIL {gil}")
    parts += [
        f"{name.replace('_', ' ')} {value}" for name, value in facts.items() if value != "" and name != "processor"
    ]
    if parts:
        yield from wrapped("Machine  ", ", ".join(parts), width)


def to_dict(comparison: Comparison) -> dict[str, Any]:
    """Return the report and every raw value as a mapping of what JSON knows; what is unknown is None."""
    judged = judge(comparison)
    recommended = judged.recommendation
    found: dict[str, Any] = {
        "title": comparison.title,
        "config": comparison.config_path,
        "n_items": comparison.n_items,
        "n_sampled": comparison.n_sampled,
        "n_rounds_asked": comparison.n_rounds_asked,
        "partial": comparison.partial,
        "machine": dict(comparison.machine),
        "ways": [_way(verdict, comparison) for verdict in judged.verdicts],
        "recommendation": {
            "way": asdict(recommended.variant) if recommended.variant else None,
            "command": recommended.command,
            "reasons": list(recommended.reasons),
            "break_even": asdict(recommended.break_even) if recommended.break_even else None,
            "separably_slower": [asdict(variant) for variant in recommended.separably_slower],
        },
        "cautions": list(judged.cautions),
    }
    known: dict[str, Any] = _known(found)
    return known


def _way(verdict: Verdict, comparison: Comparison) -> dict[str, Any]:
    variant = verdict.variant
    way: dict[str, Any] = {**asdict(variant), "outcome": verdict.outcome.value, "reason": verdict.reason}
    if verdict.summary is not None:
        way.update((name, value) for name, value in asdict(verdict.summary).items() if name != "variant")
        number = comparison.variants.index(variant)
        own = [asdict(m) for m in comparison.measurements if m.variant == number]
        way["measurements"] = [{key: value for key, value in m.items() if key != "variant"} for m in own]
        way["startup_seconds"] = list(comparison.startup_seconds.get(variant, ()))
    return way


def _known(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _known(part) for key, part in value.items()}
    return [_known(part) for part in value] if isinstance(value, list | tuple) else value
