"""One random seed an item, from the run's seed and the item's index alone."""

import sys
from contextlib import suppress

_MASK = 2**64 - 1


def item_seed(run_seed: int, index: int) -> int:
    """Return the seed of item ``index``: an int with 0 <= seed < 2**63.

    The output function of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA
    2014) at step ``index`` of the stream that a first round of it makes of ``run_seed``.

    >>> item_seed(1, 0) != item_seed(1, 1) != item_seed(2, 0)
    True
    """
    state = _mix(run_seed + 0x9E3779B97F4A7C15 & _MASK)
    return _mix(state + (index + 1) * 0x9E3779B97F4A7C15 & _MASK) >> 1


def _mix(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
    return z ^ z >> 31


def load_global_generators() -> None:
    """Load the modules whose generators are to be seeded: one that a function loads itself would come too late."""
    import random  # noqa: F401  # eight files that only this needs

    with suppress(ImportError):  # numpy is not there, or does not load here
        import numpy.random  # noqa: F401


def seed_global_generators(seed: int) -> None:
    """Seed the generators of :mod:`random`, and of numpy, that are loaded."""
    for name, seeded in (("random", seed), ("numpy.random", [seed & 0xFFFFFFFF, seed >> 32])):
        if (module := sys.modules.get(name)) is not None:
            module.seed(seeded)
