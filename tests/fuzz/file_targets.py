"""What fullrank leaves behind: result files, and those of comparisons."""

import io
import random
import sys
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mutate import changed_bytes, changed_structure
from store_samples import grid_study, numbers_study, sweep_of
from structures import Structure, structures
from target import Mutate, Target

from fullrank.compare import words
from fullrank.compare.records import Comparison, Measurement, Variant
from fullrank.errors import FullrankError
from fullrank.export import csv_blocks
from fullrank.report import report, text
from fullrank.result import open_result
from fullrank.store import (
    ResultFile,
    differences,
    is_comparison,
    is_ours,
    read_comparison,
    verify,
    write_comparison,
)
from fullrank.store.objects import Objects
from fullrank.store.texts import TEXTS_DIGEST, texts_sha256

_SERIAL, _PROCESSES, _MPI = Variant("serial", 1), Variant("processes", 2), Variant("mpi", 2)
_TIME = Measurement(
    0,
    0,
    wall_seconds=4.1,
    makespan_seconds=4.0,
    cpu_seconds=3.9,
    compute_seconds=3.5,
    longest_item_seconds=0.01,
    load_balance=0.99,
    others_cores=0.25,
)
_COMPARISON = Comparison(
    title="a study",
    config_path="/home/ada/study.toml",
    n_items=4000,
    n_sampled=40,
    variants=(_SERIAL, _PROCESSES),
    measurements=tuple(
        replace(_TIME, variant=variant, round=number, wall_seconds=4.1 - 2 * variant + number / 10)
        for number in range(7)
        for variant in (0, 1)
    ),
    not_possible={_MPI: "there is no mpiexec"},
    trial_start_end_seconds={_SERIAL: (0.3, 0.31), _PROCESSES: (0.4,)},
    machine={"processor": "Abacus 3000", "usable_cores": 2, "load": 0.5},
    n_rounds_asked=7,
    partial=False,
    notes=("it was noisy", "and hot"),
)


_DEADLY = ("B-tree", "heap")


def _samples(folder: Path) -> list[bytes]:
    """A result whose numbers stand in object headers, a comparison, and a result in compressed chunks with an index."""
    path = folder / "sample.h5"
    grid_study().with_ends({1: 0, 5: 2}).write(path)
    contents = [path.read_bytes()]
    path.unlink()
    write_comparison(path, _COMPARISON)
    contents.append(path.read_bytes())
    path.unlink()
    numbers_study(sweep_of((90, 100))).write(path)
    contents.append(path.read_bytes())
    path.unlink()
    return contents


@lru_cache(maxsize=8)
def _structures(data: bytes) -> list[Structure]:
    """Return all but those of which HDF5 2.0.0 itself dies if their checksum is right; SECURITY.md tells of them."""
    return [found for found in structures(data) if not found.kind.startswith(_DEADLY)]


class _Noted(ResultFile):
    """A result file that says how many were opened: one that is refused at once is refused so by every reader."""

    n_opened = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        _Noted.n_opened += 1


def _open_less(good: Path) -> None:
    """Have ``verify`` note what it opens, and ``differences`` open the good file, to which it compares, only once."""
    opened = ResultFile(good)
    sys.modules["fullrank.store.verify"].ResultFile = _Noted
    sys.modules["fullrank.store.diff"].ResultFile = lambda path: (
        nullcontext(opened) if path == good else ResultFile(path)
    )


def result(folder: Path) -> Target:
    """Files: their bytes, their structures under checksums that are right, and what HDF5 itself puts another way."""
    samples = _samples(folder)
    good, path = folder / "good.h5", folder / "a.h5"
    good.write_bytes(samples[0])
    differences(good, good)  # imported when it is asked for
    _open_less(good)

    def make(chance: random.Random) -> bytes:
        content = chance.choices(samples, (5, 4, 1))[0]
        match chance.randrange(10):
            case 0 | 1:
                return changed_bytes(chance, content)
            case 2 | 3 | 4 | 5:
                return changed_structure(chance, content, _structures(content))
        return _changed_by_hdf5(chance, content)

    def change(chance: random.Random, data: bytes, mutate: Mutate) -> bytes:
        match chance.randrange(10):
            case 0 | 1:
                return mutate(data)
            case 2 | 3 | 4:  # of a sample: HDF5 must not be asked to write into a damaged file
                return _changed_by_hdf5(chance, chance.choice(samples))
        content = chance.choice(samples)  # of several that are changed under right checksums HDF5 itself may not return
        return changed_structure(chance, content, _structures(content))

    def feed(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(FullrankError):
            is_ours(path)
        with suppress(FullrankError):
            if is_comparison(path):
                words.text(read_comparison(path))
        n_opened = _Noted.n_opened
        with suppress(FullrankError):
            verify(path)
        if _Noted.n_opened == n_opened:
            return
        with suppress(FullrankError):
            text(report(path))
        with suppress(FullrankError):
            _take_away(path)
        with suppress(FullrankError):
            differences(path, good)

    return Target("result file", samples, make, change, feed)


def _take_away(path: Path) -> None:
    """Read what users read: all arrays, the failures, and the table."""
    with open_result(path) as result:
        repr(result)
        for name in result:
            _ = result[name], result.dims_of(name)
        _ = dict(result.axes), dict(result.lengths), result.failures, result.ok, result.item_seconds
    with ResultFile(path) as file:
        for _ in csv_blocks(file, with_missing=True):
            pass


def _changed_by_hdf5(chance: random.Random, content: bytes) -> bytes:
    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        for _ in range(chance.choice((1, 1, 3))):
            with suppress(Exception):  # not every change can be made
                _change(chance, file, chance.choice(names))
    return stream.getvalue()


_ATTRIBUTES = ("n_items", "n_ok", "complete", "results", "parameters", "sweep", "units", "n_nan", "flag_meanings")
_CONTENTS: tuple[Any, ...] = ("", "x", ["a", "b"], 0, -1, 1.5, np.arange(3), h5py.Empty("<f8"), np.void(b"x"), 1 << 62)


def _change(chance: random.Random, file: h5py.File, name: str) -> None:
    found = file[name]
    match chance.randrange(7):
        case 0:
            del file[name]
        case 1:
            chance.choice((found, file)).attrs[chance.choice(_ATTRIBUTES)] = chance.choice(_CONTENTS)
        case 2:
            del found.attrs[chance.choice(list(found.attrs))]
        case 3:
            del file[name]
            file[name] = chance.choice(_CONTENTS)
        case 4:
            file.move(name, chance.choice(("status", "x", "workers/x", "é" * 300)))
        case 5:
            found[...] = chance.choice((0, -1, 127, 1e300, np.nan, "x", "\x1b[2J", "{}"))
        case 6:
            dtype = chance.choice(("<i8", ">f4", "|u1", "<f2", h5py.string_dtype(), "S3"))
            shape = chance.choice(((), (0,), (1,), (4, 3), (4, 3, 0), (12,), (1 << 40,)))
            del file[name]
            file.create_dataset(name, shape, dtype)
    if chance.random() < 0.5:
        root = file["/"]
        root.attrs[TEXTS_DIGEST] = texts_sha256(Objects(root))
