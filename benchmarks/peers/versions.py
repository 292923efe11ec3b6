"""``versions.py PACKAGE…``: which of them are installed, in which version, for which Python.

With mpi4py among them also beside which MPI library, as it calls itself.
"""

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version


def main(packages: list[str]) -> None:
    """Print the versions of what is there."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if "mpi4py" in found:
        from mpi4py import MPI

        found["mpi"] = " ".join(MPI.Get_library_version().strip("\0\n ").splitlines()[0].split())
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
