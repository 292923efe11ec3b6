"""The file of a comparison: every raw value that was measured, from which its report is made again.

docs/format.md describes it. It is within netCDF-4's subset of HDF5, like the result file.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fullrank.compare.records import Comparison, Measurement, Variant
from fullrank.dataclass import asdict, dataclass, fields
from fullrank.errors import OutputError
from fullrank.store.attributes import read_attribute, write_attributes
from fullrank.store.h5 import damaged, open_new, open_old, reading
from fullrank.store.layout import CHUNK_BYTES, COMPARISON_FORMAT
from fullrank.store.objects import Objects
from fullrank.store.safety import check_file, is_marked
from fullrank.store.sink import Sink
from fullrank.store.tables import clean, read_facts, read_rows, write_facts, write_rows
from fullrank.store.texts import TEXTS_DIGEST, texts_sha256

FORMAT_VERSION = 1
"""Versions add datasets and attributes; none changes what an earlier one's mean."""


@dataclass(frozen=True)
class _VariantRow:
    """A variant; those that were measured come first, in their order."""

    backend: str
    n_workers: int
    not_possible: str
    """Why it could not run; "" if it was measured."""


@dataclass(frozen=True)
class _TrialRow:
    """A run of one item."""

    variant: int
    start_end_seconds: float


@dataclass(frozen=True)
class _StartRow:
    """A trial in the first files, where it was named like what a worker takes until it is ready."""

    variant: int
    startup_seconds: float


_LONG_NAMES: Mapping[str, Mapping[str, str]] = {
    "variants": {
        "backend": "way of running",
        "n_workers": "number of workers",
        "not_possible": "why it could not run here; empty if it was measured",
    },
    "measurements": {
        "variant": "row of the variant in the group variants",
        "round": "number of the round; every variant runs once in a round",
        "wall_seconds": "of the whole command, start and result file included",
        "makespan_seconds": "from the workers' common start to the end of the last item",
        "cpu_seconds": "CPU time of all workers over makespan_seconds",
        "compute_seconds": "time inside items, all workers together",
        "longest_item_seconds": "longest item",
        "load_balance": "mean busy time over longest busy time of a worker",
        "others_cores": "cores that other programs kept busy meanwhile; NaN if unknown",
    },
    "trials": {
        "variant": "row of the variant in the group variants",
        "start_end_seconds": "wall time of the command without its makespan",
    },
}


