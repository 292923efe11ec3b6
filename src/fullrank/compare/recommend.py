"""One recommendation: the simplest way that is not separably slower than the best."""

import shlex
from collections.abc import Sequence

from fullrank.backends import BACKENDS
from fullrank.compare import DEFAULT_BUDGET
from fullrank.compare.break_even import BreakEven, about, never_pays, told
from fullrank.compare.reasons import (
    Setting,
    break_even_of,
    has_too_few_items,
    held_by_gil,
    is_crowded_out,
    why_short,
)
from fullrank.compare.records import Comparison, Variant
from fullrank.compare.statistics import Estimate, default_rounds, estimate, fewest_rounds, n_among_others, rounds_for
from fullrank.compare.summary import Summary, ratios, study_seconds
from fullrank.dataclass import dataclass
from fullrank.durations import duration_seconds, rounded_up
from fullrank.metrics import spelled_seconds
from fullrank.repeat import set_options

MUCH_FASTER = 1.1
"""A median gain that is told although the rounds do not show it."""


@dataclass(frozen=True)
class Recommendation:
    """What to do."""

    variant: Variant | None
    """None: there is no verdict to build on, or nothing to choose from."""
    command: str
    """Of the run; without a verdict, of the comparison that would have one."""
    reasons: tuple[str, ...]
    """In sentences."""
    break_even: BreakEven | None
    """Of the recommended way, or of the one that could pay first."""
    separably_slower: tuple[Variant, ...]
    """Ways that pay but were shown to take longer than the best."""
    heading: str = "Recommended"


def recommend(
    setting: Setting,
    found: Sequence[Summary],
    *,
    paying: Sequence[Variant],
    unresolved: Sequence[Variant] = (),
    is_open: bool,
) -> Recommendation:
    """Return the recommendation.

    ``paying`` are those that do, ``unresolved`` those whose rounds differ too much; ``is_open`` says if some had too
    few rounds.
    """
    if paying:
        return _among_paying(setting, [summary for summary in found if summary.variant in paying])
    if is_open:
        return _no_verdict(setting, found)
    if len(found) == 1:
        return _alone(setting)
    return _baseline(setting, found, unresolved)


def command_line(variant: Variant, config_path: str, settings: Sequence[str] = ()) -> str:
    """Return the command that runs the study this way, with its ``--set KEY=VALUE``.

    >>> command_line(Variant("processes", 4), "my study.toml", ["run.order=index"])
    "fullrank run 'my study.toml' --set run.order=index -b processes -n 4"
    """
    workers = [] if variant.backend == "serial" else ["-n", str(variant.n_workers)]
    return shlex.join(["fullrank", "run", config_path, *set_options(settings), "-b", variant.backend, *workers])


def _command_of(variant: Variant, comparison: Comparison) -> str:
    return command_line(variant, comparison.config_path, comparison.settings)


def simplicity(variant: Variant) -> tuple[int, int]:
    """Return a key that sorts simple ways first, and fewer workers before more."""
    known = variant.backend in BACKENDS
    return BACKENDS.index(variant.backend) if known else len(BACKENDS), variant.n_workers


def _among_paying(setting: Setting, paying: Sequence[Summary]) -> Recommendation:
    best = min(paying, key=lambda summary: summary.study_seconds)
    times = {summary.variant: _time_against(best, summary, setting) for summary in paying if summary is not best}
    slower = tuple(variant for variant, against in times.items() if against.least > 1)
    untold = any(against.interval is None for against in times.values())
    chosen = min((s for s in paying if s.variant not in slower), key=lambda summary: simplicity(summary.variant))
    reasons = [_why(chosen, best, paying, untold=untold, n_variants=len(setting.comparison.variants))]
    if chosen is not best and times[chosen.variant].median > MUCH_FASTER:
        factor = times[chosen.variant].median
        reasons.append(f"{best.variant} may be {factor:.2f}× faster; more rounds would tell.")
    reasons.append(_whole_study(chosen, setting))
    at = break_even_of(chosen, setting)
    if at is not None and at.n_items > 1:
        reasons.append(_below(at, setting))
    command = _command_of(chosen.variant, setting.comparison)
    return Recommendation(chosen.variant, command, tuple(reasons), at, slower)


