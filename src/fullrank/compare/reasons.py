"""Why a way of running gains less than its workers could: told from the figures, the likeliest cause first."""

from math import isnan

from fullrank.compare.break_even import BreakEven, break_even
from fullrank.compare.prediction import ONE_CORE_BUSY
from fullrank.compare.records import Comparison, Variant
from fullrank.compare.summary import Summary
from fullrank.compare.variants import n_cores
from fullrank.dataclass import dataclass
from fullrank.metrics import spelled_seconds, spelled_share
from fullrank.report.layout import counted

WAITING_CORES_BUSY = 0.5
"""A serial run below this waits (for a disk, a network, a clock) more than it computes."""
LOW_BALANCE = 0.85
HIGH_OVERHEAD_SHARE = 0.15
SLOWER_BESIDE_OTHERS = 1.15
BUSY_NEIGHBOURS_CORES = 0.25
IDLE_CORES = 0.3
"""Where fewer were left idle beside other programs, workers could not have had more cores than they had."""


@dataclass(frozen=True)
class Setting:
    """What the judgement of every variant looks at."""

    comparison: Comparison
    baseline: Summary

    @property
    def gil(self) -> str:
        """``enabled``, ``disabled`` or ``enabled by NAME``."""
        return str(self.comparison.machine.get("gil", "enabled"))

    def n_cores(self, variant: Variant, *, kind: str = "usable") -> int | None:
        """Return how many ``usable`` or ``physical`` cores there are for ``variant``, None if that is not known."""
        return n_cores(self.comparison.machine, variant, kind=kind)

    def others_cores(self, summary: Summary) -> float:
        """Return how many of the usable cores other programs kept busy, at the least; NaN where that is not known.

        They are seen on the whole machine, and those that this process may not use have room for some of them.
        """
        n_all, n_usable = self.comparison.machine.get("all_cores"), self.n_cores(summary.variant)
        if not isinstance(n_all, int | float) or n_usable is None:
            return summary.others_cores
        return summary.others_cores - max(0.0, min(summary.others_cores, n_all - n_usable))


def may_wait(baseline: Summary) -> bool:
    """Return whether the items may wait more than they compute; beside busy programs they may compute slowly, too."""
    return baseline.cores_busy < WAITING_CORES_BUSY


def waits(setting: Setting) -> bool:
    """Return whether the items are known to wait more than they compute."""
    return may_wait(setting.baseline) and not is_crowded_out(setting.baseline, setting)


def is_crowded_out(summary: Summary, setting: Setting) -> bool:
    """Return whether other programs took so much that these workers could not have kept more cores busy.

    Then few cores busy say nothing of a GIL or of items that wait. False where the others' share is not known.
    """
    n_cores, others = setting.n_cores(summary.variant), setting.others_cores(summary)
    if n_cores is None or not BUSY_NEIGHBOURS_CORES < others <= n_cores + IDLE_CORES:  # NaN is not
        return False
    return summary.cores_busy + others > n_cores - IDLE_CORES


def crowded_out(summary: Summary, setting: Setting, *, unjudged: str) -> str:
    """Say that other programs are why something cannot be judged; empty if they took little."""
    if not is_crowded_out(summary, setting):
        return ""
    return f"{_others_kept(summary, setting)}, so {unjudged} cannot be judged"


def wait_unjudged(setting: Setting) -> str:
    """Say why it is not known whether the items wait; empty if it is."""
    if not may_wait(setting.baseline):
        return ""
    return crowded_out(setting.baseline, setting, unjudged="whether the items wait or compute")


def gil_unjudged(summary: Summary, setting: Setting) -> str:
    """Say why it is not known whether the GIL holds threads up; empty if it is, or if there are none.

    Threads that are shown to be faster may be so by releasing it, or by getting more of a crowded machine than one.
    """
    if summary.variant.backend != "threads" or setting.gil == "disabled" or waits(setting):
        return ""
    if not summary.cores_busy < ONE_CORE_BUSY:  # two computed at once
        return ""
    is_faster = summary.speedup.least > 1
    unjudged = "whether threads gain on a quiet machine too" if is_faster else "whether the GIL holds threads up"
    return crowded_out(summary, setting, unjudged=unjudged)


def why_short(summary: Summary, setting: Setting) -> str:
    """Return the likeliest reason for a speedup below the number of workers; empty if the figures show none."""
    if summary.variant.n_workers == 1:
        return _start_end(summary, setting)
    return next((text for cause in _CAUSES if (text := cause(summary, setting))), "")


def break_even_of(summary: Summary, setting: Setting) -> BreakEven | None:
    """Return where this way starts to pay; None if its start and end take no longer, or nothing is ever gained."""
    n_items = setting.comparison.n_items
    n_cores = None if may_wait(setting.baseline) else setting.n_cores(summary.variant)
    return break_even(summary, setting.baseline, n_items=n_items, n_cores=n_cores)


