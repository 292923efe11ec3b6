"""Who takes part: the limits, fullrank, and what a user would pick in its place."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from harness import Raw, Sample, column, take_rounds
from programs import OWN, PEERS, Bench
from starts import N_CORES, Workload, fullrank, loops_side_by_side, peer

Program = Callable[[], Sample]
Variants = Mapping[str, Sequence[str]]
"""Of one pool: commands by what is set in them; the pool's default comes first."""

SERIAL, CEILING = "bare loop, one process", "two bare loops at once"
STATIC = "bare scatter and gather, 2 ranks"
MPI, PROCESSES = "fullrank, mpi, 2 ranks", "fullrank, processes, 2 workers"
KNOWN = ", costs known"
PRESORTED = ", presorted"
PACKAGES = ("joblib", "mpi4py", "mpipool", "mpire", "schwimmbad")
"""Of the peers; multiprocessing and concurrent.futures are Python's."""
PROCESS_POOLS = ("multiprocessing.Pool", "ProcessPoolExecutor", "joblib", "mpire")
"""How the names of pools of processes begin."""
RANKS = (N_CORES, N_CORES + 1)
"""Of a peer that keeps one to manage the others: equal ranks, and as many that compute as there are cores."""
CHUNKSIZES = {N_CORES: (1, 12, 100), N_CORES + 1: (1, 4, 12, 40)}
"""Tried for pools of MPI, by ranks: a single worker never gets too much at once, one of two may wait for the other."""
POOL_CHUNKSIZES = (1, 4)
"""Tried for pools of processes, to which an item more costs little."""
N_TRIALS, N_TRIALS_ASIDE = 5, 2
"""Starts of each variant before the first round: where a verdict rests on it, and where none does."""
MUCH_SLOWER = 2.0
"""A pool of MPI whose trials took so many times as long as those of the fastest on as many ranks stands aside: no
verdict will rest on it, and each round in which it took part would put the others minutes apart."""
SHORTER_BACKOFF_SECONDS = 1e-4
"""A tenth of the default of mpi4py.futures: how long its ranks sleep at most before they look for a message again."""


