"""What HDF5 itself costs: ``plain_h5py.py RESULT.h5 COPY.h5`` writes a result's arrays again, with h5py alone.

Same types, chunks and filters, whole arrays at once; then all is read back and SHA-256 taken of it.
"""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import h5py


def main(result: Path, copy: Path) -> None:
    """Copy the datasets of the root group, and print how long it took to write and to check them."""
    arrays, options = _content(result)
    begun = time.perf_counter()
    with h5py.File(copy, "w", libver=("v108", "v110")) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **options[name])
    written = time.perf_counter()
    with h5py.File(copy, "r") as file:
        for name in arrays:
            hashlib.sha256(file[name][...].tobytes()).hexdigest()
    read = time.perf_counter()
    print(json.dumps({"write_seconds": written - begun, "check_seconds": read - written}))


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
    main(Path(sys.argv[1]), Path(sys.argv[2]))
