"""Studies for the contract of all backends, and watches that act on a run."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fullrank.backends import interpreters, processes, serial, threads
from fullrank.backends.base import Backend, Handle, Outcome, Tally, unwatched
from fullrank.job import Job
from fullrank.journal import Frame, Kind, read
from fullrank.schedule import Todo

BACKENDS: dict[str, tuple[Backend, int]] = {
    "serial": (serial.run, 1),
    "threads": (threads.run, 3),
    "processes": (processes.run, 2),
    "interpreters": (interpreters.run, 2),
}
ISOLATED = [f"{name}, isolated" for name in ("serial", "threads", "processes")]


@dataclass
class Study:
    """A job, the backend that runs it, and what its journals tell afterwards."""

    backend: Backend
    job: Job

    def run(self, *, todo: Todo | None = None, watch: Any = unwatched) -> Outcome:
        return self.backend(self.job, todo or Todo(self.job.order), watch)

    @property
    def folder(self) -> Path:
        return Path(self.job.work_folder)

    def frames(self, kind: Kind) -> list[Frame]:
        found = [each for path in sorted(self.folder.glob("*.journal")) for each in read(path)]
        assert all(isinstance(each, Frame) for each in found)
        return [each for each in found if isinstance(each, Frame) and each.kind == kind]

    def values(self) -> dict[int, Any]:
        """Return the value of each item that has one; fails if one has two records."""
        found: dict[int, Any] = {}
        for frame in self.frames(Kind.VALUES):
            ((_, dtype, shape),) = frame.json()
            values = np.frombuffer(frame.body, dtype, offset=12 * frame.n_rows).reshape(-1, *shape).tolist()
            assert not found.keys() & set(frame.indices())
            found |= dict(zip(frame.indices(), values, strict=True))
        return found

    def failures(self) -> dict[int, tuple[int, dict[str, str]]]:
        """Return status and description of each item without a result."""
        found: dict[int, tuple[int, dict[str, str]]] = {}
        for frame in self.frames(Kind.FAILURES):
            for row, index in enumerate(frame.indices()):
                assert index not in found
                found[index] = frame.body[12 * frame.n_rows + row], frame.json()[row]
        assert not found.keys() & self.values().keys()
        return found

    def printed(self) -> dict[str, list[str]]:
        """Return the lines that stand under each heading of the logs."""
        found: dict[str, list[str]] = {}
        for log in sorted(self.folder.glob("*.log")):
            lines = found.setdefault("", [])
            for line in log.read_text().splitlines():
                if line.startswith("--- "):
                    lines = found.setdefault(line.removeprefix("--- "), [])
                else:
                    lines.append(line)
        return {heading: lines for heading, lines in found.items() if heading or lines}

    def noted(self, name: str) -> list[int]:
        """Return the numbers that items noted in a file, with :data:`NOTE`."""
        path = self.folder.parent / name
        return [int(line) for line in path.read_text().split()] if path.exists() else []


NOTE = """\
def note(name, number):
    with open(os.path.join(os.path.dirname(__file__), name), "a") as file:
        file.write(f"{number}\\n")
"""
Make = Callable[..., Study]


only_processes = pytest.mark.parametrize("study_of", ["processes"], indirect=True)


@contextmanager
def doing(handle: Handle, once: Callable[[Tally], bool], act: Callable[[Handle], None]) -> Iterator[None]:
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.002):
            if once(handle.tally()):
                act(handle)
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def when(
    once: Callable[[Tally], bool], act: Callable[[Handle], None]
) -> Callable[[Handle], AbstractContextManager[None]]:
    """Return a watch that does ``act`` when the tally is ``once`` so."""
    return lambda handle: doing(handle, once, act)


def receive(*numbers: signal.Signals) -> Callable[[Handle], None]:
    def act(_handle: Handle) -> None:
        for number in numbers:
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    return act
