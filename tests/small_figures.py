"""Prints the small figures of docs/reliability.md and SECURITY.md that no test and no battery counts.

``python tests/small_figures.py``: what a witness costs its rank, how often a small run calls the system, how fast a
file is looked through for damaged heaps.
"""

import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fullrank.witness import call_witness

N_WITNESSES = 50
FILE_BYTES = 256 << 20


def witness() -> str:
    """Of a process that has imported no more than a rank has then."""
    seconds, private_bytes = [], []
    for _ in range(N_WITNESSES):
        begun = time.perf_counter()
        called = call_witness(0, 1)
        seconds.append(time.perf_counter() - begun)
        time.sleep(0.05)  # it has come to rest
        (pid,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        private = re.findall(r"^Private_\w+:\s+(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        private_bytes.append(1024 * sum(map(int, private)))
        called.dismiss()
        os.waitpid(int(pid), 0)
    milliseconds, megabytes = 1000 * statistics.median(seconds), statistics.median(private_bytes) / 1e6
    return f"a witness takes its rank {milliseconds:.2f} ms and {megabytes:.1f} MB (medians of {N_WITNESSES})"


def calls() -> str:
    sys.path[:0] = [str(Path(__file__).with_name("crash"))]
    from crash_study import N_ITEMS, CrashStudy

    from fullrank import worker

    worker.FLUSH_SECONDS = 1e6
    with tempfile.TemporaryDirectory() as folder:
        made = CrashStudy(Path(folder)).calls_undisturbed
    of_hdf5 = sum(call.name == "pwrite" for call in made)
    return f"a run of {N_ITEMS} items makes {len(made)} calls of the system, {of_hdf5} of them HDF5's"


def look_through() -> str:
    from fullrank.store.heaps import heap_problem

    with tempfile.NamedTemporaryFile(suffix=".h5") as file:
        file.write(b"\x89HDF\r\n\x1a\n\x02\x08\x08\0")
        for _ in range(FILE_BYTES >> 20):
            file.write(os.urandom(1 << 20))
        file.flush()
        begun = time.perf_counter()
        heap_problem(Path(file.name))
        seconds = time.perf_counter() - begun
    return f"a file in memory is looked through at {FILE_BYTES / seconds / 1e9:.1f} GB/s"


if __name__ == "__main__":
    for figure in (witness, calls, look_through):
        sys.stdout.write(f"{figure()}\n")
