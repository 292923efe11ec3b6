"""Who takes part: the limits, fullrank, and what a user would pick in its place."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from harness import Sample
from programs import OWN, PEERS, Bench
from starts import N_CORES, Workload, fullrank, loops_side_by_side, peer

Program = Callable[[], Sample]

SERIAL, CEILING = "bare loop, one process", "two bare loops, dealt out by known cost"
STATIC = "bare scatter and gather, 2 ranks"
MPI, PROCESSES = "fullrank, mpi, 2 ranks", "fullrank, processes, 2 workers"
KNOWN = ", costs known"
PRESORTED = ", presorted"
PACKAGES = ("joblib", "mpi4py", "mpipool", "mpire", "schwimmbad")
"""Of the peers; multiprocessing and concurrent.futures are Python's."""
RANKS = (N_CORES, N_CORES + 1)
"""Of a peer that keeps one to manage the others: equal ranks, and as many that compute as there are cores."""
CHUNKSIZES = (4, 12, 40, 100)
"""Tried for the tuned programs; 1 stands for itself."""


class Lineup:
    """The programs of one workload, by name, and what was found before the first round."""

    def __init__(self, bench: Bench, workload: Workload, installed: Mapping[str, str]) -> None:
        self.programs: dict[str, Program] = {}
        self.aside: set[str] = set()
        """Programs on which no verdict is expected to rest: :func:`harness.take_rounds`."""
        self.chunksizes: dict[str, int] = {}
        """Of the tuned programs, by name without it."""
        self._bench, self._workload, self._installed = bench, workload, installed

    def add_limits(self) -> None:
        """Add what no program can beat, and the least that a program under MPI has to do."""
        workload = self._workload
        self.programs[SERIAL] = partial(peer, workload, OWN.script("bare_loop.py", "spin", workload.list))
        self.programs[CEILING] = partial(loops_side_by_side, workload)
        if self._has("mpi4py", STATIC):
            command = [*PEERS.mpiexec(N_CORES), *PEERS.script("static_scatter.py", workload.list)]
            self.programs[STATIC] = partial(peer, workload, command)

    def add_fullrank(self, config: Path, suffix: str = "") -> None:
        """Add fullrank on the ranks of MPI and on child processes."""
        self.add_fullrank_mpi(config, suffix)
        processes = ("-b", "processes", "-n", str(N_CORES))
        self.programs[PROCESSES + suffix] = partial(fullrank, self._workload, config, OWN.fullrank, *processes)

    def add_fullrank_mpi(self, config: Path, suffix: str = "") -> None:
        """Add fullrank on the ranks of MPI alone."""
        command = [*OWN.mpiexec(N_CORES), *OWN.fullrank]
        self.programs[MPI + suffix] = partial(fullrank, self._workload, config, command)

    def add_mpi_peers(self, items: Path, *, ranks: Sequence[int] = RANKS, suffix: str = "", aside: bool) -> None:
        """Add the pools of MPI, each with so many ranks; ``aside`` is mpi4py.futures, the others are always."""
        for n_ranks in ranks:
            name = f"mpi4py.futures, {n_ranks} ranks"
            if self._has("mpi4py", name):
                self._add_tuned(name, partial(_futures, n_ranks), items, suffix, aside=aside)
            for package, script in (("schwimmbad", "schwimmbad_pool.py"), ("mpipool", "mpipool_pool.py")):
                name = f"{package}, {n_ranks} ranks"
                if self._has(package, name):
                    self._add(name + suffix, [*PEERS.mpiexec(n_ranks), *PEERS.script(script, items)])

    def add_untuned_futures(self, items: Path) -> None:
        """Add mpi4py.futures with its default, chunks of one item."""
        for n_ranks in RANKS:
            name = f"mpi4py.futures, {n_ranks} ranks, chunks of 1"
            if self._has("mpi4py", name):
                self._add(name, _futures(n_ranks, items, 1))

    def add_pool(self, items: Path, suffix: str = "") -> None:
        """Add multiprocessing's pool with chunks of one item."""
        self._add(f"multiprocessing.Pool, chunks of 1{suffix}", _pool("multiprocessing_pool.py", items, 1))

    def add_other_pools(self, items: Path) -> None:
        """Add what there is for the processes of one machine beside :meth:`add_pool`."""
        for name, script in (
            ("multiprocessing.Pool", "multiprocessing_pool.py"),
            ("ProcessPoolExecutor", "executor_pool.py"),
        ):
            self._add_tuned(name, partial(_pool, script), items)
        if self._has("joblib", "joblib"):
            self._add("joblib, loky, batches of 1", _pool("joblib_pool.py", items, 1))
            self._add("joblib, loky, batches sized by it", _pool("joblib_pool.py", items, "auto"))
        if self._has("mpire", "mpire"):
            self._add("mpire, chunks sized by it", _pool("mpire_pool.py", items))

    def _add(self, name: str, command: Sequence[str], *, aside: bool = True) -> None:
        self.programs[name] = partial(peer, self._workload, command)
        if aside:
            self.aside.add(name)

    def _add_tuned(
        self,
        name: str,
        command: Callable[[Path, int], list[str]],
        items: Path,
        suffix: str = "",
        *,
        aside: bool = True,
    ) -> None:
        if name not in self.chunksizes:
            self.chunksizes[name] = self._fastest(name, partial(command, items))
        best = self.chunksizes[name]
        self._add(f"{name}, chunks of {best}{suffix}", command(items, best), aside=aside)

    def _fastest(self, name: str, command: Callable[[int], list[str]]) -> int:
        """Return the chunk size with the shortest whole command, of one start each."""

        def wall_seconds(chunksize: int) -> float:
            self._bench.tell(f"tuning {name}: chunks of {chunksize}")
            return peer(self._workload, command(chunksize))["wall_seconds"]

        return min(CHUNKSIZES[:2] if self._bench.quick else CHUNKSIZES, key=wall_seconds)

    def _has(self, package: str, name: str) -> bool:
        if package not in self._installed:
            self._bench.tell(f"{name}: left out, {package} is not installed; `make bench` does that")
        return package in self._installed


def _futures(n_ranks: int, items: Path, chunksize: int) -> list[str]:
    python, *script = PEERS.script("futures_pool.py", items, chunksize)
    return [*PEERS.mpiexec(n_ranks), python, "-m", "mpi4py.futures", *script]


def _pool(script: str, items: Path, *chunksize: object) -> list[str]:
    return PEERS.script(script, items, N_CORES, *chunksize)


def is_mpi_peer(name: str, n_ranks: int) -> bool:
    """Whether a program is a pool of MPI on so many ranks.

    >>> is_mpi_peer("schwimmbad, 2 ranks", 2), is_mpi_peer(MPI, 2), is_mpi_peer(STATIC, 2)
    (True, False, False)
    """
    return f", {n_ranks} ranks" in name and not name.startswith((MPI, STATIC))
