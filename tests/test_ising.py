"""The Ising model against all states of a small lattice, and the closed forms of the infinite one."""

import statistics
from functools import cache
from math import cosh, log, pi, sinh, sqrt, tanh

import numpy as np
import pytest

from fullrank.workloads import ising

CRITICAL_TEMPERATURE = 2 / log(1 + sqrt(2))

# ------------------------------------------------------------------------------- all states of 4 x 4


@cache
def all_states() -> tuple[np.ndarray, np.ndarray]:
    """Energy in J and magnetisation, per spin, of each of the 65,536 states of a periodic 4 x 4 lattice."""
    bits = np.arange(2**16)[:, np.newaxis] >> np.arange(16) & 1
    spins = (1 - 2 * bits).reshape(-1, 4, 4)
    bonds = spins * np.roll(spins, 1, axis=1) + spins * np.roll(spins, 1, axis=2)
    return -bonds.mean(axis=(1, 2)), spins.mean(axis=(1, 2))


def exact_averages(temperature: float) -> dict[str, float]:
    energy, magnetisation = all_states()
    weights = np.exp(-16 * (energy + 2) / temperature)

    def mean(values: np.ndarray) -> float:
        return float(np.average(values, weights=weights))

    return {
        "energy": mean(energy),
        "magnetisation": mean(abs(magnetisation)),
        "heat_capacity": 16 * (mean(energy**2) - mean(energy) ** 2) / temperature**2,
        "binder_cumulant": 1 - mean(magnetisation**4) / (3 * mean(magnetisation**2) ** 2),
    }


@cache
def small_lattice(temperature: float, seed: int = 1, sweeps: int = 20_000) -> ising.Averages:
    return ising.metropolis(temperature, size=4, sweeps=sweeps, burn_in=100, seed=seed)


TEMPERATURES = [1.5, 2.269, 4.0]


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_means_of_a_small_lattice_are_those_of_all_its_states(temperature: float) -> None:
    found, exact = small_lattice(temperature), exact_averages(temperature)
    assert 0 < found["energy_error"] < 0.02
    assert abs(found["energy"] - exact["energy"]) < 3 * found["energy_error"]
    assert 0 < found["magnetisation_error"] < 0.01
    assert abs(found["magnetisation"] - exact["magnetisation"]) < 3 * found["magnetisation_error"]


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_fluctuations_of_a_small_lattice_are_those_of_all_its_states(temperature: float) -> None:
    found, exact = small_lattice(temperature), exact_averages(temperature)
    assert found["heat_capacity"] == pytest.approx(exact["heat_capacity"], rel=0.05)
    assert found["binder_cumulant"] == pytest.approx(exact["binder_cumulant"], rel=0.02)


def test_error_bars_are_as_wide_as_simulations_with_other_seeds_differ() -> None:
    runs = [small_lattice(2.269, seed, 2000) for seed in range(40)]
    for name, error in (("energy", "energy_error"), ("magnetisation", "magnetisation_error")):
        spread = statistics.stdev(run[name] for run in runs)
        told = sqrt(statistics.mean(run[error] ** 2 for run in runs))
        # a spread of 40 is itself known to a ninth
        assert told == pytest.approx(spread, rel=0.35), name


# --------------------------------------------------------------------------------- the infinite lattice


def onsager_energy(temperature: float) -> float:
    """Energy per spin in J; the elliptic integral by the arithmetic-geometric mean."""
    k = 2 / temperature
    modulus = 2 * sinh(k) / cosh(k) ** 2
    upper, lower = 1.0, sqrt(1 - modulus**2)
    while upper - lower > 1e-15:
        upper, lower = (upper + lower) / 2, sqrt(upper * lower)
    integral = pi / (2 * upper)
    return -(1 + 2 / pi * (2 * tanh(k) ** 2 - 1) * integral) / tanh(k)


def yang_magnetisation(temperature: float) -> float:
    """Spontaneous magnetisation; C. N. Yang, Phys. Rev. 85, 808 (1952), doi:10.1103/PhysRev.85.808."""
    return (1 - sinh(2 / temperature) ** -4) ** (1 / 8)


@cache
def large_lattice(temperature: float) -> ising.Averages:
    return ising.metropolis(temperature, size=24, sweeps=1600, burn_in=200, seed=2)


def test_the_closed_form_has_its_published_value_at_the_critical_temperature() -> None:
    assert onsager_energy(CRITICAL_TEMPERATURE * (1 - 1e-7)) == pytest.approx(-sqrt(2), abs=1e-5)


@pytest.mark.parametrize("temperature", [1.5, 2.0, 3.0, 4.0])
def test_energy_away_from_the_critical_temperature_is_onsagers(temperature: float) -> None:
    found = large_lattice(temperature)
    assert 0 < found["energy_error"] < 0.004
    assert abs(found["energy"] - onsager_energy(temperature)) < 3 * found["energy_error"]


@pytest.mark.parametrize("temperature", [1.5, 2.0])
def test_magnetisation_below_the_critical_temperature_is_yangs(temperature: float) -> None:
    found = large_lattice(temperature)
    assert 0 < found["magnetisation_error"] < 0.003
    assert abs(found["magnetisation"] - yang_magnetisation(temperature)) < 3 * found["magnetisation_error"]


def test_order_is_lost_above_the_critical_temperature() -> None:
    assert large_lattice(4.0)["magnetisation"] < 0.1
    assert abs(large_lattice(4.0)["binder_cumulant"]) < 0.15


# --------------------------------------------------------------------------------------- limits, errors


def test_a_cold_lattice_stays_in_perfect_order() -> None:
    assert ising.metropolis(0.1, size=5, sweeps=64, burn_in=0, seed=0) == {
        "energy": -2.0,
        "energy_error": 0.0,
        "magnetisation": 1.0,
        "magnetisation_error": 0.0,
        "heat_capacity": 0.0,
        "binder_cumulant": pytest.approx(2 / 3),
    }


def test_another_seed_gives_another_simulation_and_the_same_seed_the_same() -> None:
    first, again, other = (ising.metropolis(2.0, size=6, sweeps=64, burn_in=0, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_fewer_sweeps_than_bins_are_refused_with_their_number() -> None:
    with pytest.raises(ValueError, match="sweeps: expected at least 32, one a bin, got 31"):
        ising.metropolis(2.0, size=4, sweeps=31, burn_in=0, seed=0)


@pytest.mark.parametrize("n_values", [32, 33, 100, 3200])
def test_error_of_independent_numbers_is_that_of_their_mean(n_values: int) -> None:
    generator = np.random.default_rng(5)
    samples = generator.normal(size=(200, n_values))
    told = [ising.mean_and_error(sample.tolist()) for sample in samples]
    np.testing.assert_allclose([mean for mean, _ in told], samples.mean(axis=1), atol=1e-12)
    mean_square = statistics.mean(error**2 for _, error in told)
    assert mean_square == pytest.approx(1 / n_values, rel=0.15)
