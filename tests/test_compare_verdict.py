"""Verdicts on comparisons made by hand, in which it is known what pays and why."""

from dataclasses import replace

import pytest
from comparisons import (
    LAPTOP,
    MPI,
    PROCESSES,
    PURE_PYTHON,
    RELEASES_THE_GIL,
    SERIAL,
    THREADS,
    Way,
    comparison,
    stopped,
)
from hypothesis import given
from hypothesis import strategies as st

from fullrank.backends import BACKENDS
from fullrank.compare.recommend import command_line, simplicity
from fullrank.compare.records import Comparison, Measurement, Variant
from fullrank.compare.verdict import Judgement, Outcome, Verdict, judge

INTERPRETERS = Variant("interpreters", 2)


def verdict_on(variant: Variant, judged: Judgement) -> Verdict:
    return next(verdict for verdict in judged.verdicts if verdict.variant == variant)


def reason(variant: Variant, found: Comparison) -> str:
    return verdict_on(variant, judge(found)).reason


def test_pure_python_pays_in_processes_and_mpi_and_the_gil_is_why_threads_do_not() -> None:
    judged = judge(comparison(PURE_PYTHON, noise=0.04))
    assert [verdict.outcome for verdict in judged.verdicts] == [
        Outcome.BASELINE,
        Outcome.NO_GAIN,
        Outcome.PAYS,
        Outcome.PAYS,
    ]
    threads = verdict_on(THREADS, judged).reason
    assert threads == "the GIL lets one thread compute at a time; no gain shown"
    assert verdict_on(MPI, judged).reason == "pays; the only one that goes beyond this machine"


def test_recommendation_is_processes_when_mpi_is_not_separably_faster() -> None:
    recommended = judge(comparison(PURE_PYTHON)).recommendation
    assert recommended.variant == PROCESSES
    assert recommended.command == "fullrank run study.toml -b processes -n 2"


def test_threads_win_where_the_function_releases_the_gil() -> None:
    judged = judge(comparison(RELEASES_THE_GIL))
    assert verdict_on(THREADS, judged).reason == "pays; the function releases the GIL"
    assert judged.recommendation.command == "fullrank run study.toml -b threads -n 2"


def test_threads_that_sleep_pay_because_items_wait() -> None:
    asleep = {SERIAL: Way(4.0, cores_busy=0.01), THREADS: Way(2.0, cores_busy=0.02), PROCESSES: Way(2.0, 0.02, 0.3)}
    judged = judge(comparison(asleep))
    assert verdict_on(THREADS, judged).reason == "pays; the items wait more than they compute"
    assert judged.recommendation.variant == THREADS


def test_more_workers_than_cores_are_no_fault_where_items_wait() -> None:
    many = Variant("threads", 8)
    asleep = {SERIAL: Way(4.0, cores_busy=0.01), many: Way(1.0, cores_busy=0.04)}
    assert "take turns" not in reason(many, comparison(asleep))


def test_more_workers_than_cores_are_not_cautioned_of_where_items_wait() -> None:
    four = Variant("threads", 4)
    asleep = comparison({SERIAL: Way(4.0, cores_busy=0.01), four: Way(1.0, cores_busy=0.04)})
    assert not any("take turns" in text or "More workers" in text for text in judge(asleep).cautions)


def test_items_that_wait_could_be_shared_by_more_workers_than_cores() -> None:
    eight = Variant("threads", 8)
    unclear = {SERIAL: Way(4.0, cores_busy=0.01), eight: Way(4.0, 0.04, around=0.9, compute=4.0)}
    found = judge(comparison(unclear, n_sampled=400, n_items=400, noise=0.5)).recommendation.break_even
    assert found is not None
    assert found.saved_seconds == pytest.approx(0.01 * 7 / 8, rel=0.3)
    assert found.saved_seconds > 0.01 * 0.6


def test_without_a_gil_threads_are_told_so() -> None:
    free = {**LAPTOP, "gil": "disabled"}
    assert reason(THREADS, comparison(RELEASES_THE_GIL, machine=free)) == "pays; this Python has no GIL"


