"""What is found out before anything is judged: plain numbers and words, of one process or one folder."""

from fullrank.dataclass import KW_ONLY, dataclass


@dataclass(frozen=True)
class PythonFacts:
    """The interpreter."""

    version: str
    implementation: str
    is_free_threaded: bool
    """Whether it was built to do without the global interpreter lock."""
    gil: str
    """``enabled``, ``disabled`` or ``enabled by MODULE``."""


@dataclass(frozen=True)
class CoreFacts:
    """What one process may use of its machine."""

    _: KW_ONLY
    n_machine: int
    """Processors the machine has, hyper-threads counted."""
    n_affine: int
    """Those the kernel lets this process run on."""
    n_physical: int | None
    """Cores behind these; None where the system does not tell."""
    quota: float | None
    """Cores' worth of time that the control groups give; None: no limit."""
    n_job: int | None
    """Cores that the batch system's job has on this node; None where nothing says so."""
    n_usable: int
    """The least of these, at least 1."""


@dataclass(frozen=True)
class RankFacts:
    """One process that a launcher started, as it tells of itself."""

    _: KW_ONLY
    rank: int
    size: int
    """Of the world it finds itself in."""
    library: str
    """The MPI library it loads, with its version."""
    software: str
    """Versions of Python and fullrank."""
    host: str
    cpus: tuple[int, ...]
    """Processors the kernel lets it run on."""
    cores: tuple[str, ...]
    """Cores behind these, each named by its hyper-threads; empty where the system does not tell."""
    n_threads: int
    """Threads that a numerical library starts in a run."""
    unseen: str
    """Why it does not read what root wrote into the output's folder; "" if it does."""


@dataclass(frozen=True)
class Meeting:
    """What came of starting ranks and letting them meet."""

    launcher: str
    """What started them, in a user's words."""
    n_started: int
    ranks: tuple[RankFacts, ...] = ()
    """Of those that met, by rank; of each world's only rank where each is a world of its own."""
    failure: str = ""
    """What they said when they did not meet; "" if they did."""
    is_late: bool = False
    """Whether they were still not together when their time was over."""

    @property
    def n_worlds(self) -> int:
        """How many worlds the processes are that told of themselves."""
        return sum(rank.rank == 0 for rank in self.ranks)


@dataclass(frozen=True)
class FolderFacts:
    """The file system below the output, tried out by files that are gone again."""

    _: KW_ONLY
    folder: str
    """The output's, or the nearest one above it that is there."""
    kind: str
    """Of file system, "" where the system does not tell."""
    is_shared: bool
    """Whether its kind says that other nodes see it too."""
    doubt: str
    """Why other nodes are unlikely to see it, "" if nothing says so."""
    refusal: str = ""
    """What the system says to a new file, "" if it takes one."""
    fsync_seconds: float | None = None
    """The longest of a few; None if it was not tried."""
    lock_refusal: str = ""
    """What the system says to a lock on a file, "" if locks hold."""
    hdf5_refusal: str = ""
    """What HDF5 says to a new file, "" if it writes one."""
    hdf5_locking: str = ""
    """HDF5_USE_FILE_LOCKING, "" if it is not set."""
    free_bytes: int | None = None
    n_free_files: int | None = None
    """None where the file system has no limit to their number, or does not tell."""


@dataclass(frozen=True)
class ImportFacts:
    """The study's function, imported by a process of its own."""

    seconds: float | None = None
    """None if that did not come to an end."""
    refusal: str = ""
    """Why a run would not begin."""
    notes: tuple[str, ...] = ()
    """What was told while the import lasted."""
    gil: str = ""
    """As in :class:`PythonFacts`, once the module is imported."""
