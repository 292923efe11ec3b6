"""Collectives whose waiting ranks sleep."""

import os
import time
from array import array
from zlib import crc32

from fullrank.backends.mpi.library import MPI, ROOT

_SHORTEST_SLEEP_SECONDS = 20e-6
_LONGEST_SLEEP_SECONDS = 0.01
_SLEEP_SHARE = 0.02


def wait(request: MPI.Request) -> None:
    """Complete ``request``, sleeping between looks at it: 2 % of the time waited so far, at most 10 ms."""
    begun = time.perf_counter()
    while not request.Test():
        waited_seconds = time.perf_counter() - begun
        time.sleep(min(max(_SHORTEST_SLEEP_SECONDS, _SLEEP_SHARE * waited_seconds), _LONGEST_SLEEP_SECONDS))


def wait_for_all(comm: MPI.Comm) -> None:
    """Return when every rank has called this. Collective."""
    wait(comm.Ibarrier())


def spans_hosts(comm: MPI.Comm) -> bool:
    """Return whether ranks are on hosts of different names. Collective over ``comm``, with the same answer on each."""
    own = crc32(os.uname().nodename.encode())
    # named, for mpi4py does not keep the buffers of a reduction alive
    both, least = array("q", [own, -own]), array("q", [0, 0])
    wait(comm.Iallreduce(both, least, MPI.MIN))
    return least[0] != -least[1]


def broadcast(comm: MPI.Comm, message: bytes | None) -> bytes:
    """Return root's ``message`` on every rank. Collective over ``comm``."""
    size = array("q", [len(message or b"")])
    wait(comm.Ibcast(size, ROOT))
    buffer = bytearray(message) if message is not None else bytearray(size[0])
    wait(comm.Ibcast(buffer, ROOT))
    return bytes(buffer)


def gather(comm: MPI.Comm, message: bytes) -> list[bytes]:
    """Return the messages of all ranks, by rank, on root; an empty list elsewhere. Collective over ``comm``."""
    own = array("q", [len(message)])
    sizes = array("q", bytes(8 * comm.size)) if comm.rank == ROOT else None
    wait(comm.Igather(own, sizes, ROOT))
    if sizes is None:
        wait(comm.Igatherv(message, None, ROOT))
        return []
    received = bytearray(sum(sizes))
    wait(comm.Igatherv(message, [received, sizes.tolist()], ROOT))
    parts, start = [], 0
    for size in sizes:
        parts.append(bytes(received[start : start + size]))
        start += size
    return parts
