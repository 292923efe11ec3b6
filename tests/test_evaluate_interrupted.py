"""Items that are interrupted, by whatever and at any moment: none is lost, doubled or mixed up with another."""

import gc
import mmap
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from evaluating import End, ends_of, evaluator_of, job_of, raises

from fullrank.backends.threads import ThreadInterrupts
from fullrank.claim import IDLE, Batch, ItemInterrupted
from fullrank.evaluate import Evaluator, Interrupts
from fullrank.interrupt import MainThreadInterrupts
from fullrank.status import Status


def test_an_overdue_item_is_timed_out_and_the_next_goes_on() -> None:
    interrupts = Interrupts()

    def function(i: int) -> int:
        if i == 1:
            interrupts.overdue.add(1)
            raise ItemInterrupted
        return i

    evaluator = evaluator_of(function, interrupts=interrupts, item_time_limit_seconds=0.25)
    ends = ends_of(evaluator.evaluate([0, 1, 2]))
    assert [ends[i].status for i in range(3)] == [Status.OK, Status.TIMED_OUT, Status.OK]
    assert ends[1].description is not None
    assert ends[1].description["exception"] == "time limit of 0.25 s exceeded"
    assert "raise ItemInterrupted" in ends[1].description["traceback"]


def swallow() -> float:
    """As a bare ``except:`` does."""
    try:
        raise ItemInterrupted
    except BaseException:
        return float("nan")


def convert() -> float:
    """As a library does that wraps whatever comes."""
    try:
        raise ItemInterrupted
    except BaseException as error:
        raise RuntimeError("the solver failed") from error


@pytest.mark.parametrize("respond", [swallow, convert])
def test_an_overdue_item_is_timed_out_whatever_it_makes_of_the_interruption(respond: Callable[[], float]) -> None:
    interrupts = Interrupts()

    def function(i: int) -> float:
        if i != 1:
            return float(i)
        interrupts.overdue.add(1)
        return respond()

    ends = ends_of(evaluator_of(function, interrupts=interrupts).evaluate([0, 1, 2]))
    assert [ends[i].status for i in range(3)] == [Status.OK, Status.TIMED_OUT, Status.OK]
    assert [ends[0].value, ends[2].value] == [0.0, 2.0]


def test_an_interruption_meant_for_an_item_that_has_ended_changes_nothing() -> None:
    interrupts = Interrupts(overdue={0})
    n_calls = []

    def function(i: int) -> int:
        n_calls.append(i)
        if n_calls == [0, 1]:
            raise ItemInterrupted  # it was on its way when item 0 ended
        return i

    ends = ends_of(evaluator_of(function, interrupts=interrupts).evaluate([0, 1, 2]))
    assert n_calls == [0, 1, 1, 2]
    assert [ends[i].status for i in range(3)] == [Status.TIMED_OUT, Status.OK, Status.OK]


def test_an_interruption_that_comes_back_for_ever_is_a_failure_of_its_item() -> None:
    kept: list[ItemInterrupted] = []
    interrupts = Interrupts()

    def function(i: int) -> int:
        if kept:
            raise kept[0]  # as a task does that was ended once and is awaited again
        if i == 1:
            kept.append(ItemInterrupted())
            interrupts.overdue.add(1)
            raise kept[0]
        return i

    ends = ends_of(evaluator_of(function, interrupts=interrupts).evaluate([0, 1, 2, 3]))
    assert [ends[i].status for i in range(4)] == [Status.OK, Status.TIMED_OUT, Status.FAILED, Status.FAILED]
    assert ends[2].description is not None
    assert "raise kept[0]" in ends[2].description["traceback"]


def test_what_is_raised_before_an_item_that_begins_anew_is_not_its_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    n_calls: list[int] = []
    make_batch = Evaluator._batch

    def function(i: int) -> int:
        n_calls.append(i)
        if n_calls == [0, 1, 2, 3]:
            raise ItemInterrupted  # meant for another
        return 10 * i

    def batch(self: Evaluator, indices: Sequence[int]) -> Batch:
        if indices[0] == 3 and len(n_calls) == 4:
            monkeypatch.setattr(Evaluator, "_batch", make_batch)
            return map(raises(MemoryError), [3])
        return make_batch(self, indices)

    monkeypatch.setattr(Evaluator, "_batch", batch)
    ends = ends_of(evaluator_of(function).evaluate(list(range(7))))
    assert n_calls == [0, 1, 2, 3, 3, 4, 5, 6]
    assert {i: end.value for i, end in ends.items()} == {i: 10 * i for i in range(7)}


def test_a_process_that_an_item_forked_off_evaluates_no_other_item_and_leaves_the_running_cell_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "cell").write_bytes(bytes(8))
    with (tmp_path / "cell").open("r+b") as file:
        running = memoryview(mmap.mmap(file.fileno(), 8)).cast("q")
    copies = []

    def function(i: int) -> int:
        (tmp_path / f"{i} in {os.getpid()}").touch()
        if i == 2 and not copies:
            copies.append(os.fork())
            if not copies[0]:
                return -1  # it forgot to leave
            assert os.waitstatus_to_exitcode(os.waitpid(copies[0], 0)[1]) == 0
            assert running[0] == 2
        return i

    evaluator = Evaluator(job_of(function, n_items=6), running=running)
    ends = ends_of(evaluator.evaluate(range(6)))
    assert [ends[i].value for i in range(6)] == list(range(6))
    assert {path.name for path in tmp_path.glob("* in *")} == {f"{i} in {os.getpid()}" for i in range(6)}


