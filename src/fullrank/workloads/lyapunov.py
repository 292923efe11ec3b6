"""Lyapunov exponent of the logistic map x -> r x (1 - x).

R. M. May, Simple mathematical models with very complicated dynamics, Nature 261, 459 (1976), for
the map; E. Ott, Chaos in Dynamical Systems (Cambridge, 2nd edition 2002), chapters 2 and 4, for
the exponent: the mean of ln abs(f'(x)) along an orbit. It is negative where the orbit settles on a
cycle and positive where it is chaotic.
"""

from math import inf, log


def exponent(r: float, x0: float, *, transient: int, iterations: int) -> float:
    """Return the Lyapunov exponent of an orbit, per iteration, natural logarithm.

    An orbit that meets the map's maximum, x = 1/2, where the slope is 0, has the exponent -inf (a
    superstable cycle). That is a value, no failure. In floating point such an orbit may also stay
    a rounding error away from 1/2; then the exponent is a number below about -10 instead. For
    r > 4 an orbit that leaves the interval from 0 to 1 runs off to infinity, and the exponent is
    inf.

    Args:
        r: growth rate, 0 to 4.
        x0: start of the orbit, between 0 and 1.
        transient: iterations to do before the mean begins, so that the orbit has settled.
        iterations: iterations over which the mean is taken, at least 1.
    """
    x = x0
    for _ in range(transient):
        x = r * x * (1.0 - x)
    total = 0.0
    for _ in range(iterations):
        slope = abs(r * (1.0 - 2.0 * x))
        if slope == 0.0:
            return -inf
        total += log(slope)
        x = r * x * (1.0 - x)
    return total / iterations
