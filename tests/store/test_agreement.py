"""Results of two ways of running: what is told of those that differ."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_samples import Study, numbers_study, sweep_of

from fullrank.compare.agreement import Agreement
from fullrank.compare.measure import Taken
from fullrank.compare.records import Variant
from fullrank.errors import ResultsDiffer

SERIAL, THREADS, MPI = Variant("serial", 1), Variant("threads", 2), Variant("mpi", 2)
FAILED, TIMED_OUT = 2, 3


class Bench:
    """Removes nothing."""

    def remove(self, taken: Taken) -> None:
        pass


def taken(study: Study, path: Path) -> Taken:
    found: Any = None
    return Taken(path, 1.0, 0.0, found, (0.5,), study.write(path).results_sha256, {}, "")


def told(first: Study, second: Study, folder: Path) -> str:
    bench: Any = Bench()
    agreement = Agreement(bench)
    agreement.check(SERIAL, taken(first, folder / "first.h5"))
    with pytest.raises(ResultsDiffer) as caught:
        agreement.check(MPI, taken(second, folder / "second.h5"))
    return str(caught.value)


def test_run_that_lacks_an_item_is_an_error_of_fullrank_and_not_of_the_users_seed(tmp_path: Path) -> None:
    study = numbers_study(sweep_of((3, 4)))
    for first, second in ((study, study.with_ends({7: 0})), (study.with_ends({7: 0}), study)):
        message = told(first, second, tmp_path)
        assert message.startswith("mpi ×2 computed other items than serial, item 7 for one")
        assert "error of fullrank" in message
        assert "seed" not in message


def test_values_that_differ_name_the_item_and_both_ways(tmp_path: Path) -> None:
    study = numbers_study(sweep_of((12,)))
    name = next(iter(study.values))
    values = {name: np.where(np.arange(12) == 5, 99.0, study.values[name])}
    message = told(study, replace(study, values=values), tmp_path)
    assert "item 5" in message
    assert "by serial" in message
    assert "99.0 by mpi ×2" in message
    assert "give the study a seed" in message


def left_out(*ways: tuple[Variant, Study], folder: Path) -> list[Variant | None]:
    """Return which way is left out after each of the results, if any."""
    bench: Any = Bench()
    agreement = Agreement(bench)
    found = [agreement.check(way, taken(study, folder / f"{n}.h5")) for n, (way, study) in enumerate(ways)]
    return [left.variant if left else None for left in found]


def test_way_in_which_more_items_reach_the_time_limit_is_left_out_with_the_name_of_the_limit(tmp_path: Path) -> None:
    study = numbers_study(sweep_of((12,)))
    bench: Any = Bench()
    agreement = Agreement(bench)
    assert agreement.check(SERIAL, taken(study.with_ends({1: TIMED_OUT}), tmp_path / "serial.h5")) is None
    left = agreement.check(THREADS, taken(study.with_ends(dict.fromkeys((1, 4, 7), TIMED_OUT)), tmp_path / "t.h5"))
    assert left is not None
    assert left.variant == THREADS
    assert left.reason.startswith("2 of 12 items reach [run] item_time_limit_seconds, which serial computes in time")
    assert agreement.check(MPI, taken(study.with_ends({1: TIMED_OUT}), tmp_path / "mpi.h5")) is None


def test_way_that_reaches_the_limit_is_left_out_in_whatever_order_the_round_was_drawn(tmp_path: Path) -> None:
    study = numbers_study(sweep_of((12,)))
    late = study.with_ends({4: TIMED_OUT})
    for ways in (
        ((THREADS, late), (SERIAL, study), (MPI, study)),
        ((THREADS, late), (MPI, study), (SERIAL, study)),
    ):
        assert left_out(*ways, folder=tmp_path) == [None, THREADS, None]
    assert left_out((MPI, study), (THREADS, late), (SERIAL, study), folder=tmp_path) == [None, THREADS, None]


def test_serial_runs_that_reach_the_limit_now_and_then_are_not_told_of_random_numbers(tmp_path: Path) -> None:
    study = numbers_study(sweep_of((12,)))
    for first, second in ((study.with_ends({4: TIMED_OUT}), study), (study, study.with_ends({4: TIMED_OUT}))):
        bench: Any = Bench()
        agreement = Agreement(bench)
        agreement.check(SERIAL, taken(first, tmp_path / "first.h5"))
        with pytest.raises(ResultsDiffer, match=r"set a limit that no item is near$") as caught:
            agreement.check(SERIAL, taken(second, tmp_path / "second.h5"))
        assert "seed" not in str(caught.value)


def test_values_that_differ_beside_items_that_timed_out_are_a_difference(tmp_path: Path) -> None:
    study = numbers_study(sweep_of((12,)))
    name = next(iter(study.values))
    values = {name: np.where(np.arange(12) == 5, 99.0, study.values[name])}
    message = told(study, replace(study, values=values).with_ends({4: TIMED_OUT}), tmp_path)
    assert "99.0 by mpi ×2" in message


def test_way_in_which_every_item_fails_is_left_out_with_the_exception(tmp_path: Path) -> None:
    study = numbers_study(sweep_of((3,)))
    bench: Any = Bench()
    agreement = Agreement(bench)
    agreement.check(SERIAL, taken(study, tmp_path / "serial.h5"))
    left = agreement.check(MPI, taken(study.with_ends(dict.fromkeys(range(3), FAILED)), tmp_path / "mpi.h5"))
    assert left is not None
    assert (left.variant, left.reason) == (MPI, "every item fails; item 0: ValueError: bad")


def test_way_in_which_some_items_fail_is_a_difference(tmp_path: Path) -> None:
    study = numbers_study(sweep_of((3,)))
    assert "failed by mpi ×2" in told(study, study.with_ends({1: FAILED}), tmp_path)