def _time_against(best: Summary, summary: Summary, setting: Setting) -> Estimate:
    """Return the study's time this way / that of the best way, of each round."""
    variants, times = setting.comparison.variants, study_seconds(setting.comparison, with_wait=False)
    against_best = ratios(times[variants.index(summary.variant)], times[variants.index(best.variant)])
    return estimate(against_best, n_comparisons=n_among_others(len(variants)))


def _why(chosen: Summary, best: Summary, paying: Sequence[Summary], *, untold: bool, n_variants: int) -> str:
    if len(paying) == 1:
        return "It is the only way that is shown to be worth it."
    if untold:
        return (
            f"It is the simplest that pays; to tell apart what pays among {n_variants} ways takes "
            f"{rounds_for(n_among_others(n_variants))} rounds."
        )
    if chosen is not best:
        return f"It is the simplest way that is not separably slower than the fastest, {best.variant}."
    simpler = [other for other in paying if simplicity(other.variant) < simplicity(chosen.variant)]
    return "It is separably the fastest." if simpler else "It has the shortest time, and no way that pays is simpler."


def _whole_study(chosen: Summary, setting: Setting) -> str:
    baseline = setting.baseline
    return (
        f"The whole study takes about {spelled_seconds(chosen.study_seconds)} this way, "
        f"{spelled_seconds(baseline.study_seconds)} with {baseline.variant}."
    )


def _below(at: BreakEven, setting: Setting) -> str:
    more = f"it takes {spelled_seconds(at.more_seconds)} more than {setting.baseline.variant} to start and to end"
    return (
        f"Below {about(at.n_items)} such items it would not pay: {more}, and saves {spelled_seconds(at.saved_seconds)} "
        f"of an item's {spelled_seconds(setting.baseline.growth_seconds)}."
    )


def _no_verdict(setting: Setting, found: Sequence[Summary]) -> Recommendation:
    comparison = setting.comparison
    n_variants = len(comparison.variants)
    command = f"{_same_comparison(comparison)} --rounds {default_rounds(n_variants)}"
    reason = (
        f"A verdict on {n_variants} ways takes at least {fewest_rounds(n_variants)} rounds; among "
        f"{default_rounds(n_variants)} one disturbed round does no harm."
    )
    at = _first_break_even(setting, found)
    below = _told(at, setting, found) if at is not None else []
    return Recommendation(None, command, (reason, *below), at, (), "No recommendation yet")


def _same_comparison(comparison: Comparison) -> str:
    """Return the command of a comparison of the same ways; the records tell all options but those of its output."""
    words = ["fullrank", "compare", shlex.quote(comparison.config_path)]
    words += map(shlex.quote, set_options(comparison.settings))
    others = comparison.variants[1:]
    words += ["--backends", shlex.quote(",".join(dict.fromkeys(variant.backend for variant in others)))]
    counts: dict[str, set[int]] = {}
    for variant in (*others, *comparison.not_possible):
        counts.setdefault(variant.backend, set()).add(variant.n_workers)
    asked, *different = {tuple(sorted(of_backend)) for of_backend in counts.values()}
    if not different:  # else they were the usual ones of each backend
        words += ["-n", ",".join(map(str, asked))]
    budget_seconds = comparison.machine.get("budget_seconds")
    if isinstance(budget_seconds, int | float) and budget_seconds > duration_seconds(DEFAULT_BUDGET):
        words += ["--budget", rounded_up(budget_seconds)]
    return " ".join(words)


