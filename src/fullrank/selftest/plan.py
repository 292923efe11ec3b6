"""What is killed when: drawn from a seed, before anything runs."""

import random
from dataclasses import dataclass

RANKS = 4
MPI, PROCESSES, SERIAL = "mpi", "processes", "serial"
VICTIMS = ("rank", "root", "mpiexec", "all")
MOMENTS = {"start": 0.2, "compute": 0.5, "gather": 0.15, "commit": 0.15}
"""The phases that kills are aimed at, and how often."""
_OTHER_SIZES = (2, 3)


@dataclass(frozen=True)
class Start:
    """One start of a study, and the kill that waits for it."""

    backend: str
    n_workers: int
    victim: str
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
    # a worker of `processes` does not end its run, so that no moment of the kill could be told from later ones
    victim = rng.choice(VICTIMS if backend == MPI else ("root", "all"))
    moment = rng.choices(list(MOMENTS), list(MOMENTS.values()))[0]
    return Start(backend, n_workers, victim, moment, rng.random())
