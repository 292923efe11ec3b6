"""One part of a run: one target, fed in one way, in a process of its own, whose death is told with its input."""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from count import Count, keep
from last import Last
from starving import OwnTime

_PROGRAMS = {"blind": Path(__file__).with_name("blind.py"), "guided": Path(__file__).with_name("guided.py")}
_FOLDERS = (Path(__file__).parent, Path(__file__).parents[1], Path(__file__).parents[1] / "store")
_MEMORY = Path("/dev/shm")
"""A file is written for each input: here if this exists, for the disk is not what is tested."""
_SILENT_SECONDS = 20.0
"""No new input for so long, and the alarm of the process has not come through: it hangs inside C code."""
_START_SECONDS = 180.0
_MEMORY_BYTES = 3 << 30
"""What a process may take beside what it has taken when it starts: HDF5 reserves a text as long as it is said to be."""
_N_DEATHS_MAX = 20
_REACHED = re.compile(rb"cov: (\d+)")


@dataclass(frozen=True)
class Part:
    """What one process is asked for."""

    target: str
    """The name of its function."""
    way: str
    seed: int
    n_inputs: int | None = None
    seconds: float | None = None
    """For how long it is fed once it is ready, which takes seconds by itself; if ``n_inputs`` is None."""

    def go_on(self, count: Count) -> bool:
        """Whether there is something left to do."""
        if self.n_inputs is not None:
            return count.inputs < self.n_inputs
        return self.seconds is not None and time.monotonic() < count.begun + self.seconds

    def run(self) -> Count:
        """Feed until there is nothing left to do, with a new process after each death."""
        count = Count(self.target.replace("_", " "), self.way)
        begin = time.monotonic()
        part: Part | None = self
        while part is not None and count.deaths < _N_DEATHS_MAX:
            count.add(part._run_once())
            part = self._rest(count, time.monotonic() - begin)
        return count

    def _rest(self, count: Count, seconds: float) -> "Part | None":
        """Return what is left to do after so many inputs and so long a time; None if nothing is."""
        n_left = None if self.n_inputs is None else self.n_inputs - count.inputs
        seconds_left = None if self.seconds is None else self.seconds - seconds
        if (n_left if n_left is not None else seconds_left or 0) <= 0:
            return None
        return replace(self, seed=self.seed + count.deaths, n_inputs=n_left, seconds=seconds_left)

    def _run_once(self) -> Count:
        parent = _MEMORY if _MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory(dir=parent) as name, (Path(name) / "said").open("w+b") as said:
            folder, last = Path(name), Last(Path(name) / "last")
            paths = os.pathsep.join(map(str, _FOLDERS))
            process = subprocess.Popen(
                [sys.executable, _PROGRAMS[self.way], name, json.dumps(asdict(self))],
                env=os.environ | {"TMPDIR": name, "PYTHONPATH": paths},
                stdout=said,
                stderr=said,
            )
            is_silent = _wait(process, last)
            said.seek(0)
            words = said.read()
            if (left := folder / "count.json").exists():
                count = Count(**json.loads(left.read_bytes()))
            else:
                count = self._after_death(process.returncode, last, words, is_silent=is_silent)
            found = [int(number) for number in _REACHED.findall(words)]
            return replace(count, reached=(found[0], found[-1]) if found else None)

    def _after_death(self, code: int, last: Last, words: bytes, *, is_silent: bool) -> Count:
        number, data = last.read()
        if not number:
            raise RuntimeError(f"{self.target}, {self.way}: ended before the first input: {words.decode()[-2000:]}")
        count = Count(self.target.replace("_", " "), self.way, inputs=number, deaths=not is_silent, hangs=is_silent)
        keep(count, "hang, in C code" if is_silent else f"death with exit code {code}", data)
        return count


def _wait(process: "subprocess.Popen[bytes]", last: Last) -> bool:
    """Wait for the end of a process, and kill it if it is silent for too long; return whether it was."""
    seen, own = 0, OwnTime(process.pid, time.monotonic())
    while True:
        try:
            process.wait(0.2)
            return False
        except subprocess.TimeoutExpired:
            number, now = last.read()[0], time.monotonic()
            if number != seen:
                seen, own = number, OwnTime(process.pid, now)
            if own.seconds(now) > (_SILENT_SECONDS if seen else _START_SECONDS):
                process.kill()
                process.wait()
                return True


def program(feed: Callable[[Part, Last, Callable[[Count], None]], None]) -> None:
    """Do what is asked for by :meth:`Part.run`; ``feed`` gets what is to be called with the count at the end."""
    folder, part = Path(sys.argv[1]), Part(**json.loads(sys.argv[2]))

    def leave(count: Count) -> None:
        unfinished = folder / "count"
        unfinished.write_text(json.dumps(asdict(count)))
        unfinished.replace(folder / "count.json")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    feed(part, Last(folder / "last"), leave)