def _alone(setting: Setting) -> Recommendation:
    comparison, variant = setting.comparison, setting.baseline.variant
    heading = "No recommendation: nothing was compared"
    reason = f"{variant} alone was asked for; --backends names other ways."
    if comparison.not_possible:
        heading = "No recommendation: no other way could run here"
        reason = f"The table says why, and this is the command for {variant}: it says nothing of how fast others are."
    return Recommendation(None, _command_of(variant, comparison), (reason,), None, (), heading)


def _baseline(setting: Setting, found: Sequence[Summary], unresolved: Sequence[Variant]) -> Recommendation:
    baseline = setting.baseline
    at = _first_break_even(setting, found)
    reasons = ["No other way is shown to end the whole study 10 % sooner.", *_why_nothing_pays(setting, found, at)]
    short = [summary.variant for summary in _sharing(setting, found) if has_too_few_items(summary, setting)]
    if unknown := [variant for variant in unresolved if variant not in short]:
        ways = ", ".join(map(str, unknown))
        reasons.append(
            f"Not resolved is not slow: whether {ways} would pay is unknown. To know it, repeat the comparison on a "
            "quiet machine, or with more rounds and a larger budget (--rounds, --budget)."
        )
    command = _command_of(baseline.variant, setting.comparison)
    return Recommendation(baseline.variant, command, tuple(reasons), at, ())


def _first_break_even(setting: Setting, found: Sequence[Summary]) -> BreakEven | None:
    """Return where the first way could start to pay, of those that may share out what they compute."""
    points = [at for summary in _sharing(setting, found) if (at := break_even_of(summary, setting)) is not None]
    return min(points, key=lambda point: point.n_items, default=None)


def _sharing(setting: Setting, found: Sequence[Summary]) -> list[Summary]:
    """Return the ways that the GIL is not known to hold up."""
    return [summary for summary in found[1:] if not held_by_gil(summary, setting)]


def _told(at: BreakEven, setting: Setting, found: Sequence[Summary]) -> list[str]:
    is_first = not _starting_at_once(setting, found)
    return told(at, setting.baseline, n_items=setting.comparison.n_items, is_first=is_first)


def _starting_at_once(setting: Setting, found: Sequence[Summary]) -> list[Summary]:
    """Return the ways that more items than there are would not help, as they take no longer to start and to end."""
    sharing = _sharing(setting, found)
    return [summary for summary in sharing if not never_pays(summary) and break_even_of(summary, setting) is None]


def _why_nothing_pays(setting: Setting, found: Sequence[Summary], at: BreakEven | None) -> list[str]:
    if setting.n_cores(setting.baseline.variant) == 1:
        return ["There is one usable core: nothing can be shared out."]
    if setting.comparison.n_items == 1:
        return ["The study has one item: nothing can be shared out."]
    below = _told(at, setting, found) if at is not None else []
    if at is not None and at.n_items > setting.comparison.n_items:
        return [*_causes(setting, _starting_at_once(setting, found)), *below]
    return [*_never(setting, found), *_causes(setting, found[1:]), *below]


def _causes(setting: Setting, ways_short: Sequence[Summary]) -> list[str]:
    """Say why each of these ways gains little; what several have in common, once."""
    ways: dict[str, list[str]] = {}
    for summary in ways_short:
        if cause := why_short(summary, setting):
            ways.setdefault(cause, []).append(str(summary.variant))
    return [f"{', '.join(named)}: {cause}." for cause, named in ways.items()]


def _never(setting: Setting, found: Sequence[Summary]) -> list[str]:
    """Say of which ways more items would be no help."""
    slow = [s for s in _sharing(setting, found) if never_pays(s) and not is_crowded_out(s, setting)]
    ways = ", ".join(str(summary.variant) for summary in slow)
    slower = f"{setting.baseline.variant} computes each item sooner, before any start and end is counted"
    return [f"However many items like these there were, {ways} would not pay: {slower}."] if ways else []
