"""Interleaved rounds: in each, every variant runs once, in an order that is drawn anew."""

import random
from collections.abc import Iterator, Sequence

from fullrank.compare.agreement import Agreement
from fullrank.compare.measure import Bench, RunFailed, Taken, run_variant
from fullrank.compare.records import Measurement, Variant


def order_of_round(n_variants: int, number: int, *, seed: int) -> list[int]:
    """Return the order in which a round visits the variants: a function of seed and number alone.

    Statistics rest on it: what disturbs the machine favours no variant (docs/method.md).

    >>> order_of_round(4, 0, seed=1), order_of_round(4, 0, seed=2)
    ([2, 3, 1, 0], [2, 1, 3, 0])
    """
    order = list(range(n_variants))
    random.Random(f"{seed} {number}").shuffle(order)
    return order


class Rounds:
    """The measurements of whole rounds, and of the running one what it has so far."""

    def __init__(self, bench: Bench, variants: Sequence[Variant], *, n_items: int, seed: int) -> None:
        self._bench = bench
        self._variants = tuple(variants)
        self._n_items = n_items
        self._seed = seed
        self._agreement = Agreement(bench)
        self.measurements: list[Measurement] = []
        self.dropped: dict[Variant, str] = {}
        """Variants that failed in a round although they had run before, with the reason."""

    def take(self, n_rounds: int) -> Iterator[int]:
        """Measure round after round; yield the number of each that is whole.

        Raises ResultsDiffer as soon as a variant's results are not those of the others, what the baseline fails with,
        and KeyboardInterrupt when asked to stop; what was measured before stays.
        """
        for number in range(n_rounds):
            for place in order_of_round(len(self._variants), number, seed=self._seed):
                if self._variants[place] not in self.dropped:
                    self._measure(place, number)
            yield number

    def _measure(self, place: int, number: int) -> None:
        variant = self._variants[place]
        try:
            taken = run_variant(self._bench, variant, self._n_items)
        except RunFailed as error:
            self.dropped[variant] = f"it failed in round {number + 1}: {error.reason}"
            return
        left = self._agreement.check(variant, taken)
        if left is not None:
            self.dropped[left.variant] = left.reason
        if variant not in self.dropped:
            self.measurements.append(measurement_of(taken, place, number))


def measurement_of(taken: Taken, place: int, number: int) -> Measurement:
    """Return what is kept of a run: that of the variant at ``place``, in round ``number``."""
    return Measurement(
        place,
        number,
        wall_seconds=taken.wall_seconds,
        makespan_seconds=taken.work.makespan_seconds,
        cpu_seconds=taken.work.cpu_seconds,
        compute_seconds=taken.work.compute_seconds,
        longest_item_seconds=max(taken.item_seconds),
        load_balance=taken.work.load_balance,
        others_cores=taken.others_cores,
    )
