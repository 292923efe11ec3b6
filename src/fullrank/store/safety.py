"""What is looked at before anything else of a file is believed.

HDF5 files can name other files, run plug-in filters and declare sizes they do not have. A file of
ours does none of that, so a file that does is refused, whatever its attributes say.
"""

import math
import shlex
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fullrank.errors import OutputError
from fullrank.store.attributes import read_attribute
from fullrank.store.layout import COMPARISON_FORMAT, FORMAT, FORMAT_VERSION
from fullrank.store.objects import Objects

N_OBJECTS_MAX = 100_000
CHUNK_BYTES_MAX = 64 << 20
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


def check_file(
    file: h5py.File,
    path: Path,
    *,
    file_format: str = FORMAT,
    newest_version: int = FORMAT_VERSION,
    what: str = "a result file",
) -> Objects:
    """Check that the file is ours, of a version that is known, and safe to read; return what stands in it.

    Raises:
        OutputError: it is not; the message says why.
    """
    root = file["/"]
    if not is_marked(root, file_format):
        if is_marked(root, COMPARISON_FORMAT):
            raise OutputError(
                f"{path}: expected {what}, got a comparison of ways of running; see it with: "
                f"fullrank report {shlex.quote(str(path))}"
            )
        raise OutputError(f"{path}: not {what} of fullrank; name another file")
    version = read_attribute(root, "format_version")
    if not isinstance(version, np.integer) or version < 1:
        raise OutputError(f"{path}: damaged: expected a number in format_version, got {version!r}")
    if version > newest_version:
        raise OutputError(
            f"{path}: written by a newer fullrank, in format version {version}; this one reads "
            f"versions up to {newest_version}; install a newer fullrank"
        )
    objects = Objects(root)
    for n_objects, (name, found) in enumerate(objects.find(), start=1):
        problem = _object_problem(found) if n_objects <= N_OBJECTS_MAX else "one object too many"
        if problem:
            raise OutputError(f"{path}: {name}: {problem}; files of fullrank have none, this one is not read")
    return objects


def is_marked(root: h5py.Group, file_format: str = FORMAT) -> bool:
    """Whether the root attributes say that fullrank wrote the file, and that it is of this format."""
    return isinstance(mark := read_attribute(root, "format"), str) and mark == file_format


def _object_problem(found: Any) -> str | None:
    if isinstance(found, h5py.Dataset):
        return _dataset_problem(found)
    if isinstance(found, h5py.Group):
        return None
    if isinstance(found, h5py.ExternalLink):
        return f"a link to another file ({found.filename})"
    if isinstance(found, h5py.SoftLink):
        return "a symbolic link"
    return "an object too deep, of an unknown kind or with a second name"


def _dataset_problem(dataset: h5py.Dataset) -> str | None:
    properties = dataset.id.get_create_plist()
    layout = properties.get_layout()
    if layout == h5py.h5d.VIRTUAL:
        return "a virtual dataset"
    if properties.get_external_count():
        return "data in another file"
    for number in range(properties.get_nfilters()):
        if (code := properties.get_filter(number)[0]) not in _FILTERS:
            return f"filter number {code}"
    dtype = dataset.dtype
    if dataset.shape is None or not _is_plain(dtype):
        return f"data of type {dtype}"
    if layout == h5py.h5d.CHUNKED:
        if dtype.kind == "O":  # a few bytes, compressed, would stand for any number of texts
            return "texts in chunks"
        return _chunks_problem(dataset, properties.get_chunk())
    if dataset.id.get_storage_size() != dataset.size * _stored_bytes(dtype):
        return f"a size ({dataset.shape}) that its data does not have"
    return None


def _is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether it is one of numbers or text; no compounds, enums, references or arrays."""
    if h5py.check_enum_dtype(dtype) is not None:
        return False
    return dtype.kind in "iuf" or h5py.check_string_dtype(dtype) is not None


def _stored_bytes(dtype: np.dtype[Any]) -> int:
    """Return the size of an element in the file; for a text that of its length and address."""
    text = h5py.check_string_dtype(dtype)
    return 16 if text is not None and text.length is None else dtype.itemsize


def _chunks_problem(dataset: h5py.Dataset, chunks: tuple[int, ...]) -> str | None:
    chunk_bytes = math.prod(chunks) * dataset.dtype.itemsize
    if chunk_bytes > CHUNK_BYTES_MAX:
        return f"chunks of {chunk_bytes} bytes"
    pairs = zip(dataset.shape, chunks, strict=True)
    n_chunks = math.prod(-(-size // chunk) for size, chunk in pairs)
    if dataset.id.get_num_chunks() != n_chunks:
        return f"a size ({dataset.shape}) that its {dataset.id.get_num_chunks()} chunks do not have"
    return None
