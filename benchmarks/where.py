"""Where the instructions of an item that does nothing go, as the table of WHERE.md: ``python benchmarks/where.py``.

Needs valgrind. The Python that runs this is the one that is counted; some 30 s.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import table
from noop_worker import CLAIM_ITEMS

PROGRAM = Path(__file__).with_name("noop_worker.py")
N_ITEMS = 8192
BARE = "bare loop"


def counted(folder: Path) -> tuple[list[str], list[int]]:
    """Return the name and the number of instructions of each part of the program's run."""
    out = folder / "counted"
    callgrind = ["valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={out}"]
    command = [*callgrind, sys.executable, str(PROGRAM), str(folder), "phases", str(N_ITEMS)]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    names: list[str] = json.loads(done.stdout)
    dumps = [Path(f"{out}.{number}").read_text() for number in range(1, len(names) + 1)]
    return names, [int(re.findall(r"^totals: (\d+)$", dump, re.MULTILINE)[0]) for dump in dumps]


def per_item(names: list[str], counts: list[int]) -> dict[str, float]:
    """Return the instructions an item of each part, the bare loop's taken out of the loop's."""
    short, long = [count for name, count in zip(names, counts, strict=True) if name == BARE]
    bare = (long - short) / N_ITEMS
    begin = len(names) - 1 - names[::-1].index("")
    found = {BARE: bare}
    for name, count in zip(names[begin + 1 : -1], counts[begin + 1 : -1], strict=True):
        found[name] = found.get(name, 0.0) + count / (CLAIM_ITEMS + N_ITEMS)
    return {name: value - bare if name.startswith("loop") else value for name, value in found.items()}


def main() -> None:
    """Count, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        found = per_item(*counted(Path(folder)))
    bare = found.pop(BARE)
    rows = [[name, f"{value:,.0f}", f"{value / bare:.1f}"] for name, value in found.items()]
    total = sum(found.values())
    rows.append(["all, beyond the bare loop", f"{total:,.0f}", f"{total / bare:.1f}"])
    print(
        f"Python {platform.python_version()}, {platform.python_compiler()}; the bare loop: {bare:,.0f} instructions.\n"
    )
    print(table(["worker", "instructions an item", "bare loops"], rows))


if __name__ == "__main__":
    main()
