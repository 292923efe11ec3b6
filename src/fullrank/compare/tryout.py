"""Before the first round: what can run here, how long its start and end take, and how long items take."""

import time
from collections.abc import Callable, Sequence
from math import ceil, nan
from statistics import fmean, stdev

from fullrank.compare.agreement import Agreement
from fullrank.compare.measure import Bench, RunFailed, Taken, run_variant
from fullrank.compare.records import Variant
from fullrank.compare.rounds import order_of_round
from fullrank.compare.sample import Pilot, too_short
from fullrank.compare.statistics import fewest_rounds
from fullrank.compare.variants import BASELINE, counted_ways
from fullrank.dataclass import dataclass, field
from fullrank.errors import UsageError
from fullrank.metrics import spelled_seconds

MOST_STARTS, FEWEST_STARTS = 5, 2
"""Runs of one item, of each variant: five tell the spread of start and end without the worst of them."""
STARTS_SHARE = 0.1
"""Of the budget, which these may take before there are fewer of them."""
TRIED_SECONDS = 1.0
"""Items that take so long together tell what items take; a fiftieth of the budget where that is shorter."""
_BUDGETS_PER_TRIED = 50
_LEAST_SHARE, _LIKELY_SHARE = 0.5, 2.0
"""Of the CPU time after which this command, which loads what each run loads, knows its study: no run takes less than
the first, even if this one had to compile its modules; most take about the second."""
_ROOM = 3.0
"""Of the budget that is suggested, over what rounds of one item took: a sample may need more of them, and the machine
may be busier."""
_MOST_GROWTH = 1000
"""Of the number of items from one serial run to the next: the first item says little."""


@dataclass
class Tryout:
    """What came of it."""

    start_end_seconds: dict[Variant, list[float]]
    """Of the variants that can run, the baseline first: wall times of runs of one item, less that item."""
    not_possible: dict[Variant, str]
    item_seconds: dict[Variant, float] = field(default_factory=dict)
    """Makespan / items."""
    timed: tuple[float, ...] = ()
    """Seconds of single items, in a serial run."""
    facts: dict[str, str | int | float] = field(default_factory=dict)
    """What ran where, as the runs told it."""
    others_cores: float = nan
    """Cores that other programs kept busy beside the first run."""

    def pilot(self) -> Pilot:
        """Return what decides on the size of the sample."""
        return Pilot(
            item_mean_seconds=fmean(self.timed),
            item_sd_seconds=stdev(self.timed) if len(self.timed) > 1 else 0.0,
            n_timed=len(self.timed),
            start_end_seconds={variant: tuple(seconds) for variant, seconds in self.start_end_seconds.items()},
            item_seconds=self.item_seconds,
            others_cores=self.others_cores,
        )


def try_out(
    bench: Bench,
    variants: Sequence[Variant],
    *,
    n_items: int,
    budget_seconds: float,
    n_rounds: int | None,
    seed: int,
    say: Callable[[str], None],
) -> Tryout:
    """Run each variant on few items.

    Raises what the baseline's run fails with, UsageError if the budget does not last for one item, ResultsDiffer if
    the variants' results do.
    """
    # its own start reads Python and its modules from the disk, and does not count
    first = run_variant(bench, BASELINE, 1)
    budget = _Budget(
        budget_seconds,
        n_variants=len(variants),
        n_rounds=n_rounds or fewest_rounds(len(variants)),
        others_cores=first.others_cores,
    )
    budget.check(len(variants) * first.work.makespan_seconds)
    tried = Tryout({variant: [] for variant in variants}, {}, others_cores=first.others_cores)
    n_starts = budget.n_starts(len(variants) * first.wall_seconds)
    say(f"trying out {counted_ways(len(variants))} with 1 item, {n_starts} times each")
    for number in range(n_starts):
        begun = time.monotonic()
        for place in order_of_round(len(variants), number, seed=seed):
            _start(bench, variants[place], tried)
        budget.check(time.monotonic() - begun)
    _time_items(bench, tried, n_items=n_items, seconds=min(TRIED_SECONDS, budget_seconds / _BUDGETS_PER_TRIED))
    return tried


