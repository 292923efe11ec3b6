"""The figure of a comparison, against plain arithmetic on its measurements."""

from statistics import median

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fullrank import plots
from fullrank.compare.records import Comparison, Measurement, Variant

SERIAL, THREADS, TWO, FOUR = (
    Variant("serial", 1),
    Variant("threads", 2),
    Variant("processes", 2),
    Variant("processes", 4),
)
SPEEDUPS = {SERIAL: 1.0, THREADS: 0.97, TWO: 1.9, FOUR: 2.1}


def comparison(*, n_rounds: int = 9, partial: bool = False, machine: dict[str, int] | None = None) -> Comparison:
    """Rounds that drift by a factor of two, which ratios within a round cancel."""
    rng = np.random.default_rng(1)
    measurements = []
    for number in range(n_rounds):
        for place, (variant, speedup) in enumerate(SPEEDUPS.items()):
            makespan = 10 * (1 + number / n_rounds) / speedup * rng.uniform(0.99, 1.01)
            cpu = makespan * (variant.n_workers if variant.backend == "processes" else 1.0)
            measurements.append(Measurement(place, number, makespan + 1, makespan, cpu, 9.0, 0.1, 0.98))
    if partial:
        measurements.pop()
    return Comparison(
        title="Costs $5 & <more>",
        config_path="study.toml",
        n_items=1000,
        n_sampled=200,
        variants=tuple(SPEEDUPS),
        measurements=tuple(measurements),
        not_possible={Variant("mpi", 2): "there is no mpiexec"},
        trial_start_end_seconds={},
        machine=machine or {"usable_cores": 4, "physical_cores": 2},
        n_rounds_asked=n_rounds,
        partial=partial,
    )


def panel(figure: Figure, label: str) -> Axes:
    (found,) = (axes for axes in figure.get_axes() if axes.get_xlabel() == label)
    return found


def line(axes: Axes, label: str) -> np.ndarray:
    """Points of a line; what an error bar names is its container."""
    for container in axes.containers:
        if container.get_label() == label:
            return container.lines[0].get_xydata()
    return next(found.get_xydata() for found in axes.get_lines() if found.get_label() == label)


def ratios(found: Comparison, place: int) -> list[float]:
    of = [[m.makespan_seconds for m in found.measurements if m.variant == number] for number in (0, place)]
    return [serial / other for serial, other in zip(*of, strict=False)]


def test_speedup_is_the_median_of_the_ratios_within_a_round() -> None:
    found = comparison()
    axes = panel(plots.comparison_figure(found), "workers")
    expected = [median(ratios(found, 2)), median(ratios(found, 3))]
    assert line(axes, "processes")[:, 1] == pytest.approx(expected)


def test_intervals_reach_from_one_measured_ratio_to_another() -> None:
    found = comparison()
    axes = panel(plots.comparison_figure(found), "workers")
    (bars,) = (container for container in axes.containers if container.get_label() == "threads")
    ((low, high),) = (segment[:, 1] for segment in bars.lines[2][0].get_segments())
    # three intervals that hold together may miss 0.05 / 3: less than the 2 (1 + 9) / 2^9 of leaving out one at each end
    assert (low, high) == pytest.approx((min(ratios(found, 1)), max(ratios(found, 1))))


def test_few_rounds_have_no_intervals_and_that_is_said() -> None:
    figure = plots.comparison_figure(comparison(n_rounds=5))
    assert "too few rounds for intervals" in figure.get_supxlabel().replace("\n", " ")
    for container in panel(figure, "workers").containers:
        for segment in container.lines[2][0].get_segments():
            assert np.ptp(segment[:, 1]) == 0


def test_ideal_line_bends_where_physical_cores_end() -> None:
    axes = panel(plots.comparison_figure(comparison()), "workers")
    assert line(axes, "ideal on 2 physical cores").tolist() == [[1, 1], [2, 2], [4, 2]]


def test_ideal_line_is_straight_where_cores_are_enough() -> None:
    axes = panel(plots.comparison_figure(comparison(machine={"usable_cores": 8})), "workers")
    assert line(axes, "ideal").tolist() == [[1, 1], [4, 4]]


def test_cores_busy_of_each_variant_are_bars() -> None:
    axes = panel(plots.comparison_figure(comparison()), "cores busy")
    bars = {text.get_text(): bar.get_width() for text, bar in zip(axes.get_yticklabels(), axes.patches, strict=True)}
    assert bars == pytest.approx({"serial": 1, "threads ×2": 1, "processes ×2": 2, "processes ×4": 4})


@pytest.mark.parametrize("n_usable", [1, 4, 64])
def test_axis_of_cores_busy_reaches_the_usable_ones_and_the_longest_bar(n_usable: int) -> None:
    axes = panel(plots.comparison_figure(comparison(machine={"usable_cores": n_usable})), "cores busy")
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlim()[1] > max(n_usable, 4)
    assert [list(found.get_xdata()) for found in axes.lines] == [[n_usable, n_usable]]


def test_what_was_not_possible_or_stopped_is_said() -> None:
    caption = plots.comparison_figure(comparison(partial=True)).get_supxlabel().replace("\n", " ")
    assert "Not possible: mpi ×2." in caption
    assert "stopped early" in caption
    assert "200 of 1,000 items each time" in caption


def test_many_workers_get_scales_to_the_base_two() -> None:
    found = comparison()
    variants = (SERIAL, *(Variant("mpi", n) for n in (2, 16, 128)))
    wide = Comparison(**{**vars(found), "variants": variants, "machine": {"usable_cores": 128}})
    axes = panel(plots.comparison_figure(wide), "workers")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert line(axes, "mpi")[:, 0] == pytest.approx([2, 16, 128])


def test_baseline_alone_is_drawn(tmp_path) -> None:
    alone = Comparison(**{**vars(comparison()), "variants": (SERIAL,), "measurements": comparison().measurements[:1]})
    plots.save(plots.comparison_figure(alone), tmp_path / "f.png")
