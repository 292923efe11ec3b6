"""The lock of a working folder: one run at a time writes to an output, on all hosts that see it.

The lock is the file ``lock``: who creates it holds it, and touches it every 30 s for as long as it
runs. Nothing here needs the clocks of two hosts to agree.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fullrank.dataclass import dataclass
from fullrank.errors import Locked, OutputError
from fullrank.job_over import job_is_over
from fullrank.owner import (
    Owner,
    ProcessStart,
    Verdict,
    judge,
    owner_from,
    process_start,
    this_process,
)
from fullrank.system import PRIVATE_FOLDER, System, remove, write_and_sync

RENEWAL_SECONDS = 30.0
"""How often the holder has to call :meth:`RunLock.renew`."""
SILENCE_SECONDS = 600.0
"""A holder that could not be seen and gave no sign of life for so long is taken for dead."""
ENDING_SECONDS = 5.0
"""How long a run waits for one on its own host that may just be ending."""
POLL_SECONDS = {Verdict.ALIVE: 0.1, Verdict.UNKNOWN: 1.0}
GUARD_SECONDS = 5.0
_GUARD = "lock.guard"


@dataclass(frozen=True)
class World:
    """What the lock asks of the world outside its folder."""

    this_process: Callable[[], Owner] = this_process
    process_start: ProcessStart = process_start
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    job_is_over: Callable[[str], bool | None] = job_is_over
    """Whether the batch system says so of a job; then its processes are gone. None: it does not tell."""


@dataclass(frozen=True)
class _Seen:
    """The lock file at one moment."""

    text: str
    modified_ns: int

    @property
    def owner(self) -> Owner | None:
        return owner_from(self.text)

    def __str__(self) -> str:
        return str(self.owner or "a process that has not said who it is")


class RunLock:
    """The right to write into ``folder``, which is made if need be; a context manager.

    Not for several threads at once, save that a timer may call :meth:`renew` at any moment. If the
    process dies the lock stays, and the next run takes it over: at once if it can see that the
    process is gone, that its job was restarted or is over, else after ten minutes without a renewal.
    ``take_over`` removes whatever lock is found first. ``notify`` gets a sentence when a wait
    begins.
    """

    def __init__(
        self,
        folder: Path,
        *,
        take_over: bool = False,
        notify: Callable[[str], object] = lambda sentence: None,
        ending_seconds: float = ENDING_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
        world: World | None = None,
        system: System = os,
    ) -> None:
        self._folder = folder
        self._path = folder / "lock"
        self._take_over = take_over
        self._notify = notify
        self._ending_seconds = ending_seconds
        self._silence_seconds = silence_seconds
        self._world = world or World()
        self._system = system
        self._me = self._world.this_process()
        self._is_held = False

    def __enter__(self) -> "RunLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, after the waiting that the class tells of.

        Raises Locked if another run holds it, OutputError if the folder cannot be written.
        """
        try:
            first: _Seen | None = None
            while not self._create_in_folder():
                seen = self._look()
                if seen is not None:
                    self._wait_for_end_of(seen, is_first=first is None)
                    first = first or seen
        except OSError as error:
            raise OutputError.of(error, f"{self._path}: the lock cannot be taken") from None
        self._is_held = True

    def free(self) -> None:
        """Take the lock if it is there, with the same waiting, and give it back; raises what :meth:`acquire` does."""
        if self._look() is not None:
            self.acquire()
            self.release()

    def renew(self) -> None:
        """Give a sign of life; Locked if another run has taken the lock over.

        Cheap enough for a timer. An error of the file system passes: if it lasts, others take the
        lock over, and the first renewal that gets through says so.
        """
        if not self._is_held:
            return
        with suppress(OSError):
            seen = self._look()
            if seen is None or seen.text != self._me.to_json():
                self._is_held = False
                raise Locked(
                    f"{self._folder}: this run lost its lock to {seen or 'a run that has ended'}; "
                    f"it stops, and what it has finished is kept"
                )
            self._system.utime(self._path)

    def release(self) -> None:
        """Give the lock back; nothing happens if it is not held, or no longer ours."""
        if not self._is_held:
            return
        self._is_held = False
        with suppress(OSError), self._guard():
            seen = self._look()
            if seen is not None and seen.text == self._me.to_json():
                self._remove_leftovers()
                self._system.unlink(self._path)

    def _remove_leftovers(self) -> None:
        """Remove what runs left here that died while they took the lock."""
        for path in self._folder.glob("lock.*"):
            if path.name != _GUARD:
                remove(self._system, path)

    def _create_in_folder(self) -> bool:
        """As :meth:`_create`; the run that was waited for may have removed the folder."""
        try:
            return self._create()
        except FileNotFoundError:
            with suppress(FileExistsError):
                self._system.mkdir(self._folder, PRIVATE_FOLDER)
            return self._create()

    def _create(self) -> bool:
        """Make the file, whole or not at all; False if it is there already."""
        written = self._path.with_name(f"lock.{self._me.token}.new")
        self._write(written)
        try:
            self._system.link(written, self._path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            return self._create_in_place()
        finally:
            remove(self._system, written)
        return True

    def _create_in_place(self) -> bool:
        """:meth:`_create` where a file cannot get a second name: if it is killed here the lock stays empty."""
        try:
            self._write(self._path)
        except FileExistsError:
            return False
        return True

    def _write(self, path: Path) -> None:
        try:
            write_and_sync(self._system, path, self._me.to_json().encode(), flags=os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            raise
        except OSError:
            remove(self._system, path)
            raise

    def _look(self) -> _Seen | None:
        # opening it makes a network file system ask its server, which stat alone need not
        try:
            with self._path.open("rb") as file:
                modified_ns = os.fstat(file.fileno()).st_mtime_ns
                return _Seen(file.read().decode(errors="replace"), modified_ns)
        except FileNotFoundError:
            return None

    def _wait_for_end_of(self, first: _Seen, *, is_first: bool) -> None:
        """Return when the lock ``first`` is gone, by its owner's doing or by ours; else Locked."""
        begin, is_told, next_question_seconds = self._world.monotonic(), False, 0.0
        seen: _Seen | None = first
        while seen is not None and seen.text == first.text:
            verdict = self._verdict(first)
            waited_seconds = self._world.monotonic() - begin
            if verdict is Verdict.UNKNOWN and waited_seconds >= next_question_seconds:
                next_question_seconds += RENEWAL_SECONDS  # for a batch system takes its time to end a job
                verdict = self._verdict_on_job(first)
            if (self._take_over and is_first) or self._is_dead(verdict, waited_seconds):
                self._remove(first)
            elif self._is_alive(verdict, waited_seconds, is_renewed=seen != first):
                raise Locked(
                    f"{self._folder}: another run writes here: {first}. Wait for its end, "
                    f"or add --take-over if you know that it is dead"
                )
            else:
                if not is_told:
                    self._notify(self._announcement(first, verdict))
                    is_told = True
                self._world.sleep(POLL_SECONDS[verdict])
            seen = self._look()

    def _verdict(self, seen: _Seen) -> Verdict:
        if seen.owner is None:
            return Verdict.UNKNOWN
        return judge(seen.owner, self._me, self._world.process_start)

    def _verdict_on_job(self, seen: _Seen) -> Verdict:
        """Return what the batch system knows of an owner that cannot be seen."""
        job = seen.owner.job if seen.owner is not None else ""
        is_anothers = job not in ("", self._me.job)
        return Verdict.GONE if is_anothers and self._world.job_is_over(job) else Verdict.UNKNOWN

    def _is_dead(self, verdict: Verdict, waited_seconds: float) -> bool:
        is_silent = verdict is Verdict.UNKNOWN and waited_seconds >= self._silence_seconds
        return verdict is Verdict.GONE or is_silent

    def _is_alive(self, verdict: Verdict, waited_seconds: float, *, is_renewed: bool) -> bool:
        # One that is seen is alive however silent: it may sit in a C library for an hour.
        is_staying = verdict is Verdict.ALIVE and waited_seconds >= self._ending_seconds
        return is_staying or (verdict is Verdict.UNKNOWN and is_renewed)

    def _announcement(self, seen: _Seen, verdict: Verdict) -> str:
        if verdict is Verdict.ALIVE:
            end = f"waiting {self._ending_seconds:g} s in case it is just ending"
        else:
            minutes = self._silence_seconds / 60
            end = (
                f"waiting for a sign of life; without one its place is taken "
                f"after {minutes:g} min, with --take-over at once"
            )
        return f"{self._folder}: locked by {seen}; {end}"

    def _remove(self, judged: _Seen) -> None:
        """Remove the lock that was judged dead, and no other that took its place meanwhile."""
        # not found: its owner came back to life and ended, perhaps with its whole folder
        with suppress(FileNotFoundError), self._guard():
            seen = self._look()
            if seen is None or seen.text != judged.text:
                return  # another newcomer was quicker
            # Where the guard has no effect somebody may be quicker still: look at what was caught.
            aside = self._path.with_name(f"lock.{self._me.token}")
            self._system.replace(self._path, aside)
            if aside.read_text(errors="replace") != judged.text:
                self._put_back(aside)
            remove(self._system, aside)

    def _put_back(self, aside: Path) -> None:
        try:
            self._system.link(aside, self._path)
        except FileExistsError:
            pass  # a third run came; the owner of this lock learns it when it renews
        except OSError:  # a file system without links
            self._system.replace(aside, self._path)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Keep other processes from removing the lock at the same time.

        The kernel frees it when its holder dies. On the few file systems that do not have it, what
        it protects is done without.
        """
        guard = self._path.with_name(_GUARD)
        descriptor = self._system.open(guard, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._lock_guard(descriptor)
            yield
        finally:
            self._system.close(descriptor)

    def _lock_guard(self, descriptor: int) -> None:
        deadline = self._world.monotonic() + GUARD_SECONDS
        while self._world.monotonic() < deadline:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._world.sleep(POLL_SECONDS[Verdict.ALIVE])
            except OSError:
                return None
        return None
