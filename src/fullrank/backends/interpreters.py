"""N sub-interpreters of this process, each with a GIL of its own; the main thread sleeps and supervises.

Each computes in an OS thread that is started here; :mod:`fullrank.backends.guest` is what runs inside. What ends a
process, a signal that kills it or a crash of C code, ends all workers.
"""

import mmap
import os
import pickle
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

from fullrank.backends.answers import Answers, wait_for_answers
from fullrank.backends.base import Outcome, Watch
from fullrank.backends.cells import TOKEN_CELLS_BYTES, TokenCounter, create_memory, create_token
from fullrank.beside import out_of_reach
from fullrank.errors import BackendError, FullrankError
from fullrank.interrupt import KILL_SECONDS, StopSignals
from fullrank.job import Job
from fullrank.leaving import leave_behind
from fullrank.schedule import Todo

_LOOK_SECONDS = 0.2
_PARTING_SECONDS = 1.0


def impossible(job: Job) -> str | None:
    """Return in one sentence why this job cannot run in sub-interpreters here; None if it can.

    Its function is loaded in one to find out. Whatever else may be wrong with it is for :func:`run` to raise.
    """
    try:
        interpreters = interpreters_module()
    except BackendError as error:
        return str(error)
    message = _in_memory(pickle.dumps((job, None)))
    guest = _Guest(0, interpreters.create(), "try_to_load", message=message)
    guest.start()
    try:
        while not (guest.ended or guest.answers.told):
            guest.hear()
    finally:
        if not _part([guest]):
            leave_behind()
    os.close(message)
    return str(guest.error) if isinstance(guest.error, BackendError) else None


def run(job: Job, todo: Todo, watch: Watch) -> Outcome:
    """Evaluate all items in sub-interpreters; see :class:`fullrank.backends.base.Backend`.

    Raises BackendError if this Python has none, or if an extension that the function needs does not load in one.
    """
    interpreters = interpreters_module()
    shared = _Shared(job, todo.finished)
    signals = StopSignals(stop_at=job.stop_at)
    guests: list[_Guest] = []
    try:
        with signals.installed():
            for number in range(job.n_workers):  # one after the other, by the main thread: at once they have crashed
                guests.append(_Guest(number, interpreters.create(), "work", number=number, **shared.descriptors))
            for guest in guests:
                guest.start()
            while not all(guest.answers.ready or guest.ended for guest in guests) and not signals.requested:
                _hear(guests)
                signals.look_at_clock()
            with watch(shared.counter):
                signals.stop_claims(shared.counter)
                shared.start()
                _supervise(guests, shared.counter, signals)
    finally:
        with suppress(BackendError):  # a guest has told it
            shared.counter.stop()
        shared.start()
        if _part(guests):
            shared.close()
        else:
            leave_behind()
    for guest in guests:
        if guest.error is not None:
            raise guest.error
    return Outcome(stopped=signals.requested)


def interpreters_module() -> ModuleType:
    """Return the module that makes sub-interpreters. Raises BackendError if this Python has none that is safe."""
    if sys.version_info >= (3, 13):  # with 3.12 they crash
        for name in ("concurrent.interpreters", "interpreters_backport.interpreters"):
            with suppress(ImportError):
                return import_module(name)
    version = ".".join(map(str, sys.version_info[:3]))
    cure = "pip install 'fullrank[interpreters]', or try" if sys.version_info[:2] == (3, 13) else "Try"
    raise BackendError(
        f"backend 'interpreters' needs Python 3.14, or 3.13 with interpreters-pep-734; this is {version}. "
        f"{cure} -b processes"
    )


def _in_memory(data: bytes) -> int:
    """Return the descriptor of memory that holds ``data``."""
    fd = out_of_reach(create_memory(len(data)))
    with mmap.mmap(fd, len(data)) as memory:
        memory[:] = data
    return fd


