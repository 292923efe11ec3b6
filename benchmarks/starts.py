"""Starting one program on one workload: what it took, and whether its results are those of the others."""

import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import studies
from harness import Sample
from programs import HERE, OWN, Disagreement, ProgramError, run

from fullrank.store import ResultFile

sys.path.append(str(HERE / "peers"))
from items import checksum

N_CORES = 2
START_SECONDS = 0.5
"""In which two bare loops have started and read their lists, so that they can begin at one moment."""
MOST_LATE_SECONDS = 0.01
"""After that moment."""
N_TRIES = 400
"""Of some ms each, by whose median speed iterations are reckoned from seconds."""


class Agreement:
    """The checksum of a study's results, by the first program that ran."""

    def __init__(self, study: str) -> None:
        self._study = study
        self._checksum: int | None = None

    def check(self, checksum: int) -> None:
        """Raise Disagreement for a program whose results have another one."""
        self._checksum = checksum if self._checksum is None else self._checksum
        if checksum != self._checksum:
            raise Disagreement(f"{self._study}: the results differ; no time of them means anything")


class Workload:
    """Items as files: in the order in which they come, longest first, and longest last."""

    def __init__(self, folder: Path, name: str, work: Sequence[int]) -> None:
        self.folder = folder
        self.name = name
        self.work = list(work)
        self.list = self.written("", self.work)
        self.presorted = self.written(".presorted", sorted(work, reverse=True))
        self.presorted_from_end = self.written(".presorted-from-end", sorted(work))
        """For a program that begins with the last item of its list."""
        self.config = studies.write_spinning(folder / f"{name}.toml", self.work)
        self.config_with_costs = studies.write_spinning(folder / f"{name}.costs.toml", self.work, longest_first=True)
        self.output = folder / f"{name}.h5"
        self.agreement = Agreement(name)

    def written(self, what: str, work: Sequence[int]) -> Path:
        """Write a list of items into a file, and return its path."""
        path = self.folder / f"{self.name}{what}.json"
        path.write_text(json.dumps(list(work)))
        return path


def iterations_per_second(folder: Path) -> float:
    """Measure how fast this machine does the work of an item."""
    return float(run(OWN.script("bare_loop.py", "rate", N_TRIES), folder=folder).told()["iterations_per_second"])


def peer(workload: Workload, command: Sequence[str]) -> Sample:
    """Run a program of ``peers/``, which tells itself how long its items took together."""
    finished = run(command, folder=workload.folder)
    told = finished.told()
    workload.agreement.check(told.pop("checksum"))
    return {**told, "wall_seconds": finished.wall_seconds}


def loops_side_by_side(workload: Workload) -> Sample:
    """Run a bare loop on each core: what the machine gives to processes that share nothing.

    The makespan is that of the two speeds together, as if the work had been dealt out by them: half the work each, the
    slower loop would tell how unlike two cores were, and a program that shares work out as it goes is faster than that.
    """
    shares = studies.dealt_out(workload.work, N_CORES)
    paths = [workload.written(f".{number}", share) for number, share in enumerate(shares)]
    begin_at = str(time.monotonic() + START_SECONDS)
    commands = [OWN.script("bare_loop.py", "spin", path, begin_at) for path in paths]
    with ThreadPoolExecutor(N_CORES) as pool:
        told = [done.told() for done in pool.map(partial(run, folder=workload.folder), commands)]
    workload.agreement.check(sum(entry["checksum"] for entry in told))
    late_seconds = max(entry["late_seconds"] for entry in told)
    if late_seconds > MOST_LATE_SECONDS:
        raise ProgramError(f"two bare loops did not begin at once: one was {1000 * late_seconds:.0f} ms late")
    seconds = [entry["makespan_seconds"] for entry in told]
    speeds = [sum(share) / of_one for share, of_one in zip(shares, seconds, strict=True)]
    return {"makespan_seconds": sum(workload.work) / sum(speeds), "slower_seconds": max(seconds)}


def fullrank(workload: Workload, config: Path, command: Sequence[str], *options: str) -> Sample:
    """Run fullrank on a config of the workload, and read from its file what its workers took."""
    arguments = ["run", str(config), "-o", str(workload.output), "--quiet", *options]
    finished = run([*command, *arguments], folder=workload.folder)
    with ResultFile(workload.output) as file:
        elapsed = [worker.elapsed_seconds for worker in file.workers()]
        (block,) = file.blocks(file.n_items)
    workload.output.unlink()
    begun, ended = block.values["begun"], block.values["ended"]
    workload.agreement.check(checksum(block.values["value"].tolist()))
    return {
        "makespan_seconds": max(elapsed),
        "inside_seconds": float((ended - begun).sum()),
        "longest_seconds": float((ended - begun).max()),
        "by_clock_seconds": float(ended.max() - begun.min()),
        "wall_seconds": finished.wall_seconds,
    }
