"""Ends a rank that would wait for the dead where its launcher does not end it: a thread that calls no MPI but Abort.

Two things are looked at every second, from the first collective to the last. A parent that is gone: mpiexec was killed
and left orphans. A note of a death in the work folder, which all hosts share: plain ``srun`` lets the other ranks wait
for ever. Two ranks look for the note, the first and the last, mostly on two hosts: a file server of ten thousand
ranks is asked twice a second, not ten thousand times.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fullrank.backends.mpi.library import MPI, ROOT
from fullrank.beside import LOOK_SECONDS, out_of_reach
from fullrank.errors import FullrankError, Stopped
from fullrank.interrupt import Helper
from fullrank.witness import Witness, leave_note


class Lookout(Helper):
    """Looks out for deaths from one rank of ``comm``, until the process ends."""

    def __init__(self, comm: MPI.Comm, witness: Witness) -> None:
        super().__init__(name="fullrank-lookout", daemon=True)
        self._comm = comm
        self._witness = witness
        self._looks_for_note = comm.rank in (ROOT, comm.size - 1)
        self._who = f"rank {comm.rank} of {comm.size} ({os.uname().nodename})"
        self._stderr = out_of_reach(os.dup(2))  # while items run, 2 is a log
        self._note: Path | None = None
        self._seen: Path | None = None
        self._flush: Callable[[], None] = lambda: None
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until something is dead or :meth:`end`."""
        while not self._ended.wait(LOOK_SECONDS):
            if os.getppid() != self._witness.parent:
                self._leave_orphaned()
            if self._is_overlooked():
                self._abort()
        os.close(self._stderr)

    def _is_overlooked(self) -> bool:
        """Return whether a death was noted before the last look already: a launcher that cares has acted by now."""
        if not self._looks_for_note or self._note is None or not self._note.exists():
            return False
        was_seen, self._seen = self._seen, self._note
        return was_seen == self._note

    def attend(self, running: Path, *, note: Path) -> None:
        """Look for ``note`` from now on; the witness is told the same, and the item in ``running``."""
        self._note = note
        self._witness.attend(running, note=note)

    @contextmanager
    def flushing(self, flush: Callable[[], None]) -> Iterator[None]:
        """Call ``flush`` before the rank is ended within this context."""
        self._flush = flush
        try:
            yield
        finally:
            self._flush = lambda: None

    def end(self) -> None:
        """Stop looking; the rank leaves."""
        self._ended.set()

    def _leave_orphaned(self) -> None:
        if self._note is not None:  # without the item: it is not the cause
            leave_note(self._note, f"what had started the ranks (mpiexec) ended first, and left {self._who} alone")
        self._save()
        os._exit(Stopped.exit_code)

    def _abort(self) -> None:
        self._save()
        self._comm.Abort(Stopped.exit_code)
        os._exit(Stopped.exit_code)

    def _save(self) -> None:
        """Keep what is finished, and have nobody take this end for another death."""
        with suppress(FullrankError):
            self._flush()
        self._witness.dismiss()
        with suppress(OSError):
            os.write(self._stderr, f"fullrank: {self._who}: ends, for another process of the run is dead\n".encode())
