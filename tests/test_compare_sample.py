"""How many items a budget allows: against totals added up by hand."""

import random
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullrank.compare.records import Variant
from fullrank.compare.sample import Pilot, choose, sampled_indices, spread
from fullrank.durations import duration_seconds
from fullrank.errors import UsageError

VARIANTS = (Variant("serial", 1), Variant("threads", 2), Variant("processes", 2), Variant("mpi", 2))


def pilot(*, mean: float = 0.1, sd: float = 0.0, start_end: float = 0.5, jitter: float = 0.0) -> Pilot:
    times = (start_end, start_end + jitter, start_end)
    return Pilot(mean, sd, 20, dict.fromkeys(VARIANTS, times))


def test_sample_is_the_largest_whose_rounds_fit_the_budget() -> None:
    found = choose(pilot(), n_items=10_000, budget_seconds=100.0, n_rounds=8)
    # 8 rounds of 4 ways: 0.5 s + n * 0.1 s each
    assert found.n_sampled == 26
    assert 8 * 4 * (0.5 + 26 * 0.1) <= 100.0 < 8 * 4 * (0.5 + 27 * 0.1)
    assert found.predicted_seconds == pytest.approx(99.2)


def test_sample_is_never_larger_than_the_study() -> None:
    assert choose(pilot(), n_items=12, budget_seconds=1e6, n_rounds=8).n_sampled == 12


def test_what_was_spent_before_the_first_round_counts() -> None:
    fresh = choose(pilot(), n_items=10_000, budget_seconds=100.0, n_rounds=8)
    later = choose(pilot(), n_items=10_000, budget_seconds=150.0, n_rounds=8, spent_seconds=50.0)
    assert fresh == later


def test_items_whose_durations_vary_leave_room_for_a_slow_sample() -> None:
    even = choose(pilot(), n_items=10_000, budget_seconds=200.0, n_rounds=8)
    varied = choose(pilot(sd=0.1), n_items=10_000, budget_seconds=200.0, n_rounds=8)
    assert varied.n_sampled < even.n_sampled


def test_heavy_tailed_items_hardly_ever_overrun_the_budget_where_two_of_four_ways_gain() -> None:
    draw = random.Random(1)
    n_over = 0
    for _ in range(400):
        items = [0.1 * draw.lognormvariate(0, 1) for _ in range(2000)]
        timed = items[:40]
        told = Pilot(mean(timed), stdev(timed), 40, dict.fromkeys(VARIANTS, (0.5, 0.5)))
        n_sampled = choose(told, n_items=2000, budget_seconds=600.0, n_rounds=8).n_sampled
        serial_seconds = sum(items[-n_sampled:])
        n_over += 8 * (4 * 0.5 + (1 + 1 + 0.55 + 0.55) * serial_seconds) > 600.0
    assert n_over <= 0.02 * 400


def test_no_measurement_is_shorter_than_20_times_the_spread_of_start_up() -> None:
    # 0.2 s spread, two workers that share the items evenly: 20 * 0.2 s * 2 / 0.1 s
    found = choose(pilot(jitter=0.2), n_items=10_000, budget_seconds=320.0, n_rounds=8, n_cores=2)
    assert found.n_sampled >= 80
    with pytest.raises(UsageError, match=r"80 items, which it takes to rise 20 × above the spread of start and end"):
        choose(pilot(jitter=0.2), n_items=10_000, budget_seconds=250.0, n_rounds=8, n_cores=2)


def test_study_shorter_than_the_spread_is_measured_whole_and_told_so() -> None:
    found = choose(pilot(mean=1e-4, jitter=0.1), n_items=500, budget_seconds=100.0, n_rounds=8)
    assert found.n_sampled == 500
    assert "its times are mostly start and end" in found.notes[0]


def test_study_shorter_than_the_spread_is_told_with_numbers_that_bear_it_out() -> None:
    # 30 s in all; 20 × 0.9 s of spread is 18 s for each of two workers, who compute for 15 s each
    found = choose(pilot(mean=1.0, jitter=0.9), n_items=30, budget_seconds=5000.0, n_rounds=8, n_cores=2)
    assert found.notes == (
        "The whole study takes 30.0 s inside items only, a makespan of 15.0 s with threads ×2, which is less than "
        "20 × the spread of threads ×2's start and end, 20 × 900 ms.",
    )


def test_one_item_is_not_said_to_be_shared_out() -> None:
    found = choose(pilot(mean=1e-4, jitter=0.1), n_items=1, budget_seconds=100.0, n_rounds=8, n_cores=2)
    assert found.notes[0].startswith("The whole study takes 100 µs inside items only, which is less than 20 × the ")
    # 20 × 0.04 s of spread are 0.8 s: two workers would halve 1 s, and one item keeps both from it
    assert choose(pilot(mean=1.0, jitter=0.04), n_items=1, budget_seconds=1e3, n_rounds=8, n_cores=2).notes == ()


