"""The shipped workloads against published numbers and closed forms."""

import ast
import inspect
import re
import statistics
import sys
import tomllib
from collections.abc import Callable, Iterator
from itertools import islice
from math import erf, fsum, inf, log, pi, prod, sin, sqrt
from pathlib import Path
from typing import Any

import pytest

from fullrank.workloads import ep, ising, lyapunov, mandelbrot, nqueens

ROOT = Path(__file__).resolve().parents[1]

OFFICIAL_CLASS_S = {
    "sx": -3.247834652034740e3,
    "sy": -6.958407078382297e3,
    "sx_abs": 1.051299420395306e7,
    "sy_abs": 1.051517131857535e7,
}
"""Sums over the 256 batches of class S as the NPB suite gives them; sx, sy up to version 3.4.1,
the sums of magnitudes from 3.4.2."""
OFFICIAL_CLASS_S_COUNTS = [6140517, 5865300, 1100361, 68546, 1648, 17, 0, 0, 0, 0]
OFFICIAL_CLASS_S_N_ACCEPTED = 13176389
OFFICIAL_RELATIVE_TOLERANCE = 1e-8

# ---------------------------------------------------------------------------------------------- EP


def stream() -> Iterator[int]:
    """The benchmark's random numbers one after the other, as its definition reads."""
    state = 271828183
    while True:
        state = 1220703125 * state % 70368744177664
        yield state


def accepted_pairs(numbers: Iterator[int], n_pairs: int) -> Iterator[tuple[float, float]]:
    """Marsaglia's polar method, written as a direction times a length."""
    for _ in range(n_pairs):
        x, y = (2 * next(numbers) / 2**46 - 1 for _ in range(2))
        radius = sqrt(x * x + y * y)
        if radius <= 1:
            length = sqrt(-4 * log(radius))
            yield length * (x / radius), length * (y / radius)


def test_the_official_class_s_counts_add_up_to_the_official_number_of_pairs() -> None:
    assert sum(OFFICIAL_CLASS_S_COUNTS) == OFFICIAL_CLASS_S_N_ACCEPTED


def test_the_first_two_batches_equal_one_sequential_walk_through_the_stream() -> None:
    numbers = stream()
    for batch in range(2):
        pairs = list(accepted_pairs(numbers, 2**16))
        sums = ep.gaussian_pairs(batch)
        assert sums["sx"] == pytest.approx(fsum(x for x, _ in pairs), abs=1e-8)
        assert sums["sy"] == pytest.approx(fsum(y for _, y in pairs), abs=1e-8)
        assert sums["sx_abs"] == pytest.approx(fsum(abs(x) for x, _ in pairs), rel=1e-12)
        assert sums["sy_abs"] == pytest.approx(fsum(abs(y) for _, y in pairs), rel=1e-12)
        annuli = [int(max(abs(x), abs(y))) for x, y in pairs]
        assert sums["counts"] == [annuli.count(annulus) for annulus in range(10)]


@pytest.mark.long
def test_the_complete_class_s_has_the_official_sums_and_counts() -> None:
    batches = [ep.gaussian_pairs(batch) for batch in range(256)]
    for name, official in OFFICIAL_CLASS_S.items():
        assert fsum(sums[name] for sums in batches) == pytest.approx(official, rel=OFFICIAL_RELATIVE_TOLERANCE)
    counts = [sum(annulus) for annulus in zip(*(sums["counts"] for sums in batches), strict=True)]
    assert counts == OFFICIAL_CLASS_S_COUNTS


def test_every_batch_of_class_s_starts_where_the_one_before_it_ended() -> None:
    end_of_batch_0 = next(islice(stream(), 2**17 - 1, None))
    # The state is the seed times a power of the multiplier, so a batch multiplies by a constant.
    batch_factor = end_of_batch_0 * pow(271828183, -1, 2**46)
    state = 271828183
    for batch in range(256):
        assert ep.first_state(batch) == state
        state = state * batch_factor % 2**46


def test_accepted_pairs_are_a_fraction_pi_over_4_of_all() -> None:
    n_pairs = 4 * 2**16
    n_accepted = sum(sum(ep.gaussian_pairs(batch)["counts"]) for batch in range(4))
    deviation = sqrt(n_pairs * pi / 4 * (1 - pi / 4))
    assert abs(n_accepted - n_pairs * pi / 4) < 4 * deviation