def test_module_that_switched_the_gil_back_on_is_named() -> None:
    back_on = {**LAPTOP, "gil": "enabled by _slow_extension"}
    told = reason(THREADS, comparison(PURE_PYTHON, machine=back_on))
    assert told.startswith("_slow_extension has switched the GIL back on: one thread computes at a time")


def test_threads_that_hold_the_gil_for_a_part_of_the_time_are_told_so() -> None:
    partly = {SERIAL: Way(4.0), THREADS: Way(3.0, cores_busy=1.45)}
    assert reason(THREADS, comparison(partly)) == "pays; the function releases the GIL for a part of its time only"


# On two cores that other programs share: two threads that release the GIL get no more than these either.
@pytest.mark.parametrize(("busy", "others"), [(1.0, 1.0), (0.7, 1.4), (0.35, 1.7)])
@pytest.mark.parametrize(
    ("makespan", "unjudged"),
    [(4.0, "whether the GIL holds threads up"), (2.0, "whether threads gain on a quiet machine too")],
)
def test_beside_busy_programs_nothing_is_said_of_the_gil(
    busy: float, others: float, makespan: float, unjudged: str
) -> None:
    ways = {SERIAL: Way(4.0, others=1.0), THREADS: Way(makespan, cores_busy=busy, others=others)}
    told = reason(THREADS, comparison(ways))
    assert f"other programs kept {others} of 2 cores busy, so {unjudged} cannot be judged" in told
    assert "GIL" not in told or makespan == 4.0
    assert "one thread compute" not in told
    assert "releases" not in told


def test_little_load_from_others_does_not_excuse_threads_that_take_turns() -> None:
    ways = {SERIAL: Way(4.0, others=0.3), THREADS: Way(4.0, cores_busy=1.0, others=0.3)}
    assert reason(THREADS, comparison(ways)).startswith("the GIL lets one thread compute at a time")


def test_two_threads_that_computed_at_once_beside_others_do_release_the_gil() -> None:
    ways = {SERIAL: Way(4.0, others=0.6), THREADS: Way(2.8, cores_busy=1.45, others=0.55)}
    assert reason(THREADS, comparison(ways)).startswith("pays; the function releases the GIL")
    assert "only" not in reason(THREADS, comparison(ways))


@pytest.mark.parametrize("variant", [THREADS, PROCESSES])
def test_serial_run_that_other_programs_slowed_down_is_not_said_to_wait(variant: Variant) -> None:
    ways = {SERIAL: Way(4.0, cores_busy=0.33, others=1.7), variant: Way(2.0, cores_busy=0.66, others=1.4)}
    told = reason(variant, comparison(ways))
    assert "the items wait more than they compute" not in told
    assert "other programs kept 1.7 of 2 cores busy, so whether the items wait or compute cannot be judged" in told


def test_other_programs_on_cores_that_are_not_for_this_study_excuse_nothing() -> None:
    ways = {SERIAL: Way(4.0, others=6.0), THREADS: Way(4.0, cores_busy=1.0, others=6.0)}
    shared = {**LAPTOP, "all_cores": 8}
    assert reason(THREADS, comparison(ways, machine=shared)).startswith("the GIL lets one thread compute at a time")
    full = {**LAPTOP, "all_cores": 7}
    assert reason(THREADS, comparison(ways, machine=full)).startswith("other programs kept 1.0 of 2 cores busy, so")
    unknown = comparison(ways)  # six of two cores: of a machine with more
    assert reason(THREADS, unknown).startswith("the GIL lets one thread compute at a time")


def test_items_that_wait_on_a_machine_with_an_idle_core_are_said_to_wait() -> None:
    ways = {SERIAL: Way(4.0, cores_busy=0.1, others=1.0), THREADS: Way(2.0, cores_busy=0.2, others=1.0)}
    assert reason(THREADS, comparison(ways)) == "pays; the items wait more than they compute"


def test_processes_that_could_not_have_the_cores_have_others_as_the_reason() -> None:
    ways = {SERIAL: Way(4.0, others=1.0), PROCESSES: Way(3.6, cores_busy=1.0, others=1.1, balance=0.6)}
    told = reason(PROCESSES, comparison(ways))
    assert told == "pays; other programs kept 1.1 of 2 cores busy, which these workers could not have"


