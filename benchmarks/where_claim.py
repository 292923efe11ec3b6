"""Where the time around a claim's items goes, as the tables of WHERE.md: ``python benchmarks/where_claim.py``.

Claims of a run of equal items of 8 ms on two ranks, by the workers' own phases; and what the same few instructions take
the longer the processor did other things before. It takes half a minute.
"""

import json
import tempfile
import time
from pathlib import Path
from statistics import median

import studies
from harness import table
from programs import OWN, run
from starts import iterations_per_second

from fullrank.store import ResultFile

N_ROUNDS, N_ITEMS = 7, 400
PHASES = {
    "claim": "counter asked, and answered",
    "prepare": "which items, their parameters",
    "encode": "results and durations to bytes",
    "journal": "checksum, write",
    "count": "tally, pace, signals",
}
PAUSES_MS = (0.5, 2, 4, 8)
N_REPEATS = 60
RECORD = {"a": 1.5, "b": [1, 2, 3]}


def of_claims() -> list[list[str]]:
    """Return the µs a claim of each phase: the median of the runs, of both workers together."""
    found: dict[str, list[float]] = {phase: [] for phase in PHASES}
    with tempfile.TemporaryDirectory() as folder:
        work = studies.equal(N_ITEMS, iterations_per_second(Path(folder)))
        config = studies.write_spinning(Path(folder, "equal.toml"), work)
        output = config.with_suffix(".h5")
        for _ in range(N_ROUNDS):
            run([*OWN.mpiexec(2), *OWN.fullrank, "run", str(config), "-o", str(output), "--quiet"], folder=Path(folder))
            with ResultFile(output) as file:
                workers = file.workers()
            output.unlink()
            n_claims = sum(worker.n_claims for worker in workers)
            for phase, of_runs in found.items():
                of_runs.append(1e6 * sum(getattr(worker, f"{phase}_seconds") for worker in workers) / n_claims)
    rows = [[PHASES[phase], f"{median(of_runs):.0f}"] for phase, of_runs in found.items()]
    return [*rows, ["all", f"{sum(median(of_runs) for of_runs in found.values()):.0f}"]]


def of_pauses() -> list[list[str]]:
    """Return the µs that a small text of JSON takes at once, and after so many ms of a loop that needs no memory."""
    return [["at once", f"{_json_microseconds(0):.0f}"]] + [
        [f"after {pause:g} ms", f"{_json_microseconds(pause / 1000):.0f}"] for pause in PAUSES_MS
    ]


def _json_microseconds(pause_seconds: float) -> float:
    found = []
    for _ in range(N_REPEATS):
        end = time.perf_counter() + pause_seconds
        while time.perf_counter() < end:
            pass
        begun = time.perf_counter()
        json.dumps(RECORD)
        found.append(time.perf_counter() - begun)
    return 1e6 * median(found)


def main() -> None:
    """Print both tables."""
    print(table(["around the items of a claim", "µs"], of_claims()))
    print()
    print(table(["a small text of JSON", "µs"], of_pauses()))


if __name__ == "__main__":
    main()
