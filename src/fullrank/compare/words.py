"""A comparison in words, and as a mapping for programs."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from math import isfinite, isnan
from typing import Any

from fullrank.compare.records import Comparison
from fullrank.compare.statistics import Estimate
from fullrank.compare.summary import Summary
from fullrank.compare.variants import n_cores
from fullrank.compare.verdict import Judgement, Outcome, Verdict, judge
from fullrank.dataclass import asdict
from fullrank.metrics import spelled_seconds
from fullrank.report.layout import (
    BULLET,
    PROSE_COLUMNS,
    CommandLine,
    counted,
    n_lines,
    printable,
    shortened,
    table,
    tables_within,
    wrapped,
    wrapped_below,
)

MOST_LINES_BESIDE, LEAST_BESIDE = 3, 24
"""If a verdict takes more lines beside its figures, or has fewer columns there, all verdicts stand below them."""
_HEADS = ("command", "makespan", "start+end", "CPU", "balance", "items/s", "whole study")


def text(comparison: Comparison, *, width: int = 100) -> str:
    """Spell the whole report as plain text of at most ``width`` columns; it ends with a line feed.

    Paths and commands stay whole. Texts of the file cannot break lines or steer a terminal.
    """
    parts = ["\n".join(map(printable, section)) for section in sections(comparison, width=width)]
    return "\n\n".join(parts) + "\n"


def sections(comparison: Comparison, *, width: int) -> list[list[str]]:
    """Return the lines of each section of the report that has any."""
    judged = judge(comparison)
    prose = min(width, PROSE_COLUMNS)
    found = (
        _heading(comparison, prose),
        _verdicts(comparison, judged, width),
        _recommended(judged, prose),
        _measured(judged, width),
        _cautions(judged, prose),
        _machine(comparison, prose),
    )
    return [lines for section in found if (lines := list(section))]


def _heading(comparison: Comparison, width: int) -> Iterator[str]:
    yield shortened(comparison.title, width)
    ways = counted(len(comparison.variants), "way")
    sample = f"{comparison.n_sampled:,} of {counted(comparison.n_items, 'item')}"
    if comparison.n_sampled == comparison.n_items:
        sample = f"{'' if comparison.n_items == 1 else 'all '}{counted(comparison.n_items, 'item')}"
    study = shlex.quote(comparison.config_path)
    yield from wrapped(
        "", f"{ways} of running {study}, {_rounds(comparison)}, {sample} each time", width, cuts_words=False
    )


def _rounds(comparison: Comparison) -> str:
    if not comparison.partial:
        return counted(comparison.n_rounds_asked, "round")
    n_measured = Counter(measurement.variant for measurement in comparison.measurements)
    n_whole = min(n_measured[place] for place in range(len(comparison.variants)))
    return f"stopped in round {min(n_whole + 1, comparison.n_rounds_asked)} of {comparison.n_rounds_asked}"


def _verdicts(comparison: Comparison, judged: Judgement, width: int) -> Iterator[str]:
    verdicts = judged.verdicts
    rows = [("way", "speed-up", "cores busy")] + [_verdict_cells(verdict, comparison) for verdict in verdicts]
    texts = ["verdict"] + [verdict.reason for verdict in verdicts]
    # what is not possible has no figures beside it, and so no need to stand in the last column
    lasts = [False] + [verdict.outcome is Outcome.NOT_POSSIBLE for verdict in verdicts]
    lines = list(table(rows, left=(0, 1, 2)))
    room = max(map(len, lines)) + 2
    first = 2 + max(len(row[0]) for row in rows) + 2
    told = list(zip(lines, texts, lasts, strict=True))
    beside = [said for _, said, is_last in told if not is_last]
    are_below = width - room < LEAST_BESIDE or any(n_lines(said, width - room) > MOST_LINES_BESIDE for said in beside)
    for number, (line, said, is_last) in enumerate(told):
        cells, is_head = rows[number], number == 0
        if are_below and not is_last:
            yield from wrapped_below(line, said, width, cells=cells, is_head=is_head)
        else:
            padded = line.ljust(first if is_last else room)
            yield from wrapped(padded, said, width, cells=cells, is_head=is_head, cuts_words=False)
    if any(verdict.summary and verdict.summary.speedup.interval for verdict in verdicts):
        yield ""
        explained = (
            "Speed-up: makespan of the baseline / makespan of this way, median of the rounds; the brackets hold the "
            "true ones with 95 % confidence, all of them together."
        )
        yield from wrapped("  ", explained, min(width, PROSE_COLUMNS))


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
    interval = f" [{_end(found.interval[0])}, {_end(found.interval[1])}]" if found.interval else ""
    return f"{_ratio(found.median)}×{interval}"


def _ratio(value: float) -> str:
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def _end(value: float) -> str:
    """Spell an end of an interval so that what is not 1 is never spelled as 1: it decides.

    >>> _end(0.981), _end(1.0), _end(0.9962), _end(1.0004), _end(63.21)
    ('0.98', '1.00', '0.996', '1.0004', '63.2')
    """
    digits = next((n for n in range(2, 9) if float(f"{value:.{n}f}") != 1), 2)
    return _ratio(value) if digits == 2 else f"{value:.{digits}f}"


def _cores_busy(summary: Summary, comparison: Comparison) -> str:
    if isnan(summary.cores_busy):
        return "unknown"
    n_usable = n_cores(comparison.machine, summary.variant)
    return f"{summary.cores_busy:.1f}" + (f" of {n_usable}" if n_usable else "")


def _recommended(judged: Judgement, width: int) -> Iterator[str]:
    found = judged.recommendation
    yield found.heading
    yield CommandLine(f"  {found.command}")
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
    yield from tables_within([("way", *_HEADS), *rows], width, left=(0,))


def _figures(summary: Summary) -> tuple[str, ...]:
    return (
        str(summary.variant),
        spelled_seconds(summary.wall_seconds),
        spelled_seconds(summary.makespan_seconds),
        spelled_seconds(summary.start_end_seconds),
        spelled_seconds(summary.cpu_seconds),
        "" if isnan(summary.load_balance) else f"{summary.load_balance:.2f}",
        f"{summary.items_per_second:,.0f}" if summary.items_per_second >= 100 else f"{summary.items_per_second:.3g}",
        spelled_seconds(summary.study_seconds),
    )


def _cautions(judged: Judgement, width: int) -> Iterator[str]:
    if judged.cautions:
        yield "Keep in mind"
        for caution in judged.cautions:
            yield from wrapped(BULLET, caution, width)


def _machine(comparison: Comparison, width: int) -> Iterator[str]:
    machine = comparison.machine
    parts = [str(machine.get("host", "")), str(machine.get("processor", ""))]
    if usable := machine.get("usable_cores"):
        cores = "1 usable core" if usable == 1 else f"{usable} usable cores"
        parts.append(cores + (f" ({machine['physical_cores']} physical)" if machine.get("physical_cores") else ""))
    for name, before in (("python", "Python "), ("gil", "GIL "), ("mpi", "")):
        parts.append(f"{before}{machine[name]}" if machine.get(name) else "")
    if any(parts):
        yield from wrapped("Machine  ", ", ".join(part for part in parts if part), width)


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
        way["trial_start_end_seconds"] = list(comparison.trial_start_end_seconds.get(variant, ()))
    return way


def _known(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _known(part) for key, part in value.items()}
    return [_known(part) for part in value] if isinstance(value, list | tuple) else value
