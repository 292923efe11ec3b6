"""Studies whose numbers are known, for the tests of the store and the programs they start."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from fullrank.axes import LinearAxis, ListAxis, RangeAxis
from fullrank.schema import AttemptRow, Block, Failure, Field, Tables, WorkerRow
from fullrank.store import FileSummary, FileWriter
from fullrank.sweep import Sweep

WORKER = WorkerRow(
    attempt=0,
    worker=0,
    host="node07",
    pid=4711,
    backend="serial",
    n_items=12,
    n_claims=3,
    startup_seconds=0.125,
    import_seconds=0.25,
    compute_seconds=3.0,
    claim_seconds=0.5,
    journal_seconds=0.0625,
    elapsed_seconds=4.0,
    cpu_seconds=3.5,
    launch_seconds=0.0,
    root_import_seconds=0.03125,
    start_wait_seconds=0.03125,
    prepare_seconds=0.125,
    encode_seconds=0.25,
    count_seconds=0.0625,
    end_wait_seconds=0.5,
    account_seconds=5.25,
)
ATTEMPT = AttemptRow(
    attempt=0,
    started="2026-11-23T14:00:00+01:00",
    ended="2026-11-23T14:00:04+01:00",
    backend="serial",
    n_workers=1,
    schedule="guided",
    order="spread",
    reason="complete",
    wall_seconds=4.5,
    gather_seconds=0.25,
    write_seconds=0.0625,
)


def info(*, units="1", long_name="", dims=None):
    return SimpleNamespace(units=units, long_name=long_name, dims=dims)


@dataclass
class Study:
    """All of a study in arrays of shape (n_items, ...), and how to write it."""

    sweep: Sweep
    fields: list[Field]
    values: dict[str, np.ndarray]
    lengths: dict[str, np.ndarray] = field(default_factory=dict)
    status: np.ndarray = None
    infos: dict = field(default_factory=dict)
    tables: Tables = field(default_factory=lambda: Tables((), (WORKER,), (ATTEMPT,)))
    title: str = "a study"

    def __post_init__(self) -> None:
        if self.status is None:
            self.status = np.ones(self.sweep.n_items, np.int8)

    def block(self, start: int, stop: int) -> Block:
        status = self.status[start:stop]
        is_missing = status == 0
        return Block(
            start,
            status,
            np.where(is_missing, np.nan, 0.5).astype(np.float32),
            np.where(is_missing, -1, 0).astype(np.int32),
            np.where(is_missing, -1, 0).astype(np.int16),
            {name: values[start:stop] for name, values in self.values.items()},
            {name: lengths[start:stop] for name, lengths in self.lengths.items()},
        )

    def write(self, path: Path, *, cuts=()) -> FileSummary:
        """Write the study in blocks that end at ``cuts``."""
        with FileWriter(path, sweep=self.sweep, fields=self.fields, variables=self.infos, title=self.title) as writer:
            ends = [*sorted(cuts), self.sweep.n_items]
            for start, stop in zip([0, *ends], ends, strict=False):
                writer.write(self.block(start, stop))
            return writer.finish(self.tables)

    def with_ends(self, ends: dict[int, int]) -> "Study":
        """Return the study with other ends of some items; failed ones stand in the table too."""
        status = self.status.copy()
        for index, code in ends.items():
            status[index] = code
        failures = tuple(
            Failure(index, code, '{"r": 1.0}', "ValueError: bad", "Traceback ...", "said", 0)
            for index, code in ends.items()
            if code > 1
        )
        return replace(self, status=status, tables=replace(self.tables, failures=failures))


def grid_study() -> Study:
    """4 x 3 items; r is a float axis in m, site a text axis."""
    sweep = Sweep(
        "grid",
        (
            LinearAxis("r", start=2.5, stop=4.0, num=4, units="m", long_name="radius"),
            ListAxis("site", values=("Genève", "Zürich", "東京")),
        ),
    )
    n = sweep.n_items
    fields = [
        Field("energy", "<f8"),
        Field("hits", "<i8", (3,)),
        Field("stable", "|i1", is_bool=True),
        Field("trace", "<f4", (5,), varying=True),
    ]
    return Study(
        sweep,
        fields,
        values={
            "energy": np.arange(n) / 7,
            "hits": np.arange(3 * n).reshape(n, 3),
            "stable": (np.arange(n) % 2).astype(np.int8),
            "trace": np.arange(5 * n, dtype=np.float32).reshape(n, 5),
        },
        lengths={"trace": np.arange(n) % 6},
        infos={
            "energy": info(units="J", long_name="energy of the orbit"),
            "hits": info(dims=("ring",)),
        },
    )


def numbers_study(sweep: Sweep) -> Study:
    """One float an item, for any sweep."""
    return Study(sweep, [Field("energy", "<f8")], {"energy": np.arange(sweep.n_items) / 7})


def sweep_of(shape: tuple[int, ...], *, replicates: int | None = None) -> Sweep:
    """A grid of integers of this shape."""
    axes = [RangeAxis(f"axis{k}", start=0, stop=size) for k, size in enumerate(shape)]
    return Sweep("grid", tuple(axes), replicates)
