"""Do all ways of running give the same results? Before that is known, no time is worth a look."""

from pathlib import Path

import numpy as np

from fullrank.compare.measure import Bench, Taken
from fullrank.compare.records import Variant
from fullrank.compare.unlike import LIMIT, Unlike, are_late, unlike
from fullrank.errors import ResultsDiffer
from fullrank.status import Status
from fullrank.store import ResultFile, block_size, differences

_CURE = (
    "Results of one item may depend on its parameters and its seed alone. If the function draws random numbers, "
    "give the study a seed, seed = 1 under [workload] or --seed 1; if it keeps something between calls, let it start "
    "from scratch"
)

_CURE_OF_LIMIT = (
    f"They differ only in items that reach {LIMIT}, which some of them do in one run and not in another: "
    "set a limit that no item is near"
)


class Agreement:
    """Compares each result with the first one, and removes it; the first one stays as long as the bench does."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._first: tuple[Variant, Taken] | None = None

    def check(self, variant: Variant, taken: Taken) -> Unlike | None:
        """Look at the next result, of the same items as all others.

        Returns a way that is to be left out, this one or the first one; None if all is well. Raises ResultsDiffer,
        which names an item, both ways of running and both values.
        """
        if self._first is None:
            self._first = variant, taken
            return None
        first_variant, first = self._first
        if first.results_sha256 != taken.results_sha256:
            if (index := _computed_by_one(first.result, taken.result)) is not None:
                raise ResultsDiffer(
                    f"{variant} computed other items than {first_variant}, item {index} for one: no times are shown. "
                    "Each run was to compute the same items: this is an error of fullrank; please report it, with the "
                    "study"
                )
            if (left := unlike((first_variant, first.result), (variant, taken.result))) is not None:
                self._keep_other_than(left.variant, variant, taken)
                return left
            found = [
                sentence.replace(f"in {first.result}", f"by {first_variant}").replace(
                    f"in {taken.result}", f"by {variant}"
                )
                for sentence in differences(first.result, taken.result)
            ]
            if found:  # else they differ in the payload of a NaN
                again = " in another run" if variant == first_variant else ""
                raise ResultsDiffer(
                    f"{first_variant} and {variant}{again} gave different results, so no times are shown:\n"
                    + "".join(f"  {sentence}\n" for sentence in found)
                    + (_CURE_OF_LIMIT if are_late(first.result, taken.result) else _CURE)
                )
        self._bench.remove(taken)
        return None

    def _keep_other_than(self, left: Variant, variant: Variant, taken: Taken) -> None:
        """Compare what follows with the way that stays."""
        if self._first is not None and self._first[0] == left != variant:
            self._bench.remove(self._first[1])
            self._first = variant, taken
        else:
            self._bench.remove(taken)


def _computed_by_one(a: Path, b: Path) -> int | None:
    """Return the first item that has an end in one of the files alone, None if there is none."""
    with ResultFile(a) as first, ResultFile(b) as second:
        if first.n_items != second.n_items:
            return None  # another study, which differences() tells
        n = min(block_size(first), block_size(second))
        for x, y in zip(first.blocks(n), second.blocks(n), strict=True):
            places = np.flatnonzero((x.status.ravel() == Status.MISSING) != (y.status.ravel() == Status.MISSING))
            if places.size:
                return int(x.start + places[0])
    return None