def test_what_is_not_possible_has_its_reason_and_no_figures() -> None:
    judged = judge(comparison(PURE_PYTHON, not_possible={INTERPRETERS: "the function imports numpy"}))
    found = verdict_on(INTERPRETERS, judged)
    assert (found.outcome, found.summary) == (Outcome.NOT_POSSIBLE, None)
    assert found.reason == "not possible: the function imports numpy"


def test_slower_is_said_only_where_the_whole_interval_is_below_1() -> None:
    slow = {SERIAL: Way(4.0), THREADS: Way(5.0)}
    assert verdict_on(THREADS, judge(comparison(slow))).outcome is Outcome.SLOWER
    assert verdict_on(THREADS, judge(comparison(slow, noise=0.6))).outcome is Outcome.NOT_RESOLVED


@pytest.mark.parametrize("n_rounds", range(1, 6))
def test_fewer_than_six_rounds_have_figures_but_no_verdict(n_rounds: int) -> None:
    judged = judge(comparison({SERIAL: Way(4.0), PROCESSES: Way(2.0)}, n_rounds=n_rounds))
    found = verdict_on(PROCESSES, judged)
    assert found.outcome is Outcome.TOO_FEW_ROUNDS
    assert found.summary is not None
    assert found.summary.speedup.median == pytest.approx(2.0, rel=0.05)
    assert judged.recommendation.variant is None
    assert judged.recommendation.command == "fullrank compare study.toml --backends processes -n 2 --rounds 9"


def test_comparison_that_would_have_a_verdict_keeps_its_ways_counts_and_budget() -> None:
    ways = {SERIAL: Way(4.0)} | {Variant(b, n): Way(2.0) for b in ("threads", "mpi") for n in (2, 4)}
    machine = {**LAPTOP, "budget_seconds": 3600.0}
    found = judge(comparison(ways, n_rounds=2, machine=machine, not_possible={Variant("interpreters", 2): "no"}))
    assert found.recommendation.command == (
        "fullrank compare study.toml --backends threads,mpi --budget 60m --rounds 11"
    )  # interpreters were dropped with one count of two
    found = judge(comparison(ways, n_rounds=2, machine=machine))
    assert found.recommendation.command == (
        "fullrank compare study.toml --backends threads,mpi -n 2,4 --budget 60m --rounds 11"
    )


def test_what_is_not_resolved_is_told_to_be_unknown_with_what_to_do() -> None:
    judged = judge(comparison({SERIAL: Way(4.0), THREADS: Way(4.1), PROCESSES: Way(3.6, 2.0)}, noise=0.6))
    assert verdict_on(PROCESSES, judged).outcome is Outcome.NOT_RESOLVED
    assert judged.recommendation.variant == SERIAL
    told = judged.recommendation.reasons[-1]
    assert "processes ×2 would pay is unknown" in told
    assert "quiet machine" in told
    sure = judge(comparison({SERIAL: Way(4.0), THREADS: Way(4.1)}, noise=0.01)).recommendation
    assert not any("unknown" in text for text in sure.reasons)


def test_six_rounds_are_enough_for_two_ways_but_not_for_four() -> None:
    two = {SERIAL: Way(4.0), PROCESSES: Way(2.0)}
    assert verdict_on(PROCESSES, judge(comparison(two, n_rounds=6))).outcome is Outcome.PAYS
    assert verdict_on(PROCESSES, judge(comparison(PURE_PYTHON, n_rounds=6))).outcome is Outcome.TOO_FEW_ROUNDS
    assert verdict_on(PROCESSES, judge(comparison(PURE_PYTHON, n_rounds=7))).outcome is Outcome.PAYS


# 500 items of 0.1 ms; processes save 25 ms and start 150 ms later
SHORT_ITEMS = {
    SERIAL: Way(0.05, longest=1e-4),
    THREADS: Way(0.0505, around=0.201, longest=1e-4),
    PROCESSES: Way(0.025, 2.0, around=0.35, longest=1e-4),
    MPI: Way(0.025, 2.0, around=0.6, longest=1e-4),
}


