"""Studies in a folder of their own, run as users run them: through the command line."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fullrank.backends.interpreters import interpreters_module
from fullrank.errors import BackendError

LIMIT_SECONDS = 60.0
OUTPUT = "results/study.h5"

# Each evaluation adds a line to the file `visits`; items take their time until the file `fast` is there.
VISITED = """\
import os, time

def visited(x):
    with open("visits", "ab", buffering=0) as file:
        file.write(b"%d\\n" % x)

def dawdle(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not os.path.exists("fast"):
        time.sleep(0.002)
"""
SLOW = f"""\
{VISITED}
def f(x):
    visited(x)
    dawdle(0.04)
    return x * x / 7
"""
"""`f` returns x * x / 7; an item takes 40 ms until there is a file `fast`."""
STUCK = f"""\
{VISITED}
def f(x):
    visited(x)
    dawdle(0.02 if os.path.getsize("visits") < 60 else 1000)
    return x * x / 7
"""
"""The same, but after 12 to 30 items nothing ends until there is a file `fast`: the run cannot end too early."""

BLIND_ROOT = f"""\
{VISITED}
import fullrank.monitor
fullrank.monitor.LOOK_SECONDS = 1000
def f(x):
    visited(x)
    time.sleep(0.001)
    return 1 / (x - 300)
"""
"""Item 300 fails, and root, which looks five times a second how many did, does not look."""


def _why_no_interpreters() -> str:
    try:
        interpreters_module()
    except BackendError as error:
        return str(error)
    return ""


needs_interpreters = pytest.mark.skipif(bool(_why_no_interpreters()), reason=_why_no_interpreters())
INTERPRETERS = pytest.param("interpreters", marks=needs_interpreters)
"""The backend among others, where this Python has it."""


class Started:
    """A program that runs. It writes to files: no pipe fills up, and what it wrote can be read meanwhile."""

    def __init__(self, words: Sequence[object], *, cwd: Path, env: dict[str, str]) -> None:
        self.words = [str(word) for word in words]
        files = [cwd / f".{name}-{time.monotonic_ns()}" for name in ("stdout", "stderr")]
        self._stdout, self._stderr = files
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self._process = subprocess.Popen(
                self.words,
                cwd=cwd,
                env=os.environ | env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # Ctrl-C is pytest's
            )
        self.pid = self._process.pid

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def end(self, timeout: float = LIMIT_SECONDS) -> "subprocess.CompletedProcess[str]":
        """Wait for the end; a program that takes longer than ``timeout`` fails the test."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            pytest.fail(
                f"{self.words} did not end within {timeout} s; it wrote:\n{self._stdout.read_text()}{self.stderr}"
            )
        return subprocess.CompletedProcess(self.words, code, self._stdout.read_text(), self.stderr)


