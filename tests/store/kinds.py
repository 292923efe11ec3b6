"""One study of each kind, whose numbers are known."""

import numpy as np
from store_samples import Study, grid_study, info

from fullrank.axes import LinearAxis, ListAxis, RangeAxis
from fullrank.schema import Field
from fullrank.sweep import Sweep


def arrays_study() -> Study:
    """6 items; matrices of 2 x 2, complex numbers, small integers of every sign."""
    sweep = Sweep("grid", (RangeAxis("x", start=0, stop=3), ListAxis("flag", values=(True, False))))
    n = sweep.n_items
    fields = [
        Field("m", "<i4", (2, 2)),
        Field("z_re", "<f8", part_of="z"),
        Field("z_im", "<f8", part_of="z"),
        Field("level", "|u1"),
    ]
    return Study(
        sweep,
        fields,
        values={
            "m": np.arange(4 * n, dtype=np.int32).reshape(n, 2, 2),
            "z_re": np.arange(n) / 3,
            "z_im": -np.arange(n) / 9,
            "level": np.arange(n, dtype=np.uint8),
        },
        infos={"m": info(dims=("row", "column")), "z": info(units="V")},
    )


def rows_study(kind: str, replicates: int | None = None) -> Study:
    """3 rows, of numbers and texts that CSV has to quote."""
    axes = (
        LinearAxis("r", start=0.0, stop=1.0, num=3, units="m"),
        ListAxis("site", values=('say "hi", you', "two\r\nlines", "東京")),
    )
    sweep = Sweep(kind, axes, replicates)
    return Study(sweep, [Field("energy", "<f8")], {"energy": np.arange(sweep.n_items) / 7})


KINDS = {
    "grid": grid_study,
    "grid with failures": lambda: grid_study().with_ends({1: 2, 5: 3, 7: 4}),
    "partial grid": lambda: grid_study().with_ends({0: 0, 4: 0, 5: 2}),
    "zip": lambda: rows_study("zip"),
    "zip with replicates": lambda: rows_study("zip", 2),
    "table": lambda: rows_study("table"),
    "table with failures": lambda: rows_study("table").with_ends({1: 2}),
    "arrays": arrays_study,
    "partial arrays": lambda: arrays_study().with_ends({2: 0, 3: 2}),
}
