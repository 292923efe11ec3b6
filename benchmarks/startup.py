"""What it takes to start: a run of one item beside an MPI program that only imports."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import studies
from harness import (
    FIGURE_HEADS,
    Limit,
    Raw,
    Sample,
    Samples,
    column,
    figure,
    table,
    take_rounds,
)
from programs import OWN, Bench, run

TITLE = "Start-up"
ASKED, ASKED_HELP_MS = Limit(1.5), Limit(60)
RUN, IMPORTS = "fullrank run, one item, 2 ranks", "import numpy and mpi4py.MPI, 2 ranks"
PYTHON_RANKS, PASS, HELP = "python -c pass, 2 ranks", "python -c pass", "fullrank --help"
N_ROUNDS = 15
"""At least: these programs are short."""


def measure(bench: Bench) -> Raw:
    """Measure whole commands."""
    folder = bench.scratch
    two = OWN.mpiexec(2)
    python = str(OWN.python)
    programs: dict[str, Callable[[], Sample]] = {
        RUN: partial(_run_one, studies.write_doing_nothing(folder / "start.toml", 1)),
        IMPORTS: partial(_wall, folder, [*two, python, "-c", "import numpy; from mpi4py import MPI"]),
        PYTHON_RANKS: partial(_wall, folder, [*two, python, "-c", "pass"]),
        HELP: partial(_wall, folder, [*OWN.fullrank, "--help"]),
        PASS: partial(_wall, folder, [python, "-c", "pass"]),
    }
    n_rounds = bench.n_rounds if bench.quick else max(N_ROUNDS, bench.n_rounds)
    return take_rounds(programs, n_rounds, tell=bench.tell)


def _wall(folder: Path, command: list[str]) -> Sample:
    return {"wall_seconds": run(command, folder=folder).wall_seconds}


def _run_one(config: Path) -> Sample:
    output = config.with_suffix(".h5")
    sample = _wall(config.parent, [*OWN.mpiexec(2), *OWN.fullrank, "run", str(config), "-o", str(output)])
    output.unlink()
    return sample


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    samples: Samples = raw["samples"]
    walls = {name: column(samples, name, "wall_seconds") for name in samples}
    rows = [[f"{name}, ms", *figure([1000 * wall for wall in walls[name]], digits=0)] for name in walls]
    ratios = [one / other for one, other in zip(walls[RUN], walls[IMPORTS], strict=True)]
    beyond = [1000 * (one - other) for one, other in zip(walls[HELP], walls[PASS], strict=True)]
    rows += [
        ["**the run / the imports**", *figure(ratios, digits=2, limit=ASKED)],
        ["`--help` beyond `python -c pass`, ms", *figure(beyond, digits=0, limit=ASKED_HELP_MS)],
    ]
    text = (
        "Whole commands, launcher included, from warm caches; ratio and difference paired in each round. Beyond the "
        "imports a run loads fullrank's modules and h5py, lets each rank start Python a second time, and writes, reads "
        "back and checks a file; [WHERE.md](WHERE.md#start-up) has the share of each."
    )
    return f"{text}\n\n{table(['command', *FIGURE_HEADS], rows)}"