class _Shared:
    """What all interpreters of a run use: memory and pipes, which they know by their descriptors."""

    def __init__(self, job: Job, finished: bytes | None) -> None:
        self._message = _in_memory(pickle.dumps((job, finished)))
        self._cells = out_of_reach(create_memory(TOKEN_CELLS_BYTES))
        self._token = create_token()
        self._waiting, self._start = map(out_of_reach, os.pipe())
        self._started = False
        self.counter = TokenCounter(self._cells, self._token)

    @property
    def descriptors(self) -> dict[str, Any]:
        """What :func:`fullrank.backends.guest.work` is told."""
        return {"message": self._message, "cells": self._cells, "token": self._token, "start": self._waiting}

    def start(self) -> None:
        """Let all begin to compute, if they have not."""
        if not self._started:
            self._started = True
            os.close(self._start)  # all read its end

    def close(self) -> None:
        """Free the descriptors; when nobody uses them any more, for their numbers will be others'."""
        for fd in (self._message, self._cells, *self._token, self._waiting):
            with suppress(OSError):  # user code has closed it
                os.close(fd)


class _Guest(threading.Thread):
    """One sub-interpreter, and the thread that computes in it."""

    def __init__(self, number: int, interpreter: Any, function: str, /, **arguments: Any) -> None:
        super().__init__(name=f"fullrank-worker-{number}", daemon=True)
        self.answers = Answers(number, place=out_of_reach)
        self.ended = False
        self._interpreter = interpreter
        self._program = _call(function, answers=self.answers.writable, **arguments)
        self._failure: FullrankError | None = None

    def run(self) -> None:
        """Be in the interpreter until its function returns, then end it."""
        try:
            self._interpreter.exec(self._program)
        except Exception as error:  # what the function raises is told by itself
            self._failure = _failure(error)
        finally:
            with suppress(Exception):  # threads that user code left there
                self._interpreter.close()
            with suppress(OSError):  # as below
                os.close(self.answers.writable)

    def hear(self) -> None:
        """Read what it says; ``ended`` once its thread is done."""
        try:
            self.ended = not self.answers.hear()
        except OSError:  # user code has closed it
            self.ended = True

    @property
    def error(self) -> FullrankError | None:
        """What ended it outside any item."""
        return self._failure or self.answers.error()


def _failure(error: Exception) -> FullrankError:
    """Return what a sub-interpreter ended with, which knows errors of another interpreter by name and text alone."""
    info = getattr(error, "excinfo", None)
    if info is not None and info.type.__name__ == BackendError.__name__:
        return BackendError(info.msg)
    return FullrankError(f"a worker ended outside any item:\n{error}")


def _call(function: str, **arguments: Any) -> str:
    """Return the program that calls a function of :mod:`fullrank.backends.guest`."""
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return (
        f"import sys\nsys.path[:] = {sys.path!r}\nfrom fullrank.backends.guest import {function}\n{function}({given})\n"
    )


def _hear(guests: list[_Guest]) -> None:
    """Sleep until a guest says something or ends, at most for a moment."""
    living = {guest.answers: guest for guest in guests if not guest.ended}
    for answers in wait_for_answers(living, _LOOK_SECONDS):
        living[answers].hear()


def _supervise(guests: list[_Guest], counter: TokenCounter, signals: StopSignals) -> None:
    """Sleep until all guests have ended; pass on a request to stop, ever more firmly."""
    while not all(guest.ended or guest.answers.told for guest in guests):
        _hear(guests)
        now = time.monotonic()
        signals.stop_claims(counter)
        if now >= signals.abandon_at:
            counter.abandon()
        if now >= signals.abandon_at + KILL_SECONDS:
            return  # they are in C code, or asleep


def _part(guests: list[_Guest]) -> bool:
    """Wait a moment for the guests' threads and free their pipes; return whether all have ended."""
    until = time.monotonic() + _PARTING_SECONDS
    for guest in guests:
        if guest.is_alive():
            guest.join(max(0.0, until - time.monotonic()))
    if any(guest.is_alive() for guest in guests):
        return False
    for guest in guests:
        with suppress(OSError):  # user code has closed it
            os.close(guest.answers.readable)
    return True
