"""What a report says of where the core-seconds went: a table, and a bar for each worker."""

from collections.abc import Iterator, Sequence
from math import isnan

from fullrank.metrics import Account, spelled_seconds, spelled_share
from fullrank.report.facts import Report
from fullrank.report.layout import DrawnLine, counted, table, wrapped

N_BARS = 16
"""With more workers there are three bars: the least busy worker's, the median one's and the busiest one's."""
BAR_COLUMNS = 64

PHASES: dict[str, tuple[str, str, str]] = {
    "startup": ("s", "start-up", "Python, MPI, the study, old journals"),
    "import": ("i", "import", "your module and its setup"),
    "start_wait": ("w", "start wait", "for the slowest worker's import"),
    "prepare": ("p", "preparing", "looking up items, arguments, seeds"),
    "compute": ("█", "items", "inside your function"),
    "encode": ("e", "encoding", "results to bytes, failures to words"),
    "claim": ("c", "claiming", "asking for items, counting them"),
    "journal": ("j", "journal", "writing results down"),
    "idle": ("·", "idle", "at the end, while others computed"),
    "close": ("x", "closing", "syncing journals, ending processes"),
    "gather": ("g", "gather", "root brings all records together"),
    "write": ("h", "HDF5", "root writes the items to the file"),
    "unexplained": ("?", "unexplained", "between all that is measured"),
}
"""Sign in the bars, name and explanation of each phase of an account."""


NOTE = (
    "In the bars p, items, e, c and j, which alternate, stand one after the other. "
    "After the account came the end of the file and its verification."
)


def account_section(found: Report, width: int) -> Iterator[str]:
    """Say where the workers' time went, from the start of their processes on."""
    total_seconds = found.account.total_seconds
    if isnan(total_seconds):
        return
    known = [part for part in found.accounts if not isnan(part.total_seconds)]
    each = f"{counted(len(known), 'worker')} × {spelled_seconds(total_seconds / len(known))}"
    yield from wrapped("", f"Core-seconds: {each} = {_decimals([total_seconds])[0]} s, from start to account", width)
    yield from _phases(found.account)
    yield ""
    yield from _bars(found, width)
    yield from wrapped("  ", NOTE, width)


def _phases(account: Account) -> Iterator[str]:
    seconds, shares = account.phases(), account.shares()
    spelled = dict(zip(seconds, _decimals(list(seconds.values())), strict=True))
    rows = [
        (sign, name, spelled[phase], spelled_share(shares[phase]), explanation)
        for phase, (sign, name, explanation) in PHASES.items()
    ]
    yield from table([("", "", "core-s", "share", ""), *rows], left=(0, 1, 4))


def _decimals(values: Sequence[float]) -> list[str]:
    """Spell numbers below each other, with as many decimals as the greatest deserves."""
    n_decimals = 3 if max(values) < 100 else 1
    return [f"{value:,.{n_decimals}f}" for value in values]


def _bars(found: Report, width: int) -> Iterator[str]:
    """Draw the workers' accounts in one scale."""
    labelled = list(zip((f"worker {row.worker}" for row in found.workers), found.accounts, strict=True))
    if len(labelled) > N_BARS:
        labelled = _chosen(found.accounts)
    longest_seconds = max(part.total_seconds for _, part in labelled if not isnan(part.total_seconds))
    label_columns = max(len(label) for label, _ in labelled)
    room = min(BAR_COLUMNS, max(20, width - label_columns - 6))
    for label, part in labelled:
        yield DrawnLine(f"  {label.rjust(label_columns)}  {bar(part, longest_seconds, n_columns=room)}")


def _chosen(parts: Sequence[Account]) -> list[tuple[str, Account]]:
    by_compute = sorted(
        (part for part in parts if not isnan(part.total_seconds)), key=lambda part: part.compute_seconds
    )
    return [
        ("least busy", by_compute[0]),
        ("median", by_compute[len(by_compute) // 2]),
        ("busiest", by_compute[-1]),
    ]


def bar(account: Account, longest_seconds: float, *, n_columns: int) -> str:
    """Draw one worker's account: each column stands for longest / n_columns seconds."""
    if isnan(account.total_seconds):
        return "left no account (killed)"
    drawn, until_seconds = "", 0.0
    for phase, seconds in account.phases().items():
        until_seconds += seconds
        # the end of each phase is rounded, not its length, so that what follows stands where it belongs
        drawn += PHASES[phase][0] * (_columns(until_seconds, longest_seconds, n_columns) - len(drawn))
    return drawn


def _columns(seconds: float, longest_seconds: float, n_columns: int) -> int:
    """Return where on the scale a moment stands, at one of its ends if a damaged file has it beyond."""
    share = seconds / longest_seconds if longest_seconds > 0 else 0.0
    return round(n_columns * min(1.0, max(0.0, share)))
