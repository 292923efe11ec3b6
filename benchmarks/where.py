"""Where an item goes that does nothing, as the tables of WHERE.md: ``python benchmarks/where.py [worker|root]``.

``worker`` (the default) counts the instructions of the worker's path and needs valgrind; ``root`` times the stages of
root's. The Python that runs this is the one that is counted; each takes about half a minute.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import studies
from harness import table
from noop_root import BY_THREADS, REST, STAGES
from noop_worker import BARE, ITEMS_A_CLAIM

WORKER, ROOT = (Path(__file__).with_name(name) for name in ("noop_worker.py", "noop_root.py"))
WORKER_SIZES = (8_192, 40_960)
SIZES_IN_CLAIMS = (12, 96)
"""Of a study of 256 items; the second is all that it has left."""
ROOT_WARM_UP = 16_384
ROOT_SIZES = (81_920, 163_840)
"""Two and three buckets; all datasets are so large that threads filter them."""
N_TIMED = 1_000_000
N_ROUNDS = 7


def environment() -> dict[str, str]:
    """Return the environment of what is counted: libraries that have code for several processors take the oldest's.

    Valgrind plays a processor that hardly depends on the real one, but it has AVX2 only where that has it.
    """
    from numpy._core._multiarray_umath import __cpu_dispatch__ as for_newer

    return os.environ | {
        "PYTHONHASHSEED": "0",
        "NPY_DISABLE_CPU_FEATURES": " ".join(for_newer),
        "OPENSSL_ia32cap": "0:0",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-BMI1,-BMI2,-LZCNT,-MOVBE,-ERMS,-FSRM",
    }


def counted(program: Path, folder: Path, *arguments: object) -> tuple[list[str], list[int]]:
    """Return the name and the number of instructions of each part of a program's run; callgrind writes to ``folder``.

    Raises RuntimeError with what the program wrote if it fails.
    """
    out = folder / "counted"
    callgrind = ["valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={out}"]
    done = _run([*callgrind, sys.executable, str(program), *map(str, arguments)])
    names: list[str] = json.loads(done)
    dumps = [Path(f"{out}.{number}").read_text() for number in range(1, len(names) + 1)]
    return names, [int(re.findall(r"^totals: (\d+)$", dump, re.MULTILINE)[0]) for dump in dumps]


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def parts(names: Sequence[str], counts: Sequence[int]) -> Iterator[dict[str, int]]:
    """Yield for each run of something, which begins with the name "", the instructions of its parts.

    >>> list(parts(["", "a", "b", "a", "", "b"], [9, 1, 2, 3, 9, 4]))
    [{'a': 4, 'b': 2}, {'b': 4}]
    """
    begins = [place for place, name in enumerate(names) if name == ""]
    for begin, end in zip(begins, [*begins[1:], len(names)], strict=True):
        found: dict[str, int] = {}
        for name, count in zip(names[begin + 1 : end], counts[begin + 1 : end], strict=True):
            found[name] = found.get(name, 0) + count
        yield found


def per_item(small: dict[str, int], great: dict[str, int], sizes: tuple[int, int]) -> dict[str, float]:
    """Return the instructions an item of each part, from two runs: what does not grow with the items cancels.

    >>> per_item({"a": 30}, {"a": 70}, (10, 20))
    {'a': 4.0}
    """
    return {name: (great[name] - small[name]) / (sizes[1] - sizes[0]) for name in great}


def of_worker(folder: Path, kind: str = "total") -> dict[str, float]:
    """Return the instructions of an item on the worker's path, in all or by ``phases``; then with the bare loop."""
    *_, small, great = runs = list(parts(*counted(WORKER, folder, folder, kind, *WORKER_SIZES)))
    found = per_item(small, great, WORKER_SIZES)
    if kind == "phases":
        found |= per_item(*runs[1:3], WORKER_SIZES)
    return found


def of_claim(folder: Path) -> float:
    """Return the instructions of a claim of three items on the worker's path, where a part of the study is finished."""
    runs = parts(*counted(WORKER, folder, folder, "claims", *SIZES_IN_CLAIMS))
    _, small, great = (sum(run.values()) for run in runs)
    return ITEMS_A_CLAIM * (great - small) / (SIZES_IN_CLAIMS[1] - SIZES_IN_CLAIMS[0])


def of_root(folder: Path) -> float:
    """Return the instructions of an item on root's path, all threads together."""
    sizes = (ROOT_WARM_UP, *ROOT_SIZES)
    _run([sys.executable, str(ROOT), "leave", str(folder), *map(str, sizes)])
    _, small, great = (sum(run.values()) for run in parts(*counted(ROOT, folder, "total", folder, *sizes)))
    return (great - small) / (ROOT_SIZES[1] - ROOT_SIZES[0])


def count_worker(folder: Path) -> None:
    """Count, and print the table."""
    found = of_worker(folder, "phases")
    bare = found.pop(BARE)
    found = {name: value - bare if name.startswith("loop") else value for name, value in found.items()}
    found["all, beyond the bare loop"] = sum(found.values())
    rows = [[name, f"{value:,.0f}", f"{value / bare:.1f}"] for name, value in found.items()]
    print(
        f"Python {platform.python_version()}, {platform.python_compiler()}; the bare loop: {bare:,.0f} instructions.\n"
    )
    print(table(["worker", "instructions an item", "bare loops"], rows))


def time_root(folder: Path) -> None:
    """Time runs of many items and of one in turns, and print the table of the differences' medians."""
    many = studies.write_doing_nothing(folder / "many.toml", N_TIMED)
    one = studies.write_doing_nothing(folder / "one.toml", 1)
    rounds = [(_timed(many), _timed(one)) for _ in range(N_ROUNDS)]

    def ns(kind: str, *stages: str) -> str:
        taken = [sum(run[kind].get(stage, 0.0) for stage in stages) for pair in rounds for run in pair]
        differences = [of_many - of_one for of_many, of_one in zip(taken[::2], taken[1::2], strict=True)]
        return f"{1e9 * median(differences) / N_TIMED:,.0f}"

    every = (*STAGES, REST)
    rows = [[stage, ns("stages", stage)] for stage in every]
    rows += [
        ["all", ns("stages", *every)],
        [f"meanwhile, by threads, CPU time: {BY_THREADS}", ns("threads", BY_THREADS)],
    ]
    print(f"Python {platform.python_version()}; {N_TIMED:,} items, {N_ROUNDS} rounds.\n")
    print(table(["root", "ns an item"], rows))


def _timed(config: Path) -> dict[str, dict[str, float]]:
    """Run a study, and return the seconds of root's stages and its threads' CPU time."""
    output = config.with_suffix(".h5")
    command = [sys.executable, str(ROOT), "stages", str(config), str(output)]
    done = subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True)
    output.unlink()
    told: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    """Count or time, and print a table."""
    tables = {"worker": count_worker, "root": time_root}
    asked = sys.argv[1] if sys.argv[1:] else "worker"
    if asked not in tables:
        raise SystemExit(f"expected one of {', '.join(tables)}, got {asked}")
    with tempfile.TemporaryDirectory() as folder:
        tables[asked](Path(folder))


if __name__ == "__main__":
    main()