def test_items_of_a_tenth_of_a_millisecond_do_not_pay_and_the_number_that_would_is_told() -> None:
    judged = judge(comparison(SHORT_ITEMS, n_items=500, n_sampled=500, noise=1e-9))
    assert verdict_on(PROCESSES, judged).outcome is Outcome.TAKEN_BACK
    assert "pays from about 3,000 items on, not with these 500" in verdict_on(PROCESSES, judged).reason
    recommended = judged.recommendation
    assert recommended.command == "fullrank run study.toml -b serial"
    assert recommended.break_even is not None
    assert recommended.break_even.variant == PROCESSES
    # 0.15 s / (0.1 ms - 0.05 ms), and the duration with which 500 items make up for 0.15 s
    assert recommended.break_even.n_items == pytest.approx(3000, rel=0.02)
    assert recommended.break_even.item_seconds == pytest.approx(0.6e-3, rel=0.02)
    assert recommended.reasons[1:] == (
        "The items are too short or too few: below about 3,000 items like these nothing pays. processes ×2 takes "
        "150 ms more than serial to start and to end, and saves 50.0 µs of an item's 100 µs.",
        "With 500 items, each would have to take about 600 µs instead of 100 µs.",
    )


def test_gain_that_is_not_shown_is_not_said_to_take_more_items_than_there_are() -> None:
    # the medians cross at 0.25 s / (0.3 s / 2,000 items), about 1,700 of the 2,000 items
    close = {SERIAL: Way(4.0), PROCESSES: Way(3.7, 2.0, around=0.45)}
    judged = judge(comparison(close, n_items=2000, n_sampled=2000, noise=0.02))
    assert verdict_on(PROCESSES, judged).outcome is Outcome.TAKEN_BACK
    assert verdict_on(PROCESSES, judged).reason == (
        "computes faster; start and end take most of it back: no gain shown for the whole study"
    )


def test_the_same_items_pay_once_there_are_enough_of_them() -> None:
    judged = judge(comparison(SHORT_ITEMS, n_items=100_000, n_sampled=500))
    assert judged.recommendation.variant == PROCESSES
    assert any("Below about 3,000 such items it would not pay" in text for text in judged.recommendation.reasons)


def test_break_even_is_a_bound_where_no_gain_was_measured() -> None:
    unclear = {SERIAL: Way(0.05), PROCESSES: Way(0.05, 2.0, 0.35, compute=0.05)}
    found = judge(comparison(unclear, n_items=500, n_sampled=500)).recommendation
    assert found.break_even is not None
    assert found.break_even.is_bound
    assert found.break_even.n_items == pytest.approx(0.15 / (1e-4 / 2), rel=0.02)
    assert (
        "below about 3,000 items like these nothing pays, not even with workers that lose nothing" in found.reasons[1]
    )
    assert "saves 50.0 µs at most" in found.reasons[1]
    assert "would have to take at least about 600 µs" in found.reasons[2]


def test_one_item_cannot_be_shared_out_by_any_number_of_workers() -> None:
    one = {SERIAL: Way(0.05, longest=0.05), PROCESSES: Way(0.05, 1.0, 0.35, compute=0.05, longest=0.05)}
    judged = judge(comparison(one, n_items=1, n_sampled=1))
    assert judged.recommendation.reasons[1:] == ("The study has one item: nothing can be shared out.",)
    assert "items" not in verdict_on(PROCESSES, judged).reason
    assert judged.recommendation.break_even is None


def test_bound_counts_no_more_workers_than_items() -> None:
    # start and end take 1 s more than one item: eight workers could save it from three items on, two of the three
    eight = Variant("processes", 8)
    unclear = {SERIAL: Way(3.0, longest=1.0), eight: Way(3.0, 2.0, around=1.7, compute=3.0, longest=1.0)}
    machine = {**LAPTOP, "usable_cores": 8, "physical_cores": 8}
    found = judge(comparison(unclear, n_items=3, n_sampled=3, machine=machine, noise=0.1)).recommendation.break_even
    assert found is not None
    assert found.n_items == 3
    assert found.item_seconds == pytest.approx(1.5 / 2)


def test_no_number_of_items_is_told_where_one_is_enough() -> None:
    unclear = {SERIAL: Way(4.0), PROCESSES: Way(2.06, 2.0, around=0.2001)}
    for n_rounds in (3, 11):
        found = judge(comparison(unclear, n_items=400, n_rounds=n_rounds)).recommendation
        assert not any("elow about 1 " in text for text in found.reasons)


