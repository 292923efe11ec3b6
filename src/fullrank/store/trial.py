"""Whether HDF5 can write a file somewhere."""

from pathlib import Path

import h5py


def write_refusal(path: Path) -> str:
    """Return what HDF5 says to a new file, with one dataset, that is opened again; "" if nothing."""
    try:
        with h5py.File(path, "w") as file:
            file["x"] = 1
        with h5py.File(path, "r") as file:
            return "" if file["x"][()] == 1 else "what was written is not what is read"
    except OSError as error:
        return str(error)
