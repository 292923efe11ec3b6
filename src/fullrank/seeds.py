"""One random seed an item, from the run's seed and the item's index alone."""

import sys

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


def seed_global_generators(seed: int) -> None:
    """Seed :mod:`random`, and numpy's global generator if numpy is loaded."""
    import random  # eight files that only this needs

    random.seed(seed)
    # numpy loads numpy.random at its first use only, which may be inside the item
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed([seed & 0xFFFFFFFF, seed >> 32])
