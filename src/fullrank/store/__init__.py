"""The result file: written, read, verified and compared. No other part of fullrank imports h5py.

docs/format.md describes every dataset. Names and arithmetic are in ``layout.py``, the digest in
``tally.py``, what is refused in files from elsewhere in ``safety.py``. What a file of one item does
a hundred times goes to the lower layer of h5py: ``attributes.py``, ``objects.py`` and ``h5.py``. The
chunks of large datasets are filtered by threads: ``chunks.py``.
"""

from typing import TYPE_CHECKING, Any

import fullrank.store.without_process  # noqa: F401  # before any other module of this package
from fullrank.store.axis import FileAxis, VariableText
from fullrank.store.newer import is_newer
from fullrank.store.reader import ResultFile, is_ours
from fullrank.store.tally import FileSummary
from fullrank.store.verify import Onlooker, block_size, examine, verify
from fullrank.store.writer import FileWriter

if TYPE_CHECKING:
    from fullrank.store.comparison import is_comparison, read_comparison, write_comparison
    from fullrank.store.diff import differences

__all__ = [
    "FileAxis",
    "FileSummary",
    "FileWriter",
    "Onlooker",
    "ResultFile",
    "VariableText",
    "block_size",
    "differences",
    "examine",
    "is_comparison",
    "is_newer",
    "is_ours",
    "read_comparison",
    "verify",
    "write_comparison",
]


def __getattr__(name: str) -> Any:
    """Import what only ``fullrank diff`` and ``fullrank compare`` need when it is asked for."""
    if name == "differences":
        from fullrank.store.diff import differences

        return differences
    if name in ("is_comparison", "read_comparison", "write_comparison"):
        from fullrank.store import comparison

        return getattr(comparison, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