def is_comparison(path: Path) -> bool:
    """Whether there is a file and it is a comparison, in whatever version.

    Raises:
        OutputError: the file cannot be opened, or not read though it is HDF5.
    """
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with reading(path, "be opened"), open_old(path) as file:
        return is_marked(file["/"], COMPARISON_FORMAT)


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write the file whole, bring it to the disk and read it back; ``path`` is a temporary name.

    Raises:
        OutputError: it cannot be written, or is not what was to be written; then nothing is left of it.
    """
    try:
        _write(path, comparison)
        # by their texts: NaN is not equal to itself
        if repr(read_comparison(path)) != repr(_as_read(comparison)):
            raise OutputError(f"{path}: what was read back is not what was written; is the disk sound?")
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(path: Path, comparison: Comparison) -> None:
    sink = Sink(path)
    try:
        with open_new(sink, chunk_bytes=CHUNK_BYTES) as file:
            _write_groups(file, comparison)
            root = file["/"]
            write_attributes(root, _root_attributes(comparison))
            write_attributes(root, {TEXTS_DIGEST: texts_sha256(Objects.below(root))})
        sink.check()
        sink.sync()
    except BaseException:
        with suppress(OSError):
            sink.check()  # what HDF5 raises after this failed follows from it
        sink.give_up()
        raise
    finally:
        sink.close()


def _write_groups(file: h5py.File, comparison: Comparison) -> None:
    variants = [_VariantRow(variant.backend, variant.n_workers, "") for variant in comparison.variants]
    for variant, reason in comparison.not_possible.items():
        variants.append(_VariantRow(variant.backend, variant.n_workers, reason))
    trials = [
        _TrialRow(number, seconds)
        for number, variant in enumerate(comparison.variants)
        for seconds in comparison.trial_start_end_seconds.get(variant, ())
    ]
    tables: tuple[tuple[str, list[Any], type[Any]], ...] = (
        ("variants", variants, _VariantRow),
        ("measurements", list(comparison.measurements), Measurement),
        ("trials", trials, _TrialRow),
    )
    for name, rows, row_type in tables:
        write_rows(file, name, rows, row_type=row_type, long_names=_LONG_NAMES[name])
    write_facts(file, "machine", comparison.machine)


def _root_attributes(comparison: Comparison) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "title": clean(comparison.title),
        "format": COMPARISON_FORMAT,
        "format_version": np.int32(FORMAT_VERSION),
        "complete": np.int32(not comparison.partial),
        "config_path": clean(comparison.config_path),
        "n_items": np.int64(comparison.n_items),
        "n_sampled": np.int64(comparison.n_sampled),
        "n_rounds_asked": np.int64(comparison.n_rounds_asked),
    }
    if comparison.notes:
        attributes["notes"] = [clean(note) for note in comparison.notes]
    return attributes


def _as_read(comparison: Comparison) -> Comparison:
    """Return what a file can hold of a comparison: texts without NUL, trials of the measured variants alone."""

    def cleaned(facts: Mapping[Any, Any]) -> dict[Any, Any]:
        return {key: clean(value) if isinstance(value, str) else value for key, value in facts.items()}

    return Comparison(
        **{entry.name: getattr(comparison, entry.name) for entry in fields(comparison)}
        | {
            "title": clean(comparison.title),
            "config_path": clean(comparison.config_path),
            "not_possible": cleaned(comparison.not_possible),
            "trial_start_end_seconds": {
                v: tuple(comparison.trial_start_end_seconds.get(v, ())) for v in comparison.variants
            },
            "machine": cleaned(comparison.machine),
            "notes": tuple(map(clean, comparison.notes)),
        }
    )


def read_comparison(path: Path) -> Comparison:
    """Read a comparison and check that it is whole.

    Raises:
        OutputError: no comparison, newer, damaged, or it holds what files of ours never do.
    """
    with reading(path, "be opened"):
        file = open_old(path)
    with reading(path), file:
        objects = check_file(
            file, path, file_format=COMPARISON_FORMAT, newest_version=FORMAT_VERSION, what="a comparison"
        )
        root = objects["/"]
        if read_attribute(root, TEXTS_DIGEST) != texts_sha256(objects):
            raise damaged(path, f"its texts are not those of which {TEXTS_DIGEST} tells")
        found = _from_objects(objects, root)
    _check(path, found)
    return found


def _from_objects(objects: Objects, root: h5py.Group) -> Comparison:
    rows = read_rows(objects, "variants", _VariantRow)
    variants = tuple(Variant(row.backend, row.n_workers) for row in rows if not row.not_possible)
    trials = _trials(objects)
    return Comparison(
        title=str(read_attribute(root, "title")),
        config_path=str(read_attribute(root, "config_path")),
        n_items=int(read_attribute(root, "n_items")),
        n_sampled=int(read_attribute(root, "n_sampled")),
        variants=variants,
        measurements=read_rows(objects, "measurements", Measurement),
        not_possible={Variant(row.backend, row.n_workers): row.not_possible for row in rows if row.not_possible},
        trial_start_end_seconds={
            variant: tuple(row.start_end_seconds for row in trials if row.variant == number)
            for number, variant in enumerate(variants)
        },
        machine=read_facts(objects, "machine"),
        n_rounds_asked=int(read_attribute(root, "n_rounds_asked")),
        partial=int(read_attribute(root, "complete")) != 1,
        notes=tuple(read_attribute(root, "notes", ())),
    )


def _trials(objects: Objects) -> tuple[_TrialRow, ...]:
    if "/trials" in objects:
        return read_rows(objects, "trials", _TrialRow)
    earlier = read_rows(objects, "startups", _StartRow)  # their name in the first files
    return tuple(_TrialRow(row.variant, row.startup_seconds) for row in earlier)


def _check(path: Path, found: Comparison) -> None:
    """Check what the report takes for granted."""
    for row, taken in enumerate(found.measurements):
        if not 0 <= taken.variant < len(found.variants):
            raise damaged(path, f"measurement {row} is of variant {taken.variant}, of {len(found.variants)}")
        if not (taken.round >= 0 and taken.wall_seconds > 0 and taken.makespan_seconds >= 0):
            raise damaged(path, f"measurement {row} is impossible: {asdict(taken)}")
    if not found.variants or not 1 <= found.n_sampled <= found.n_items:
        raise damaged(path, f"{len(found.variants)} variants, {found.n_sampled} of {found.n_items} items sampled")
