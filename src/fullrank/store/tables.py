"""The groups of the file: failures, workers and attempts by columns, provenance and config."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any, TypeVar

import h5py
import numpy as np

from fullrank.dataclass import fields
from fullrank.schema import AttemptRow, Failure, Tables, WorkerRow
from fullrank.store.attributes import TEXT, read_attribute, write_attributes
from fullrank.store.h5 import attach_scale, create, create_scale, is_text, read_range, read_texts, write_whole
from fullrank.store.layout import STATUS_FLAGS, flag_attributes
from fullrank.store.objects import Objects

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")
ROW_TYPES: dict[str, type[Any]] = {
    "failures": Failure,
    "workers": WorkerRow,
    "attempts": AttemptRow,
}
_DTYPES: dict[type, Any] = {int: np.dtype("<i8"), float: np.dtype("<f8"), str: TEXT}

N_ROWS_MAX = 1 << 22
"""Of a table, which is read whole: a few bytes, compressed, could stand for any number of rows."""

LONG_NAMES: dict[str, dict[str, str]] = {
    "failures": {
        "index": "index of the item",
        "status": "how the item ended",
        "parameters": "parameters of the item, a JSON object",
        "exception": "type and message of the exception",
        "traceback": "traceback of the exception",
        "output": "end of what the item printed",
        "worker": "row of the item's worker in the group workers",
    },
    "workers": {
        "attempt": "number of the worker's attempt",
        "worker": "number of the worker in its attempt, the rank under MPI",
        "host": "name of the host",
        "pid": "process number on the host",
        "platform": "C library, CPU model and a checksum of the CPU's features",
        "backend": "way of running",
        "n_items": "number of items evaluated",
        "n_claims": "number of claims made",
        "startup_seconds": "from the start of the process until it could receive its job",
        "import_seconds": "import of the user's module and setup",
        "compute_seconds": "time inside items",
        "claim_seconds": "time waiting for claims",
        "journal_seconds": "time writing the journal",
        "elapsed_seconds": "from the attempt's common start to the end of the worker's last item",
        "cpu_seconds": "CPU time over elapsed_seconds",
        "launch_seconds": "from the start of the command's root to the start of the process",
        "root_import_seconds": "part of startup_seconds: import of the user's module by root, whose process it is",
        "start_wait_seconds": "from the end of import and setup to the attempt's common start",
        "prepare_seconds": "between a claim and its first item",
        "encode_seconds": "from results to bytes, and describing failures",
        "count_seconds": "telling the shared counter what is finished",
        "end_wait_seconds": "from the end of the worker's last item until all workers had ended",
        "account_seconds": "from the start of launch_seconds until root wrote this account",
    },
    "attempts": {
        "attempt": "number of the attempt",
        "started": "start, ISO 8601",
        "ended": "end, ISO 8601; empty if the attempt was killed",
        "backend": "way of running",
        "n_workers": "number of workers",
        "schedule": "rule that gave items to workers",
        "order": "order of visiting the items",
        "reason": "why the attempt ended",
        "wall_seconds": "from the start of the command to the end of the attempt",
        "n_done_again": "items that were running when workers died, and were evaluated again",
        "done_again_seconds": "time inside these items when they were evaluated again",
        "gather_seconds": "after the workers had ended: reading journals, sorting and bringing records",
        "write_seconds": "after that: writing items into this file, until the account was written",
        "shard": "share of the items that the attempt was to evaluate, as 3/20; empty: all of them",
    },
}


def clean(text: str) -> str:
    """Return text that HDF5 can hold: NUL and lone surrogates, which it cannot, are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def write_tables(file: h5py.File, tables: Tables) -> None:
    """Write all groups."""
    for name, rows in (("failures", tables.failures), ("workers", tables.workers), ("attempts", tables.attempts)):
        write_rows(file, name, rows, row_type=ROW_TYPES[name], long_names=LONG_NAMES[name])
    write_facts(file, "provenance", tables.provenance)
    config = file.create_group("config", track_order=True)
    _write_text(config, "text", tables.config, long_name="the study's config, exactly as it was read")
    _write_text(config, "identity", tables.identity, long_name="what makes this study this study, JSON")
    if len(tables.versions) > 1:
        scale = create_scale(
            config,
            "version",
            size=len(tables.versions),
            dtype=_DTYPES[int],
            attributes={"units": "1", "long_name": "version of the code, as in code_version"},
            values=lambda positions: positions,
        )
        attributes = {"units": "1", "long_name": "identity of the study by version of its code, JSON"}
        dataset = create(config, "versions", shape=(len(tables.versions),), dtype=TEXT, attributes=attributes)
        write_whole(dataset, np.array([clean(text) for text in tables.versions], TEXT))
        attach_scale(dataset, 0, scale)


def _write_text(group: h5py.Group, name: str, text: str, *, long_name: str) -> None:
    attributes = {"units": "1", "long_name": long_name}
    write_whole(create(group, name, shape=(), dtype=TEXT, attributes=attributes), np.array(clean(text), TEXT))