def test_the_numbers_follow_the_normal_law() -> None:
    batches = [ep.gaussian_pairs(batch) for batch in range(4)]
    n_accepted = sum(sum(sums["counts"]) for sums in batches)
    # Standard normal: mean 0, variance 1; mean magnitude sqrt(2/pi), its variance 1 - 2/pi.
    assert abs(fsum(sums["sx"] for sums in batches)) < 4 * sqrt(n_accepted)
    assert abs(fsum(sums["sy"] for sums in batches)) < 4 * sqrt(n_accepted)
    for total in (fsum(b["sx_abs"] for b in batches), fsum(b["sy_abs"] for b in batches)):
        assert abs(total - n_accepted * sqrt(2 / pi)) < 4 * sqrt(n_accepted * (1 - 2 / pi))
    for annulus in range(4):
        inner, outer = erf(annulus / sqrt(2)) ** 2, erf((annulus + 1) / sqrt(2)) ** 2
        expected = n_accepted * (outer - inner)
        counted = sum(sums["counts"][annulus] for sums in batches)
        assert abs(counted - expected) < 4 * sqrt(expected)


# -------------------------------------------------------------------------------------- Mandelbrot


@pytest.mark.parametrize(("power", "steps"), [*enumerate([3, 33, 315, 3143, 31417])])
def test_escape_steps_beside_the_neck_are_the_digits_of_pi(power: int, steps: int) -> None:
    # D. Boll's observation; OEIS A097486, proved by A. Klebanoff, Fractals 9 (2001) 393.
    assert mandelbrot.escape_step(-0.75, 10.0**-power, max_iterations=10**5) == steps


@pytest.mark.parametrize(("power", "steps"), [*enumerate([1, 18, 159, 1586, 15731])])
def test_escape_steps_beside_the_second_neck_are_half_the_digits_of_pi(power: int, steps: int) -> None:
    # OEIS A300078, verified there in exact arithmetic.
    epsilon = 10.0**-power
    real = -1.25 - epsilon**2
    assert mandelbrot.escape_step(real, epsilon, max_iterations=10**5) == steps


@pytest.mark.parametrize(
    ("real", "imag", "step"),
    [
        (2.5, 0.0, 1),  # abs(c) > 2
        (2.0, 0.0, 2),  # 2 is not beyond 2; then 6
        (1.0, 0.0, 3),  # 1, 2, 5
        (1.0, 1.0, 2),  # 1+i, 1+3i
        (0.0, 2.0, 2),  # 2i, -4+2i
        (0.5, 0.0, 5),  # 0.5, 0.75, 1.0625, 1.629, 3.153
    ],
)
def test_an_exterior_point_escapes_at_the_step_found_by_hand(real: float, imag: float, step: int) -> None:
    assert mandelbrot.escape_step(real, imag, max_iterations=1000) == step


@pytest.mark.parametrize(
    ("real", "imag"),
    [
        (0.0, 0.0),  # fixed point
        (-1.0, 0.0),  # 2-cycle 0, -1
        (-2.0, 0.0),  # tip of the antenna: 2 for ever
        (0.0, 1.0),  # Misiurewicz point: -1+i, -i
        (0.25, 0.0),  # cusp: towards 1/2
        (-1.7548776662466927, 0.0),  # centre of the period-3 copy: c^3 + 2 c^2 + c + 1 = 0
    ],
)
def test_a_point_of_the_set_never_escapes(real: float, imag: float) -> None:
    assert mandelbrot.escape_step(real, imag, max_iterations=10_000) == 0


def test_a_point_counts_as_inside_until_the_limit_reaches_its_escape_step() -> None:
    limits = [1, 2, 3, 4]
    assert [mandelbrot.escape_step(1.0, 0.0, max_iterations=n) for n in limits] == [0, 0, 3, 3]


def image(
    n_pixels: int,
    max_iterations: int,
    *,
    x_min: float = -2.05,
    y_min: float = -1.3,
    side: float = 2.6,
) -> list[list[int]]:
    """A square image; by default of all of the set and a little around it."""
    return [
        mandelbrot.row(
            row,
            width=n_pixels,
            height=n_pixels,
            max_iterations=max_iterations,
            x_min=x_min,
            x_max=x_min + side,
            y_min=y_min,
            y_max=y_min + side,
        )["escape_step"]
        for row in range(n_pixels)
    ]


