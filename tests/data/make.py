"""Makes the stored result files of format version 1, which every later version of fullrank has to read.

``python tests/data/make.py FOLDER`` writes them anew with the fullrank that is installed. Those in ``stored`` were made
once and are never replaced: they stand for the files that users have. A version of the format that adds something gets
files of its own beside them. What ``tests/test_stored_files.py`` expects of them is written there by hand.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "store"))

from store_samples import Study, info

from fullrank.axes import ListAxis, RangeAxis
from fullrank.schema import Field, Tables
from fullrank.sweep import Sweep

CONFIG = """\
title = "orbits"
[workload]
function = "sim.py:orbit"
seed = 7
"""
IDENTITY = '{"function":"sim.py:orbit","seed":7}'
EXCEPTIONS = {2: "ZeroDivisionError: float division by zero", 3: "TimeoutError: longer than 2 s"}
PROVENANCE = {"python": "3.11.7", "fullrank": "0.1.0", "n_cores": 2, "host": "node07"}


def grid() -> Study:
    """3 x 2 items; item 1 failed, item 4 ran into its time limit."""
    axes = (
        ListAxis("r", values=(0.5, 1.0, 1.5), units="m", long_name="radius"),
        ListAxis("site", values=("Genève", 'say "hi", you')),
    )
    study = Study(
        Sweep("grid", axes),
        [Field("energy", "<f8"), Field("n_steps", "<i4"), Field("stable", "|i1", is_bool=True)],
        {
            "energy": np.array([0.1, 0, 0.3, np.nan, 0, -0.0]),
            "n_steps": np.arange(10, 16, dtype=np.int32),
            "stable": np.array([1, 0, 0, 1, 0, 1], np.int8),
        },
        infos={"energy": info(units="J", long_name="energy of the orbit")},
    )
    return study.with_ends({1: 2, 4: 3})


def table() -> Study:
    """2 replicates of 3 rows, of which the last item is missing: a partial file."""
    axes = (
        ListAxis("n", values=(1, 2, 3)),
        ListAxis("name", values=("a", "b,c", "東京")),
        ListAxis("on", values=(True, False, True)),
    )
    study = Study(
        Sweep("table", axes, 2),
        [Field("a", "<f4", (2,)), Field("z_re", "<f8", part_of="z"), Field("z_im", "<f8", part_of="z")],
        {"a": np.arange(12, dtype=np.float32).reshape(6, 2) / 10, "z_re": np.arange(6) / 4, "z_im": -np.arange(6) / 8},
        infos={"a": info(dims=("side",))},
    )
    return study.with_ends({5: 0})


def varying() -> Study:
    """4 items with arrays of 0, 1, 2 and 3 numbers."""
    study = Study(
        Sweep("grid", (RangeAxis("k", start=0, stop=4),)),
        [Field("primes", "<i8", (3,), varying=True)],
        {"primes": np.array([[2, 3, 5]] * 4)},
    )
    study.lengths["primes"] = np.arange(4)
    return study


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for make in (grid, table, varying):
        study = make()
        tables = study.tables
        study.title = "orbits"
        failures = tuple(
            replace(row, parameters=json.dumps(study.sweep.parameters(row.index)), exception=EXCEPTIONS[row.status])
            for row in tables.failures
        )
        study.tables = Tables(failures, tables.workers, tables.attempts, PROVENANCE, CONFIG, IDENTITY)
        workers = tuple(replace(row, n_items=study.sweep.n_items) for row in tables.workers)
        study.tables = replace(study.tables, workers=workers)
        study.write(folder / f"{make.__name__}-v1.h5")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
