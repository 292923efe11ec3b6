"""Feeds bad input to everything that reads what others wrote, and counts.

``python tests/fuzz/fuzz.py [--seconds S | --inputs N | --only N] [--seed K] [--target NAME] [--way WAY] [--json]``. Two
ways: samples that are changed blindly, and, where atheris is installed, inputs guided by the code that they reach. An
input that is answered by anything but a FullrankError is a traceback, one that takes more than five seconds a hang, and
a touch is whatever `Watch` notes. Inputs that do any of it are kept in ``.fuzz``. Exit code 1 if there is one, or
a target that was fed nothing.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec

from count import Count, table
from part import Part

SHARES = {
    "config": {"blind": 160, "guided": 140},
    "table": {"blind": 210, "guided": 210},
    "command_line": {"blind": 15, "guided": 10},
    "journal": {"blind": 70, "guided": 60},
    "work_folder": {"blind": 50, "guided": 50},
    "result": {"blind": 15, "guided": 10},
}
"""Of the inputs, in thousandths of their number: slow targets get fewer."""
_LEAST_SECONDS = 1.0
_LEFT_OUT = (
    "atheris is not installed, so the coverage-guided part is left out: on the package index it is ready to install "
    "for CPython 3.11 to 3.14 on x86-64 Linux with glibc alone"
)


def _parts(asked: argparse.Namespace, ways: list[str], seed: int) -> Iterator[Part]:
    """Yield the parts that are asked for; the time is divided anew before each, by what is left of it.

    However little that is, for starts take time too, each part has its least.
    """
    names = [name for name in SHARES if asked.target in (None, name)]
    chosen = [(name, way) for name in names for way in ways]
    total = sum(SHARES[name][way] for name in SHARES for way in ways)
    begin = time.monotonic()
    for number, (name, way) in enumerate(chosen):
        if asked.seconds:
            left = begin + asked.seconds - time.monotonic()
            yield Part(name, way, seed, seconds=max(_LEAST_SECONDS, left / (len(chosen) - number)))
        else:
            n_inputs = asked.only or -(-asked.inputs * SHARES[name][way] // total)
            yield Part(name, way, seed, n_inputs=n_inputs)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, help="for how long, all targets together")
    parser.add_argument("--inputs", type=int, default=105_000, help="how many inputs, all targets together")
    parser.add_argument("--seed", type=int, default=None, help="the same changes again (else new ones)")
    parser.add_argument("--target", choices=SHARES, help="one target alone")
    parser.add_argument("--way", choices=("blind", "guided"), help="one way alone")
    parser.add_argument("--only", type=int, metavar="N", help="N inputs for each target and way")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Fuzz what is asked for and print the table."""
    asked = _asked()
    seed = random.SystemRandom().randrange(1 << 31) if asked.seed is None else asked.seed
    ways = [asked.way] if asked.way else ["blind", "guided"]
    if "guided" in ways and find_spec("atheris") is None:
        print(_LEFT_OUT, file=sys.stderr)
        ways.remove("guided")
    begin = time.monotonic()
    counts: list[Count] = [part.run() for part in _parts(asked, ways, seed)]
    wall = f"{time.monotonic() - begin:.0f} s"
    print(json.dumps([asdict(count) for count in counts]) if asked.json else f"{table(counts)}\nseed {seed}, {wall}")
    return 0 if all(count.is_clean for count in counts) else 1


if __name__ == "__main__":
    sys.exit(main())
