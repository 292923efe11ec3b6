"""What starts the ranks inside a job: the MPI library's mpiexec, srun, or what the site says."""

import shlex

from fullrank.dataclass import dataclass
from fullrank.submit.systems import BatchSystem


@dataclass(frozen=True)
class Launcher:
    """Shell words that start the command behind them on all ranks of a job."""

    words: str
    before: str = ""
    """Shell lines that it needs."""


def by_mpiexec(path: str, vendor: str, system: BatchSystem) -> Launcher:
    """Return the ``mpiexec`` at ``path``, with one rank bound to a core, on the whole allocation."""
    hosts, binding = system.hosts, "core"
    if vendor == "Open MPI":
        # where hyper-threads count as cores there are more ranks than cores, which is no reason not to start
        hosts, binding = system.hosts_for_open_mpi or hosts, "core:overload-allowed"
    words = [shlex.quote(path), hosts, f"--bind-to {binding}"]
    return Launcher(" ".join(filter(None, words)), system.for_mpiexec)


def by_srun(vendor: str) -> Launcher:
    """Return ``srun``, for an MPI library that has no mpiexec."""
    # without the first, each rank is a world of its own; without the second, a rank that is killed leaves the others
    # waiting
    return Launcher(f"srun --mpi={'pmix' if vendor == 'Open MPI' else 'pmi2'} --kill-on-bad-exit=1 --cpu-bind=cores")


def by_site(words: str, system: BatchSystem) -> Launcher:
    """Return what a site profile says, as it stands there."""
    return Launcher(words, system.for_site)