class Lineup:
    """The programs of one workload, by name, and what was found before the first round."""

    def __init__(self, bench: Bench, workload: Workload, installed: Mapping[str, str]) -> None:
        self.programs: dict[str, Program] = {}
        self.aside: set[str] = set()
        """Programs on which no verdict rests: :func:`harness.take_rounds`."""
        self.trials: dict[str, Raw] = {}
        """What :func:`harness.take_rounds` gave before the first round, by pool: samples by variant."""
        self.restarts: list[str] = []
        """Programs that failed meanwhile and were started once more."""
        self._bench, self._workload, self._installed = bench, workload, installed

    def add_limits(self) -> None:
        """Add what no program can beat, and the least that a program under MPI has to do."""
        workload = self._workload
        self.programs[SERIAL] = partial(peer, workload, OWN.script("bare_loop.py", "spin", workload.list))
        self.programs[CEILING] = partial(loops_side_by_side, workload)
        if self._has("mpi4py", STATIC):
            command = _under_mpi(N_CORES, "static_scatter.py", workload.list)
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

    def add_mpi_peers(self) -> None:
        """Add the pools of MPI on two and on three ranks, each in its fastest variant, and aside the default."""
        for n_ranks in RANKS:
            self._add_mpi_pools(n_ranks, self._workload.list, self._workload.list, "", aside=False)

    def add_mpi_peers_aside(self, ranks: Iterable[int], *, presorted: bool) -> None:
        """Add the pools of MPI, each in its fastest variant, where no verdict rests on any."""
        items = from_end = self._workload.list
        if presorted:
            items, from_end = self._workload.presorted, self._workload.presorted_from_end
        for n_ranks in ranks:
            self._add_mpi_pools(n_ranks, items, from_end, PRESORTED if presorted else "", aside=True)

    def add_pool(self, *, presorted: bool) -> None:
        """Add multiprocessing's pool with chunks of one item, aside."""
        items, suffix = (self._workload.presorted, PRESORTED) if presorted else (self._workload.list, "")
        self._add(f"multiprocessing.Pool, chunks of 1{suffix}", _pool("multiprocessing_pool.py", items, 1), aside=True)

    def add_process_pools(self) -> None:
        """Add what there is for the processes of one machine, all of it aside."""
        items = self._workload.list
        for name, script in (
            ("multiprocessing.Pool", "multiprocessing_pool.py"),
            ("ProcessPoolExecutor", "executor_pool.py"),
        ):
            variants = {f"chunks of {size}": _pool(script, items, size) for size in POOL_CHUNKSIZES}
            best = self._fastest(name, variants, N_TRIALS_ASIDE)
            self._add(f"{name}, {best}", variants[best], aside=True)
        if self._has("joblib", "joblib"):
            self._add("joblib, loky, batches of 1", _pool("joblib_pool.py", items, 1), aside=True)
            self._add("joblib, loky, batches sized by it", _pool("joblib_pool.py", items, "auto"), aside=True)
        if self._has("mpire", "mpire"):
            self._add("mpire, chunks sized by it", _pool("mpire_pool.py", items), aside=True)

    def _add_mpi_pools(self, n_ranks: int, items: Path, from_end: Path, suffix: str, *, aside: bool) -> None:
        """Add the pools on so many ranks; ``from_end`` are the items for a pool that begins with the last one."""
        tried = {
            **self._add_futures(n_ranks, items, suffix, aside=aside),
            **self._add_schwimmbad(n_ranks, from_end, suffix, aside=aside),
            **self._add_mpipool(n_ranks, items, suffix, aside=aside),
        }
        least = min(tried.values(), default=0.0)
        self.aside.update(name for name, seconds in tried.items() if seconds > MUCH_SLOWER * least)

    def _add_futures(self, n_ranks: int, items: Path, suffix: str, *, aside: bool) -> dict[str, float]:
        """Add mpi4py.futures; with its best chunks a shorter back-off is tried, too. See :meth:`_add_best`."""
        name = f"mpi4py.futures, {n_ranks} ranks"
        if not self._has("mpi4py", name):
            return {}
        sizes = {f"chunks of {size}": size for size in self._sizes(n_ranks)}
        variants = {label: _futures(n_ranks, items, size) for label, size in sizes.items()}
        n_trials = N_TRIALS_ASIDE if aside else N_TRIALS
        best = self._fastest(name + suffix, variants, n_trials)
        shorter = f"{best}, back-off {1e3 * SHORTER_BACKOFF_SECONDS:g} ms"
        variants[shorter] = _futures(n_ranks, items, sizes[best], SHORTER_BACKOFF_SECONDS)
        either = {label: variants[label] for label in (best, shorter)}
        trial = f"{name}{suffix}, back-off"
        return self._add_best(name, variants, self._fastest(trial, either, n_trials), suffix, trial=trial, aside=aside)

    def _add_schwimmbad(self, n_ranks: int, items: Path, suffix: str, *, aside: bool) -> dict[str, float]:
        """Add schwimmbad, which is told item by item or in the batches that its ``batch_tasks`` makes."""
        name = f"schwimmbad, {n_ranks} ranks"
        if not self._has("schwimmbad", name):
            return {}
        variants = {"item by item": _under_mpi(n_ranks, "schwimmbad_pool.py", items)}
        for size in self._sizes(n_ranks)[1:]:
            variants[f"batches of {size}"] = _under_mpi(n_ranks, "schwimmbad_pool.py", items, size)
        trial = name + suffix
        best = self._fastest(trial, variants, N_TRIALS_ASIDE if aside else N_TRIALS)
        return self._add_best(name, variants, best, suffix, trial=trial, aside=aside)

    def _add_mpipool(self, n_ranks: int, items: Path, suffix: str, *, aside: bool) -> dict[str, float]:
        """Add mpipool, which has nothing to choose: it is tried only where it may turn out too slow to take part."""
        name = f"mpipool, {n_ranks} ranks"
        if not self._has("mpipool", name):
            return {}
        variants = {"item by item": _under_mpi(n_ranks, "mpipool_pool.py", items)}
        trial = name + suffix
        if not aside:
            self._fastest(trial, variants, N_TRIALS)
        return self._add_best(name, variants, "item by item", suffix, trial=trial, aside=aside)

    def _add_best(
        self, name: str, variants: Variants, best: str, suffix: str, *, trial: str, aside: bool
    ) -> dict[str, float]:
        """Add the best variant of a pool of MPI, and if verdicts may rest on it, aside, the default.

        Returns the median seconds of the best one's whole command in that trial, by the name of the program; nothing
        for a pool aside.
        """
        program = f"{name}, {best}{suffix}"
        self._add(program, variants[best], aside=aside)
        if aside:
            return {}
        default = next(iter(variants))
        if default != best:
            self._add(f"{name}, {default}{suffix}", variants[default], aside=True)
        return {program: median(column(self.trials[trial]["samples"], best, "wall_seconds"))}

    def _add(self, name: str, command: Sequence[str], *, aside: bool) -> None:
        self.programs[name] = partial(peer, self._workload, command)
        if aside:
            self.aside.add(name)

    def _fastest(self, name: str, variants: Variants, n_trials: int) -> str:
        """Return the variant whose whole command is shortest in the median of some starts, which take turns."""

        def tell(text: str) -> None:
            self._bench.tell(f"{name}, before the first round: {text}")

        programs = {label: partial(peer, self._workload, command) for label, command in variants.items()}
        found = take_rounds(programs, 1 if self._bench.quick else n_trials, tell=tell)
        self.trials[name] = found
        self.restarts += [f"{name}, {label}" for label in found["restarts"]]
        return min(variants, key=lambda label: median(column(found["samples"], label, "wall_seconds")))

    def _sizes(self, n_ranks: int) -> Sequence[int]:
        return CHUNKSIZES[n_ranks][:2] if self._bench.quick else CHUNKSIZES[n_ranks]

    def _has(self, package: str, name: str) -> bool:
        if package not in self._installed:
            self._bench.tell(f"{name}: left out, {package} is not installed; `make bench` does that")
        return package in self._installed


def _futures(n_ranks: int, items: Path, *options: object) -> list[str]:
    python, *script = PEERS.script("futures_pool.py", items, *options)
    return [*PEERS.mpiexec(n_ranks), python, "-m", "mpi4py.futures", *script]


def _under_mpi(n_ranks: int, script: str, items: Path, *options: object) -> list[str]:
    return [*PEERS.mpiexec(n_ranks), *PEERS.script(script, items, *options)]


def _pool(script: str, items: Path, *chunksize: object) -> list[str]:
    return PEERS.script(script, items, N_CORES, *chunksize)


def is_mpi_peer(name: str, n_ranks: int) -> bool:
    """Whether a program is a pool of MPI on so many ranks.

    >>> is_mpi_peer("mpipool, 2 ranks, item by item", 2), is_mpi_peer(MPI, 2), is_mpi_peer(STATIC, 2)
    (True, False, False)
    """
    return f", {n_ranks} ranks" in name and not name.startswith((MPI, STATIC))


def is_process_pool(name: str) -> bool:
    """Whether a program is a pool of processes of one machine that fullrank's is held against.

    >>> is_process_pool("joblib, loky, batches of 1"), is_process_pool(PROCESSES)
    (True, False)
    """
    return name.startswith(PROCESS_POOLS)
