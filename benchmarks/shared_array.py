"""What workers hold together that all read one large array, and when their first item begins."""

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import studies
from harness import Limit, Raw, Sample, column, table, take_rounds
from programs import OWN, Bench, watch

from fullrank.store import ResultFile

TITLE = "One large array, four workers"
N_WORKERS = 4
N_ITEMS = 400
N_ROUNDS = 3
ARRAY_MB = 500
SMALL_MB = 0.3
ASKED = Limit(1.1)
"""Times the array: one copy, and the pages that say where it lies."""
FULL = 0.99
"""Of the greatest sum: all workers have read all of the array."""
_BACKENDS = {"mpi": "mpi, 4 ranks", "processes": "processes, 4 workers"}
_WAYS = {
    "constant": "{ npy = … }",
    "setup": "read by each worker's set-up",
    "none": f"{{ npy = … }}, of {SMALL_MB} MB alone",
}


def measure(bench: Bench) -> Raw:
    """Run items that read all of an array, and look at the memory of all processes every 50 ms."""
    array_mb = ARRAY_MB // 10 if bench.quick else ARRAY_MB
    large = _write_array(bench.scratch / "large.npy", array_mb)
    small = _write_array(bench.scratch / "small.npy", SMALL_MB)
    arrays = {"constant": large, "setup": large, "none": small}
    programs: dict[str, Callable[[], Sample]] = {}
    for way, array in arrays.items():
        config = bench.scratch / f"look-up-{way}.toml"
        studies.write_looking_up(config, array, N_ITEMS, mapped=way != "setup")
        for backend in _BACKENDS:
            programs[f"{way}, {backend}"] = partial(_fullrank, config, backend)
    return {"array_mb": array_mb} | take_rounds(programs, min(N_ROUNDS, bench.n_rounds), tell=bench.tell)


def _write_array(path: Path, n_mb: float) -> Path:
    np.save(path, np.random.default_rng(studies.SEED).random(round(n_mb * 1e6 / 8)))
    return path


def _fullrank(config: Path, backend: str) -> Sample:
    """Return in MB what all processes of a run hold together at most, and when its first item began in s."""
    output = config.with_suffix(".h5")
    command = [*OWN.fullrank, "run", str(config), "-b", backend, "-n", str(N_WORKERS), "-q", "-o", str(output)]
    seen: list[tuple[float, float]] = []

    def look(pids: list[int]) -> None:
        held = [_held_mb(pid) for pid in pids]
        rss, pss = (sum(of_one.get(name, 0.0) for of_one in held) for name in ("Rss", "Pss"))
        seen.append((rss, pss))

    begun = time.monotonic()
    watch(command, folder=config.parent, look=look)
    with ResultFile(output) as file:
        first = min(float(block.values["begun"].min()) for block in file.blocks(N_ITEMS))
    output.unlink()
    most = max(rss for rss, _ in seen)
    # Processes are looked at one after the other: shares count too much where others begin or end meanwhile.
    shared = min(pss for rss, pss in seen if rss > FULL * most)
    return {"rss_mb": most, "pss_mb": shared, "start_seconds": round(first - begun, 3)}


def _held_mb(pid: int) -> dict[str, float]:
    """Return what a process holds, with shared pages counted in full (Rss), and in parts that add up to one (Pss)."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended
        return {}
    return {name: int(kib) * 1024 / 1e6 for name, kib in re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.MULTILINE)}


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    rows = [_row(raw, way, backend) for way in _WAYS for backend in _BACKENDS]
    return "\n\n".join(
        [
            f"An array of {raw['array_mb']} MB (10^6 bytes), all of which each worker reads. Sums over all processes "
            "of the run, the launcher's too, when they are greatest: with shared pages counted in each process (RSS), "
            "and counted once (PSS, which divides them among those that share them). How often the array is in memory: "
            f"the PSS less that of the same run with an array of {SMALL_MB} MB, over the array's size, in each round; "
            f"the verdict is on the worst of {len(next(iter(raw['samples'].values())))} rounds. The first item's begin "
            "is counted from the start of the command; in it is the digest of the array, by which a study is known.",
            table(["array; workers", "RSS, MB", "PSS, MB", "arrays", "asked", "verdict", "first item after, s"], rows),
        ]
    )


def _row(raw: Raw, way: str, backend: str) -> list[str]:
    samples = raw["samples"]
    rss, pss, start = (column(samples, f"{way}, {backend}", key) for key in ("rss_mb", "pss_mb", "start_seconds"))
    n_arrays = [
        (held - without) / raw["array_mb"]
        for held, without in zip(pss, column(samples, f"none, {backend}", "pss_mb"), strict=True)
    ]
    is_asked = way == "constant"
    return [
        f"{_WAYS[way]}; {_BACKENDS[backend]}",
        f"{median(rss):,.0f}",
        f"{median(pss):,.0f}",
        f"{median(n_arrays):.2f} (worst {max(n_arrays):.2f})" if way != "none" else "",
        str(ASKED) if is_asked else "",
        ("holds" if ASKED.holds(max(n_arrays)) else "DOES NOT HOLD") if is_asked else "",
        f"{median(start):.2f}",
    ]
