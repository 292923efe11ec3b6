"""From how many items on a way of running could pay: two straight lines, and where they cross.

A command takes T(n) = start and end + n × what one more item adds (Hockney and Jesshope's model of a vector unit, with
its break-even length); docs/method.md.
"""

from math import ceil

from fullrank.compare.records import Variant
from fullrank.compare.summary import Summary
from fullrank.dataclass import dataclass
from fullrank.metrics import spelled_seconds

TELLING_SECONDS = 0.1
"""A makespan of less is told nothing about more items from: a first claim, a late process count for too much in it."""


@dataclass(frozen=True)
class BreakEven:
    """From where on a way whose start and end take longer than the baseline's could be the faster one."""

    variant: Variant
    more_seconds: float
    """What its command takes longer outside the makespan."""
    saved_seconds: float
    """What it saves of each item."""
    n_items: int
    """Items of this kind that make up for it."""
    item_seconds: float
    """Or what an item would have to add to the baseline's makespan, for as many items as the study has."""
    is_bound: bool
    """No gain was measured: with workers that lose nothing it would be this; truly it is more."""


def break_even(summary: Summary, baseline: Summary, *, n_items: int, n_cores: int | None) -> BreakEven | None:
    """Return where this way starts to pay; None if its start and end take no longer, or nothing is ever gained.

    ``n_items`` are the study's, ``n_cores`` those that this way can have, None if that is not known.
    """
    more_seconds = summary.start_end_seconds - baseline.start_end_seconds
    saved_seconds = baseline.growth_seconds - summary.growth_seconds
    is_bound = not _is_measured_gain(summary)
    if never_pays(summary) or not more_seconds > 0:  # NaN is not
        return None
    if is_bound:
        return _bound(summary.variant, more_seconds, baseline.growth_seconds, n_items=n_items, n_cores=n_cores)
    if not saved_seconds > 0:
        return None
    n_needed = ceil(more_seconds / saved_seconds)
    item_seconds = baseline.growth_seconds * n_needed / n_items
    return BreakEven(summary.variant, more_seconds, saved_seconds, n_needed, item_seconds, is_bound=False)


def _is_measured_gain(summary: Summary) -> bool:
    """Return whether the rounds show a gain; where they are too few for any verdict, whether their median is one."""
    return (summary.speedup.least if summary.speedup.interval else summary.speedup.median) > 1


def _bound(
    variant: Variant, more_seconds: float, growth_seconds: float, *, n_items: int, n_cores: int | None
) -> BreakEven | None:
    """Return the same for workers that lose nothing: n items take them as long as n / workers, but no less than one."""
    n_useful = min(variant.n_workers, n_cores or variant.n_workers)
    spared, n_spared = 1 - 1 / n_useful, n_items - max(1.0, n_items / n_useful)
    if not (spared > 0 and n_spared > 0 and growth_seconds > 0):
        return None
    n_ones = more_seconds / growth_seconds
    n_needed = max(ceil(n_ones) + 1, ceil(n_ones / spared))
    return BreakEven(variant, more_seconds, spared * growth_seconds, n_needed, more_seconds / n_spared, is_bound=True)


def never_pays(summary: Summary) -> bool:
    """Return whether more items would only make it worse: they are shown to be computed more slowly this way."""
    return summary.speedup.most < 1 and summary.makespan_seconds >= TELLING_SECONDS


def told(at: BreakEven, baseline: Summary, *, n_items: int, is_first: bool) -> list[str]:
    """Say below how many items this way does not pay, and why; ``is_first`` says that no other pays sooner.

    Nothing, if it is none: any study has one item.
    """
    if at.n_items <= 1:
        return []
    subject = "nothing pays" if is_first else f"{at.variant} does not pay"
    losing_nothing = ", not even with workers that lose nothing" if at.is_bound else ""
    saves = f"{spelled_seconds(at.saved_seconds)}{' at most' if at.is_bound else ''}"
    below = f"elow {about(at.n_items)} items like these {subject}{losing_nothing}"
    why = (
        f"{at.variant} takes {spelled_seconds(at.more_seconds)} more than {baseline.variant} to start and to end, and "
        f"saves {saves} of an item's {spelled_seconds(baseline.growth_seconds)}."
    )
    if at.n_items <= n_items:
        return [f"B{below}: {why}"]
    least = "at least " if at.is_bound else ""
    return [
        f"The items are too short or too few: b{below}. {why}",
        f"With {n_items:,} items, each would have to take {least}{about_seconds(at.item_seconds)} instead of "
        f"{spelled_seconds(baseline.growth_seconds)}.",
    ]


def these(n_items: int) -> str:
    """Spell the study's items where "items" was said before.

    >>> these(2000), these(1)
    ('these 2,000', 'this 1')
    """
    return f"{'this' if n_items == 1 else 'these'} {n_items:,}"


def about(n: int) -> str:
    """Spell an estimated number.

    >>> about(3055), about(7)
    ('about 3,100', 'about 7')
    """
    return f"about {float(f'{n:.2g}'):,.0f}"


def about_seconds(seconds: float) -> str:
    """Spell an estimated time.

    >>> about_seconds(0.000952)
    'about 950 µs'
    """
    return f"about {spelled_seconds(float(f'{seconds:.2g}'))}"