def refuse_hopeless(budget_seconds: float, *, n_variants: int, n_rounds: int | None, own_cpu_seconds: float) -> None:
    """Raise UsageError for a budget in which the runs could not even start, before any of them does.

    ``own_cpu_seconds`` is what this command has taken so far.
    """
    budget = _Budget(budget_seconds, n_variants=n_variants, n_rounds=n_rounds or fewest_rounds(n_variants))
    round_seconds = n_variants * own_cpu_seconds
    budget.check(_LEAST_SHARE * round_seconds, likely_seconds=_LIKELY_SHARE * round_seconds)


@dataclass(frozen=True)
class _Budget:
    """How long all may take, and the rounds of one item, the shortest there are, that have to fit into it."""

    seconds: float
    n_variants: int
    n_rounds: int
    others_cores: float = nan
    """Cores that other programs kept busy beside the first run."""

    def n_starts(self, round_seconds: float) -> int:
        """Return how often start and end are measured, where each variant's once takes ``round_seconds`` together.

        >>> [_Budget(300.0, 4, 7).n_starts(seconds) for seconds in (1.0, 10.0, 100.0)]
        [5, 3, 2]
        """
        return min(MOST_STARTS, max(FEWEST_STARTS, int(STARTS_SHARE * self.seconds / round_seconds)))

    def check(self, round_seconds: float, *, likely_seconds: float | None = None) -> None:
        """Raise UsageError if these and the rounds take longer, although of one item each.

        ``likely_seconds`` are what a round may take, where ``round_seconds`` are a bound that no round reaches.
        """
        n_runs = FEWEST_STARTS + self.n_rounds
        if n_runs * round_seconds > self.seconds:
            what = (
                f"trying out and {self.n_rounds} round{'s' * (self.n_rounds != 1)} of "
                f"{counted_ways(self.n_variants)} with 1 item take at least about "
                f"{spelled_seconds(n_runs * round_seconds)}"
            )
            raise UsageError(
                too_short(
                    self.seconds,
                    what,
                    needed_seconds=_ROOM * n_runs * (likely_seconds or round_seconds),
                    others_cores=self.others_cores,
                )
            )


def _start(bench: Bench, variant: Variant, tried: Tryout) -> None:
    """Run one item."""
    if variant in tried.not_possible:
        return
    taken = _run(bench, variant, 1, tried)
    if taken is not None:
        tried.start_end_seconds[variant].append(taken.wall_seconds - taken.work.makespan_seconds)
        tried.facts.update({name: fact for name, fact in taken.facts.items() if name not in tried.facts})
        bench.remove(taken)


def _run(bench: Bench, variant: Variant, n_items: int, tried: Tryout) -> Taken | None:
    """Run a variant; one that cannot run is taken out, with the reason."""
    try:
        return run_variant(bench, variant, n_items)
    except RunFailed as error:
        tried.not_possible[variant] = error.reason
        del tried.start_end_seconds[variant]
        return None


def _time_items(bench: Bench, tried: Tryout, *, n_items: int, seconds: float) -> None:
    """Time items in serial runs of more and more of them, then run the other variants on as many."""
    n_tried = 1
    taken = run_variant(bench, BASELINE, n_tried)
    while taken.work.compute_seconds < seconds and n_tried < n_items:
        bench.remove(taken)
        n_tried = _more(n_tried, taken.work.compute_seconds, wanted_seconds=seconds, n_items=n_items)
        taken = run_variant(bench, BASELINE, n_tried)
    tried.timed = taken.item_seconds
    agreement = Agreement(bench)
    for variant in list(tried.start_end_seconds):
        of_variant = taken if variant == BASELINE else _run(bench, variant, n_tried, tried)
        if of_variant is not None:
            tried.item_seconds[variant] = of_variant.work.makespan_seconds / n_tried
            left = agreement.check(variant, of_variant)
            if left is not None:
                tried.not_possible[left.variant] = left.reason
                del tried.start_end_seconds[left.variant], tried.item_seconds[left.variant]


def _more(n_tried: int, compute_seconds: float, *, wanted_seconds: float, n_items: int) -> int:
    """Return how many items to try next, after ``n_tried`` took too short a time.

    >>> _more(1, 0.1, wanted_seconds=1.0, n_items=4000), _more(1, 1e-6, wanted_seconds=1.0, n_items=4000)
    (12, 1000)
    """
    expected = ceil(1.2 * n_tried * wanted_seconds / max(compute_seconds, 1e-9))
    return min(n_items, max(2 * n_tried, min(expected, _MOST_GROWTH * n_tried)))
