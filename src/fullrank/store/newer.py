"""Whether a result file is of a later fullrank, before any of it is believed."""

from pathlib import Path

import numpy as np

from fullrank.store.attributes import read_attribute
from fullrank.store.h5 import open_old, reading
from fullrank.store.layout import FORMAT_VERSION


def is_newer(path: Path) -> bool:
    """Return whether a result of ours has a format version that this fullrank does not know.

    Raises OutputError if it cannot be opened or read.
    """
    with reading(path, "be opened"), open_old(path) as file:
        version = read_attribute(file["/"], "format_version")
    return isinstance(version, np.integer) and bool(version > FORMAT_VERSION)
