"""Which way of running pays, judged from a comparison's figures alone.

Every "faster" and "slower" rests on an interval that excludes 1, and in at most one report of twenty any of them is
wrong; see :mod:`fullrank.compare.statistics`. All else that is told explains, and claims no difference.
"""

from collections.abc import Sequence
from enum import StrEnum

from fullrank.compare.break_even import about, these
from fullrank.compare.cautions import cautions
from fullrank.compare.reasons import (
    Setting,
    break_even_of,
    gil_unjudged,
    has_too_few_items,
    held_by_gil,
    wait_unjudged,
    waits,
    why_short,
)
from fullrank.compare.recommend import Recommendation, recommend
from fullrank.compare.records import Comparison, Variant
from fullrank.compare.statistics import fewest_rounds
from fullrank.compare.summary import Summary, summaries
from fullrank.dataclass import dataclass

WORTHWHILE_GAIN = 1.10
"""An interval that does not reach this far shows that there is little to gain, or nothing; a wider one that holds 1
shows nothing at all."""
GOOD_EFFICIENCY = 0.7
"""Below this part of the number of workers a reason is given even where a way pays."""


class Outcome(StrEnum):
    """What is said of a variant."""

    BASELINE = "baseline"
    PAYS = "pays"
    """Computes faster than the baseline, and the whole study would end earlier."""
    PAYS_LITTLE = "pays little"
    """It does, but the gain is shown to be so small that it is not worth another way of running."""
    TAKEN_BACK = "taken back"
    """Computes faster than the baseline, but start and end leave the whole study no gain that is shown."""
    NO_GAIN = "no gain shown"
    """The gain is none or small."""
    SLOWER = "slower"
    NOT_RESOLVED = "not resolved"
    """The interval has both 1 and worthwhile gains in it."""
    TOO_FEW_ROUNDS = "too few rounds"
    NOT_POSSIBLE = "not possible"


@dataclass(frozen=True)
class Verdict:
    """What is said of one variant, and why."""

    variant: Variant
    outcome: Outcome
    reason: str
    """For people; says the outcome too."""
    summary: Summary | None
    """None if it is not possible."""


@dataclass(frozen=True)
class Judgement:
    """The whole verdict on a comparison."""

    verdicts: tuple[Verdict, ...]
    """The baseline first, in the comparison's order; those that are not possible last."""
    recommendation: Recommendation
    cautions: tuple[str, ...]
    """Sentences on what to keep in mind: noise, too many workers, a small sample."""


def judge(comparison: Comparison) -> Judgement:
    """Judge a comparison."""
    found = summaries(comparison)
    setting = Setting(comparison, found[0])
    verdicts = [Verdict(found[0].variant, Outcome.BASELINE, "the baseline", found[0])]
    verdicts += [_verdict(summary, setting) for summary in found[1:]]
    paying = [verdict.variant for verdict in verdicts if verdict.outcome is Outcome.PAYS]
    recommendation = recommend(
        setting,
        found,
        paying=paying,
        unresolved=[v.variant for v in verdicts if v.outcome is Outcome.NOT_RESOLVED],
        is_open=_is_open(verdicts),
    )
    verdicts += [
        Verdict(variant, Outcome.NOT_POSSIBLE, f"not possible: {reason}", None)
        for variant, reason in comparison.not_possible.items()
    ]
    return Judgement(tuple(verdicts), recommendation, cautions(setting, found))


def _is_open(verdicts: Sequence[Verdict]) -> bool:
    """Return whether some variant had too few rounds for any verdict."""
    return any(verdict.outcome is Outcome.TOO_FEW_ROUNDS for verdict in verdicts)


def _verdict(summary: Summary, setting: Setting) -> Verdict:
    outcome = _outcome(summary)
    return Verdict(summary.variant, outcome, _reason(outcome, summary, setting), summary)


def _outcome(summary: Summary) -> Outcome:
    speedup, gain = summary.speedup, summary.study_gain
    if speedup.interval is None:
        return Outcome.TOO_FEW_ROUNDS
    if speedup.most < 1:
        return Outcome.SLOWER
    if speedup.least > 1:
        if gain.least > 1:
            return Outcome.PAYS_LITTLE if gain.most < WORTHWHILE_GAIN else Outcome.PAYS
        return Outcome.TAKEN_BACK if gain.most < WORTHWHILE_GAIN else Outcome.NOT_RESOLVED
    return Outcome.NO_GAIN if speedup.most < WORTHWHILE_GAIN else Outcome.NOT_RESOLVED


def _reason(outcome: Outcome, summary: Summary, setting: Setting) -> str:
    if outcome is Outcome.TOO_FEW_ROUNDS:
        return f"too few rounds: a verdict takes {fewest_rounds(len(setting.comparison.variants))}"
    if outcome in (Outcome.PAYS, Outcome.PAYS_LITTLE):
        return "; ".join([outcome.value, *_remarks(summary, setting)])
    if summary.speedup.least > 1:
        return _taken_back(outcome, summary, setting)
    return "; ".join(part for part in (why_short(summary, setting), _said(outcome, summary, setting)) if part)


def _said(outcome: Outcome, summary: Summary, setting: Setting) -> str:
    if outcome is not Outcome.NOT_RESOLVED:
        return outcome.value
    if has_too_few_items(summary, setting):
        return "whether it computes faster is not resolved"
    return "the rounds differ too much to tell"


def _remarks(summary: Summary, setting: Setting) -> list[str]:
    """Return what is worth knowing of a way that pays."""
    found = []
    variant = summary.variant
    if waits(setting):
        found.append("the items wait more than they compute")
    elif unjudged := wait_unjudged(setting):
        found.append(unjudged)
    elif variant.backend == "threads":
        free = "this Python has no GIL" if setting.gil == "disabled" else "the function releases the GIL"
        found.append(held_by_gil(summary, setting) or gil_unjudged(summary, setting) or free)
    if summary.speedup.median < GOOD_EFFICIENCY * variant.n_workers:
        found.append(why_short(summary, setting))
    if variant.backend == "mpi":
        found.append("the only one that goes beyond this machine")
    return list(dict.fromkeys(remark for remark in found if remark))


def _taken_back(outcome: Outcome, summary: Summary, setting: Setting) -> str:
    """Say what becomes of a way that computes faster while the whole study is not shown to end earlier."""
    if outcome is Outcome.NOT_RESOLVED:
        return "computes faster; whether the whole study ends earlier is not resolved"
    at, n_now = break_even_of(summary, setting), setting.comparison.n_items
    if at is None:
        return "computes faster; no gain shown for the whole study"
    if at.n_items <= n_now:  # by its median; the rounds do not show it
        return "computes faster; start and end take most of it back: no gain shown for the whole study"
    longer = "computes faster, but its start and end take longer"
    return f"{longer}: pays from {about(at.n_items)} items on, not with {these(n_now)}"
