"""How often a rank that computes looks whether others ask: truth is a search through all periods."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullrank.looks import LONGEST_SECONDS, LOOK_SECONDS, SHORTEST_SECONDS, Looks


def lost_seconds(period: float, gap: float) -> float:
    """Return what is lost in a second, with a look every ``period`` and a request every ``gap`` seconds, in s."""
    moments = (np.arange(20_000) + 0.5) * (period / 20_000)  # of a request between two looks, each as likely
    return LOOK_SECONDS / period + float((period - moments).mean()) / gap


@pytest.mark.parametrize("gap", [0.02, 0.1, 1.0, 7.0])
def test_no_other_period_loses_less(gap: float) -> None:
    looks, now = Looks(0.0), 0.0
    for _ in range(40):
        now += gap
        looks.note_request(now)
    found = looks.seconds_to_next(now + gap)  # as if one more were there
    periods = np.geomspace(SHORTEST_SECONDS, LONGEST_SECONDS, 400)
    best = min(lost_seconds(period, gap) for period in periods)
    assert lost_seconds(found, gap) <= 1.01 * best


@given(gaps=st.lists(st.floats(0, 1e6), max_size=40), since=st.floats(0, 1e9))
def test_period_is_never_out_of_its_bounds_and_grows_while_nobody_asks(gaps: list[float], since: float) -> None:
    looks, now = Looks(5.0), 5.0
    for gap in gaps:
        now += gap
        looks.note_request(now)
    before = looks.seconds_to_next(now)
    later = looks.seconds_to_next(now + since)
    assert SHORTEST_SECONDS <= before <= later <= LONGEST_SECONDS


@pytest.mark.parametrize("n_requests", [0, 1, 40])
def test_minutes_after_the_last_request_looks_are_as_rare_as_can_be(n_requests: int) -> None:
    looks = Looks(0.0)
    for number in range(n_requests):
        looks.note_request(0.01 * number)
    assert looks.seconds_to_next(201.0) == LONGEST_SECONDS
    assert looks.seconds_to_next(61.0) < LONGEST_SECONDS


def test_a_clock_that_stands_still_is_no_error() -> None:
    looks = Looks(1.0)
    looks.note_request(1.0)
    assert looks.seconds_to_next(1.0) == SHORTEST_SECONDS
    assert looks.seconds_to_next(-inf) == SHORTEST_SECONDS


def test_looks_that_take_longer_are_rarer_and_one_slow_look_changes_nothing() -> None:
    looks = Looks(0.0)
    looks.note_vain(1.0)  # the system had other things to do
    looks.note_vain(3 * LOOK_SECONDS)
    assert looks.seconds_to_next(1.0) == pytest.approx((2 * 1.0 * LOOK_SECONDS) ** 0.5)
    looks.note_vain(4 * LOOK_SECONDS)
    assert looks.seconds_to_next(1.0) == pytest.approx((2 * 1.0 * 3 * LOOK_SECONDS) ** 0.5)
