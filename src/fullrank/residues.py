"""Multiples of a stride modulo a number, many at a time: what :class:`fullrank.schedule.Order` visits.

Multiplying and dividing one by one is a fifth of all that is done for an item which does nothing. But every k-th
multiple lies a fixed step behind the one before, and for some k that step is short: these multiples are Python's
``range``, until they run over the end. The k are the denominators of the convergents of stride / number: no smaller k
has a shorter step (A. Ya. Khinchin, *Continued Fractions*, 1964, section 6).
"""

_FEW = 32
"""Fewer multiples are made one by one: looking for ranges takes longer."""


def short_steps(stride: int, number: int) -> list[tuple[int, int]]:
    """Return pairs ``(k, step)``, k ascending: k multiples further the residue is greater by ``step``.

    >>> short_steps(7, 10)
    [(1, 7), (1, -3), (3, 1)]
    """
    steps = []
    remainder, rest = number, stride
    k_before, k, sign = 0, 1, 1
    while rest:
        steps.append((k, sign * rest))
        quotient = remainder // rest
        remainder, rest = rest, remainder - quotient * rest
        k_before, k, sign = k, k_before + quotient * k, -sign
    return steps


class Multiples:
    """The multiples of ``stride`` modulo ``number``, 1 <= stride < number."""

    def __init__(self, stride: int, number: int) -> None:
        self._stride = stride
        self._number = number
        self._steps = short_steps(stride, number)

    def residues(self, factors: range) -> list[int]:
        """Return ``factor * stride % number`` for each of ``factors``, which follow each other.

        >>> Multiples(7, 10).residues(range(2, 6))
        [4, 1, 8, 5]
        """
        stride, number, n = self._stride, self._number, len(factors)
        if n < _FEW:
            return [factor * stride % number for factor in factors]
        # k ranges that are cut where they run over the end, about n / (2 k) times: fewest pieces for k near sqrt(n / 2)
        k, step = next((pair for pair in reversed(self._steps) if 2 * pair[0] ** 2 <= n), self._steps[0])
        residues = [0] * n
        for lane, factor in enumerate(factors[:k]):
            residues[lane::k] = self._progression(factor * stride % number, step, len(range(lane, n, k)))
        return residues

    def _progression(self, first: int, step: int, n: int) -> list[int]:
        """Return ``n`` residues, each by ``step`` greater than the one before."""
        end = self._number if step > 0 else -1
        found: list[int] = []
        while n:
            piece = range(first, end, step)[:n]
            found += piece
            n -= len(piece)
            first = (piece[-1] + step) % self._number
        return found
