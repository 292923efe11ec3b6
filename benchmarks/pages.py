"""Figures of RESULTS.md that stand in docs/when-not.md too: written between marks, so that no hand copies them."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import break_even
from efficiency_report import WORKLOADS
from harness import Raw, Sample, Samples, column, paired, table
from lineup import KNOWN, MPI, PRESORTED, PROCESSES, SERIAL
from starts import N_CORES

from fullrank.compare.statistics import median_interval

WHEN_NOT = Path(__file__).parent.parent / "docs" / "when-not.md"
POOLS = {
    "mpi4py.futures, 3 ranks": "mpi4py.futures, 3 ranks",
    "`multiprocessing.Pool`": "multiprocessing.Pool",
    "`ProcessPoolExecutor`": "ProcessPoolExecutor",
    "mpire": "mpire",
    "joblib": "joblib",
    "schwimmbad, 3 ranks": "schwimmbad, 3 ranks",
    "mpipool, 3 ranks": "mpipool, 3 ranks",
}
"""Of those that have two processes compute: how the page calls them, and how the names of their programs begin."""


def written(text: str, sections: Mapping[str, Raw]) -> str:
    """Return a page with what is between its marks made of what was measured; as it is where nothing was."""

    def made(found: re.Match[str]) -> str:
        indent, name = found[1], found[2]
        section, make = _MADE[name]
        if "raw" not in sections.get(section, {}):
            return found[0]
        lines = [
            f"<!-- {name}, written by `make bench` -->",
            *make(sections[section]["raw"]).splitlines(),
            "<!-- end -->",
        ]
        return "\n".join(indent + line for line in lines)

    return re.sub(r"^( *)<!-- ([\w-]+), written by .*?<!-- end -->", made, text, flags=re.DOTALL | re.MULTILINE)


def _break_even(raw: Raw) -> str:
    of_ways = [(way.split(",")[1].strip(), break_even.found(raw, way)) for way in break_even.WAYS]
    rows = [
        [f"`{name}`", f"{median(found):.0f} µs", _interval(found, "{:.0f}"), f"{_work(raw, found):.1f} s"]
        for name, found in of_ways
    ]
    return table(["two workers", "an item, at least", "95 % interval", f"{raw['n_items']:,} items"], rows)


def _work(raw: Raw, found: Sequence[float]) -> float:
    return median(found) * raw["n_items"] / 1e6


def _interval(values: Sequence[float], spelled: str) -> str:
    interval = median_interval(values)
    return " to ".join(spelled.format(end) for end in interval) if interval else ""


def _beside_pools(raw: Raw) -> str:
    studies = [raw[name] for name in WORKLOADS]
    rows = [_row("fullrank, `mpi`", MPI, studies), _row("fullrank, `processes`", PROCESSES, studies)]
    rows += [_row(name, begins, studies) for name, begins in POOLS.items()]
    heads = ["on two cores", "whole command / fullrank's", "its 95 % intervals", "start and end, s", "efficiency"]
    return table(heads, rows)


def _row(name: str, begins: str, studies: Sequence[Raw]) -> list[str]:
    """Return what a program took, from the least to the most of the studies in which it takes part."""
    ratios, ends, beside, efficiencies = [], [], [], []
    for study in studies:
        samples: Samples = study["samples"]
        program, own = _fastest(samples, begins), _fastest(samples, MPI)
        if program is None or own is None:
            continue
        walls = paired(column(samples, program, "wall_seconds"), column(samples, own, "wall_seconds"))
        ratios.append(median(walls))
        ends += median_interval(walls) or ()
        beside.append(median(_outside(sample) for sample in samples[program]))
        makespans = column(samples, program, "makespan_seconds")
        serial = column(samples, SERIAL, "makespan_seconds")
        efficiencies.append(median(paired(serial, makespans)) / N_CORES)
    return [
        name,
        _span(ratios, "{:.2f}"),
        f"{min(ends):.2f} to {max(ends):.2f}" if begins != MPI else "",
        _span(beside, "{:.1f}"),
        _span(efficiencies, "{:.2f}"),
    ]


def _fastest(samples: Samples, begins: str) -> str | None:
    """Return the program whose whole command is shortest of those that are named so and know no costs; None without."""
    named = [name for name in samples if name.startswith(begins) and not name.endswith((KNOWN, PRESORTED))]
    return min(named, key=lambda name: median(column(samples, name, "wall_seconds")), default=None)


def _outside(sample: Sample) -> float:
    return sample["wall_seconds"] - sample["makespan_seconds"]


def _span(values: Sequence[float], spelled: str) -> str:
    """Return the least and the greatest value, once if they are spelled alike.

    >>> _span([0.91, 1.2], "{:.1f}"), _span([0.98, 1.02], "{:.1f}")
    ('0.9 to 1.2', '1.0')
    """
    ends = dict.fromkeys(spelled.format(value) for value in (min(values), max(values)))
    return " to ".join(ends)


_MADE: dict[str, tuple[str, Callable[[Raw], str]]] = {
    "break-even": ("break-even", _break_even),
    "beside-pools": ("efficiency", _beside_pools),
}
"""By the name of a mark: the section that it is made of, and how."""