class Project:
    """A user's folder: ``sim.py`` with a function, ``study.toml``, and what the program makes of them."""

    def __init__(self, folder: Path, mpiexec: Path | None = None) -> None:
        self.folder = folder
        self.output = folder / OUTPUT
        self.log = folder / (OUTPUT + ".log")
        self._mpiexec = mpiexec

    def write(
        self,
        code: str = SLOW,
        *,
        grid: str = "x = { range = 12 }",
        sweep: str = "",
        workload: str = "",
        tail: str = "",
        function: str = "sim.py:f",
    ) -> "Project":
        """Write function and config; ``sweep`` replaces the whole of ``[sweep.grid]``."""
        (self.folder / "sim.py").write_text(textwrap.dedent(code))
        sweep = sweep or f"[sweep.grid]\n{grid}"
        text = f'[workload]\nfunction = "{function}"\n{workload}\n{sweep}\n{tail}\n'
        (self.folder / "study.toml").write_text(text)
        return self

    def call(self, name: str = "f") -> Callable[..., Any]:
        """Return the user's function, for a plain loop over it in this process."""
        namespace: dict[str, Any] = {"__name__": "sim", "__file__": str(self.folder / "sim.py")}
        exec((self.folder / "sim.py").read_text(), namespace)
        found: Callable[..., Any] = namespace[name]
        return found

    def start(self, *args: object, n_ranks: int | None = None, env: dict[str, str] | None = None) -> Started:
        """Start ``fullrank ARGS``, with ``n_ranks`` under mpiexec."""
        launcher = [] if n_ranks is None else [self._mpiexec, "-n", n_ranks]
        return Started([*launcher, sys.executable, "-m", "fullrank", *args], cwd=self.folder, env=env or {})

    def fullrank(
        self, *args: object, timeout: float = LIMIT_SECONDS, **options: Any
    ) -> "subprocess.CompletedProcess[str]":
        """``fullrank ARGS``, to its end."""
        return self.start(*args, **options).end(timeout)

    def run(self, *args: object, expect: int = 0, **options: Any) -> "subprocess.CompletedProcess[str]":
        """``fullrank run study.toml ARGS``, to its end, which has to be with exit code ``expect``."""
        done = self.fullrank("run", "study.toml", *args, **options)
        assert done.returncode == expect, f"exit code {done.returncode}, not {expect}\n{done.stdout}{done.stderr}"
        return done

    def start_run(self, *args: object, **options: Any) -> Started:
        """Start ``fullrank run study.toml ARGS``."""
        return self.start("run", "study.toml", *args, **options)

    def visits(self) -> list[int]:
        """Return which items the function was called for, as it noted them itself."""
        path = self.folder / "visits"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def until(
        self, condition: Callable[[], object], what: str = "it happens", *, limit_seconds: float = LIMIT_SECONDS / 2
    ) -> None:
        """Wait for something; a test whose condition never comes true fails."""
        end = time.monotonic() + limit_seconds
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"waited in vain until {what}")
            time.sleep(0.005)

    def until_visited(self, n_visits: int) -> None:
        self.until(lambda: len(self.visits()) >= n_visits, f"{n_visits} items were begun")

    def hurry(self) -> None:
        """Let all items be quick from now on."""
        (self.folder / "fast").touch()

    def read(self, name: str, output: str = OUTPUT) -> "np.ndarray[Any, Any]":
        """Return one dataset, texts as str."""
        with h5py.File(self.folder / output) as file:
            data = file[name]
            return data.asstr()[()] if h5py.check_string_dtype(data.dtype) else data[()]

    def attributes(self, output: str = OUTPUT) -> dict[str, Any]:
        with h5py.File(self.folder / output) as file:
            return dict(file.attrs)

    def digest(self, output: str = OUTPUT) -> str:
        return str(self.attributes(output)["results_sha256"])

    def indices_finished(self) -> set[int]:
        """Return the items whose end is on record, as a file tells that is gathered now."""
        done = self.fullrank("gather", "study.toml", "--partial")
        assert done.returncode == 0, done.stderr
        return set(np.flatnonzero(self.read("status", "results/study.partial.h5")).tolist())

    def children(self, pid: int) -> list[int]:
        """Return the processes that process ``pid`` has started."""
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def workers(self, pid: int) -> list[int]:
        """Return the workers of `processes` that process ``pid`` has started."""
        return [
            pid for pid in self.children(pid) if b"fullrank.backends.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    def descendants(self, pid: int) -> dict[int, str]:
        """Return pid and command line of all processes under ``pid``."""
        found: dict[int, str] = {}
        for child in self.children(pid):
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            found[child] = b" ".join(words).decode(errors="replace")
            found |= self.descendants(child)
        return found

    def files(self) -> set[str]:
        """Return the names of all files and folders but those that Python, or this class, makes."""
        found = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}
        return {name for name in found if "__pycache__" not in name and not name.startswith(".std")}

    def snapshot(self) -> dict[str, bytes]:
        """Return the content of all files of the results' folder, by name."""
        results = self.folder / "results"
        return {str(path.relative_to(results)): path.read_bytes() for path in results.rglob("*") if path.is_file()}
