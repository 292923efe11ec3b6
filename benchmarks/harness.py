"""What every measurement shares: interleaved rounds, medians with intervals, verdicts, tables."""

import os
import random
import resource
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from programs import ProgramError

from fullrank.compare.statistics import FEWEST_ROUNDS, median_interval

Sample = Mapping[str, float]
"""What one start of a program gave, by name."""
Samples = Mapping[str, Sequence[Sample]]
"""Of each program, one sample a round."""
Raw = dict[str, Any]
"""What a measurement keeps, of what rawfile.py can hold: enough to make its part of the report again."""


@dataclass(frozen=True)
class Limit:
    """What is asked of a figure."""

    value: float
    at_least: bool = False
    """Else at most."""

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:,g}"

    def holds(self, measured: float) -> bool:
        """Whether a figure is as asked."""
        return measured >= self.value if self.at_least else measured <= self.value


def verdict(values: Sequence[float], limit: Limit | None) -> str:
    """Say whether a figure is as asked: only an interval on one side of the limit tells.

    >>> verdict([1.0] * 7, Limit(2)), verdict([1.0, 3.0] * 4, Limit(2)), verdict([1.0], Limit(2))
    ('holds', 'not resolved', 'too few rounds')
    """
    if limit is None:
        return ""
    interval = median_interval(values)
    if interval is None:
        return "too few rounds"
    ends = {limit.holds(end) for end in interval}
    return {frozenset({True}): "holds", frozenset({False}): "DOES NOT HOLD"}.get(frozenset(ends), "not resolved")


def figure(values: Sequence[float], *, digits: int, limit: Limit | None = None) -> list[str]:
    """Return the cells median, interval, asked and verdict.

    >>> figure([2.0, 1.0, 3.0], digits=1)
    ['2.0', '', '', '']
    """
    interval = median_interval(values)
    spelled = f"{interval[0]:,.{digits}f} to {interval[1]:,.{digits}f}" if interval else ""
    return [
        f"{median(values):,.{digits}f}",
        spelled,
        str(limit) if limit else "",
        verdict(values, limit),
    ]


FIGURE_HEADS = ("median", "95 % interval", "asked", "verdict")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned; the first is text, the others stand right.

    >>> print(table(["what", "s"], [["a", "1"], ["bcd ef", "10"]]))
    | what   |  s |
    |:-------|---:|
    | a      |  1 |
    | bcd ef | 10 |
    """
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    rule = "|" + "|".join(
        ":" + "-" * (width + 1) if column == 0 else "-" * (width + 1) + ":" for column, width in enumerate(widths)
    )
    spelled = [
        "| "
        + " | ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    ]
    return "\n".join([spelled[0], rule + "|", *spelled[1:]])


def take_rounds(
    programs: Mapping[str, Callable[[], Sample]],
    n_rounds: int,
    *,
    tell: Callable[[str], None],
    aside: Collection[str] = (),
) -> Raw:
    """Return one sample a round of each program, what disturbed them, and the seed of the orders.

    The order of each round is drawn, as the intervals ask for (docs/method.md), and with another seed each time: else
    a measurement that is repeated would have the same orders again, and what they do to one program would stay.
    Programs ``aside``, on which no verdict rests, stand before or after all others, so that those are near each other
    in time; they are left out once there are rounds enough for an interval. A program that fails is started once
    more, and that is kept.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in programs}
    restarts: list[str] = []
    seed = time.time_ns()
    raw: Raw = {"samples": samples, "restarts": restarts, "seed": seed}
    with neighbours(raw):
        for number in range(n_rounds):
            for name in drawn_order(list(programs), aside, number, seed):
                tell(f"round {number + 1} of {n_rounds}: {name}")
                try:
                    sample = programs[name]()
                except ProgramError as error:
                    tell(f"it failed and is started once more: {error}")
                    restarts.append(name)
                    sample = programs[name]()
                samples[name].append({key: round(value, 6) for key, value in sample.items()})
    return raw


def drawn_order(names: Sequence[str], aside: Collection[str], round_number: int, seed: int) -> list[str]:
    """Return who runs in a round, counted from 0, and in which order; any two stand either way round equally often.

    >>> sorted(drawn_order(["a", "b", "c"], ["c"], 0, 1)), sorted(drawn_order(["a", "b", "c"], ["c"], FEWEST_ROUNDS, 1))
    (['a', 'b', 'c'], ['a', 'b'])
    """
    drawn = random.Random(f"seed {seed}, round {round_number}")
    groups = [[name for name in names if name not in aside]]
    if round_number < FEWEST_ROUNDS:
        groups.append([name for name in names if name in aside])
    return [name for group in drawn.sample(groups, len(groups)) for name in drawn.sample(group, len(group))]


def paired(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio in each round in which both took part: the first ones.

    >>> paired([3.0, 2.0, 1.0], [2.0, 4.0])
    [1.5, 0.5]
    """
    return [one / other for one, other in zip(ones, others, strict=False)]


def column(samples: Samples, name: str, key: str) -> list[float]:
    """Return one value of one program, by round."""
    return [sample[key] for sample in samples[name]]


def _cpu_seconds(path: Path = Path("/proc/stat")) -> tuple[float, float]:
    """Return how many seconds the cores that this process may use were busy, for whomever, and all their seconds."""
    names = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    lines = [line.split() for line in path.read_text().splitlines()]
    ticks = [sum(of_kind) for of_kind in zip(*(map(int, line[1:9]) for line in lines if line[0] in names), strict=True)]
    per_second = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - ticks[3] - ticks[4]) / per_second, sum(ticks) / per_second


def _own_cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


@contextmanager
def neighbours(raw: Raw) -> Iterator[None]:
    """Put into ``raw`` which share of the core-seconds that are measured on went to others meanwhile."""
    try:
        busy, every = _cpu_seconds()
    except (OSError, ValueError, IndexError):  # not Linux
        yield
        return
    own = _own_cpu_seconds()
    yield
    busy_now, every_now = _cpu_seconds()
    others = busy_now - busy - (_own_cpu_seconds() - own)
    raw["others_share"] = round(max(0.0, others / max(every_now - every, 0.01)), 4)
