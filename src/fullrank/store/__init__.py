"""The result file: written, read, verified and compared. No other part of fullrank imports h5py.

docs/format.md describes every dataset. Names and arithmetic are in ``layout.py``, the digest in
``tally.py``, what is refused in files from elsewhere in ``safety.py``.
"""

from fullrank.store.axis import FileAxis, VariableText
from fullrank.store.diff import differences
from fullrank.store.reader import ResultFile, is_ours
from fullrank.store.tally import FileSummary
from fullrank.store.verify import block_size, verify
from fullrank.store.writer import FileWriter

__all__ = [
    "FileAxis",
    "FileSummary",
    "FileWriter",
    "ResultFile",
    "VariableText",
    "block_size",
    "differences",
    "is_ours",
    "verify",
]
