"""Root's counter where something is raised at each point of answering: prints what each rank was answered, as JSON.

``owed_replies.py WHERE N``: the Nth call of WHERE (Iprobe, Recv, Send) raises, ``before`` it is done or ``after``.
"""

import json
import sys
from collections import deque
from typing import Any

from fullrank.backends.mpi.messages import MessageCounter

ASKED = [[1, 5, 1, 0, 700], [2, 3, 0, 0, 800], [1, 7, 2, 1, 701], [2, 4, 4, 2, 801]]
"""Rank, positions, finished, failed, number."""


class Raised(Exception):
    """What a handler of the user's raises in the middle of it."""


class FakeComm:
    """The communicator of root, on which two ranks ask one after the other."""

    rank = 0

    def __init__(self, where: str, moment: str, number: int) -> None:
        self.coming = deque(ASKED)
        self.sent: list[list[int]] = []
        self._where, self._moment, self._left = where, moment, number

    def _call(self, name: str, do: Any) -> Any:
        hits = name == self._where and self._count()
        if hits and self._moment == "before":
            raise Raised
        done = do()
        if hits:
            raise Raised
        return done

    def _count(self) -> bool:
        self._left -= 1
        return self._left == 0

    def Iprobe(self, _source: int, _tag: int, status: Any) -> bool:  # noqa: N802
        if self.coming:
            status.source = self.coming[0][0]
        return bool(self._call("Iprobe", lambda: bool(self.coming)))

    def Recv(self, buffer: Any, source: int, _tag: int) -> None:  # noqa: N802
        def receive() -> None:
            rank, size, finished, failed, number = self.coming.popleft()
            assert rank == source
            for place, value in enumerate([size, finished, failed, 10, number]):
                buffer[place] = value

        self._call("Recv", receive)

    def Send(self, buffer: Any, rank: int, _tag: int) -> None:  # noqa: N802
        self._call("Send", lambda: self.sent.append([rank, *buffer]))


def main() -> None:
    """Serve until all are answered, whatever is raised."""
    where, moment, number = sys.argv[1:]
    comm: Any = FakeComm(where, moment, int(number))
    counter = MessageCounter(comm, 1000)
    n_raised = 0
    for _ in range(4):
        try:
            counter.serve()
        except Raised:
            n_raised += 1
    tally = counter.tally()
    told = [tally.n_finished, tally.n_failed, round(100 * tally.busy_seconds)]
    print(json.dumps({"sent": comm.sent, "told": told, "raised": n_raised}))


if __name__ == "__main__":
    main()