def write_facts(file: h5py.File, name: str, facts: Mapping[str, str | int | float]) -> None:
    """Write a group that has attributes alone."""
    group = file.create_group(name, track_order=True)
    write_attributes(group, {key: clean(value) if isinstance(value, str) else value for key, value in facts.items()})


def write_rows(
    file: h5py.File, name: str, rows: Sequence[Any], *, row_type: type[Any], long_names: Mapping[str, str]
) -> None:
    """Write one dataset for each field of the rows' type, on a dimension of its own."""
    group = file.create_group(name, track_order=True)
    scale = create_scale(
        group,
        row_scale(name),
        size=len(rows),
        dtype=_DTYPES[int],
        attributes={"units": "1", "long_name": f"row in the group {name}"},
        values=lambda positions: positions,
    )
    for column in fields(row_type):
        values = [getattr(row, column.name) for row in rows]
        attributes = _column_attributes(name, column.name, long_name=long_names[column.name])
        dtype = _DTYPES[_plain_type(column.type)]
        dataset = create(group, column.name, shape=(len(rows),), dtype=dtype, attributes=attributes)
        if rows:
            write_whole(dataset, np.array([clean(value) for value in values] if dtype is TEXT else values, dtype))
        attach_scale(dataset, 0, scale)


def row_scale(group: str) -> str:
    """Return the name of the dimension of a group's rows."""
    return f"{group.removesuffix('s')}_row"


def _plain_type(annotation: Any) -> type:
    """Return the type of a field, which is a name where annotations are strings."""
    names = {"int": int, "float": float, "str": str}
    return names[annotation] if isinstance(annotation, str) else annotation


def _column_attributes(group: str, column: str, *, long_name: str) -> dict[str, Any]:
    units = "s" if column.endswith("_seconds") else "1"
    attributes = {"units": units, "long_name": long_name}
    if (group, column) == ("failures", "status"):
        attributes |= flag_attributes(STATUS_FLAGS, "<i8")
    return attributes


def read_rows(objects: Objects, name: str, row_type: type[Row]) -> tuple[Row, ...]:
    """Return a group's rows; columns whose default says nothing may be missing, for the first files had none of them.

    Raises:
        LookupError, ValueError: another column is missing, or one is not as long as the others.
    """
    datasets = {
        field.name: _column(objects, f"/{name}/{field.name}")
        for field in fields(row_type)
        if not (_says_nothing(field.default) and f"/{name}/{field.name}" not in objects)
    }
    lengths = {column: len(dataset) for column, dataset in datasets.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns differ in length: {lengths}")
    if max(lengths.values()) > N_ROWS_MAX:
        raise ValueError(f"{max(lengths.values())} rows, more than {N_ROWS_MAX}")
    columns = {column: read_values(dataset, range(len(dataset))) for column, dataset in datasets.items()}
    return tuple(row_type(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True))


def _says_nothing(value: Any) -> bool:
    return (isinstance(value, float) and isnan(value)) or value == ""


def _column(objects: Objects, name: str) -> h5py.Dataset:
    dataset = objects[name]
    if not isinstance(dataset, h5py.Dataset) or len(dataset.shape) != 1:
        raise ValueError(f"expected a dataset of one dimension in {name}")
    return dataset


def check_values(dataset: h5py.Dataset, positions: range) -> None:
    """Read what :func:`read_values` returns, without making objects of Python of a million numbers."""
    if is_text(dataset):
        read_texts(dataset, positions, errors="replace")
    else:
        read_range(dataset, positions)


def read_values(dataset: h5py.Dataset, positions: range) -> list[Any]:
    """Return part of a one-dimensional dataset as Python's ints, floats, strings or bools."""
    if is_text(dataset):
        return read_texts(dataset, positions, errors="replace")
    values: list[Any] = read_range(dataset, positions).tolist()
    return [bool(value) for value in values] if is_bool(dataset) else values


def is_bool(dataset: h5py.Dataset) -> bool:
    """Whether the numbers stand for false and true."""
    return bool(dataset.dtype == np.int8 and read_attribute(dataset, "flag_meanings") == "false true")


def read_text(objects: Objects, name: str) -> str:
    """Return one text of the group ``config``."""
    return read_texts(objects[f"/config/{name}"], errors="replace")[0]


def read_versions(objects: Objects) -> tuple[str, ...]:
    """Return the study's identity by version of its code; none in a file of one version."""
    if "/config/versions" not in objects:
        return ()
    dataset = _column(objects, "/config/versions")
    if len(dataset) > N_ROWS_MAX:
        raise ValueError(f"{len(dataset)} versions, more than {N_ROWS_MAX}")
    return tuple(read_texts(dataset, range(len(dataset)), errors="replace"))


def read_provenance(objects: Objects) -> Mapping[str, str | int | float]:
    """Return what ran where."""
    return read_facts(objects, "provenance")


def read_facts(objects: Objects, name: str) -> Mapping[str, str | int | float]:
    """Return the attributes of a group that has attributes alone."""
    group = objects[f"/{name}"]
    return {key: _plain(read_attribute(group, key)) for key in group.attrs}


def _plain(value: Any) -> str | int | float:
    return value.item() if isinstance(value, np.generic) else str(value)
