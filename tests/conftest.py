"""Fixtures that start programs, and see to it that none of them stays behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

# Test modules are no package: what they share is a module beside this file, and reaches them by fixtures.
sys.path.insert(0, str(Path(__file__).parent))

from in_process import ProjectInProcess
from studies import Project

# Every program that a test starts inherits this variable, and is found by it again. Process groups
# would not do: the ranks of Open MPI leave theirs.
MARK = "FULLRANK_TEST"
GRACE_SECONDS = 5.0

# Files that take longest go first: where files are shared out, the last one keeps a core alone.
LONGEST = {
    "test_compare",
    "test_crash_journal",
    "test_crash_points",
    "test_deaths",
    "test_gallery",
    "test_isolation",
    "test_leaving",
    "test_mpi_run",
    "test_resume",
    "test_selftest",
    "test_signals",
}

SLOW = frozenset(Path(__file__).with_name("slow.txt").read_text().splitlines())
"""Tests that ``make test-slow`` runs and ``make test`` leaves out."""

# What a launcher or batch system round pytest says of its job is not meant for the tests' programs.
LAUNCHERS = ("HYDI_", "HYDRA_", "MPI_LOCAL", "OMPI_", "PMIX_", "PMI_", "PRTE_", "SLURM_")
SETTINGS = ("_MCA_", "OMPI_ALLOW_RUN_AS_ROOT")

# Open MPI refuses to run as root, as containers do, and to start more ranks than there are cores.
OPENMPI_SETTINGS = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}

# Where the first of these are found, and no job is, fullrank takes the machine for a login node; it asks the others
# when a job ends.
BATCH_SYSTEMS = ("sbatch", "qsub", "bsub", "squeue", "qstat", "bjobs")

Program = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "mpi: starts MPI programs; with Open MPI, these are run")
    config.addinivalue_line(
        "markers",
        "in_process: fullrank is called, not started, for what it says and writes alone; (False): started after all",
    )
    config.addinivalue_line("markers", "slow: takes seconds; left out unless -m asks for it")
    config.addinivalue_line("markers", "long: takes minutes; left out unless -m asks for it")


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "mpiexec" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.mpi)
        if item.nodeid in SLOW or item.nodeid.partition("[")[0] in SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="session", autouse=True)
def _environment_of_a_laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", _without_batch_systems(os.environ["PATH"], tmp_path_factory))
        for name in list(os.environ):
            if name.startswith(LAUNCHERS) and not any(setting in name for setting in SETTINGS):
                patch.delenv(name)
        for name, value in OPENMPI_SETTINGS.items():
            patch.setenv(name, os.environ.get(name, value))
        # hundreds of programs are started here, and without a cache each compiles all it imports
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


def _without_batch_systems(path: str, factory: pytest.TempPathFactory) -> str:
    """Return ``path`` with links to all other commands in place of a folder that holds a batch system's."""
    return os.pathsep.join(
        str(_others_of(Path(folder), factory)) if any(Path(folder, name).exists() for name in BATCH_SYSTEMS) else folder
        for folder in path.split(os.pathsep)
    )


def _others_of(folder: Path, factory: pytest.TempPathFactory) -> Path:
    others = factory.mktemp("bin")
    for command in folder.iterdir():
        if command.name not in BATCH_SYSTEMS:
            (others / command.name).symlink_to(command)
    return others


@pytest.fixture
def leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails the test if a program that it started, or a child of one, outlives it; kills it."""
    monkeypatch.setenv(MARK, uuid.uuid4().hex)
    yield
    deadline = time.monotonic() + GRACE_SECONDS
    while _marked() and time.monotonic() < deadline:
        time.sleep(0.02)
    if left := _kill_marked():
        pytest.fail(f"still running {GRACE_SECONDS:g} s after the test: {left}")


@pytest.fixture
def mpiexec() -> Path:
    """The launcher of this environment's MPI library; without one the test is skipped."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = beside if beside.exists() else shutil.which("mpiexec")
    if found is None:
        pytest.skip("no mpiexec beside this Python or on the PATH; the extra `mpich` has one")
    return Path(found)


@pytest.fixture
def run_mpi(mpiexec: Path, tmp_path: Path, leaves_nothing_running: None) -> Program:
    """``run_mpi(n, program, *arguments, timeout=60, cwd=tmp_path, env={})``: to its end on n."""

    def run(n: int, *args: object, **options: object) -> "subprocess.CompletedProcess[str]":
        return _run_to_end([mpiexec, "-n", n, *args], **{"cwd": tmp_path, **options})

    return run


@pytest.fixture
def fullrank_cli(tmp_path: Path, leaves_nothing_running: None) -> Program:
    """``fullrank_cli(*arguments, timeout=60, cwd=tmp_path, env={})``: one command, to its end."""

    def run(*args: object, **options: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "fullrank", *args]
        return _run_to_end(command, **{"cwd": tmp_path, **options})

    return run


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path, leaves_nothing_running: None) -> Project:
    """A user's folder, in which ``fullrank`` is run, as a call where the test is marked ``in_process``."""
    return _kind_of_project(request)(_users_folder(tmp_path))


@pytest.fixture
def mpi_project(request: pytest.FixtureRequest, tmp_path: Path, mpiexec: Path, leaves_nothing_running: None) -> Project:
    """The same where there is MPI."""
    return _kind_of_project(request)(_users_folder(tmp_path), mpiexec)


def _kind_of_project(request: pytest.FixtureRequest) -> type[Project]:
    mark = request.node.get_closest_marker("in_process")
    return Project if mark is None or False in mark.args else ProjectInProcess


def _users_folder(tmp_path: Path) -> Path:
    """Return a folder with a name that users have and programs stumble over."""
    folder = tmp_path / "Ada's $tudies, größer"
    folder.mkdir()
    return folder


def _run_to_end(
    command: list[object], *, cwd: Path, timeout: float = 60, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    words = [str(word) for word in command]
    with subprocess.Popen(
        words,
        cwd=cwd,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is pytest's, which then kills what is left
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _kill_marked()
            out, err = process.communicate()
            pytest.fail(f"{words} did not end within {timeout} s; it wrote:\n{out}\n{err}")
        except BaseException:
            _kill_marked()
            raise
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def _marked() -> dict[int, str]:
    """Return pid and command line of the processes that carry the mark of the running test."""
    mark = f"{MARK}={os.environ[MARK]}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            if mark in (folder / "environ").read_bytes():
                words = (folder / "cmdline").read_bytes().split(b"\0")
                found[int(folder.name)] = b" ".join(words).decode(errors="replace")
    return found


def _kill_marked() -> dict[int, str]:
    """Kill them, and what they start meanwhile; return the first ones seen."""
    first = left = _marked()
    while left:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
        left = _marked()
    return first
