"""What is killed when: drawn from a seed, before anything runs."""

import random

from fullrank.dataclass import dataclass

RANKS = 4
MPI, PROCESSES, SERIAL = "mpi", "processes", "serial"
RANK, WORKER, ROOT, MPIEXEC, ALL = "rank", "worker", "root", "mpiexec", "all"
VICTIMS = {MPI: (RANK, ROOT, MPIEXEC, ALL), PROCESSES: (WORKER, ROOT, ALL)}
"""By backend; a worker is a child of `processes`, whose run goes on without it."""
START = "start"
AT_START = " before the ranks were up"
MOMENTS = {START: 0.2, "compute": 0.5, "gather": 0.15, "commit": 0.15}
"""The phases that kills are aimed at, and how often."""
_OTHER_SIZES = (2, 3)


@dataclass(frozen=True)
class Start:
    """One start of a study, and the kill that waits for it."""

    backend: str
    n_workers: int
    victim: str
    """Planned; of a kill, what was killed: before there are ranks or workers it is what starts them."""
    moment: str
    share: float
    """How far into the phase, 0 to 1."""


def draw(rng: random.Random, *, is_first: bool) -> Start:
    """Return the next start: a study begins on four ranks and goes on with another number, or in child processes."""
    if is_first:
        backend, n_workers = MPI, RANKS
    elif rng.random() < 0.2:
        backend, n_workers = PROCESSES, 2
    else:
        backend, n_workers = MPI, rng.choice((RANKS, *_OTHER_SIZES))
    victim = rng.choice(VICTIMS[backend])
    moment = rng.choices(list(MOMENTS), list(MOMENTS.values()))[0]
    return Start(backend, n_workers, victim, moment, rng.random())