def test_gain_of_too_few_rounds_is_told_as_measured_and_not_as_a_bound() -> None:
    gaining = {SERIAL: Way(4.0), PROCESSES: Way(1.9, 2.0, around=0.7)}  # caches: more than 2×
    found = judge(comparison(gaining, n_rounds=3, n_sampled=4000, n_items=4000)).recommendation
    assert found.break_even is not None
    assert not found.break_even.is_bound
    assert found.break_even.saved_seconds == pytest.approx(2.1 / 4000, rel=0.02)
    assert not any("at most" in text or "lose nothing" in text for text in found.reasons)


def test_number_of_items_below_which_nothing_pays_needs_no_verdict() -> None:
    found = judge(comparison(SHORT_ITEMS, n_items=500, n_sampled=500, n_rounds=3)).recommendation
    assert found.variant is None
    assert any("below about 3,000 items like these nothing pays" in text for text in found.reasons)


def test_number_is_told_too_where_there_are_more_items_and_the_rounds_do_not_show_a_gain() -> None:
    unclear = {SERIAL: Way(0.5), PROCESSES: Way(0.5, 2.0, 0.35, compute=0.5)}
    reasons = judge(comparison(unclear, n_items=5000, n_sampled=5000, noise=0.5)).recommendation.reasons
    assert any(text.startswith("Below about 3,") and "nothing pays, not even" in text for text in reasons)


def test_way_that_the_items_are_too_few_for_is_not_called_unknown_because_its_rounds_differ() -> None:
    unclear = {SERIAL: Way(0.05), PROCESSES: Way(0.05, 2.0, 0.35, compute=0.05)}
    judged = judge(comparison(unclear, n_items=500, n_sampled=500, noise=0.5))
    assert verdict_on(PROCESSES, judged).outcome is Outcome.NOT_RESOLVED
    assert verdict_on(PROCESSES, judged).reason.endswith("make up for; whether it computes faster is not resolved")
    assert not any("unknown" in text for text in judged.recommendation.reasons)


def test_threads_that_cannot_be_judged_may_be_the_first_to_pay() -> None:
    crowded = {
        SERIAL: Way(0.05, cores_busy=0.9, others=1.0),
        THREADS: Way(0.05, cores_busy=1.0, around=0.21, compute=0.1, others=1.0),
        PROCESSES: Way(0.05, cores_busy=1.0, around=0.35, compute=0.1, others=1.0),
    }
    found = judge(comparison(crowded, n_items=100, n_sampled=100)).recommendation
    assert found.break_even is not None
    assert found.break_even.variant == THREADS
    assert found.break_even.is_bound


def test_nothing_is_said_of_all_ways_where_one_needs_no_longer_to_start() -> None:
    unclear = {SERIAL: Way(0.05), PROCESSES: Way(0.05, 2.0, 0.35), MPI: Way(0.05, 2.0, 0.2)}
    found = judge(comparison(unclear, n_items=500, n_sampled=500)).recommendation
    assert "below about 3,000 items like these processes ×2 does not pay" in found.reasons[2]


def test_items_that_take_longer_when_they_are_shared_out_never_pay_however_many_there_are() -> None:
    tiny = {SERIAL: Way(0.5, longest=1e-6), PROCESSES: Way(0.7, 2.0, 0.35, longest=1e-6)}
    found = judge(comparison(tiny, n_items=500_000, n_sampled=500_000)).recommendation
    assert found.variant == SERIAL
    assert found.break_even is None
    assert any(
        text.startswith("However many items like these there were, processes ×2 would") for text in found.reasons
    )


def test_makespan_of_some_milliseconds_is_no_reason_to_say_never() -> None:
    tiny = {SERIAL: Way(0.02, longest=1e-6), PROCESSES: Way(0.03, 2.0, 0.35, longest=1e-6)}
    found = judge(comparison(tiny, n_items=500, n_sampled=500)).recommendation
    assert not any("However many" in text for text in found.reasons)
    assert found.break_even is not None


