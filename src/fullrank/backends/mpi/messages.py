"""The shared counter of ``mpi`` over a network on which root has to help: root keeps it, and answers messages.

A window would do, were it not that each of its operations waits until root enters the library, and that some libraries
take several for one claim. Here all that a worker has to tell goes with its claim, in one message each way, and
root answers between two bytecodes of whatever it computes.
"""

import os
import time
from array import array

from fullrank.backends.base import BUSY_MILLISECONDS, FAILED, FINISHED, MAX_CLAIMS, N_CELLS, POSITION, Tally, tally_of
from fullrank.backends.mpi.collectives import wait
from fullrank.backends.mpi.library import MPI, ROOT
from fullrank.looks import SHORTEST_SECONDS, Looks

_ASK, _ANSWER = 1, 2
_STOP, _NOTHING = -1, -2
"""In place of a number of positions: no more are wanted, and no request at all."""
_NUMBER, _N_ASKED = N_CELLS, N_CELLS + 1
"""Of a request, behind its cells: the reply has it, too."""
_LOOKS = 2
"""After so many in vain nobody is taken to wait: the first one may only have moved a message."""


class MessageCounter:
    """The shared counter at root; each rank's main thread uses it. ``serve`` has to be called at root all the while.

    Answers come only while root is in :meth:`serve`, which a timer's handler may call in the middle of the other
    methods: they are not disturbed by it.
    """

    def __init__(self, comm: MPI.Intracomm, n_items: int) -> None:
        self._comm, self._n_items, self._is_root = comm, n_items, comm.rank == ROOT
        self._cells = [0] * N_CELLS
        """Root's are the shared ones; those of others are what they have not told yet."""
        self._is_stopped = False
        self._is_at_work = False
        self._looks = Looks(time.monotonic())
        self._heard, self._reply = array("q", [_NOTHING] * _N_ASKED), array("q", [0, 0])
        self._asker, self._owes_reply = ROOT, False
        """What root has heard and not answered yet, and from which rank, in case an exception comes in between."""
        self._request: MPI.Request | None = None
        self._number = int.from_bytes(os.urandom(4))
        """Of the last request: not one of an earlier run's on the same communicator."""
        self._asked, self._answer = array("q", [0] * _N_ASKED), array("q", [0, 0])
        self._status = MPI.Status()

    def begin(self, size: int) -> None:
        """Start to fetch the position and add ``size`` to it; root is told what was finished."""
        if self._is_root:
            self._answer[0] = self._own([size, 0, 0, 0])
            return
        self._number += 1
        self._asked = array("q", [size, *self._cells[FINISHED:], self._number])
        self._cells = [0] * N_CELLS
        self._request = self._comm.Irecv(self._answer, ROOT, _ANSWER)
        wait(self._comm.Isend(self._asked, ROOT, _ASK))

    def result(self) -> int:
        """Return the position that was fetched, waiting for it where need be."""
        while self._request is not None:
            wait(self._request)
            is_own = self._answer[1] == self._number  # else root sent the reply before once more
            self._request = None if is_own else self._comm.Irecv(self._answer, ROOT, _ANSWER)
        return self._answer[0]

    def _own(self, told: "list[int]") -> int:
        before, self._is_at_work = self._is_at_work, True
        try:
            self._cells, position = self._after(told)
            return position
        finally:
            self._is_at_work = before

    def _after(self, told: "list[int] | array[int]") -> tuple[list[int], int]:
        """Return the cells with what a worker tells added, and the position before; it can be done again."""
        cells, size = self._cells, told[POSITION]
        if size == _STOP:
            self._is_stopped = True
        position = cells[POSITION]
        if self._is_stopped:
            size, position = 0, MAX_CLAIMS
        added = cells[FINISHED] + told[FINISHED], cells[FAILED] + told[FAILED]
        return [cells[POSITION] + size, *added, cells[BUSY_MILLISECONDS] + told[BUSY_MILLISECONDS]], position

    def serve(self) -> float:
        """Answer those that have asked; at root. Return how many seconds later to look for others.

        What is raised meanwhile costs no rank its answer: a RecursionError, say, where root's item is near the limit.
        """
        if self._is_at_work:
            return SHORTEST_SECONDS
        self._is_at_work = True
        try:
            return self._look()
        finally:
            self._is_at_work = False

    def _look(self) -> float:
        begun = time.monotonic()
        self._answer_heard()
        n_answered = n_vain = 0
        while n_vain < _LOOKS:
            if not self._comm.Iprobe(MPI.ANY_SOURCE, _ASK, self._status):
                n_vain += 1
                continue
            self._asker = self._status.source
            self._comm.Recv(self._heard, self._asker, _ASK)
            self._answer_heard()
            n_answered += 1
            self._looks.note_request(time.monotonic())
        now = time.monotonic()
        if not n_answered:
            self._looks.note_vain(now - begun)
        return self._looks.seconds_to_next(now)

    def _answer_heard(self) -> None:
        """Answer the request that was heard, if there is one; called again after whatever was raised in between.

        It is counted once. Its reply may be sent twice, if a signal's handler raises as it has been sent.
        """
        if self._heard[POSITION] != _NOTHING:
            cells, position = self._after(self._heard)
            number = self._heard[_NUMBER]
            # no call and no jump back among these: Python runs no signal's handler here
            self._cells, self._owes_reply = cells, True
            self._reply[0], self._reply[1], self._heard[POSITION] = position, number, _NOTHING
        if self._owes_reply:
            self._comm.Send(self._reply, self._asker, _ANSWER)
            self._owes_reply = False

    def add_finished(self, n_finished: int, n_failed: int, *, busy_milliseconds: int) -> None:
        """Add to the tally, by the time of the next claim."""
        if self._is_root:
            self._own([0, n_finished, n_failed, busy_milliseconds])
            return
        for cell, number in ((FINISHED, n_finished), (FAILED, n_failed), (BUSY_MILLISECONDS, busy_milliseconds)):
            self._cells[cell] += number

    def _ask(self, size: int) -> int:
        self.result()  # of what was asked before
        self.begin(size)
        return self.result()

    def settle(self) -> None:
        """Have root know all; each rank's last call but :meth:`free`."""
        if not self._is_root:
            self._ask(0)

    def stop(self) -> None:
        """Let every later claim find nothing."""
        self._ask(_STOP)

    def stop_from_root(self) -> None:
        """:meth:`stop`, from any thread of root."""
        self._is_stopped = True

    def stopped(self) -> bool:
        """Return whether there is nothing left to claim."""
        return self._ask(0) >= self._n_items

    def tally(self) -> Tally:
        """Return how far the workers are; on root, from any thread."""
        return tally_of(self._cells)

    def free(self) -> None:
        """Do nothing: there is nothing to free."""