@pytest.mark.parametrize("n_pixels", [40, 41])
def test_the_upper_half_of_the_image_mirrors_the_lower_half(n_pixels: int) -> None:
    rows = image(n_pixels, 100)
    assert rows == rows[::-1]
    assert rows[0] != rows[n_pixels // 2]


def test_rows_count_from_the_lower_edge_and_columns_from_the_left_edge() -> None:
    rows = image(2, 10, x_min=-0.5, y_min=-0.5, side=2.0)
    assert rows == [[0, 3], [0, 2]]  # centres 0, 1; i, 1+i


def test_each_pixel_is_on_the_side_of_the_set_that_geometry_says() -> None:
    n_pixels, side = 64, 4.5
    rows = image(n_pixels, 200, x_min=-2.25, y_min=-2.25, side=side)
    n_inside = n_outside = 0
    for row, steps in enumerate(rows):
        for column, step in enumerate(steps):
            c = complex(*(-2.25 + (k + 0.5) * side / n_pixels for k in (column, row)))
            # Main cardioid: the fixed point's multiplier 1 - sqrt(1 - 4c) is below 1 in magnitude;
            # disc of period 2: the cycle's multiplier 4 (1 + c) is.
            if abs(1 - (1 - 4 * c) ** 0.5) < 1 or abs(4 * (c + 1)) < 1:
                n_inside += 1
                assert step == 0
            elif abs(c) > 2:
                n_outside += 1
                assert step == 1
            else:
                assert step != 1
    assert n_inside > 200
    assert n_outside > 1000


def test_the_area_of_the_set_is_the_published_one_within_its_own_error() -> None:
    # A limit of n iterations counts points too many near the boundary: their area falls like 1/n
    # (steps needed beside the necks are pi / distance, see above), so the excess at n is the
    # difference between n/2 and n. What is left is the error of counting pixels, taken from the
    # spread between grids that are shifted by parts of a pixel.
    n_grids, n_pixels, limit = 16, 60, 1000
    pixel = 2.6 / n_pixels
    half_limit, corrected = [], []
    for grid in range(n_grids):
        x_shift, y_shift = grid / n_grids * pixel, grid * 0.618 % 1 * pixel
        rows = image(n_pixels, limit, x_min=-2.05 + x_shift, y_min=-1.3 + y_shift)
        steps = [step for row in rows for step in row]
        half = pixel**2 * sum(step == 0 or step > limit // 2 for step in steps)
        full = pixel**2 * steps.count(0)
        half_limit.append(half)
        corrected.append(2 * full - half)
    published = 1.50659188  # T. Foerstemann (2012): 1.5065918849(28), by counting pixels
    error = statistics.stdev(corrected) / sqrt(n_grids)
    assert error < 0.004
    assert abs(statistics.mean(corrected) - published) < 3 * error
    assert statistics.mean(half_limit) > published + 2 * error


# ---------------------------------------------------------------------------------------- Lyapunov


def settled_exponent(r: float, x0: float = 0.3) -> float:
    """The exponent of an orbit that had time to settle; an even number of iterations."""
    return lyapunov.exponent(r, x0, transient=2000, iterations=2000)


@pytest.mark.parametrize("r", [0.1, 0.5, 0.9])
def test_an_orbit_that_dies_out_has_the_exponent_ln_r(r: float) -> None:
    assert settled_exponent(r) == pytest.approx(log(r), abs=1e-9)


@pytest.mark.parametrize("r", [1.1, 1.5, 1.9, 2.1, 2.5, 2.7, 2.95])
def test_a_fixed_point_has_the_exponent_of_its_multiplier(r: float) -> None:
    assert settled_exponent(r) == pytest.approx(log(abs(2 - r)), abs=1e-9)


@pytest.mark.parametrize("r", [3.05, 3.1, 3.2, 3.3, 3.4, 3.44])
def test_a_2_cycle_has_half_the_exponent_of_its_multiplier(r: float) -> None:
    assert settled_exponent(r) == pytest.approx(log(abs(4 + 2 * r - r * r)) / 2, abs=1e-9)


def test_an_orbit_through_the_maximum_has_the_exponent_minus_infinity() -> None:
    assert lyapunov.exponent(2.0, 0.5, transient=0, iterations=10) == -inf
    assert lyapunov.exponent(4.0, 0.5, transient=0, iterations=1) == -inf


@pytest.mark.parametrize("r", [2.0, 1 + sqrt(5)])
def test_a_superstable_cycle_has_a_very_negative_exponent(r: float) -> None:
    # The multiplier is 0 up to rounding, 1e-15 or so; a 2-cycle's exponent is half its logarithm.
    assert settled_exponent(r, 0.1) < -15
    assert settled_exponent(r, 0.2) < -15


@pytest.mark.parametrize("iterations", [1, 2, 5, 20])
def test_chaos_at_r_4_has_the_closed_form_of_a_finite_orbit(iterations: int) -> None:
    # With x = sin(a)^2 the map doubles the angle a, and the product of the slopes telescopes.
    angle = 1.0
    product = 2**iterations * abs(sin(2 ** (iterations + 1) * angle) / sin(2 * angle))
    exponent = lyapunov.exponent(4.0, sin(angle) ** 2, transient=0, iterations=iterations)
    assert exponent == pytest.approx(log(product) / iterations, abs=1e-8)


def test_the_transient_is_left_out_of_the_mean() -> None:
    late = lyapunov.exponent(4.0, sin(1.0) ** 2, transient=3, iterations=8)
    assert late == pytest.approx(lyapunov.exponent(4.0, sin(8.0) ** 2, transient=0, iterations=8), abs=1e-8)


@pytest.mark.parametrize("x0", [0.1, 0.2])
def test_chaos_at_r_4_has_the_exponent_ln_2(x0: float) -> None:
    # The closed form above leaves a remainder of a few units over the number of iterations.
    exponent = lyapunov.exponent(4.0, x0, transient=1000, iterations=100_000)
    assert exponent == pytest.approx(0.693147180559945, abs=2e-4)


def test_the_unstable_fixed_points_at_r_4_have_their_own_exponents() -> None:
    assert lyapunov.exponent(4.0, 0.75, transient=0, iterations=50) == pytest.approx(log(2))
    assert lyapunov.exponent(4.0, 0.0, transient=0, iterations=50) == pytest.approx(log(4))


def test_the_period_3_window_opens_at_one_plus_the_root_of_8() -> None:
    assert settled_exponent(1 + sqrt(8) + 1e-3) < 0 < settled_exponent(1 + sqrt(8) - 1e-3)


def test_an_orbit_that_runs_off_to_infinity_has_the_exponent_infinity() -> None:
    assert settled_exponent(4.5) == inf


# ------------------------------------------------------------------------- what ships as a whole

STUDIES: dict[str, tuple[Callable[..., Any], int]] = {
    "ep": (ep.gaussian_pairs, 256),
    "mandelbrot": (mandelbrot.row, 800),
    "lyapunov": (lyapunov.exponent, 4000),
    "ising": (ising.metropolis, 41 * 4),
    "nqueens": (nqueens.solutions, 14 * 14),
}
"""Function and number of items of each config that ships."""


def test_every_config_that_ships_is_tested_here() -> None:
    assert {path.stem for path in (ROOT / "configs").glob("*.toml")} == set(STUDIES)


def study(name: str) -> dict[str, Any]:
    """The config as plain TOML."""
    return tomllib.loads((ROOT / "configs" / f"{name}.toml").read_text(encoding="utf-8"))


def seeded_with(config: dict[str, Any]) -> dict[str, int]:
    """The argument that a seeded study gives beside its axes and constants."""
    return {"seed": config["workload"]["seed"]} if "seed" in config["workload"] else {}


def axis_values(axis: Any) -> list[Any]:
    """The values of an axis, to rounding."""
    if isinstance(axis, list):
        return axis
    if "range" in axis:
        return list(range(axis["range"]))
    step = (axis["stop"] - axis["start"]) / (axis["num"] - 1)
    return [axis["start"] + step * i for i in range(axis["num"])]


@pytest.mark.parametrize("name", STUDIES)
def test_a_config_gives_its_function_every_parameter_and_no_other(name: str) -> None:
    function, n_items = STUDIES[name]
    config = study(name)
    axes = config["sweep"]["grid"]
    given = [*axes, *config["workload"].get("constants", {}), *seeded_with(config)]
    assert config["workload"]["function"] == f"{function.__module__}:{function.__name__}"
    assert sorted(given) == sorted(inspect.signature(function).parameters)
    assert n_items == prod(len(axis_values(axis)) for axis in axes.values()) * config["sweep"].get("replicates", 1)


@pytest.mark.parametrize("name", STUDIES)
def test_a_config_describes_exactly_what_its_function_returns(name: str) -> None:
    function, _ = STUDIES[name]
    config = study(name)
    constants = config["workload"].get("constants", {})
    first = {key: axis_values(axis)[0] for key, axis in config["sweep"]["grid"].items()}
    returned = function(**first, **constants, **seeded_with(config))
    results = returned if isinstance(returned, dict) else {function.__name__: returned}
    assert sorted(config["results"]) == sorted(results)
    for key, value in results.items():
        n_dims = len(config["results"][key].get("dims", []))
        assert n_dims == (1 if isinstance(value, list) else 0), key


def test_the_queens_config_has_one_item_for_each_pair_of_columns() -> None:
    config = study("nqueens")
    n = config["workload"]["constants"]["n"]
    assert [axis["range"] for axis in config["sweep"]["grid"].values()] == [n, n]


def test_the_mandelbrot_config_has_one_item_for_each_row_of_the_image() -> None:
    config = study("mandelbrot")
    assert config["sweep"]["grid"]["row"]["range"] == config["workload"]["constants"]["height"]


@pytest.mark.parametrize("name", STUDIES)
def test_every_key_of_a_config_has_a_comment_beside_or_above_it(name: str) -> None:
    lines = (ROOT / "configs" / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    keys = [i for i, line in enumerate(lines) if re.match(r"\w+ *=", line)]
    assert keys
    for i in keys:
        assert " # " in lines[i] or lines[i - 1].startswith("# "), lines[i]


@pytest.mark.parametrize("module", sorted((ROOT / "src/fullrank/workloads").glob("*.py")))
def test_a_workload_imports_the_standard_library_alone(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] in sys.stdlib_module_names
