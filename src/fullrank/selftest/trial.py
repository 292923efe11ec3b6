"""One study, killed again and again and gone on with, until it is complete."""

import os
import random
import shutil
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fullrank.dataclass import dataclass, replace
from fullrank.errors import OutputError
from fullrank.launch import Starter
from fullrank.launcher import thread_limits
from fullrank.selftest import procfs
from fullrank.selftest.evidence import Evidence, Kill, begun_items, items_on_record, judge, n_wrong_values
from fullrank.selftest.plan import (
    ALL,
    AT_START,
    MPI,
    MPIEXEC,
    RANK,
    ROOT,
    SERIAL,
    START,
    WORKER,
    Start,
    draw,
)
from fullrank.workfolder import WorkFolder

END_SECONDS = 15.0
"""A run has this long to end once one of its processes was killed."""
_RUN_SECONDS = 120.0
_LOOK_SECONDS, _POLL_SECONDS = 0.02, 0.001
_GATHER_SECONDS, _COMMIT_SECONDS = 0.01, 0.03
"""How long these phases last, roughly: kills are spread over that time."""
MARK = "FULLRANK_SELFTEST"
_WORKER = "fullrank.backends.child"
_CONFIG = """\
[workload]
function = "fullrank.selftest.items:evaluate"
constants = {{ salt = {salt}, evaluations = "evaluations" }}

[sweep.grid]
index = {{ range = {n_items} }}

[output]
path = "result.h5"
"""


@dataclass(frozen=True)
class Launcher:
    """How ranks are started here."""

    mpiexec: Path
    library: str

    def command(self, start: Start) -> list[str]:
        """Return the command of one start."""
        fullrank = [sys.executable, "-m", "fullrank", "run", "study.toml", "-q"]
        if start.backend != MPI:
            return [*fullrank, "-b", start.backend, "-n", str(start.n_workers)]
        return [str(self.mpiexec), "-n", str(start.n_workers), *fullrank]

    def environment(self) -> dict[str, str]:
        """Return the environment of all starts."""
        environment = Starter((), self.library).environment(os.environ, 1)
        return environment | thread_limits(environment)


