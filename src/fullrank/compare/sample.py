"""How many items a comparison measures: as many as the budget allows, the same for every variant.

Pure arithmetic; the standard library alone. Times are in s.
"""

from collections.abc import Mapping, Sequence
from math import ceil, nan, sqrt
from statistics import median, quantiles

from fullrank.compare.records import Variant
from fullrank.compare.statistics import default_rounds, fewest_rounds
from fullrank.compare.variants import counted_ways
from fullrank.dataclass import dataclass, field
from fullrank.durations import rounded_up
from fullrank.errors import UsageError
from fullrank.metrics import spelled_seconds
from fullrank.schedule import Order

N_SPREADS = 20
"""No measurement is shorter than so many times the spread of start and end: a command without its makespan."""
_ROOM = 2.0
"""Of the budget that is suggested, over what would have done: the next time the machine may be busier, and who was
refused once is not to be refused again."""
N_SIGMAS = 2
"""Room that is left for a sample that takes longer than the pilot's items let expect."""

BUSY_CORES = 0.25
"""Other programs that keep more busy are worth a word."""
SHORTEST_ITEM_SECONDS = 1e-8
"""No call of Python is shorter; a clock may say 0."""


@dataclass(frozen=True)
class Pilot:
    """What was timed before the first round."""

    item_mean_seconds: float
    item_sd_seconds: float
    """Of the items that were timed one by one, in a serial run."""
    n_timed: int
    start_end_seconds: Mapping[Variant, tuple[float, ...]]
    """Wall times of runs of one item without their makespan, of each variant that will be measured."""
    item_seconds: Mapping[Variant, float] = field(default_factory=dict)
    """Makespan / items where a variant has been tried on several; the others are taken to gain nothing."""
    others_cores: float = nan
    """Cores that other programs kept busy meanwhile; NaN where that is not known."""


@dataclass(frozen=True)
class Sample:
    """What will be measured."""

    n_sampled: int
    n_rounds: int
    predicted_seconds: float
    """Of all rounds; with twice the standard deviation the pilot's items show."""
    notes: tuple[str, ...]


def choose(
    pilot: Pilot,
    *,
    n_items: int,
    budget_seconds: float,
    n_rounds: int | None = None,
    spent_seconds: float = 0.0,
    n_cores: int = 1,
) -> Sample:
    """Return the largest sample whose rounds fit into what is left of the budget.

    Without ``n_rounds`` these are the default for the number of variants, and fewer, as far as a verdict allows, where
    the budget is short. Raises UsageError, which names a budget that would do.
    """
    longest = _longest_needed(pilot, n_items=n_items, n_cores=n_cores)
    wanted = longest.n_items
    needed = min(wanted, n_items)
    n_variants = len(pilot.start_end_seconds)
    most = n_rounds or default_rounds(n_variants)
    fewest = n_rounds or fewest_rounds(n_variants)
    left = budget_seconds - spent_seconds
    fitting = [rounds for rounds in range(most, fewest - 1, -1) if _total(pilot, needed, n_rounds=rounds) <= left]
    if not fitting:
        raise UsageError(
            _too_short(
                pilot,
                needed,
                is_whole=wanted > n_items,
                n_rounds=fewest,
                budget_seconds=budget_seconds,
                spent_seconds=spent_seconds,
            )
        )
    chosen = fitting[0]
    n_sampled = _n_fitting(pilot, range(needed, n_items + 1), n_rounds=chosen, seconds=left)
    notes = [_all_too_short(pilot, longest, n_items)] if wanted > n_items else []
    if chosen < most:
        notes.append(f"The budget has room for {chosen} rounds; with {most} one disturbed round would do no harm.")
    return Sample(n_sampled, chosen, _total(pilot, n_sampled, n_rounds=chosen), tuple(notes))


def sampled_indices(n_items: int, n_sampled: int) -> list[int]:
    """Return the items of the sample: the first in the study's ``spread`` order, which are a fair choice of it.

    >>> sampled_indices(10, 4)
    [0, 7, 4, 1]
    """
    return Order.named("spread", n_items).indices(range(n_sampled))


def spread(seconds: Sequence[float]) -> float:
    """Return how far times lie apart, in s: the middle half of four or more, else all of them.

    >>> spread([1.0, 1.1, 1.2, 1.3, 9.0]), spread([1.0]), spread([])
    (0.19999999999999996, 0.0, 0.0)
    """
    if len(seconds) < 4:
        return max(seconds, default=0.0) - min(seconds, default=0.0)
    low, _, high = quantiles(seconds, method="inclusive")
    return high - low


def too_short(budget_seconds: float, what: str, *, needed_seconds: float, others_cores: float = nan) -> str:
    """Refuse a budget: ``what`` takes longer than it, and about ``needed_seconds`` would do.

    What was timed beside other programs may take less time on a quiet machine, and that is said.
    """
    beside = ""
    if others_cores > BUSY_CORES:  # NaN is not
        beside = (
            f" This was estimated while other programs kept {others_cores:.1f} cores busy: a quiet machine needs less"
        )
    return (
        f"--budget {spelled_seconds(budget_seconds)} is too short: {what}. "
        f"Try at least --budget {rounded_up(needed_seconds)}, fewer ways (--backends, -n) or fewer rounds (--rounds)"
        f"{'.' if beside else ''}{beside}"
    )


