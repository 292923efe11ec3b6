"""Locks in a world with a clock of its own, for the tests of who may write to an output."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from fullrank.lock import RunLock, World
from fullrank.owner import Owner

ME = Owner(
    host="node01",
    pid=100,
    process_start="5000",
    started="2026-11-23T10:00:00+00:00",
    token="me",
    machine="m",
    boot="b",
    pid_namespace="n",
)
NEIGHBOUR = replace(ME, pid=200, process_start="6000", token="neighbour")
STRANGER = replace(ME, host="node02", machine="m2", boot="b2", token="stranger")


@dataclass
class Universe:
    """A world with a clock of its own; what is due happens while somebody sleeps."""

    me: Owner = ME
    processes: dict[int, str] = field(default_factory=lambda: {100: "5000", 200: "6000"})
    now: float = 0.0
    events: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    jobs_over: set[str] = field(default_factory=set)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        due = [event for event in self.events if event[0] <= self.now]
        self.events = [event for event in self.events if event[0] > self.now]
        for _, act in due:
            act()

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        self.events.append((seconds, act))

    def lock(self, folder: Path, *, take_over: bool = False, me: Owner | None = None) -> RunLock:
        owner = me or self.me
        world = World(
            this_process=lambda: owner,
            process_start=self.processes.get,
            monotonic=lambda: self.now,
            sleep=self.sleep,
            job_is_over=self.jobs_over.__contains__,
        )
        return RunLock(folder, take_over=take_over, notify=self.sentences.append, world=world)


def locked_by(owner: Owner, folder: Path) -> Path:
    path = folder / "lock"
    path.write_text(owner.to_json())
    return path


def holder(folder: Path) -> str:
    return str(json.loads((folder / "lock").read_text())["token"])


def touch(path: Path) -> Callable[[], None]:
    return lambda: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000))
