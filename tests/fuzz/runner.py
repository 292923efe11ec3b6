"""Feeds a target in this process, and counts."""

import os
import random
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from count import Count, keep
from last import Last
from starving import OwnTime
from target import Target
from watch import Watch

from fullrank.errors import FullrankError

HANG_SECONDS = 5.0
"""Of computing or sleeping; waiting for a core on a busy machine does not count."""
_SHORTEST_LOOK_SECONDS = 0.01
GoOn = Callable[[Count], bool]


class Hang(BaseException):
    """Raised by the alarm, past every handler of an Exception."""


class Runner:
    """Feeds one target after the other; one in a process, for its watch stays."""

    def __init__(self, seed: int, last: Last | None = None) -> None:
        warnings.simplefilter("ignore")  # of a chance's making; they are no traceback
        self._seed = seed
        self._last = last
        self._watch = Watch()
        self._time = OwnTime("self", time.perf_counter())
        signal.signal(signal.SIGALRM, self._alarm)

    def _alarm(self, _number: int, _frame: FrameType | None) -> None:
        """Raise Hang, or look again later where the time was not this process's own."""
        left_seconds = HANG_SECONDS - self._time.seconds(time.perf_counter())
        if left_seconds <= 0:
            raise Hang
        signal.setitimer(signal.ITIMER_REAL, max(left_seconds, _SHORTEST_LOOK_SECONDS))

    def run(self, make: Callable[[Path], Target], go_on: GoOn) -> Count:
        """Feed blindly changed samples of one target for as long as ``go_on`` says."""
        with self.ready(make) as (target, folder):
            count, chance = Count(target.name, "blind"), random.Random(f"{self._seed} {target.name}")
            while go_on(count):
                self.feed(target, target.make(chance), count, folder)
        return count

    @contextmanager
    def ready(self, make: Callable[[Path], Target]) -> Iterator[tuple[Target, Path]]:
        """Make the target in a folder of its own, and let it import what it imports late."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            before = Path.cwd()
            target = make(folder)
            self._warm(target)
            os.chdir(folder)
            try:
                yield target, folder
            finally:
                os.chdir(before)

    def _warm(self, target: Target) -> None:
        chance = random.Random(self._seed)
        for data in [*target.samples, *(target.make(chance) for _ in range(5))]:
            try:
                target.feed(data)
            except Exception:
                continue

    def feed(self, target: Target, data: bytes, count: Count, folder: Path) -> None:
        """Feed one input. A traceback is whatever is raised but a FullrankError, a touch whatever the watch notes."""
        count.inputs += 1
        if self._last is not None:
            self._last.note(count.inputs, data)
        self._time = OwnTime("self", time.perf_counter())
        signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
        try:
            with self._watch.over(folder, may_import=True) as touched:
                target.feed(data)
        except FullrankError:
            pass
        except Hang:
            count.hangs += 1
            keep(count, "hang", data)
        except Exception as error:
            count.tracebacks += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            keep(count, f"{type(error).__name__} in {where}: {error!s:.200}", data)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if touched:
            count.touches += 1
            keep(count, touched[0], data)
        count.slowest_seconds = max(count.slowest_seconds, self._time.seconds(time.perf_counter()))