@dataclass(frozen=True)
class _Needed:
    """The variant that takes the largest sample to rise above the spread of its start and end."""

    variant: Variant
    item_seconds: float
    """What an item adds to its makespan, at best."""
    spread_seconds: float
    start_end_seconds: float

    @property
    def n_items(self) -> int:
        """Items that this takes."""
        return max(1, ceil(N_SPREADS * self.spread_seconds / self.item_seconds - 1e-9))


def _longest_needed(pilot: Pilot, *, n_items: int, n_cores: int) -> _Needed:
    """Return what rises above the spread of start and end in every variant, however well it shares the items out."""
    found = [
        _Needed(
            variant,
            _least_item_seconds(pilot, variant, n_items=n_items, n_cores=n_cores),
            spread(seconds),
            median(seconds),
        )
        for variant, seconds in pilot.start_end_seconds.items()
    ]
    return max(found, key=lambda needed: needed.n_items)


def _least_item_seconds(pilot: Pilot, variant: Variant, *, n_items: int, n_cores: int) -> float:
    """Return what an item adds to the makespan of a variant at the least.

    Workers that compute share the cores; those whose items wait may be more, and what was tried out tells. Few items
    leave some of them idle at the end, which more would not. No item is shared.
    """
    n_useful = min(variant.n_workers, n_items)
    shared = pilot.item_mean_seconds / min(n_useful, max(n_cores, 1))
    if variant in pilot.item_seconds:
        n_each = pilot.n_timed / n_useful
        shared = min(shared, pilot.item_seconds[variant] * n_each / ceil(n_each))
    return max(shared, SHORTEST_ITEM_SECONDS)


def _total(pilot: Pilot, n_sampled: int, *, n_rounds: int) -> float:
    """Return what all rounds take at most, as far as the pilot's items tell."""
    mean_error = pilot.item_sd_seconds / sqrt(max(pilot.n_timed, 1))
    sample_error = pilot.item_sd_seconds / sqrt(n_sampled)
    slowness = 1 + N_SIGMAS * sqrt(mean_error**2 + sample_error**2) / max(
        pilot.item_mean_seconds, SHORTEST_ITEM_SECONDS
    )
    starts_and_ends = sum(median(seconds) for seconds in pilot.start_end_seconds.values())
    per_item = sum(pilot.item_seconds.get(variant, pilot.item_mean_seconds) for variant in pilot.start_end_seconds)
    return n_rounds * (starts_and_ends + n_sampled * per_item * slowness)


def _n_fitting(pilot: Pilot, sizes: range, *, n_rounds: int, seconds: float) -> int:
    """Return the largest of ``sizes`` that fits; the first one does. The total grows with the size: halve."""
    low, high = sizes.start, sizes.stop
    while high - low > 1:
        middle = (low + high) // 2
        if _total(pilot, middle, n_rounds=n_rounds) <= seconds:
            low = middle
        else:
            high = middle
    return low


def _all_too_short(pilot: Pilot, longest: _Needed, n_items: int) -> str:
    makespan_seconds, variant = n_items * longest.item_seconds, longest.variant
    takes = f"The whole study takes {spelled_seconds(n_items * pilot.item_mean_seconds)} inside items only"
    if variant.n_workers > 1 and n_items > 1:
        takes += f", a makespan of {spelled_seconds(makespan_seconds)} with {variant}"
    mostly = ": its times are mostly start and end" if longest.start_end_seconds > makespan_seconds else ""
    return (
        f"{takes}, which is less than {N_SPREADS} × the spread of {variant}'s start and end, "
        f"{N_SPREADS} × {spelled_seconds(longest.spread_seconds)}{mostly}."
    )


def _too_short(
    pilot: Pilot, n_needed: int, *, is_whole: bool, n_rounds: int, budget_seconds: float, spent_seconds: float
) -> str:
    needed_seconds = spent_seconds + _total(pilot, n_needed, n_rounds=n_rounds)
    items = "1 item" if n_needed == 1 else f"{n_needed:,} items"
    if is_whole and n_needed > 1:
        items = f"all {items}, which even so take less than {N_SPREADS} × the spread of start and end,"
    elif n_needed > 1:
        items += f", which it takes to rise {N_SPREADS} × above the spread of start and end,"
    what = (
        f"trying out and {n_rounds} round{'s' * (n_rounds != 1)} of {counted_ways(len(pilot.start_end_seconds))} with "
        f"{items} take about {spelled_seconds(needed_seconds)} at most"
    )
    return too_short(budget_seconds, what, needed_seconds=_ROOM * needed_seconds, others_cores=pilot.others_cores)