def test_one_long_item_that_bounds_the_study_is_named() -> None:
    long = {SERIAL: Way(4.0, longest=3.9), PROCESSES: Way(3.95, 1.05, compute=4.0, balance=0.51, longest=3.9)}
    found = comparison(long, n_items=10, n_sampled=10, noise=0.001)
    assert "one item takes 3.90 s, and no number of workers is faster than the longest item" in reason(PROCESSES, found)
    recommended = judge(found).recommendation
    assert recommended.variant == SERIAL
    assert any("no number of workers is faster than the longest item" in text for text in recommended.reasons)


def test_every_reason_why_nothing_pays_names_its_way() -> None:
    ways = {
        SERIAL: Way(4.0),
        THREADS: Way(4.1),
        PROCESSES: Way(4.0, 2.0, around=0.25),
        Variant("processes", 4): Way(4.0, 2.0, compute=4.0),
        MPI: Way(4.0, 2.0, around=3.0),
    }
    reasons = judge(comparison(ways, n_items=400, n_sampled=400)).recommendation.reasons
    assert "threads ×2: the GIL lets one thread compute at a time." in reasons
    assert any(text.startswith("mpi ×2: its start and end take 2.80 s longer than serial's") for text in reasons)
    assert any(text.startswith("processes ×2: an item takes 2.0× as long beside others") for text in reasons)


def test_way_that_starts_at_once_has_its_reason_beside_one_that_the_items_are_too_few_for() -> None:
    ways = {SERIAL: Way(4.0), PROCESSES: Way(4.0, 2.0), MPI: Way(4.0, 2.0, around=3.0)}
    reasons = judge(comparison(ways, n_items=400, n_sampled=400)).recommendation.reasons
    assert reasons[1].startswith("processes ×2: an item takes 2.0× as long beside others")
    assert "below about 560 items like these mpi ×2 does not pay" in reasons[2]


def test_gain_of_some_per_cent_is_shown_but_no_reason_to_leave_the_simplest_way() -> None:
    judged = judge(comparison({SERIAL: Way(4.0), PROCESSES: Way(3.85, 2.0)}, noise=0.003))
    assert verdict_on(PROCESSES, judged).outcome is Outcome.PAYS_LITTLE
    assert verdict_on(PROCESSES, judged).reason.startswith("pays little; ")
    assert judged.recommendation.variant == SERIAL


def test_long_item_that_bounds_the_sample_alone_is_not_held_against_the_study() -> None:
    long = {SERIAL: Way(4.0, longest=3.9), PROCESSES: Way(3.95, 1.05, compute=4.0, balance=0.51, longest=3.9)}
    found = comparison(long, n_items=1000, n_sampled=10, noise=0.2)
    assert "bounds the sample but not the whole study" in reason(PROCESSES, found)


def test_oversubscribed_workers_are_told_so_even_where_they_pay() -> None:
    four = Variant("processes", 4)
    judged = judge(comparison({SERIAL: Way(4.0), four: Way(2.05, cores_busy=2.0)}))
    assert verdict_on(four, judged).reason == "pays; 4 workers take turns on 2 usable cores (oversubscribed)"
    assert any("More workers than usable cores: processes ×4" in text for text in judged.cautions)


def test_hyper_threads_are_not_cores() -> None:
    machine = {**LAPTOP, "usable_cores": 4, "physical_cores": 2}
    four = Variant("processes", 4)
    judged = judge(comparison({SERIAL: Way(4.0), four: Way(1.6, cores_busy=4.0)}, machine=machine))
    assert "hyper-threads are not cores" in verdict_on(four, judged).reason
    assert any("More workers than physical cores: processes ×4" in text for text in judged.cautions)


def test_ranks_on_several_machines_are_not_held_against_the_cores_of_one() -> None:
    machine = {"usable_cores": 16, "node_cores": 2}
    ranks = Variant("mpi", 16)
    judged = judge(comparison({SERIAL: Way(4.0), ranks: Way(0.26, cores_busy=16.0)}, machine=machine))
    assert verdict_on(ranks, judged).reason == "pays; the only one that goes beyond this machine"
    assert not any("More workers" in text for text in judged.cautions)


