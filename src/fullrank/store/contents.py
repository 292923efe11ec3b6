"""All that stands in a result file, read to the end: also what this version does not know."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import h5py
from h5py import h5a, h5t

from fullrank.dataclass import dataclass, fields
from fullrank.store.attributes import OF_SCALES, read_attribute
from fullrank.store.h5 import damaged, is_text
from fullrank.store.layout import RANGE_ITEMS, ranges, slabs
from fullrank.store.tables import ROW_TYPES, row_scale

if TYPE_CHECKING:
    from fullrank.store.reader import ResultFile

_OF_ROOT = """title format format_version complete n_items n_ok n_failed results_sha256 texts_sha256
    sweep parameters results NX_class signal axes"""
_OF_DATASETS = "units long_name _FillValue flag_values flag_meanings dtype lengths n_nan coordinates part_of"
_PLAIN_TYPES = (h5t.TypeIntegerID, h5t.TypeFloatID, h5t.TypeStringID)


@dataclass(frozen=True)
class Contents:
    """What was read of a file."""

    n_groups: int
    n_datasets: int
    n_attributes: int
    unknown: tuple[str, ...]
    """Full names of what this version does not know, sorted; ``/energy@comment`` is the attribute of a dataset."""


def read_contents(file: "ResultFile") -> Contents:
    """Read every attribute of every object, and every dataset that a block of items does not hold.

    Raises:
        OutputError: an attribute is neither a number nor a text.
    """
    known = _known_objects(file)
    counts = {h5py.Group: 0, h5py.Dataset: 0}
    n_attributes, unknown = 0, []
    for name, found in file.objects:
        counts[type(found)] += 1
        if name not in known:
            unknown.append(name)
        for attribute in _read_attributes(file, found, name=name):
            n_attributes += 1
            if not _is_known(attribute, name=name, known=known):
                unknown.append(f"{name}@{attribute}")
        if isinstance(found, h5py.Dataset) and name.removeprefix("/") not in file.item_dataset_names:
            _read_dataset(found)
    return Contents(counts[h5py.Group], counts[h5py.Dataset], n_attributes, tuple(sorted(unknown)))


def _known_objects(file: "ResultFile") -> Mapping[str, str]:
    """Return the names that this version gives to objects, each with the attributes such an object may have."""
    scales = {dim for name in file.item_dataset_names for dim in file.dims_of(name)}
    datasets = {*file.item_dataset_names, *file.axis_names, *scales, "config/text", "config/identity"}
    datasets |= {"config/versions", "config/version"}
    for group, row_type in ROW_TYPES.items():
        datasets |= {f"{group}/{column.name}" for column in fields(row_type)} | {f"{group}/{row_scale(group)}"}
    groups = {*ROW_TYPES, "provenance", "config"}
    return {"/": _OF_ROOT} | {f"/{name}": _OF_DATASETS if name in datasets else "" for name in datasets | groups}


def _is_known(attribute: str, *, name: str, known: Mapping[str, str]) -> bool:
    """Whether an attribute is; those of an object that is not known are none of their own."""
    return name == "/provenance" or name not in known or attribute in known[name].split()


def _read_attributes(file: "ResultFile", found: Any, *, name: str) -> Iterator[str]:
    """Yield the names of an object's attributes once they are read; those that HDF5 keeps for itself are left out."""
    names: list[bytes] = []
    h5a.iterate(found.id, names.append)
    for raw in names:
        if raw in OF_SCALES:
            continue
        attribute = raw.decode("utf-8", "surrogateescape")
        if not isinstance(h5a.open(found.id, raw).get_type(), _PLAIN_TYPES):
            raise damaged(file.path, f"the attribute {attribute} of {name} is neither a number nor a text")
        read_attribute(found, attribute)
        yield attribute


def _read_dataset(dataset: h5py.Dataset) -> None:
    """Read numbers to the end, a chunk at a time, which has a checksum; texts are read for their digest."""
    if is_text(dataset) or not dataset.size:
        return
    parts = ranges(dataset.size, RANGE_ITEMS)
    boxes = (box for part in parts for box in slabs(dataset.shape, part.start, part.stop))
    for box in dataset.iter_chunks() if dataset.chunks else boxes:
        dataset[box]
