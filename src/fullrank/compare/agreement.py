"""Do all ways of running give the same results? Before that is known, no time is worth a look."""

from fullrank.compare.measure import Bench, Taken
from fullrank.compare.records import Variant
from fullrank.errors import ResultsDiffer
from fullrank.store import differences

_CURE = (
    "Results of one item may depend on its parameters and its seed alone. If the function draws random numbers, "
    "give the study a seed under [workload]; if it keeps something between calls, let it start from scratch"
)


class Agreement:
    """Compares each result with the first one, and removes it; the first one stays as long as the bench does."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._first: tuple[Variant, Taken] | None = None

    def check(self, variant: Variant, taken: Taken) -> None:
        """Look at the next result, of the same items as all others.

        Raises ResultsDiffer, which names an item, both ways of running and both values.
        """
        if self._first is None:
            self._first = variant, taken
            return
        first_variant, first = self._first
        if first.results_sha256 != taken.results_sha256:
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
                    + _CURE
                )
        self._bench.remove(taken)
