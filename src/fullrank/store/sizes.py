"""Whether the sizes that a result file declares fit one another, before anything of them is read."""

import math
from typing import TYPE_CHECKING

from fullrank.store.h5 import damaged

if TYPE_CHECKING:
    from fullrank.store.reader import ResultFile

ITEM_BYTES_MAX = 1 << 30
"""A block has at least one item; a few bytes, compressed, could stand for an item of any size."""


def check_sizes(file: "ResultFile") -> None:
    """Raise OutputError for an item of too many bytes, and for sizes that contradict each other."""
    if file.item_bytes > ITEM_BYTES_MAX:
        raise damaged(file.path, f"an item of {file.item_bytes} bytes, more than {ITEM_BYTES_MAX}")
    if math.prod(file.shape) != file.n_items:
        raise damaged(file.path, f"n_items is {file.n_items} and status has shape {file.shape}")
    inner = {entry.name: entry.shape for entry in file.fields}
    for name in file.item_dataset_names:
        shape, whole = file.shape_of(name), file.shape + inner.get(name, ())
        if shape != whole:
            raise damaged(file.path, f"/{name} has shape {shape}, expected {whole}")
    sizes = dict(zip(file.dims, file.shape, strict=True))
    for axis in file.axes:
        expected = sizes.get(axis.name, file.shape[-1])
        if len(axis) != expected:
            raise damaged(file.path, f"/{axis.name} has {len(axis)} values, expected {expected}")
