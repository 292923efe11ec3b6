"""What came of the inputs of one target, and the table of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

KEPT = Path(__file__).resolve().parents[2] / ".fuzz"
"""Where inputs stay of which something came."""


@dataclass
class Count:
    """What came of a target's inputs."""

    target: str
    way: str
    """blind or guided."""
    inputs: int = 0
    """How many were fed, those that were equal to an earlier one too."""
    tracebacks: int = 0
    hangs: int = 0
    touches: int = 0
    deaths: int = 0
    """How often the process died of an input."""
    slowest_seconds: float = 0.0
    reached: tuple[int, int] | None = None
    """Branches and comparisons that the samples reach, and that all inputs together do; counted if guided."""
    kinds: dict[str, int] = field(default_factory=dict)
    """How often each kind of traceback or touch occurred."""
    begun: float = field(default_factory=time.monotonic)
    """When the target was ready to be fed; s, of the monotonic clock."""

    @property
    def is_clean(self) -> bool:
        """Whether something was fed and nothing came of it."""
        return self.inputs > 0 and not (self.tracebacks or self.hangs or self.touches or self.deaths)

    def add(self, more: "Count") -> None:
        """Add what came of further inputs."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(more, name))
        self.slowest_seconds = max(self.slowest_seconds, more.slowest_seconds)
        self.reached = more.reached or self.reached
        for kind, times in more.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + times


def keep(count: Count, kind: str, data: bytes) -> None:
    """Count what came of an input, and keep the first of its kind."""
    if kind not in count.kinds and len(count.kinds) < 100:
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{count.target.replace(' ', '-')}-{count.way}-{count.inputs}").write_bytes(data)
    count.kinds[kind] = count.kinds.get(kind, 0) + 1


_NUMBERS = ("inputs", "tracebacks", "hangs", "touches", "deaths")
_HEADS = ("inputs", "tracebacks", "hangs", "touched outside", "deaths")
_WIDTHS = (9, 12, 7, 17, 8)


def table(counts: Sequence[Count]) -> str:
    """Return the counts as a table."""
    heads = "".join(f"{head:>{width}}" for head, width in zip(_HEADS, _WIDTHS, strict=True))
    lines = [f"{'target':14}{'way':8}{heads}{'slowest':>10}   branches reached"]
    for count in counts:
        reached = "" if count.reached is None else "{:>7,} → {:,}".format(*count.reached)
        lines.append(f"{count.target:14}{count.way:8}{_numbers([count])}{count.slowest_seconds:>8.2f} s{reached}")
        lines += [f"    {times} × {kind}" for kind, times in count.kinds.items()]
        lines += [] if count.inputs else ["    nothing was fed, so nothing is known of it: give it more time"]
    return "\n".join([*lines, f"{'all':22}{_numbers(counts)}"])


def _numbers(counts: Sequence[Count]) -> str:
    sums = [sum(getattr(count, name) for count in counts) for name in _NUMBERS]
    return "".join(f"{number:>{width},}" for number, width in zip(sums, _WIDTHS, strict=True))