def test_processes_are_held_against_the_cores_of_their_node_in_a_job_on_several() -> None:
    sixteen = Variant("processes", 16)
    found = comparison({SERIAL: Way(4.0), sixteen: Way(2.0, 2.0)}, machine={"usable_cores": 16, "node_cores": 2})
    assert "16 workers take turns on 2 usable cores" in reason(sixteen, found)


def test_one_usable_core_is_why_nothing_pays() -> None:
    machine = {**LAPTOP, "usable_cores": 1, "physical_cores": 1}
    found = comparison({SERIAL: Way(4.0), PROCESSES: Way(4.0, around=0.2)}, machine=machine)
    assert "There is one usable core: nothing can be shared out." in judge(found).recommendation.reasons


def test_unequal_ends_of_workers_explain_a_small_gain() -> None:
    uneven = {SERIAL: Way(4.0), PROCESSES: Way(3.1, 1.3, balance=0.65)}
    assert "the workers do not end together (load balance 0.65)" in reason(PROCESSES, comparison(uneven))


def test_items_that_slow_each_other_down_explain_a_small_gain() -> None:
    crowded = {SERIAL: Way(4.0), PROCESSES: Way(3.0, 2.0)}
    assert "an item takes 1.5× as long beside others" in reason(PROCESSES, comparison(crowded))


def test_time_between_items_explains_a_small_gain() -> None:
    tiny = {SERIAL: Way(4.0, compute=2.0), PROCESSES: Way(3.5, 2.0, compute=2.1)}
    assert "of the makespan is spent between items" in reason(PROCESSES, comparison(tiny))


def test_simpler_way_is_passed_over_only_if_it_is_separably_slower() -> None:
    eight = Variant("mpi", 8)
    ways = {SERIAL: Way(8.0), PROCESSES: Way(4.0, 2.0), eight: Way(1.1, 8.0)}
    machine = {**LAPTOP, "usable_cores": 8, "physical_cores": 8}
    recommended = judge(comparison(ways, machine=machine)).recommendation
    assert (recommended.variant, recommended.separably_slower) == (eight, (PROCESSES,))
    close = {**ways, eight: Way(3.99, 8.0)}
    assert judge(comparison(close, machine=machine)).recommendation.variant == PROCESSES


def test_fewer_workers_are_simpler_than_more() -> None:
    four = Variant("processes", 4)
    ways = {SERIAL: Way(8.0), four: Way(4.0, 2.0), PROCESSES: Way(4.0, 2.0)}
    assert judge(comparison(ways)).recommendation.variant == PROCESSES


def test_with_rounds_for_the_first_question_alone_the_simplest_that_pays_is_not_shown_to_be_slower() -> None:
    variants = [Variant(backend, n) for backend in ("threads", "processes", "mpi") for n in (2, 4)]
    ways = {SERIAL: Way(8.0)} | {v: Way(8.0 / v.n_workers, v.n_workers) for v in variants}
    ways[Variant("mpi", 4)] = Way(1.5, 4)
    found = comparison(ways, n_rounds=8, n_sampled=2000, noise=1e-9)  # 15 pairs take ten rounds, 6 comparisons eight
    recommended = judge(found).recommendation
    assert recommended.variant == THREADS
    assert recommended.separably_slower == ()
    assert recommended.reasons[:2] == (
        "It is the simplest that pays; to tell apart what pays among 7 ways takes 10 rounds.",
        "mpi ×4 may be 2.47× faster; more rounds would tell.",
    )
    enough = judge(comparison(ways, n_rounds=10, n_sampled=2000, machine={"usable_cores": 4})).recommendation
    assert enough.variant == Variant("mpi", 4)


def test_spread_of_rounds_busy_neighbours_and_small_samples_are_cautioned_of() -> None:
    noisy = {SERIAL: Way(4.0, others=0.7), PROCESSES: Way(2.0, 2.0, others=0.7)}
    cautions = judge(comparison(noisy, noise=0.3, n_sampled=3)).cautions
    for part in ("was not quiet", "Other programs kept 0.7 of 2 cores busy", "The sample has 3 items for up to 2"):
        assert any(part in caution for caution in cautions), part


def test_short_makespan_is_called_by_its_name_beside_times_inside_items() -> None:
    short = comparison({SERIAL: Way(0.03, compute=0.001)}, trial=0.2)
    assert judge(short).cautions[-1].startswith("The makespan of serial is 29.9 ms only")


