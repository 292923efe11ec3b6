"""``versions.py PACKAGE…``: which of them are installed, in which version, for which Python."""

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
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
