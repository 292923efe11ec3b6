"""From journals to the file, timed from inside: ``gathering.py CONFIG RESULT.h5``.

It does what ``fullrank gather --partial`` does. Prints the seconds of its parts, and how much more memory it held at
most than before it began.
"""

import json
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


def main(config: Path, output: Path) -> None:
    """Gather, and print what it took."""
    commit.FileWriter.write = _timed("write", commit.FileWriter.write)  # type: ignore[method-assign]
    commit.FileWriter.finish = _timed("write", commit.FileWriter.finish)  # type: ignore[method-assign]
    commit.verify = _timed("verify", commit.verify)
    before = _most_resident_mb()
    begun = time.perf_counter()
    partial.gather(config, output, partial=True, console=TerminalConsole(quiet=True))
    whole = time.perf_counter() - begun
    told = {
        "gather_seconds": whole - _seconds["write"] - _seconds["verify"],
        "write_seconds": _seconds["write"],
        "verify_seconds": _seconds["verify"],
        "growth_mb": _most_resident_mb() - before,
    }
    print(json.dumps(told))


def _timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def timed(*arguments: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            _seconds[part] += time.perf_counter() - begun

    return timed


def _most_resident_mb() -> float:
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
