"""The contract of all backends that run workers on this machine: how runs are stopped."""

import signal
from textwrap import dedent

import pytest
from backend_studies import Make, receive, when

from fullrank.backends.base import Outcome
from fullrank.interrupt import STOP_SIGNALS


def test_stop_ends_the_handing_out_and_loses_nothing_that_was_begun(study_of: Make) -> None:
    study = study_of("time.sleep(0.005); note('ended', i); return i", n_items=5000)
    study.run(watch=when(lambda tally: tally.n_finished >= 4, lambda handle: handle.stop()))
    assert 4 <= len(study.values()) < 5000
    assert study.values().keys() == set(study.noted("ended"))


def test_a_static_schedule_can_be_stopped_too(study_of: Make) -> None:
    study = study_of("time.sleep(0.005); return i", n_items=5000, schedule="static")
    study.run(watch=when(lambda tally: tally.n_finished >= 4, lambda handle: handle.stop()))
    assert 4 <= len(study.values()) < 5000


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_stops_the_run_and_running_items_end_by_themselves(study_of: Make, number: signal.Signals) -> None:
    study = study_of("note('begun', i); time.sleep(0.05); note('ended', i); return i", n_items=1000)
    outcome = study.run(watch=when(lambda tally: tally.n_finished >= 2, receive(number)))
    assert outcome == Outcome(stopped=True)
    assert 2 <= len(study.values()) < 1000
    assert study.values().keys() == set(study.noted("ended")) == set(study.noted("begun"))


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        """\
        try:
            while True: pass
        except BaseException: return float("nan")
        """,
    ],
    ids=["a loop", "swallowed"],
)
def test_a_second_signal_abandons_running_items_which_stay_unfinished(study_of: Make, body: str) -> None:
    study = study_of("note('begun', i)\nif i < 3: return i\n" + dedent(body), n_items=10, stride=1)
    outcome = study.run(
        watch=when(
            # not by what is counted as finished, for the items before may be of the same claim
            lambda tally: {0, 1, 2} < set(study.noted("begun")),
            receive(signal.SIGTERM, signal.SIGINT),  # two of a kind may be one
        )
    )
    assert outcome.stopped
    assert outcome.deaths == ()
    assert (study.values(), study.failures()) == ({0: 0, 1: 1, 2: 2}, {})
