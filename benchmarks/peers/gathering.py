"""From journals to the file, timed from inside: ``gathering.py CONFIG RESULT.h5 [--one-core]``.

It does what ``fullrank gather --partial`` does. Prints the seconds of its parts, by the clock and of all cores, and how
much more memory it held at most than before it began.
"""

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from fullrank import commit, partial
from fullrank.console import TerminalConsole

_seconds: Counter[str] = Counter()
"""By part; those of all cores with `_cpu` behind it."""


def main(config: Path, output: Path) -> None:
    """Gather, and print what it took."""
    commit.FileWriter.write = _timed("write", commit.FileWriter.write)  # type: ignore[method-assign]
    commit.FileWriter.finish = _timed("write", commit.FileWriter.finish)  # type: ignore[method-assign]
    commit.verify = _timed("verify", commit.verify)
    before = _most_resident_mb()
    _timed("whole", partial.gather)(config, output, partial=True, console=TerminalConsole(quiet=True))
    for kind in ("", "_cpu"):
        _seconds[f"gather{kind}"] = _seconds[f"whole{kind}"] - _seconds[f"write{kind}"] - _seconds[f"verify{kind}"]
    told = {f"{part}_seconds": seconds for part, seconds in _seconds.items()}
    print(json.dumps({**told, "growth_mb": _most_resident_mb() - before}))


def _timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def timed(*arguments: Any, **named: Any) -> Any:
        begun, cpu_before = time.perf_counter(), time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            _seconds[part] += time.perf_counter() - begun
            _seconds[f"{part}_cpu"] += time.process_time() - cpu_before  # of all threads

    return timed


def _most_resident_mb() -> float:
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


if __name__ == "__main__":
    if "--one-core" in sys.argv[3:]:  # before a thread is started
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    main(Path(sys.argv[1]), Path(sys.argv[2]))
