"""What stands beside pictures: axis labels, units, captions. Texts of the user's are shown as they are."""

from collections.abc import Iterator
from math import isfinite
from textwrap import wrap

from fullrank.metrics import spelled_seconds
from fullrank.report.facts import Items, Report
from fullrank.report.layout import counted, printable, shortened

LABEL_WIDTH = 48
"""Characters that fit beside one picture."""
CAPTION_WIDTH = 108
"""Characters that fit across the figure."""
SYMBOL_LENGTH = 3
"""A name up to this long is a symbol and stands behind its long name."""


def plain(text: str, width: int = LABEL_WIDTH) -> str:
    r"""Return one line that matplotlib shows as it is: to it, dollars enclose formulas.

    >>> print(plain("from $a$ to b"))
    from \$a\$ to b
    """
    return shortened(printable(" ".join(text.split())), width).replace("$", r"\$")


def axis_label(name: str, long_name: str, units: str) -> str:
    """Name a parameter with its unit; a short name is its symbol.

    >>> axis_label("r", "growth rate", "1"), axis_label("radius", "radius", "m"), axis_label("v", "", "m/s")
    ('growth rate r', 'radius (m)', 'v (m/s)')
    """
    label = long_name or name
    if len(name) <= SYMBOL_LENGTH and name not in label.split():
        label = f"{label} {name}"
    return result_label("", label, units)


def result_label(name: str, long_name: str, units: str) -> str:
    """Name a result with its unit.

    >>> result_label("e", "energy", "J"), result_label("n", "", "1")
    ('energy (J)', 'n')
    """
    label = long_name or name
    return plain(label if units in ("", "1") else f"{label} ({units})")


def time_unit(seconds: float) -> tuple[float, str]:
    """Return seconds in a unit, and its name, in which a duration has few digits.

    >>> time_unit(0.02), time_unit(90.0), time_unit(1e4)
    ((0.001, 'ms'), (1.0, 's'), (3600.0, 'h'))
    """
    units = ((86400.0 * 2, 86400.0, "d"), (7200.0, 3600.0, "h"), (300.0, 60.0, "min"), (1.0, 1.0, "s"))
    small_units = ((1e-3, 1e-3, "ms"), (0.0, 1e-6, "µs"))
    if not isfinite(seconds):
        return 1.0, "s"
    return next((size, name) for limit, size, name in (*units, *small_units) if seconds >= limit)


def wrapped_caption(sentences: Iterator[str]) -> str:
    """Return sentences as the lines of a caption; each says something of its own."""
    return "\n".join(wrap(" ".join(dict.fromkeys(sentences)), CAPTION_WIDTH, break_on_hyphens=False))


def count_of_items(found: Report) -> str:
    """Say how many items there are and how they ended, and how many values no picture can show."""
    items = found.items
    words = f"{counted(items.n_items, 'item')}, {_ends(items)}"
    for name, n in (("NaN", _n_nan(found)), ("infinite", sum(result.n_infinite for result in found.results))):
        words += f"; {n:,} {name}" if n else ""
    return plain(f"{words}.", 10 * CAPTION_WIDTH)


def _ends(items: Items) -> str:
    ends = {"failed": items.n_failed, "timed out": items.n_timed_out, "crashed": items.n_crashed}
    ends["not done yet"] = items.n_missing
    others = ", ".join(f"{n:,} {end}" for end, n in ends.items() if n)
    return f"{items.n_ok:,} ok, {others}, shown as gaps" if others else "all ok"


def _n_nan(found: Report) -> int:
    return sum(result.n_nan_items for result in found.results)


def durations(items: Items) -> str:
    """Say how long items took."""
    mean, longest = spelled_seconds(items.mean_seconds), spelled_seconds(items.longest_seconds)
    return f"mean {mean}, longest {longest}"
