"""What HDF5 itself costs: a result's arrays written again, with h5py alone.

``plain_h5py.py RESULT.h5 COPY.h5 [--one-core]``. Same types, chunks and filters, whole arrays at once; then all is read
back and SHA-256 taken of it. Seconds are told by the clock and of all cores.
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import h5py


def main(result: Path, copy: Path) -> None:
    """Copy the datasets of the root group, and print how long it took to write and to check them."""
    arrays, options = _content(result)
    begun = _now()
    with h5py.File(copy, "w", libver=("v108", "v110")) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **options[name])
    written = _now()
    with h5py.File(copy, "r") as file:
        for name in arrays:
            hashlib.sha256(file[name][...].tobytes()).hexdigest()
    read = _now()
    print(json.dumps(_between("write", begun, written) | _between("check", written, read)))


def _now() -> tuple[float, float]:
    """Return the time in s by the clock, and that which all threads have used of cores."""
    return time.perf_counter(), time.process_time()


def _between(part: str, begun: tuple[float, float], ended: tuple[float, float]) -> dict[str, float]:
    return {f"{part}_seconds": ended[0] - begun[0], f"{part}_cpu_seconds": ended[1] - begun[1]}


def _content(result: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    with h5py.File(result, "r") as file:
        found = {name: entry for name, entry in file.items() if isinstance(entry, h5py.Dataset)}
        arrays = {name: dataset[...] for name, dataset in found.items()}
        options = {name: _options(dataset) for name, dataset in found.items()}
    return arrays, options


def _options(dataset: h5py.Dataset) -> dict[str, Any]:
    names = ("dtype", "chunks", "shuffle", "fletcher32", "compression", "compression_opts")
    return {name: getattr(dataset, name) for name in names}


if __name__ == "__main__":
    if "--one-core" in sys.argv[3:]:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    main(Path(sys.argv[1]), Path(sys.argv[2]))
