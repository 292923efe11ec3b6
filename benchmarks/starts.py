"""Starting one program on one workload: what it took, and whether its results are those of the others."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import studies
from harness import Sample
from programs import OWN, ProgramError, run

from fullrank.store import ResultFile

N_CORES = 2


class Agreement:
    """What the results of a study add up to, by the first program that ran."""

    def __init__(self, study: str) -> None:
        self._study = study
        self._checksum: int | None = None

    def check(self, checksum: int) -> None:
        """Raise ProgramError for a program whose results add up to something else."""
        self._checksum = checksum if self._checksum is None else self._checksum
        if checksum != self._checksum:
            raise ProgramError(f"{self._study}: the results differ; no time of them means anything")


class Workload:
    """Items as files: in the order in which they come, longest first, and longest last."""

    def __init__(self, folder: Path, name: str, work: Sequence[int]) -> None:
        self.folder = folder
        self.name = name
        self.work = list(work)
        self.list = self._written("", self.work)
        self.presorted = self._written(".presorted", sorted(work, reverse=True))
        self.presorted_from_end = self._written(".presorted-from-end", sorted(work))
        """For a program that begins with the last item of its list."""
        self.config = studies.write_spinning(folder / f"{name}.toml", self.work)
        self.config_with_costs = studies.write_spinning(folder / f"{name}.costs.toml", self.work, longest_first=True)
        self.output = folder / f"{name}.h5"
        self.agreement = Agreement(name)

    def dealt_out(self) -> list[Path]:
        """Write lists of equal work, one a core."""
        shares = studies.dealt_out(self.work, N_CORES)
        return [self._written(f".{number}", share) for number, share in enumerate(shares)]

    def _written(self, what: str, work: Sequence[int]) -> Path:
        path = self.folder / f"{self.name}{what}.json"
        path.write_text(json.dumps(list(work)))
        return path


def peer(workload: Workload, command: Sequence[str]) -> Sample:
    """Run a program of ``peers/``, which tells itself how long its items took together."""
    finished = run(command, folder=workload.folder)
    told = finished.told()
    workload.agreement.check(told.pop("checksum"))
    return {**told, "wall_seconds": finished.wall_seconds}


def loops_side_by_side(workload: Workload) -> Sample:
    """Run a bare loop on each core: what the machine gives to processes that share nothing."""
    commands = [OWN.script("bare_loop.py", "spin", path) for path in workload.dealt_out()]
    with ThreadPoolExecutor(N_CORES) as pool:
        told = [done.told() for done in pool.map(partial(run, folder=workload.folder), commands)]
    workload.agreement.check(sum(entry["checksum"] for entry in told))
    return {
        "makespan_seconds": max(entry["makespan_seconds"] for entry in told),
        "inside_seconds": sum(entry["inside_seconds"] for entry in told),
        "longest_seconds": max(entry["longest_seconds"] for entry in told),
    }


def fullrank(workload: Workload, config: Path, command: Sequence[str], *options: str) -> Sample:
    """Run fullrank on a config of the workload, and read from its file what its workers took."""
    arguments = ["run", str(config), "-o", str(workload.output), "--quiet", *options]
    finished = run([*command, *arguments], folder=workload.folder)
    with ResultFile(workload.output) as file:
        elapsed = [worker.elapsed_seconds for worker in file.workers()]
        (block,) = file.blocks(file.n_items)
    workload.output.unlink()
    begun, ended = block.values["begun"], block.values["ended"]
    workload.agreement.check(int(block.values["value"].sum()))
    return {
        "makespan_seconds": max(elapsed),
        "inside_seconds": float((ended - begun).sum()),
        "longest_seconds": float((ended - begun).max()),
        "by_clock_seconds": float(ended.max() - begun.min()),
        "wall_seconds": finished.wall_seconds,
    }
