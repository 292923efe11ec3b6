"""Figures of RESULTS.md that stand in docs/when-not.md too: written between marks, so that no hand copies them."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import break_even
from efficiency_report import best_of, folded, walls_beside
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
_TITLES = {"heavy": "heavy-tailed items", "equal": "equal items", "one-long": "one long item"}
"""Of the studies, in the order of the columns."""


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
    studies = [raw[name] for name in _TITLES if name in raw]
    heads = [title for name, title in _TITLES.items() if name in raw]
    programs = {"fullrank, `processes`": PROCESSES, **POOLS}
    rows = [_row("fullrank, `mpi`", MPI, studies)]
    rows += [_row(name, begins, studies) for name, begins in programs.items() if any(_programs(studies, begins))]
    return table(["on two cores", *heads, "start and end, s", "efficiency"], rows)


def _programs(studies: Sequence[Raw], begins: str) -> list[str | None]:
    """Return of each study the program that is named so and fastest beside fullrank; none of those that know costs."""
    return [
        best_of(
            study["samples"],
            MPI,
            [name for name in study["samples"] if name.startswith(begins) and not name.endswith((KNOWN, PRESORTED))],
        )
        for study in studies
    ]


def _row(name: str, begins: str, studies: Sequence[Raw]) -> list[str]:
    """Return what a program took in each study in which it takes part, and from the least to the most of them."""
    ratios, beside, efficiencies = [], [], []
    for study, program in zip(studies, _programs(studies, begins), strict=True):
        samples: Samples = study["samples"]
        if program is None:
            ratios.append("")
            continue
        ratios.append("1" if program == MPI else folded(walls_beside(samples, program, MPI), digits=2))
        beside.append(median(_outside(sample) for sample in samples[program]))
        serial = column(samples, SERIAL, "makespan_seconds")
        efficiencies.append(median(paired(serial, column(samples, program, "makespan_seconds"))) / N_CORES)
    return [name, *ratios, _span(beside, "{:.1f}"), _span(efficiencies, "{:.2f}")]


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
