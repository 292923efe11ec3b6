"""The functions that are evaluated: by fullrank, by its peers and by a bare loop. Standard library only."""

import time
import zlib
from collections.abc import Iterable
from typing import Any

NUMBERS_A_PAGE = 512
"""Of 64 bits, in the 4 KiB that the system maps at once."""


def spin(iterations: int) -> tuple[int, float, float]:
    """Do a fixed amount of pure-Python work; return its number, and when it began and ended in s.

    Work and not time is fixed, so that what slows the machine down slows every program down alike. The clock is the
    same for all processes of a machine: a makespan can be told without trusting the program that ran the items.
    """
    begun = time.monotonic()
    x = 271828183
    for _ in range(iterations):
        x = x * 1220703125 & 70368744177663
    return x, begun, time.monotonic()


def cost(iterations: int) -> int:
    """Return what an item of :func:`spin` costs, in a unit of its own."""
    return iterations


def turn(x: int, iterations: int) -> int:
    """Do a fixed amount of pure-Python work; return the number that came of ``x``."""
    for _ in range(iterations):
        x = (x * 1220703125 + 1) & 70368744177663
    return x


def nothing(x: float) -> float:
    """Return ``x``: whatever time an item takes is what running it costs."""
    return x


def pair(x: float, y: float) -> tuple[float, float]:
    """Return both parameters."""
    return x, y


def eight(x: float) -> tuple[float, ...]:
    """Return eight numbers of many digits, at once."""
    return x, x / 3, x * 7, x - 0.3, 1.0 - x, x * x, x + 2.0, x * x * x


def hold(x: int, seconds: float) -> int:
    """Keep the core busy until so many seconds have passed, whatever disturbs it; return ``x``."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    return x


def look_up(x: int, table: Any) -> tuple[float, float]:
    """Read one number of each page of an array; return their sum, and when that began in s."""
    begun = time.monotonic()
    return float(table[x::NUMBERS_A_PAGE].sum()), begun


def load(path: str) -> dict[str, Any]:
    """Read the array into this process, as a set-up that knows of no sharing does."""
    import numpy  # for the others the standard library will do

    return {"table": numpy.load(path)}


def account(results: Iterable[tuple[int, float, float]]) -> dict[str, float]:
    """Return a checksum of what :func:`spin` returned, and by its clocks the time inside items and of the longest."""
    values, begun, ended = zip(*results, strict=True)
    return {
        "checksum": checksum(values),
        "inside_seconds": sum(ended) - sum(begun),
        "longest_seconds": max(end - begin for begin, end in zip(begun, ended, strict=True)),
    }


def checksum(values: Iterable[int]) -> int:
    """Return a number that tells other values from these, whatever their order: parts of a whole add up to its own.

    >>> checksum([3, 1]) == checksum([1]) + checksum([3]) != checksum([2, 2])
    True
    """
    return sum(zlib.crc32(b"%d" % value) for value in values)
