"""Which ways of running are compared: what was asked for, and what this place allows. Pure arithmetic and words."""

from collections.abc import Mapping, Sequence

from fullrank.backends import BACKENDS
from fullrank.compare.records import Variant
from fullrank.dataclass import dataclass
from fullrank.errors import UsageError
from fullrank.files import nearest

BASELINE = Variant("serial", 1)
MOST_WORKERS_PER_CORE = 8
"""More is a slip of the finger, and brings a machine to its knees."""


@dataclass(frozen=True)
class Place:
    """Where the comparison runs."""

    usable_cores: int
    """Of this node."""
    n_ranks: int
    """Ranks that fit on all nodes of the job; outside a job the usable cores."""

    @property
    def room(self) -> int:
        """Cores for the backend that reaches farthest."""
        return max(self.usable_cores, self.n_ranks)


@dataclass(frozen=True)
class Plan:
    """What is going to be measured."""

    variants: tuple[Variant, ...]
    """The baseline first."""
    not_possible: Mapping[Variant, str]
    """With the reason in one line."""


def counted_ways(n: int) -> str:
    """Spell a number of ways of running.

    >>> counted_ways(1), counted_ways(4)
    ('1 way', '4 ways')
    """
    return f"{n} way" if n == 1 else f"{n} ways"


def parse_backends(text: str) -> tuple[str, ...]:
    """Return the backends of a list with commas.

    >>> parse_backends("mpi,processes")
    ('processes', 'mpi')

    Raises UsageError for a name that is none, with the nearest that is one.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in BACKENDS:
            raise UsageError(
                f"--backends: expected some of {', '.join(BACKENDS)}, got '{name}'{nearest(name, BACKENDS)}"
            )
    if not names:
        raise UsageError(f"--backends: expected some of {', '.join(BACKENDS)}, got nothing")
    return tuple(name for name in BACKENDS if name in names)


def parse_counts(text: str) -> tuple[int, ...]:
    """Return the numbers of workers of a list with commas, sorted.

    >>> parse_counts("4,1,2,2")
    (1, 2, 4)

    Raises UsageError for anything but integers from 1 on.
    """
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not (word.isascii() and word.isdecimal() and int(word) >= 1):
            raise UsageError(f"-n: expected numbers of workers >= 1 such as 1,2,4, got {word[:40]!r} in {text[:40]!r}")
    return tuple(sorted({int(word) for word in words}))


def default_counts(n_cores: int) -> tuple[int, ...]:
    """Return the numbers of workers that are compared if nobody asks for others: powers of two, and all cores.

    One worker is left to the serial baseline, where there is a second core.

    >>> default_counts(1), default_counts(2), default_counts(12)
    ((1,), (2,), (2, 4, 8, 12))
    """
    powers = [2**exponent for exponent in range(1, n_cores.bit_length()) if 2**exponent < n_cores]
    return (*powers, n_cores)


def plan(backends: Sequence[str], counts: Sequence[int] | None, place: Place) -> Plan:
    """Return what is going to be measured: the baseline, and each other backend with each number of workers.

    ``counts`` are those that were asked for, None for the usual ones. Raises UsageError for too many workers.
    """
    limit = MOST_WORKERS_PER_CORE * place.room
    if counts is not None and max(counts) > limit:
        raise UsageError(
            f"-n: expected at most {limit:,} workers, {MOST_WORKERS_PER_CORE} for each of the {place.room:,} cores "
            f"here, got {max(counts):,}"
        )
    variants, not_possible = [BASELINE], {}
    for backend in backends:
        for n_workers in _counts(backend, counts, place):
            variant = Variant(backend, n_workers)
            if place.usable_cores < n_workers <= place.n_ranks and backend != "mpi":
                not_possible[variant] = (
                    f"{n_workers:,} workers are more than this node's {place.usable_cores:,} cores; "
                    f"only mpi reaches the job's other nodes"
                )
            else:
                variants.append(variant)
    return Plan(tuple(variants), not_possible)


def _counts(backend: str, counts: Sequence[int] | None, place: Place) -> Sequence[int]:
    if backend == "serial":
        return ()
    if counts is not None:
        return counts
    return default_counts(place.n_ranks if backend == "mpi" else place.usable_cores)


def n_cores(machine: Mapping[str, str | int | float], variant: Variant, *, kind: str = "usable") -> int | None:
    """Return how many cores there are for ``variant``: only ranks reach those of a job's other nodes.

    >>> machine = {"usable_cores": 32, "node_cores": 8}
    >>> n_cores(machine, Variant("mpi", 32)), n_cores(machine, Variant("processes", 8))
    (32, 8)
    """
    found = machine.get(f"{kind}_cores")
    if kind == "usable" and variant.backend != "mpi":
        found = machine.get("node_cores", found)
    return int(found) if isinstance(found, int | float) else None
