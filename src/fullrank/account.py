"""Where the time of workers and of root goes, as it goes: each moment is read once, ends one phase, begins the next.

The standard library alone. Moments are those of :func:`time.perf_counter`, which all processes of a host share; the
start of a process is read from the system, to 10 ms.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isnan, nan
from pathlib import Path
from typing import Any

from fullrank.dataclass import dataclass, fields

WORKER_PHASES = ("import", "start_wait", "claim", "prepare", "compute", "encode", "journal", "count")
"""What a worker divides its time among, from the moment it could receive its job to the end of its last item."""


def system_seconds() -> float:
    """Return the time since the system was started, in s; NaN where the system does not tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else nan


def process_start_seconds() -> float:
    """Return when this process was started, as :func:`system_seconds` tells time; NaN where /proc does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return nan


def process_age_seconds() -> float:
    """Return how long ago this process was started, in s, to 10 ms; 0 where the system does not tell."""
    age = system_seconds() - process_start_seconds()
    return age if age > 0 else 0.0


_imports: list[tuple[float, float]] = []
"""First and last moment of each import of user code in this process."""


_n_importing = 0


@contextmanager
def importing() -> Iterator[None]:
    """Remember that user code is imported meanwhile."""
    global _n_importing
    begun = time.perf_counter()
    _n_importing += 1
    try:
        yield
    finally:
        _n_importing -= 1
        _imports.append((begun, time.perf_counter()))


def is_importing() -> bool:
    """Return whether user code is being imported: who asks is called by it."""
    return _n_importing > 0


@dataclass(frozen=True)
class Arrival:
    """When a worker could receive its job, and what went before."""

    moment: float
    launch_seconds: float
    """From the start of its account to the start of its process."""
    startup_seconds: float
    """From there until it could receive its job."""
    root_import_seconds: float
    """Of that, import of user code: root imports the function to check the study, its own workers find it loaded."""

    @classmethod
    def now(cls, account_start_seconds: float | None) -> "Arrival":
        """Return the arrival at this moment.

        ``account_start_seconds`` is when root's process was started, or when the attempt before ended in it; None:
        the account begins with this very process.
        """
        moment, now, start = time.perf_counter(), system_seconds(), process_start_seconds()
        if isnan(now - start):
            return cls(moment, 0.0, 0.0, 0.0)
        # root's own process is older than the account of any attempt but its first
        origin = start if account_start_seconds is None else account_start_seconds
        startup_seconds = now - max(start, origin)
        import_seconds = sum(end - begun for begun, end in _imports if begun > moment - startup_seconds)
        return cls(moment, max(start - origin, 0.0), startup_seconds, import_seconds)

    @property
    def account_seconds(self) -> float:
        """From the start of the account to this moment."""
        return self.launch_seconds + self.startup_seconds


class Phases:
    """Time divided among phases without a gap. For one thread."""

    def __init__(self, begun: float, names: tuple[str, ...]) -> None:
        self._since = begun
        self.seconds = dict.fromkeys(names, 0.0)

    def close(self, name: str, now: float) -> None:
        """Give the time since the last moment to a phase.

        >>> phases = Phases(10.0, ("compute", "journal"))
        >>> phases.close("compute", 12.0)
        >>> phases.close("journal", 12.5)
        >>> phases.seconds
        {'compute': 2.0, 'journal': 0.5}
        """
        self.seconds[name] += now - self._since
        self._since = now

    def close_two(self, name: str, rest: str, *, seconds: float, now: float) -> None:
        """Give ``seconds`` of the time since the last moment to one phase and the rest to another."""
        self.seconds[name] += seconds
        self.seconds[rest] += now - self._since - seconds
        self._since = now


@dataclass(frozen=True)
class Closing:
    """How the account of an attempt was closed."""

    ended: tuple[float, ...]
    """When all workers had ended: the moment on each member's own clock, by rank."""
    noted: float
    """Until when the account runs, on root's clock."""
    gather_seconds: float
    """What root, and all workers with it, spent on it between the two."""
    write_seconds: float = 0.0

    @classmethod
    def from_noted(cls, entry: Mapping[str, Any]) -> "Closing":
        """Return what :func:`vars` of a closing had become as JSON; TypeError or LookupError for anything else."""
        names = (part.name for part in fields(cls) if part.name != "ended")
        numbers = {name: entry[name] for name in names if name in entry}
        ended = tuple(entry["ended"])
        if not ended or not all(isinstance(number, int | float) for number in (*ended, *numbers.values())):
            raise TypeError
        return cls(ended=ended, **numbers)

    def of_worker(self, worker: int) -> float:
        """Return when all workers had ended, on the clock of the host of one of them."""
        return self.ended[worker if len(self.ended) > 1 else 0]

    @property
    def after_seconds(self) -> float:
        """From the end of the workers until the account was closed."""
        return self.noted - self.ended[0]
