"""How busy other programs kept this node while something was measured."""

import os
import resource
from collections.abc import Callable
from math import nan
from pathlib import Path


def watch(stat: Path = Path("/proc/stat")) -> Callable[[float], float]:
    """Begin to watch; the function that is returned takes the seconds since, and returns the cores others kept busy.

    All CPU time of the node less that of this process and of its children that have ended and were waited for. NaN
    where the system does not tell. In a container it is the host's time, so neighbours are seen too.
    """
    begun, own_begun = _busy_seconds(stat), _own_seconds()

    def cores(elapsed_seconds: float) -> float:
        used = _busy_seconds(stat) - begun - (_own_seconds() - own_begun)
        return nan if used != used or elapsed_seconds <= 0 else max(0.0, used) / elapsed_seconds

    return cores


def _busy_seconds(stat: Path) -> float:
    """Return the CPU time that the node's processors have spent on anything since it was booted, in s; else NaN."""
    try:
        # user, nice, system, idle, iowait, irq, softirq, steal: in ticks (proc(5)); guests are in user already
        ticks = [int(word) for word in stat.read_text().splitlines()[0].split()[1:9]]
        idle = ticks[3] + ticks[4]
        return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return nan


def _own_seconds() -> float:
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