class Trial:
    """One study in a new folder."""

    def __init__(self, folder: Path, launcher: Launcher, *, salt: int, n_items: int) -> None:
        folder.mkdir()
        self.folder = folder
        self._launcher = launcher
        self._salt = salt
        self._n_items = n_items
        self._evaluations = folder / "evaluations"
        self._work = WorkFolder(folder / "result.h5")
        self._start_seconds = 1.0
        self._started_at = 0.0
        (folder / "study.toml").write_text(_CONFIG.format(salt=salt, n_items=n_items))

    def run(self, rng: random.Random, max_kills: int) -> Evidence:
        """Kill at most ``max_kills`` times, let it end, and return what came of it."""
        kills: list[Kill] = []
        while len(kills) < max_kills:
            kill = self._killed(draw(rng, is_first=not kills), rng)
            if kill is None:
                break
            kills.append(kill)
        n_wrong = self._complete()
        evidence = judge(kills, begun_items(self._evaluations), salt=self._salt, n_wrong=n_wrong)
        if evidence.is_clean:
            shutil.rmtree(self.folder)
        return evidence

    def _complete(self) -> int:
        """Let the study end undisturbed; return how many items are wrong, or missing."""
        with self._started(Start(SERIAL, 1, "", "", 0.0)) as (process, _):
            _until(lambda: False, process)
        try:
            return n_wrong_values(self._work.output, self._n_items, self._salt)
        except (OutputError, OSError):
            return self._n_items

    @contextmanager
    def _started(self, start: Start) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
        """Start the study; yield its process and the mark in the environment of all that come of it."""
        mark = f"{MARK}={uuid.uuid4().hex}"
        environment = self._launcher.environment() | dict([mark.split("=")])
        self._started_at = time.time()
        with (self.folder / "said").open("ab") as said:
            process = subprocess.Popen(
                self._launcher.command(start),
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # a Ctrl-C is for the test, which then kills it
            )
        try:
            yield process, mark
        finally:
            procfs.kill(procfs.marked(mark))
            process.wait()

    def _killed(self, start: Start, rng: random.Random) -> Kill | None:
        """Start the study and kill as planned; None if it was over before."""
        with self._started(start) as (process, mark):
            if not self._is_under_way(process, start):
                return None
            processes = procfs.marked(mark)
            victim, pids = _victims(start, processes, process.pid, rng)
            if not self._has_come(process, start):
                return None
            start = replace(start, victim=victim)
            if victim == WORKER:
                return self._worker_killed(start, process, mark, pids)
            shared = procfs.shared_memory(processes)
            procfs.kill(pids)
            seconds, left = _await_end(process, mark, shared)
        for path in shared:  # what MPI libraries leave when they are killed as they start
            path.unlink(missing_ok=True)
        return Kill(start, self._held(), len(begun_items(self._evaluations)), seconds, left)

    def _worker_killed(
        self, start: Start, process: "subprocess.Popen[bytes]", mark: str, pids: list[int]
    ) -> Kill | None:
        """Kill a worker and let its run, which starts it again, go on; None if the worker had ended."""
        held = self._held()
        if not any(map(procfs.command, pids)):
            return None
        procfs.kill(pids)
        n_lines = len(begun_items(self._evaluations))
        _until(lambda: False, process)
        _, left = _await_end(process, mark, set())
        return Kill(start, held, n_lines, 0.0, left)

    def _held(self) -> Counter[int]:
        if self._work.output.exists():
            return Counter(range(self._n_items))
        return items_on_record(self._work.journals())

    def _is_under_way(self, process: "subprocess.Popen[bytes]", start: Start) -> bool:
        """Wait for the kill's moment in the start, else until the workers compute; False if the run ended before."""
        if start.moment == START:
            _until(lambda: False, process, limit_seconds=start.share * self._start_seconds)
            return process.poll() is None
        begun, n_bytes = time.monotonic(), self._evaluated_bytes()
        came = _until(lambda: self._evaluated_bytes() > n_bytes or self._is_committing(), process)
        self._start_seconds = time.monotonic() - begun
        return came

    def _has_come(self, process: "subprocess.Popen[bytes]", start: Start) -> bool:
        """Wait for the kill's moment in compute, gather or commit; False if the run ended before."""
        if start.moment == "compute":
            n_left = self._n_items - len(set(begun_items(self._evaluations)))
            n_lines = len(begun_items(self._evaluations)) + int(start.share * n_left)
            return _until(lambda: len(begun_items(self._evaluations)) >= n_lines, process)
        if start.moment == "gather":
            came = _until(self._last_attempt_has_ended, process)
            time.sleep(start.share * _GATHER_SECONDS)
            return came
        if start.moment == "commit":
            came = _until(self._is_committing, process)
            time.sleep(start.share * _COMMIT_SECONDS)
            return came
        return True

    def _evaluated_bytes(self) -> int:
        return self._evaluations.stat().st_size if self._evaluations.exists() else 0

    def _is_committing(self) -> bool:
        return any(path.stat().st_mtime > self._started_at for path in self._work.path.glob("result.*.tmp"))

    def _last_attempt_has_ended(self) -> bool:
        attempts = self._work.attempt_log.rows()
        return not attempts or attempts[-1].ended != ""


def _victims(start: Start, processes: dict[int, bytes], launcher: int, rng: random.Random) -> tuple[str, list[int]]:
    """Return what is to be killed, in that order, and what it is; the launcher where there are no ranks or workers."""
    ranks = procfs.ranks(processes)
    others = [pid for rank, pid in sorted(ranks.items()) if rank > 0]
    workers = [pid for pid in sorted(processes) if _WORKER in procfs.command(pid)]
    if start.victim == RANK and others:
        return RANK, [rng.choice(others)]
    if start.victim == WORKER and workers:
        return WORKER, [rng.choice(workers)]
    if start.victim == ROOT and 0 in ranks:
        return ROOT, [ranks[0]]
    too_early = "" if ranks or workers or start.moment != START else AT_START
    if start.victim == ALL:
        return ALL + too_early, rng.sample(sorted(processes), len(processes))
    return (MPIEXEC if start.backend == MPI else ROOT) + too_early, [launcher]


def _until(
    has_come: Callable[[], bool], process: "subprocess.Popen[bytes]", *, limit_seconds: float = _RUN_SECONDS
) -> bool:
    """Wait until ``has_come``; False if the process ended, or the time was over, before that."""
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end and process.poll() is None:
        with suppress(FileNotFoundError):  # the run removes its files while they are looked at
            if has_come():
                return True
        time.sleep(_POLL_SECONDS)
    return False


def _await_end(process: "subprocess.Popen[bytes]", mark: str, shared: set[Path]) -> tuple[float, tuple[str, ...]]:
    """Wait until no process of the run is left; return how long that took, and which had to be killed for it.

    What the last ones shared is added to ``shared``.
    """
    killed = time.monotonic()
    while ((left := procfs.marked(mark)) or process.poll() is None) and time.monotonic() - killed < END_SECONDS:
        shared |= procfs.shared_memory(left)
        time.sleep(_LOOK_SECONDS)
    seconds = time.monotonic() - killed
    left = procfs.marked(mark)
    commands = tuple(map(procfs.command, left))
    procfs.kill(left)
    return seconds, commands
