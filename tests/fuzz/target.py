"""One thing that is fed with bad input: its valid samples, how they are changed, and the call that must stand it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Make = Callable[[random.Random], bytes]
Feed = Callable[[bytes], None]
Mutate = Callable[[bytes], bytes]
"""The coverage-guided fuzzer's own change of bytes: it knows words and what the code compared its input with."""
Change = Callable[[random.Random, bytes, Mutate], bytes]


@dataclass(frozen=True)
class Target:
    """One thing that reads what others wrote."""

    name: str
    samples: Sequence[bytes]
    """Valid inputs, from which the coverage-guided fuzzer starts."""
    make: Make
    """Returns the next input of the blind fuzzer."""
    change: Change
    """Returns an input of the coverage-guided fuzzer changed further; checksums are put right."""
    feed: Feed
    """Raises nothing but FullrankError, and changes nothing outside the folder."""
    words: Sequence[bytes] = ()
    """What the coverage-guided fuzzer puts in at times, beside the words of the samples."""
