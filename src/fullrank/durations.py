"""Durations as people write them, spelt the same in every option and key."""

import math
import re

_SECONDS_IN = {"": 1, "s": 1, "m": 60, "h": 3600}
_NUMBER_WITH_UNIT = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)", re.ASCII)
_PARTS = re.compile(r"(?:(\d+)h)?\s*(?:([0-5]?\d)m)?\s*(?:([0-5]?\d)s)?", re.ASCII)
_CLOCK = re.compile(r"(\d+):([0-5]\d):([0-5]\d)", re.ASCII)


def duration_seconds(text: str) -> float:
    """Return a duration in s, finite and > 0.

    Raises ValueError, with the sentence to show, for anything else; ``1:30`` too, which is minutes to some and hours
    to others.

    >>> [duration_seconds(text) for text in ("90", "90s", "15m", "2h", "1.5h", "1h30m", "1:30:00")]
    [90.0, 90.0, 900.0, 7200.0, 5400.0, 5400.0, 5400.0]
    """
    stripped = text.strip()
    seconds = 0.0
    if found := _NUMBER_WITH_UNIT.fullmatch(stripped):
        seconds = float(found[1]) * _SECONDS_IN[found[2]]
    elif found := _CLOCK.fullmatch(stripped) or _PARTS.fullmatch(stripped):
        hours, minutes, seconds_of_minute = (float(part or 0) for part in found.groups())
        seconds = 3600 * hours + 60 * minutes + seconds_of_minute
    if not 0 < seconds < math.inf:
        raise ValueError(f"expected a duration > 0 such as 90, 90s, 15m, 1h30m or 1:30:00, got {_shown(text)}")
    return seconds


def rounded_up(seconds: float) -> str:
    """Spell a duration that is not shorter, in the few digits in which people say such a thing.

    >>> [rounded_up(seconds) for seconds in (0.2, 8.1, 83.0, 120.0, 945.0, 7201.0, 36000.5)]
    ['1s', '9s', '90s', '2m', '16m', '2.5h', '10.5h']
    """
    if seconds <= 10:
        return f"{max(1, math.ceil(seconds))}s"
    if seconds <= 90:
        return f"{10 * math.ceil(seconds / 10)}s"
    if seconds <= 7200:
        return f"{math.ceil(seconds / 60)}m"
    return f"{math.ceil(seconds / 1800) / 2:g}h"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