def test_quiet_comparison_has_no_cautions() -> None:
    assert judge(comparison(PURE_PYTHON)).cautions == ()


def test_stopped_comparison_is_judged_by_what_it_has() -> None:
    whole = comparison(PURE_PYTHON)
    judged = judge(stopped(whole, after=4 * 9 + 2))
    assert verdict_on(PROCESSES, judged).outcome is Outcome.PAYS
    assert judged.cautions[0].startswith("The comparison was stopped: 9 of 11 rounds are whole")


def test_comparison_stopped_in_its_first_round_has_no_verdict_on_what_never_ran() -> None:
    judged = judge(stopped(comparison(PURE_PYTHON), after=2))
    assert verdict_on(MPI, judged).outcome is Outcome.TOO_FEW_ROUNDS
    assert judged.recommendation.variant is None


def test_baseline_that_alone_could_run_is_not_said_to_be_as_fast_as_others() -> None:
    judged = judge(comparison({SERIAL: Way(4.0)}, not_possible={MPI: "no mpiexec: pip install 'fullrank[mpich]'"}))
    found = judged.recommendation
    assert (found.variant, found.command) == (None, "fullrank run study.toml -b serial")
    assert found.heading == "No recommendation: no other way could run here"
    assert not any("10 %" in text for text in found.reasons)


def test_baseline_that_alone_was_asked_for_is_compared_with_nothing() -> None:
    found = judge(comparison({SERIAL: Way(4.0)})).recommendation
    assert found.heading == "No recommendation: nothing was compared"
    assert "--backends" in found.reasons[0]


@given(st.lists(st.tuples(*[st.floats(0.5, 2)] * 3), min_size=1, max_size=30))
def test_no_verdict_contradicts_the_interval_that_is_shown(rounds: list[tuple[float, float, float]]) -> None:
    variants = (SERIAL, THREADS, PROCESSES)
    measurements = [
        Measurement(variant, number, seconds + 0.2, seconds, seconds, seconds, 0.0, 1.0)
        for number, times in enumerate(rounds)
        for variant, seconds in enumerate(times)
    ]
    found = replace(comparison({}), variants=variants, measurements=tuple(measurements), n_sampled=2000)
    for verdict in judge(found).verdicts[1:]:
        assert verdict.summary is not None
        speedup = verdict.summary.speedup
        if verdict.outcome is Outcome.PAYS:
            assert speedup.least > 1
        if verdict.outcome is Outcome.SLOWER:
            assert speedup.most < 1
        if speedup.least <= 1 <= speedup.most:
            assert verdict.outcome in (Outcome.NO_GAIN, Outcome.NOT_RESOLVED, Outcome.TOO_FEW_ROUNDS)


def test_config_with_blanks_is_quoted_in_the_command() -> None:
    assert command_line(PROCESSES, "my study.toml") == "fullrank run 'my study.toml' -b processes -n 2"


def test_serial_is_the_simplest_and_mpi_the_least_simple() -> None:
    ordered = sorted((MPI, INTERPRETERS, PROCESSES, THREADS, SERIAL), key=simplicity)
    assert [variant.backend for variant in ordered] == list(BACKENDS)


def test_recommended_command_sets_what_the_comparison_was_told_to_set() -> None:
    told = "run.order=index 'sweep.grid.x0=[0.1, 0.2]'"
    found = comparison(PURE_PYTHON)
    found = replace(found, machine={**found.machine, "settings": told})
    words = "--set run.order=index --set 'sweep.grid.x0=[0.1, 0.2]'"
    assert judge(found).recommendation.command == f"fullrank run study.toml {words} -b processes -n 2"
    again = judge(replace(found, measurements=found.measurements[: 2 * len(found.variants)])).recommendation.command
    assert again.startswith(f"fullrank compare study.toml {words} --backends ")


def test_settings_of_a_strangers_file_that_cannot_be_read_are_left_out() -> None:
    found = comparison(PURE_PYTHON)
    command = judge(replace(found, machine={**found.machine, "settings": "'open"})).recommendation.command
    assert command == "fullrank run study.toml -b processes -n 2"
