"""What to keep in mind when reading a comparison: noise, neighbours, too many workers, small samples."""

from collections.abc import Iterator, Sequence
from statistics import quantiles

from fullrank.compare.reasons import Setting, may_wait
from fullrank.compare.sample import N_SPREADS, spread
from fullrank.compare.statistics import default_rounds
from fullrank.compare.summary import Summary, by_round
from fullrank.metrics import spelled_seconds, spelled_share

WIDE_SPREAD_SHARE = 0.10
"""Of the median: the middle half of the rounds; a quiet machine has some per cent."""
BUSY_SHARE = 0.10
"""Of the usable cores, taken by other programs."""
FEW_ITEMS_PER_WORKER = 4


def cautions(setting: Setting, found: Sequence[Summary]) -> tuple[str, ...]:
    """Return sentences, those on the whole comparison first."""
    kinds = (_partial, _few_rounds, _spread, _neighbours, _crowded, _small_sample, _short)
    return (*(text for kind in kinds for text in kind(setting, found)), *setting.comparison.notes)


def _partial(setting: Setting, found: Sequence[Summary]) -> Iterator[str]:
    if setting.comparison.partial:
        n_whole = min(summary.n_rounds for summary in found)
        yield (
            f"The comparison was stopped: {n_whole} of {setting.comparison.n_rounds_asked} rounds are whole, "
            "and the figures are of what was measured."
        )


def _few_rounds(setting: Setting, found: Sequence[Summary]) -> Iterator[str]:
    bearing = default_rounds(len(found))
    if min(summary.n_rounds for summary in found) < bearing and any(summary.speedup.interval for summary in found[1:]):
        yield (
            f"With fewer than {bearing} rounds of {len(found)} ways one disturbed round hides a difference: "
            "what is not shown here may still be there."
        )


def _spread(setting: Setting, found: Sequence[Summary]) -> Iterator[str]:
    rounds = by_round(setting.comparison, lambda measurement: measurement.makespan_seconds)
    shares = {}
    for summary, makespans in zip(found, rounds, strict=True):
        if len(makespans) >= 4:
            low, _, high = quantiles(makespans.values(), method="inclusive")
            shares[summary.variant] = (high - low) / summary.makespan_seconds
    variant, share = max(shares.items(), key=lambda item: item[1], default=(None, 0.0))
    if share > WIDE_SPREAD_SHARE:
        yield (
            f"The machine was not quiet: the middle half of {variant}'s rounds spans {spelled_share(share)} "
            "of its median."
        )


def _neighbours(setting: Setting, found: Sequence[Summary]) -> Iterator[str]:
    others = max((kept for summary in found if (kept := setting.others_cores(summary)) > 0), default=0.0)
    n_cores = setting.n_cores(setting.baseline.variant)
    if others > BUSY_SHARE * (n_cores or 1):
        of = f" of {n_cores}" if n_cores else ""
        yield f"Other programs kept {others:.1f}{of} cores busy meanwhile: gains come out smaller than they are."


def _crowded(setting: Setting, found: Sequence[Summary]) -> Iterator[str]:
    if may_wait(setting.baseline):
        return
    for kind, meaning in (("usable", "they take turns (oversubscribed)"), ("physical", "hyper-threads are not cores")):
        crowded = [
            str(summary.variant)
            for summary in found
            if (n_cores := setting.n_cores(summary.variant, kind=kind)) and summary.variant.n_workers > n_cores
        ]
        if crowded:
            yield f"More workers than {kind} cores: {', '.join(crowded)}; {meaning}."
            return


def _small_sample(setting: Setting, found: Sequence[Summary]) -> Iterator[str]:
    comparison = setting.comparison
    n_workers = max(summary.variant.n_workers for summary in found)
    if comparison.n_sampled < min(FEW_ITEMS_PER_WORKER * n_workers, comparison.n_items):
        yield (
            f"The sample has {comparison.n_sampled:,} items for up to {n_workers} workers: too few to share out "
            "evenly; a larger --budget takes more."
        )


def _short(setting: Setting, found: Sequence[Summary]) -> Iterator[str]:
    for summary in found:
        start_end_spread = spread(setting.comparison.trial_start_end_seconds.get(summary.variant, ()))
        if summary.makespan_seconds < N_SPREADS * start_end_spread:
            yield (
                f"The makespan of {summary.variant} is {spelled_seconds(summary.makespan_seconds)} only, while its "
                f"start and end vary by {spelled_seconds(start_end_spread)}: whole-command times say little here."
            )
            return
