"""What the environment says about the launcher that started this process.

Every rank loads this first, to learn whether it is root; so it imports nothing at all, and what
would be a dataclass elsewhere is a plain class here.
"""

TYPE_CHECKING = False  # typing's own opens a dozen files
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_OF_OPEN_MPI = "Open MPI's mpiexec"


class Launched:
    """This process is one of those that a launcher started together."""

    __slots__ = ("name", "rank", "size")

    def __init__(self, name: str, rank: int, size: int) -> None:
        """Keep what the launcher said, 0 <= rank < size."""
        self.name = name
        """The launcher in a user's words."""
        self.rank = rank
        """Rank 0 is root."""
        self.size = size
        """Number of processes the launcher started."""

    @property
    def is_pmix_alone(self) -> bool:
        """Whether the launcher speaks PMIx and nothing else, which only libraries built for it understand."""
        return self.name == _OF_OPEN_MPI

    def __repr__(self) -> str:
        """Return ``rank 3 of 8 under srun``."""
        return f"rank {self.rank} of {self.size} under {self.name}"


# Where Slurm is, Open MPI's mpiexec and hydra start one helper a node with srun. Their ranks carry
# the variables of that Slurm step too, so the inner launcher is asked first.
_LAUNCHERS = (
    (_OF_OPEN_MPI, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", ""),
    ("MPICH's mpiexec", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", ""),
    ("a PMI launcher", "PMI_RANK", "PMI_SIZE", ""),
)
"""Name; variables of rank and size; a variable that must be there as well ("": none)."""

_GIVES_SHELLS = ("srun", "a PMI launcher")
"""``srun --pty bash`` is how users get a shell on a node; with pmi2 it sets PMI_RANK too."""

_OF_LAUNCHERS = ("PMI_", "PMI2_", "PMIX_", "OMPI_", "PRTE_", "HYDRA_", "HYDI_", "MPI_LOCAL")
_OF_SLURM_STEPS = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_GTIDS", "SLURM_STEP", "SLURM_PMI")
_OF_USERS = ("OMPI_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT")

_ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}


def launcher_from(environ: "Mapping[str, str]") -> "Launched | None":
    """Return what the launcher says of this process, None where no launcher started it.

    The batch shell of a Slurm job has a SLURM_PROCID and a SLURM_NTASKS and is no rank: only a
    *step's* number of tasks counts. A step of one task is a shell on a node or one program that was
    given the cores: None too, for there are no others. ``mpiexec -n 1`` is a launch of size 1.
    """
    in_slurm_step = "SLURM_STEP_NUM_TASKS" in environ
    for name, rank_variable, size_variable, witness in _LAUNCHERS:
        rank, size = _number(environ, rank_variable), _number(environ, size_variable)
        if rank is None or size is None or rank >= size or (witness and witness not in environ):
            continue
        if size > 1 or not (in_slurm_step and name in _GIVES_SHELLS):
            return Launched(name, rank, size)
    return None


def _number(environ: "Mapping[str, str]", variable: str) -> int | None:
    text = environ.get(variable, "")
    return int(text) if text.isascii() and text.isdecimal() else None


def stripped_environment(environ: "Mapping[str, str]") -> dict[str, str]:
    """Return ``environ`` without what makes a process a rank: for the children of one.

    A child that keeps these variables and loads an MPI library takes itself for its parent's rank:
    it dies, or takes the parent with it. What only tells mpiexec that root may use it stays.
    """
    return {name: value for name, value in environ.items() if not _is_of_rank(name)}


def _is_of_rank(name: str) -> bool:
    return name.startswith(_OF_LAUNCHERS + _OF_SLURM_STEPS) and not name.startswith(_OF_USERS)


def thread_limits(environ: "Mapping[str, str]") -> dict[str, str]:
    """Return the variables a worker still needs to keep to one core and to hash alike everywhere.

    Those the user has set are not among them: theirs hold. Numerical libraries read them when they
    are loaded; Python reads PYTHONHASHSEED when it starts.
    """
    return {name: value for name, value in _ONE_CORE.items() if not environ.get(name)}


def python_module(name: str, *arguments: str, folders: "Sequence[str]" = ()) -> list[str]:
    """Return the command that runs a module of ours in a Python that finds modules where this one does.

    ``folders`` are absolute ones that the module puts on ``sys.path`` itself. ``-m`` alone puts the working folder
    first, and a user's file signal.py there would stand for Python's own before ours is running; ``-P`` keeps it out,
    unless this process looks there, too, and not for ``folders`` alone.
    """
    import os
    import sys

    try:
        here = os.getcwd()  # noqa: PTH109  # pathlib would be loaded for this alone
    except OSError:  # it was removed
        here = ""
    is_searched = here not in folders and ("" in sys.path or here in sys.path)
    return [sys.executable, *([] if is_searched else ["-P"]), "-m", name, *arguments]