@pytest.mark.parametrize(("n_timed", "makespan"), [(24, 3.0), (12, 2.0), (8, 1.0), (1, 1.0)])
def test_items_that_wait_are_shared_by_more_workers_than_cores(n_timed: int, makespan: float) -> None:
    serial, eight = Variant("serial", 1), Variant("threads", 8)
    times = {serial: (0.5, 0.5, 0.5), eight: (0.5, 0.7, 0.5)}
    tried = Pilot(1.0, 0.0, n_timed, times, {serial: 1.0, eight: makespan / n_timed})
    found = choose(tried, n_items=1000, budget_seconds=8 * (1.0 + 32 * 2.0) + 5, n_rounds=8, n_cores=2)
    assert found.n_sampled / 8 * 1.0 >= 20 * 0.2
    with pytest.raises(UsageError, match="with 32 items, which it takes"):
        choose(tried, n_items=1000, budget_seconds=8 * (1.0 + 8 * 1.0), n_rounds=8, n_cores=2)


def test_refusal_for_a_whole_study_does_not_say_that_it_rises_above_the_spread() -> None:
    with pytest.raises(UsageError) as caught:
        choose(pilot(mean=1.0, jitter=0.9), n_items=30, budget_seconds=300.0, n_rounds=8, n_cores=2)
    assert str(caught.value) == (
        "--budget 5 min is too short: trying out and 8 rounds of 4 ways with all 30 items, which even so take "
        "less than 20 × the spread of start and end, take about 16 min 16 s at most. "
        "Try at least --budget 33m, fewer ways (--backends, -n) or fewer rounds (--rounds)"
    )


def test_budget_too_short_for_one_item_names_one_that_would_do() -> None:
    with pytest.raises(UsageError, match="too short") as caught:
        choose(pilot(mean=60.0), n_items=10, budget_seconds=300.0, n_rounds=8)
    assert "8 rounds of 4 ways with 1 item take about" in str(caught.value)
    enough = duration_seconds(str(caught.value).partition("Try at least --budget ")[2].partition(",")[0])
    assert 1.9 * 8 * 4 * 60.5 <= enough <= 2.1 * 8 * 4 * 60.5 + 60  # busy machines take longer the next time
    assert choose(pilot(mean=60.0), n_items=10, budget_seconds=enough, n_rounds=8).predicted_seconds <= enough


def test_suggested_budget_lasts_on_a_machine_that_has_become_busier() -> None:
    with pytest.raises(UsageError) as caught:
        choose(pilot(mean=60.0), n_items=10, budget_seconds=300.0, n_rounds=8)
    enough = duration_seconds(str(caught.value).partition("Try at least --budget ")[2].partition(",")[0])
    assert choose(pilot(mean=60.0 * 1.8), n_items=10, budget_seconds=enough, n_rounds=8).n_sampled == 1


def test_without_a_number_of_rounds_a_short_budget_takes_fewer_but_enough_for_a_verdict() -> None:
    ample = choose(pilot(), n_items=10_000, budget_seconds=300.0)
    short = choose(pilot(), n_items=10_000, budget_seconds=20.0)
    assert (ample.n_rounds, ample.notes) == (11, ())
    assert short.n_rounds == 8
    assert "room for 8 rounds" in short.notes[0]
    with pytest.raises(UsageError, match="7 rounds of 4 ways with 1 item"):
        choose(pilot(), n_items=10_000, budget_seconds=15.0)


def test_variants_that_were_tried_on_several_items_take_what_they_took() -> None:
    tried = pilot()
    faster = Pilot(0.1, 0.0, 20, tried.start_end_seconds, {VARIANTS[2]: 0.05, VARIANTS[3]: 0.05})
    found = choose(faster, n_items=10_000, budget_seconds=101.0, n_rounds=8)
    assert found.n_sampled == 35  # (101 / 8 - 4 * 0.5) / (0.1 + 0.1 + 0.05 + 0.05) = 35.4


@given(st.integers(1, 5000), st.data())
def test_sample_is_a_part_of_the_items_without_doubles(n_items: int, data: st.DataObject) -> None:
    n_sampled = data.draw(st.integers(1, n_items))
    found = sampled_indices(n_items, n_sampled)
    assert len(set(found)) == n_sampled
    assert set(found) <= set(range(n_items))


def test_sample_grows_by_going_on_so_that_all_variants_and_sizes_share_items() -> None:
    assert sampled_indices(1000, 50) == sampled_indices(1000, 200)[:50]


def test_one_outlier_does_not_make_the_spread() -> None:
    assert spread([0.30, 0.31, 0.32, 0.31, 9.0]) == pytest.approx(0.01)
