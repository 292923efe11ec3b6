"""The two-dimensional Ising model, simulated by flips of single spins.

N. Metropolis et al., Equation of state calculations by fast computing machines, J. Chem. Phys. 21,
1087 (1953), doi:10.1063/1.1699114, for the rule of acceptance; M. E. J. Newman and G. T. Barkema,
Monte Carlo Methods in Statistical Physics (Oxford, 1999), chapter 3, for this model and for the
error bars, by the method of bins (3.4). L. Onsager, Phys. Rev. 65, 117 (1944),
doi:10.1103/PhysRev.65.117, has the exact energy of the infinite lattice, which orders below the
temperature 2 / ln(1 + sqrt 2) = 2.269.

Temperatures are in units of J / k_B and energies in units of J, where -J is the energy of two
neighbours that point the same way.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, fsum, sqrt
from random import Random
from typing import TypedDict

N_BINS = 32
"""Consecutive parts of a simulation whose means give the error bars."""


class Averages(TypedDict):
    """What one simulation measures, per spin."""

    energy: float
    """Mean energy in J."""
    energy_error: float
    """Its standard error in J."""
    magnetisation: float
    """Mean of the magnitude of the magnetisation, 0 to 1."""
    magnetisation_error: float
    """Its standard error."""
    heat_capacity: float
    """In k_B, from the fluctuations of the energy."""
    binder_cumulant: float
    """1 - <m^4> / (3 <m^2>^2): 2/3 in perfect order, 0 in a large lattice without any."""


def metropolis(temperature: float, *, size: int, sweeps: int, burn_in: int, seed: int) -> Averages:
    """Simulate a square lattice with periodic boundaries, from perfect order on.

    A sweep offers each spin one flip, row by row: the distribution is that of spins chosen at
    random, reached sooner (V. I. Manousiouthakis and M. W. Deem, J. Chem. Phys. 110, 2753 (1999),
    doi:10.1063/1.477973). The error bars are true as long as a bin of ``sweeps / 32`` sweeps is
    much longer than the simulation's memory, which grows near the critical temperature.

    Args:
        temperature: in J / k_B, above 0.
        size: spins along one side of the lattice, at least 3.
        sweeps: sweeps to measure over, one measurement each; at least 32.
        burn_in: sweeps to do before, so that the lattice has come to its temperature.
        seed: of the random numbers.

    Raises:
        ValueError: there are fewer sweeps than bins.
    """
    if sweeps < N_BINS:
        raise ValueError(f"sweeps: expected at least {N_BINS}, one a bin, got {sweeps}")
    n_spins = size * size
    lattice = [[1] * size for _ in range(size)]
    # Of a spin times the sum of its neighbours: 2 or 4 where a flip takes energy, 4 J or 8 J.
    acceptance = [1.0, 1.0, exp(-4.0 / temperature), 1.0, exp(-8.0 / temperature)]
    random = Random(seed).random
    energy, magnetisation = -2 * n_spins, n_spins
    energies: list[float] = []
    magnetisations: list[float] = []
    for sweep in range(burn_in + sweeps):
        for y, row in enumerate(lattice):
            # An index below 0 counts from the end, which closes the lattice on all sides.
            above, below, left = lattice[y - 1], lattice[y + 1 - size], row[-1]
            for x, (spin, up, down) in enumerate(zip(row, above, below, strict=True)):
                alignment = spin * (left + row[x + 1 - size] + up + down)
                if alignment <= 0 or random() < acceptance[alignment]:
                    row[x] = spin = -spin
                    energy += 2 * alignment
                    magnetisation += 2 * spin
                left = spin
        if sweep >= burn_in:
            energies.append(energy / n_spins)
            magnetisations.append(abs(magnetisation) / n_spins)
    mean_energy, energy_error = mean_and_error(energies)
    mean_magnetisation, magnetisation_error = mean_and_error(magnetisations)
    second = _mean([m**2 for m in magnetisations])
    fourth = _mean([m**4 for m in magnetisations])
    return {
        "energy": mean_energy,
        "energy_error": energy_error,
        "magnetisation": mean_magnetisation,
        "magnetisation_error": magnetisation_error,
        "heat_capacity": n_spins * _mean([(e - mean_energy) ** 2 for e in energies]) / temperature**2,
        "binder_cumulant": 1.0 - fourth / (3.0 * second**2) if second else 0.0,
    }


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of measurements that follow each other, and its standard error.

    Neighbours are alike, so their spread says too little. The means of long bins are as good as
    independent, and their spread tells the error of the whole.

    >>> mean_and_error([1.0, 3.0] * 16)
    (2.0, 0.1796053020267749)
    >>> mean_and_error([1.0, 3.0] * 32)
    (2.0, 0.0)
    """
    edges = [len(values) * number // N_BINS for number in range(N_BINS + 1)]
    bins = [_mean(values[low:high]) for low, high in pairwise(edges)]
    middle = _mean(bins)
    variance = fsum((value - middle) ** 2 for value in bins) / (N_BINS - 1)
    return _mean(values), sqrt(variance / N_BINS)


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)