def has_too_few_items(summary: Summary, setting: Setting) -> bool:
    """Return whether the study's items cannot make up for this way's start and end."""
    at = break_even_of(summary, setting)
    return at is not None and at.n_items > setting.comparison.n_items


def held_by_gil(summary: Summary, setting: Setting) -> str:
    """Return how the GIL holds threads up; empty if it does not."""
    if summary.variant.backend != "threads" or setting.gil == "disabled" or waits(setting):
        return ""
    if is_crowded_out(summary, setting):
        return ""
    if summary.cores_busy < ONE_CORE_BUSY:
        who = setting.gil.partition("enabled by ")[2]
        one_at_a_time = "one thread computes at a time" if who else "the GIL lets one thread compute at a time"
        return f"{who} has switched the GIL back on: {one_at_a_time}" if who else one_at_a_time
    if summary.cores_busy < 0.8 * summary.variant.n_workers and not _oversubscribed(summary, setting):
        return "the function releases the GIL for a part of its time only"
    return ""


def _start_end(summary: Summary, setting: Setting) -> str:
    found = break_even_of(summary, setting)
    if found is None or not has_too_few_items(summary, setting):
        return ""
    longer = f"its start and end take {spelled_seconds(found.more_seconds)} longer than {setting.baseline.variant}'s"
    return f"{longer}, more than {counted(setting.comparison.n_items, 'such item')} can make up for"


def _long_item(summary: Summary, setting: Setting) -> str:
    longest, n_workers = summary.longest_item_seconds, summary.variant.n_workers
    if not longest > 0.9 * summary.makespan_seconds:
        return ""
    told = f"one item takes {spelled_seconds(longest)}"
    study_seconds = setting.baseline.item_seconds * setting.comparison.n_items
    if longest > 0.9 * study_seconds / n_workers:
        return f"{told}, and no number of workers is faster than the longest item"
    return f"{told}, which bounds the sample but not the whole study"


def _oversubscribed(summary: Summary, setting: Setting) -> str:
    n_workers, n_cores = summary.variant.n_workers, setting.n_cores(summary.variant)
    if n_cores is None or n_workers <= n_cores or may_wait(setting.baseline):
        return ""
    return f"{n_workers} workers take turns on {_cores(n_cores, 'usable')} (oversubscribed)"


def _hyper_threads(summary: Summary, setting: Setting) -> str:
    n_workers, n_cores = summary.variant.n_workers, setting.n_cores(summary.variant, kind="physical")
    if n_cores is None or n_workers <= n_cores or may_wait(setting.baseline):
        return ""
    return f"{n_workers} workers share {_cores(n_cores, 'physical')}: hyper-threads are not cores"


def _imbalance(summary: Summary, _setting: Setting) -> str:
    if not summary.load_balance < LOW_BALANCE:
        return ""
    return f"the workers do not end together (load balance {summary.load_balance:.2f})"


def _overhead(summary: Summary, _setting: Setting) -> str:
    if not summary.overhead_share > HIGH_OVERHEAD_SHARE:
        return ""
    return (
        f"items of {spelled_seconds(summary.item_seconds)} are short: {spelled_share(summary.overhead_share)} "
        f"of the makespan is spent between items"
    )


def _slower(summary: Summary, setting: Setting) -> str:
    factor = summary.item_seconds / setting.baseline.item_seconds if setting.baseline.item_seconds else 1.0
    if isnan(factor) or factor < SLOWER_BESIDE_OTHERS:
        return ""
    return f"an item takes {factor:.1f}× as long beside others (caches, memory, clock rate, or a busy machine)"


def _no_room(summary: Summary, setting: Setting) -> str:
    if not is_crowded_out(summary, setting):
        return ""
    return f"{_others_kept(summary, setting)}, which these workers could not have"


def _neighbours(summary: Summary, setting: Setting) -> str:
    return _others_kept(summary, setting) if setting.others_cores(summary) > BUSY_NEIGHBOURS_CORES else ""


def _others_kept(summary: Summary, setting: Setting) -> str:
    n_cores = setting.n_cores(summary.variant)
    return f"other programs kept {setting.others_cores(summary):.1f}{f' of {n_cores}' if n_cores else ''} cores busy"


def _cores(n_cores: int, kind: str) -> str:
    return f"{n_cores} {kind} core" if n_cores == 1 else f"{n_cores} {kind} cores"


_CAUSES = (
    held_by_gil,
    gil_unjudged,
    _start_end,
    _long_item,
    _oversubscribed,
    _hyper_threads,
    _no_room,
    _imbalance,
    _overhead,
    _slower,
    _neighbours,
)
"""The more specific first: crowded cores, for one, also make items slower."""
