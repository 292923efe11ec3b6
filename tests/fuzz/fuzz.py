"""Feeds changed samples to everything that reads what others wrote, and counts.

``python tests/fuzz/fuzz.py [--seconds S | --inputs N | --only N] [--seed K] [--target NAME] [--json]``. An input that
is answered by anything but a FullrankError is a traceback, one that takes more than five seconds a hang, and a touch is
whatever `Watch` notes. Inputs that do any of it are kept in ``.fuzz``. Exit code 1 if there is one.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

for _folder in (Path(__file__).parent, Path(__file__).parents[1], Path(__file__).parents[1] / "store"):
    sys.path.insert(0, str(_folder))

from targets import TARGETS, Target  # noqa: E402  # found there
from watch import Watch  # noqa: E402

from fullrank.errors import FullrankError  # noqa: E402

HANG_SECONDS = 5.0
KEPT = Path(".fuzz")
SHARES = {"config": 30, "table": 30, "command line": 8, "journal": 20, "work folder": 20, "result file": 2}
"""Of the inputs, in percent of their number: slow targets get fewer."""


class Hang(BaseException):
    """Raised by the alarm, past every handler of an Exception."""


@dataclass
class Count:
    """What came of a target's inputs."""

    target: str
    inputs: int = 0
    tracebacks: int = 0
    hangs: int = 0
    touches: int = 0
    slowest_seconds: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)
    """How often each kind of traceback or touch occurred, with where its first input is kept."""

    @property
    def is_clean(self) -> bool:
        return not (self.tracebacks or self.hangs or self.touches)


def _alarm(_number: int, _frame: FrameType | None) -> None:
    raise Hang


class Runner:
    """Feeds one target after the other in this process."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._watch = Watch()
        signal.signal(signal.SIGALRM, _alarm)

    def run(self, make: Callable[[Path], Target], go_on: Callable[[Count], bool]) -> Count:
        """Feed one target for as long as ``go_on`` says."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            before = Path.cwd()
            target = make(folder)
            count, chance = Count(target.name), random.Random(f"{self._seed} {target.name}")
            self._warm(target)
            os.chdir(folder)
            try:
                while go_on(count):
                    self._feed(target, target.make(chance), count, folder)
            finally:
                os.chdir(before)
        return count

    def _warm(self, target: Target) -> None:
        """Let the target import what it imports late."""
        chance = random.Random(self._seed)
        for _ in range(60):
            try:
                target.feed(target.make(chance))
            except Exception:
                continue

    def _feed(self, target: Target, data: bytes, count: Count, folder: Path) -> None:
        count.inputs += 1
        begin = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
        try:
            with self._watch.over(folder, may_import=True) as touched:
                target.feed(data)
        except FullrankError:
            pass
        except Hang:
            count.hangs += 1
            self._keep(count, "hang", data)
        except Exception as error:
            count.tracebacks += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            self._keep(count, f"{type(error).__name__} in {where}: {error!s:.200}", data)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if touched:
            count.touches += 1
            self._keep(count, touched[0], data)
        count.slowest_seconds = max(count.slowest_seconds, time.perf_counter() - begin)

    def _keep(self, count: Count, kind: str, data: bytes) -> None:
        if kind not in count.kinds and len(count.kinds) < 100:
            folder = Path(__file__).parents[2] / KEPT
            folder.mkdir(exist_ok=True)
            (folder / f"{count.target.replace(' ', '-')}-{count.inputs}").write_bytes(data)
        count.kinds[kind] = count.kinds.get(kind, 0) + 1


def _until(n_inputs: int | None, seconds: float) -> Callable[[Count], bool]:
    """Return what tells whether to go on; the clock runs from its first answer on."""
    begin: list[float] = []

    def go_on(count: Count) -> bool:
        if n_inputs is not None:
            return count.inputs < n_inputs
        if not begin:
            begin.append(time.monotonic())
        return time.monotonic() - begin[0] < seconds

    return go_on


def table(counts: list[Count]) -> str:
    """Return the counts as a table."""
    lines = [f"{'target':14}{'inputs':>9}{'tracebacks':>12}{'hangs':>7}{'touched outside':>17}{'slowest':>10}"]
    for count in counts:
        numbers = f"{count.inputs:>9,}{count.tracebacks:>12}{count.hangs:>7}{count.touches:>17}"
        lines.append(f"{count.target:14}{numbers}{count.slowest_seconds:>8.2f} s")
        lines += [f"    {times} × {kind}" for kind, times in count.kinds.items()]
    total = [sum(getattr(count, name) for count in counts) for name in ("inputs", "tracebacks", "hangs", "touches")]
    return "\n".join([*lines, f"{'all':14}{total[0]:>9,}{total[1]:>12}{total[2]:>7}{total[3]:>17}"])


def main() -> int:
    """Fuzz what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, help="for how long, all targets together")
    parser.add_argument("--inputs", type=int, default=105_000, help="how many inputs, all targets together")
    parser.add_argument("--seed", type=int, default=None, help="the same inputs again (else new ones)")
    parser.add_argument("--target", help="one target alone")
    parser.add_argument("--only", type=int, metavar="N", help="N inputs for each target")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # of a chance's making; they are no traceback
    seed = random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    runner, counts = Runner(seed), []
    makers = [make for make in TARGETS if asked.target in (None, make.__name__)]
    for make in makers:
        share = SHARES[make.__name__.replace("_", " ").replace("result", "result file")] / 110
        n_inputs = None if asked.seconds else asked.only or round(asked.inputs * share)
        counts.append(runner.run(make, _until(n_inputs, (asked.seconds or 0.0) / len(makers))))
    shown = json.dumps([asdict(count) for count in counts]) if asked.json else f"{table(counts)}\nseed {seed}"
    print(shown)
    return 0 if all(count.is_clean for count in counts) else 1


if __name__ == "__main__":
    sys.exit(main())
