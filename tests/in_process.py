"""``fullrank ARGS`` as a call: for what a command says, writes and returns, at the cost of no start of Python."""

import gc
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest
from studies import Project

from fullrank.cli import main
from fullrank.launcher import thread_limits

START_SECONDS = 0.3
"""Of CPU time that a command has taken once it is started."""
STREAMS = {"stdout": 1, "stderr": 2}


class ProjectInProcess(Project):
    """The same, but what runs to its end runs in the process of pytest, unless ranks are to be started."""

    def fullrank(self, *args: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        """``fullrank ARGS``, to its end."""
        if options.get("n_ranks") is not None or "mpi" in args:
            return super().fullrank(*args, **options)
        words = [str(arg) for arg in args]
        with _as_started_in(self.folder, options.get("env") or {}), ExitStack() as stack:
            told = {name: stack.enter_context(_descriptor_into_file(name, self.folder)) for name in STREAMS}
            try:
                code = main(words)
            except SystemExit as leaving:  # --help
                code = int(leaving.code or 0)
        return subprocess.CompletedProcess(words, code, *(_taken(path) for path in told.values()))


@contextmanager
def _as_started_in(folder: Path, env: dict[str, str]) -> Iterator[None]:
    """Be in a folder, with all that a process has at its start; what is imported is forgotten afterwards."""
    modules = set(sys.modules)
    gc.freeze()  # what was there before is not looked through at the end
    with pytest.MonkeyPatch.context() as patch, chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of users' functions are no errors
        patch.setattr(sys, "path", list(sys.path))
        process_seconds, begun_seconds = time.process_time, time.process_time()
        patch.setattr(time, "process_time", lambda: process_seconds() - begun_seconds + START_SECONDS)
        for name in list(os.environ):
            patch.setenv(name, os.environ[name])  # what the command sets itself is undone too
        for name, value in (thread_limits(os.environ | env) | env).items():
            patch.setenv(name, value)
        try:
            yield
        finally:
            for name in set(sys.modules) - modules:
                if _is_of(folder, sys.modules[name]):
                    del sys.modules[name]
            gc.collect()  # files that the end of a process closes
            gc.unfreeze()


def _is_of(folder: Path, module: object) -> bool:
    return str(getattr(module, "__file__", None) or "").startswith(str(folder))


@contextmanager
def _descriptor_into_file(name: str, folder: Path) -> Iterator[Path]:
    """Let what is written to a standard stream, by whatever code, go to a file."""
    path = folder / f".{name}-in-process"
    number, before = STREAMS[name], getattr(sys, name)
    kept = os.dup(number)
    stream: TextIO = path.open("w", encoding="utf-8")
    os.dup2(stream.fileno(), number)
    setattr(sys, name, stream)
    try:
        yield path
    finally:
        stream.close()
        setattr(sys, name, before)
        os.dup2(kept, number)
        os.close(kept)


def _taken(path: Path) -> str:
    text = path.read_text()
    path.unlink()
    return text