def raise_it() -> float:
    raise ItemInterrupted


@pytest.mark.parametrize("respond", [raise_it, swallow, convert])
def test_an_item_interrupted_by_a_stop_stays_unfinished_whatever_it_makes_of_it(respond: Callable[[], float]) -> None:
    interrupts = Interrupts()

    def function(i: int) -> float:
        if i != 2:
            return float(i)
        interrupts.stop = True
        interrupts.abandoned.add(2)
        return respond()

    evaluation = evaluator_of(function, interrupts=interrupts).evaluate([0, 1, 2])
    ends = ends_of(evaluation)
    assert evaluation.abandoned
    assert {index: end.value for index, end in ends.items()} == {0: 0.0, 1: 1.0}


def check_after_interruptions(ends: Mapping[int, End], overdue: set[int], n_items: int) -> None:
    assert ends.keys() == set(range(n_items))
    timed_out = {index for index, end in ends.items() if end.status == Status.TIMED_OUT}
    assert timed_out == overdue
    for index in ends.keys() - timed_out:
        assert (ends[index].status, ends[index].value) == (Status.OK, [index, -index])


def tiny(i: int) -> list[int]:
    if i % 50 == 0:
        sum(range(3000))
    return [i, -i]


@pytest.fixture
def _interrupted_often_and_never_in_a_finalizer() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_interrupted_often_and_never_in_a_finalizer")
def test_signals_at_any_moment_lose_double_and_mix_nothing() -> None:
    n_items = 30_000
    running = [IDLE]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=0.0)
    signals._tick_seconds = 1e-4
    evaluator = evaluator_of(tiny, running=running, interrupts=signals.interrupts, n_items=n_items)
    ends: dict[int, End] = {}
    with signals.installed():
        for start in range(0, n_items, 500):
            found = ends_of(evaluator.evaluate(range(start, start + 500)))
            assert not ends.keys() & found.keys()
            ends |= found
    assert signals.interrupts.overdue
    check_after_interruptions(ends, signals.interrupts.overdue, n_items)


@pytest.mark.usefixtures("_interrupted_often_and_never_in_a_finalizer")
def test_interruptions_from_another_thread_lose_double_and_mix_nothing() -> None:
    n_items = 30_000
    running = [IDLE]
    interrupts = ThreadInterrupts()
    evaluator = evaluator_of(tiny, running=running, interrupts=interrupts, n_items=n_items)
    ends: dict[int, End] = {}
    errors: list[BaseException] = []

    def work() -> None:
        interrupts.attach()
        try:
            for start in range(0, n_items, 500):
                ends.update(ends_of(evaluator.evaluate(range(start, start + 500))))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        if (index := running[0]) != IDLE:
            interrupts.overdue.add(index)
            interrupts.send(running, index)
        thread.join(2e-4)
    assert errors == []
    assert interrupts.overdue
    assert ends.keys() == set(range(n_items))
    timed_out = {index for index, end in ends.items() if end.status == Status.TIMED_OUT}
    assert timed_out <= interrupts.overdue  # one that had ended and was written is left as it was
    for index in ends.keys() - timed_out:
        assert (ends[index].status, ends[index].value) == (Status.OK, [index, -index])


class LeftBehind(Exception):
    """What the handler of an alarm raises that an item did not cancel."""


class _Rung:
    """A batch with an alarm that rings once after each item of ``rings``, before the next one is there."""

    def __init__(self, batch: Batch, rings: set[int], *, before: int) -> None:
        self._batch, self._rings, self._before = batch, rings, before

    def __iter__(self) -> Batch:
        return self

    def __next__(self) -> tuple[int, Any]:
        found = next(self._batch, None)  # lost if it rings now
        if self._before in self._rings:
            self._rings.remove(self._before)
            raise LeftBehind
        if found is None:
            raise StopIteration
        self._before = found[0]
        return found


class _Ringing(Evaluator):
    rings: set[int]

    def _batch(self, indices: Sequence[int]) -> Batch:
        return _Rung(super()._batch(indices), self.rings, before=indices[0] - 1 if indices else IDLE)


def test_an_alarm_that_rings_between_items_is_no_end_of_any_and_mixes_none_up() -> None:
    def function(i: int) -> float:
        return 1.0 / (i - 3)

    n_items, rings = 8, {IDLE, 0, 2, 3, 6, 7}  # before the first, after one that failed, after the last
    evaluator = _Ringing(job_of(function, n_items=n_items), running=[IDLE])
    evaluator.rings = rings
    ends = ends_of(evaluator.evaluate(range(n_items)))
    assert not rings
    assert ends[3].status == Status.FAILED
    assert {i: end.value for i, end in ends.items() if i != 3} == {i: 1.0 / (i - 3) for i in range(n_items) if i != 3}
