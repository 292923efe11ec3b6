"""Items evaluated: every index gets its own end, whatever the user's function does."""

import gc
import io
import json
import mmap
import os
import random
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank import claim
from fullrank.axes import RangeAxis
from fullrank.backends.threads import ThreadInterrupts
from fullrank.claim import IDLE, Batch, ItemInterrupted
from fullrank.encode import Naming
from fullrank.errors import FunctionError
from fullrank.evaluate import Evaluation, Evaluator, Interrupts
from fullrank.function import FunctionSource
from fullrank.interrupt import MainThreadInterrupts
from fullrank.isolation import child
from fullrank.job import ArrayConstant, Job
from fullrank.journal import Frame, Kind, read_stream
from fullrank.output import ItemLog
from fullrank.seeds import item_seed
from fullrank.signature import parameters_of
from fullrank.status import Status
from fullrank.sweep import Sweep


@dataclass(frozen=True)
class AtHand:
    """A function where a job expects the name of one."""

    function: Callable[..., Any]
    written: str = "sim:f"

    def load(self) -> Callable[..., Any]:
        return self.function


def job_of(function: Any, *, n_items: int = 1000, setup: Any = None, **options: Any) -> Job:
    """Return a job whose only axis is ``i``, the item's index."""
    found = function if isinstance(function, FunctionSource) else AtHand(function)
    settings: dict[str, Any] = {
        "constants": {},
        "seed": None,
        "naming": Naming("f"),
        "stride": 1,
        "schedule": "guided",
        "n_workers": 1,
        "attempt": 1,
        "backend": "serial",
        "work_folder": "",
    }
    return Job(
        function=found,  # type: ignore[arg-type]
        parameters=parameters_of(found.load(), "sim:f"),
        setup=AtHand(setup) if setup else None,  # type: ignore[arg-type]
        setup_parameters=parameters_of(setup, "sim:setup") if setup else (),
        sweep=Sweep("grid", (RangeAxis("i", start=0, stop=n_items),)),
        **(settings | options),
    )


def evaluator_of(function: Any, *, running: list[int] | None = None, **options: Any) -> Evaluator:
    mine = {name: options.pop(name) for name in ("interrupts", "last_output") if name in options}
    return Evaluator(job_of(function, **options), running=running or [IDLE], **mine)


@dataclass(frozen=True)
class End:
    """How an item ended, as the journal tells it."""

    status: int
    seconds: float
    value: Any = None
    description: Mapping[str, str] | None = None


def ends_of(evaluation: Evaluation) -> dict[int, End]:
    """Return the end of each item; fails if one has two."""
    found: dict[int, End] = {}
    for frame in read_stream(io.BytesIO(b"".join(evaluation.frames)), Path("journal")):
        assert isinstance(frame, Frame)
        n = frame.n_rows
        seconds = struct.unpack_from(f"<{n}f", frame.body, 8 * n)
        for row, index in enumerate(frame.indices()):
            assert index not in found
            if frame.kind == Kind.FAILURES:
                found[index] = End(frame.body[12 * n + row], seconds[row], description=frame.json()[row])
            else:
                ((_, dtype, shape),) = json.loads(frame.meta)
                values = np.frombuffer(frame.body, dtype, offset=12 * n).reshape(n, *shape)
                found[index] = End(Status.OK, seconds[row], values[row].tolist())
    failed = [end for end in found.values() if end.status != Status.OK]
    assert (evaluation.n_finished, evaluation.n_failed) == (len(found), len(failed))
    return found


# --- each index its own end


def raises(kind: type[BaseException], *arguments: Any) -> Callable[[int], Any]:
    def function(i: int) -> Any:
        raise kind(*arguments)

    return function


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


OUTCOMES: dict[str, tuple[Callable[[int], Any], Callable[[int], Any]]] = {
    "float": (lambda i: i + 0.5, lambda i: i + 0.5),
    "int": (lambda i: 7 * i, lambda i: 7 * i),
    "list": (lambda i: [i, i + 1], lambda i: [i, i + 1]),
    "other list": (lambda i: [i, i, i], lambda i: [i, i, i]),
    "bool": (lambda i: i % 2 == 0, lambda i: i % 2 == 0),
    "None": (lambda i: None, lambda i: "result 'f' is None"),
    "text": (lambda i: "x", lambda i: "result 'f' is text"),
    "error": (lambda i: [][i], lambda i: "IndexError: list index out of range"),
    "exit": (raises(SystemExit, 3), lambda i: "SystemExit: 3"),
    "Ctrl-C": (raises(KeyboardInterrupt), lambda i: "KeyboardInterrupt"),
    "generator's end": (raises(GeneratorExit), lambda i: "GeneratorExit"),
    "stop": (raises(StopIteration, 5), lambda i: "StopIteration: 5"),
    "memory": (raises(MemoryError), lambda i: "MemoryError"),
    "unspeakable": (raises(Unspeakable), lambda i: "Unspeakable"),
}


@settings(deadline=None, max_examples=200)
@given(plan=st.lists(st.sampled_from(sorted(OUTCOMES)), max_size=30), seed=st.integers(0, 2**32))
def test_every_item_of_a_claim_gets_its_own_end_whatever_the_others_do(plan: list[str], seed: int) -> None:
    indices = random.Random(seed).sample(range(1000), len(plan))
    outcome = dict(zip(indices, plan, strict=True))
    called = []

    def function(i: int) -> Any:
        called.append(i)
        return OUTCOMES[outcome[i]][0](i)

    ends = ends_of(evaluator_of(function).evaluate(indices))
    assert called == indices
    assert ends.keys() == set(indices)
    for index, end in ends.items():
        expected = OUTCOMES[outcome[index]][1](index)
        if isinstance(expected, str):
            assert end.status == Status.FAILED
            assert end.description is not None
            assert end.description["exception"].startswith(expected)
        else:
            assert (end.status, end.value) == (Status.OK, expected)


def test_endless_recursion_is_its_items_failure() -> None:
    def function(i: int) -> int:
        return function(i) + 1 if i == 1 else i

    ends = ends_of(evaluator_of(function).evaluate([0, 1, 2]))
    assert [ends[i].status for i in range(3)] == [Status.OK, Status.FAILED, Status.OK]
    assert ends[1].description is not None
    assert ends[1].description["exception"].startswith("RecursionError: maximum recursion depth exceeded")
    assert len(ends[1].description["traceback"]) <= 8192


def test_the_running_cell_holds_the_item_while_it_runs_and_only_then() -> None:
    running = [IDLE]
    seen = []

    def function(i: int) -> int:
        seen.append(running[0])
        return 1 // (i % 2)

    evaluator_of(function, running=running).evaluate([4, 5, 6])
    assert seen == [4, 5, 6]
    assert running == [IDLE]


# --- seconds


@dataclass
class Clock:
    """Moves only when it is told to."""

    now: float = 0.0

    def perf_counter(self) -> float:
        return self.now

    def thread_time(self) -> float:
        """Return what has used no core, whatever passes."""
        return 0.0

    process_time = thread_time


@settings(deadline=None)
@given(items=st.lists(st.tuples(st.integers(1, 1000), st.booleans()), min_size=1, max_size=20))
def test_seconds_are_those_inside_each_item_and_add_up_to_the_busy_time(items: list[tuple[int, bool]]) -> None:
    clock = Clock()

    def function(i: int) -> int:
        clock.now += items[i][0] / 1024
        if items[i][1]:
            raise ValueError
        return i

    def last_output(_index: int) -> str:
        clock.now += 100.0  # describing a failure is no item's time
        return ""

    evaluator = evaluator_of(function, last_output=last_output)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claim, "time", clock)
        evaluation = evaluator.evaluate(range(len(items)))
    assert [end.seconds for _, end in sorted(ends_of(evaluation).items())] == [n / 1024 for n, _ in items]
    assert evaluation.busy_seconds == sum(n for n, _ in items) / 1024


def test_what_a_child_takes_to_tell_of_items_is_no_items_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, n_items, told = Clock(), 20, []

    def function(i: int) -> float:
        clock.now += 0.25 + i / 64
        if i % 7 == 3:
            raise ValueError(i)
        return float(i)

    def flush(self: Evaluator) -> None:
        clock.now += 100.0
        told.append(sum(1 for _ in read_stream(io.BytesIO(b"".join(self.early_frames())), Path())))

    for module in (claim, child):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(child._TellingEvaluator, "flush", flush)
    running = [IDLE]
    evaluator = child._TellingEvaluator(
        job_of(function, n_items=n_items),
        -1,
        running=running,
        interrupts=Interrupts(),
        log=ItemLog(tmp_path / "log", running),
    )
    evaluation = evaluator.evaluate(range(n_items))
    ends = ends_of(evaluation)
    assert len(told) > n_items / 2
    assert min(told) > 0
    assert [ends[i].seconds for i in range(n_items)] == [0.25 + i / 64 for i in range(n_items)]
    assert [i for i in range(n_items) if ends[i].status == Status.FAILED] == [3, 10, 17]
    assert evaluation.busy_seconds == sum(0.25 + i / 64 for i in range(n_items))


# --- what is told of a failure


@pytest.fixture
def in_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], FunctionSource]:
    """``in_file(text)``: the function ``f`` of a user's file with this text."""
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])

    def write(text: str) -> FunctionSource:
        (tmp_path / "fr_simulation.py").write_text(dedent(text))
        sys.modules.pop("fr_simulation", None)
        return FunctionSource("fr_simulation.py:f", (str(tmp_path),))

    return write


def description_of(function: Any, **options: Any) -> Mapping[str, str]:
    ends = ends_of(evaluator_of(function, **options).evaluate([7]))
    found = ends[7].description
    assert found is not None
    return found


@pytest.mark.parametrize("signature", ["i", "*, i"], ids=["by position", "by keyword"])
def test_a_traceback_shows_the_users_lines_and_none_of_ours(
    signature: str, in_file: Callable[[str], FunctionSource]
) -> None:
    source = in_file(
        f"""\
        def f({signature}):
            return inner(i)

        def inner(i):
            return i / 0
        """
    )
    path = Path(source.folders[0], "fr_simulation.py")
    told = description_of(source)["traceback"]
    lines = [line for line in told.splitlines() if set(line) - set(" ^~")]
    assert lines == [
        "Traceback (most recent call last):",
        f'  File "{path}", line 2, in f',
        "    return inner(i)",
        f'  File "{path}", line 5, in inner',
        "    return i / 0",
        "ZeroDivisionError: division by zero",
    ]


def test_causes_of_an_error_are_told(in_file: Callable[[str], FunctionSource]) -> None:
    source = in_file(
        """\
        def f(i):
            try:
                {}["density"]
            except KeyError as error:
                raise ValueError("no such field") from error
        """
    )
    told = description_of(source)
    assert told["exception"] == "ValueError: no such field"
    assert "KeyError: 'density'" in told["traceback"]
    assert "fullrank" not in told["traceback"]


def test_a_call_that_does_not_fit_is_the_items_failure_without_a_line_of_ours() -> None:
    source = AtHand(lambda i: 0)
    job = job_of(source.function)
    evaluator = Evaluator(job, running=[IDLE])
    evaluator._function = lambda: None  # as if the signature that root saw were another
    (end,) = ends_of(evaluator.evaluate([1])).values()
    assert end.description is not None
    assert end.description["traceback"].startswith("TypeError")


def test_an_error_that_cannot_be_shown_is_told_by_its_name() -> None:
    told = description_of(raises(Unspeakable))
    assert told["exception"] == "Unspeakable"
    assert "Unspeakable" in told["traceback"]


def test_the_last_output_of_a_failed_item_is_kept() -> None:
    told = description_of(raises(ValueError, "x"), last_output=lambda index: f"printed by {index}")
    assert told["output"] == "printed by 7"


def test_long_texts_are_cut_at_their_less_useful_end() -> None:
    told = description_of(raises(ValueError, "a" * 100_000 + "z"))
    assert told["exception"] == "ValueError: " + "a" * (2000 - len("ValueError: ")) + "… (98,013 more characters)"
    *_, frame, last = told["traceback"].splitlines()
    assert "raise" in frame
    assert last == "ValueError: " + "a" * (500 - len("ValueError: ")) + "… (99,513 more characters)"


def test_of_a_text_of_many_lines_the_middle_is_left_out_of_the_traceback() -> None:
    lines = description_of(raises(ValueError, "a\n" * 100_000 + "z"))["traceback"].splitlines()
    assert lines[0].startswith("Traceback")
    assert len(lines) == 101
    assert re.fullmatch(r"… \(99,9\d\d more lines\)", lines[50])
    assert lines[-1] == "z"


def test_a_thousand_failures_are_described_in_full_and_more_by_their_exception() -> None:
    ends = ends_of(evaluator_of(raises(ValueError, "x")).evaluate(range(1000)))
    assert all("traceback" in (end.description or {}) for end in ends.values())
    evaluator = evaluator_of(raises(ValueError, "y" * 5000), n_items=2000)
    evaluator.evaluate(range(1000))
    (end,) = ends_of(evaluator.evaluate([1500])).values()
    assert end.description == {"exception": ("ValueError: " + "y" * 5000)[:200] + "… (4,812 more characters)"}


def test_an_exception_that_is_raised_again_and_again_keeps_nothing_of_earlier_items() -> None:
    error = ValueError("no luck")

    def function(i: int) -> Any:
        raise error

    ends = ends_of(evaluator_of(function).evaluate(range(50)))
    assert len({(end.description or {})["traceback"] for end in ends.values()}) == 1


# --- constants and seeds


def test_constants_arrays_and_what_setup_returns_reach_the_function(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(4.0))
    n_set_up = []

    def setup(scale: float) -> dict[str, float]:
        n_set_up.append(scale)
        return {"offset": 100.0 * scale}

    def function(i: int, *, scale: float, array: np.ndarray, offset: float) -> float:
        return float(scale * i + array[i] + offset)

    constants = {"scale": 2.0, "array": ArrayConstant(str(tmp_path / "a.npy"))}
    evaluator = evaluator_of(function, setup=setup, constants=constants)
    ends = ends_of(evaluator.evaluate([3, 1])) | ends_of(evaluator.evaluate([2]))
    assert {index: end.value for index, end in ends.items()} == {i: 2.0 * i + i + 200.0 for i in (1, 2, 3)}
    assert n_set_up == [2.0]  # once a worker


def test_setup_may_return_nothing() -> None:
    assert ends_of(evaluator_of(lambda i: i, setup=lambda: None).evaluate([3]))[3].value == 3


@pytest.mark.parametrize(
    ("setup", "sentence"),
    [
        (lambda: {"nobody": 1}, "the constant 'nobody' is no parameter of sim:f, which takes i"),
        (lambda: [1, 2], "expected a mapping of constants, it returned list"),
        (lambda: np.zeros(3), "expected a mapping of constants, it returned ndarray"),
        (lambda: {"i": 5}, "sim:f: returned 'i', which each item has of its own; expected constants, leave it out"),
    ],
)
def test_what_setup_returns_and_nothing_takes_gets_a_sentence(setup: Any, sentence: str) -> None:
    with pytest.raises(FunctionError, match=sentence):
        evaluator_of(lambda i: i, setup=setup)


def test_a_function_that_takes_a_seed_gets_its_items() -> None:
    evaluator = evaluator_of(lambda i, seed: [i, seed], seed=5)
    ends = ends_of(evaluator.evaluate([9, 2])) | ends_of(evaluator.evaluate([4]))
    assert {index: end.value for index, end in ends.items()} == {i: [i, item_seed(5, i)] for i in (9, 2, 4)}


def test_generators_are_seeded_for_an_item_that_takes_no_seed() -> None:
    evaluator = evaluator_of(lambda i: random.random(), seed=5)
    found = {}
    for indices in ([3, 1, 2], [2], [1, 3]):
        for index, end in ends_of(evaluator.evaluate(indices)).items():
            assert found.setdefault(index, end.value) == end.value == random.Random(item_seed(5, index)).random()


def test_numpy_is_loaded_and_seeded_before_an_item_that_loads_it_itself() -> None:
    program = """
import sys
from fullrank.seeds import load_global_generators, seed_global_generators
assert "numpy" not in sys.modules
load_global_generators()
seed_global_generators(7)
import numpy
print(numpy.random.random())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert float(done.stdout) == np.random.RandomState([7, 0]).random_sample()


def test_without_a_seed_the_generators_are_left_alone() -> None:
    random.seed(77)
    expected = random.Random(77).random()
    assert ends_of(evaluator_of(lambda i: random.random()).evaluate([1]))[1].value == expected


# --- interruptions


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


@pytest.mark.parametrize("kind", ["a list", "an array in a mapping", "a mapping of numbers", "a view"])
def test_a_value_that_the_function_returns_again_and_again_is_kept_as_it_was(kind: str) -> None:
    buffer = np.zeros(2)
    numbers = {"a": 0.0}

    def function(i: int) -> Any:
        buffer[:] = (i, 2 * i)
        numbers["a"] = float(i)
        if kind == "a mapping of numbers":
            return numbers
        return {"a list": [buffer], "a view": buffer[1:], "an array in a mapping": {"a": buffer}}[kind]

    ends = ends_of(evaluator_of(function).evaluate(list(range(50))))
    found = {index: np.ravel(end.value)[-1] for index, end in ends.items()}
    assert found == {i: float(i) if kind == "a mapping of numbers" else 2.0 * i for i in range(50)}


def test_items_that_ended_are_told_while_the_claim_goes_on() -> None:
    told: list[tuple[int, list[int]]] = []
    evaluator: Evaluator

    def function(i: int) -> float:
        if i == 1:
            raise ValueError(i)
        if i in (4, 7):
            frames = read_stream(io.BytesIO(b"".join(evaluator.early_frames())), Path())
            told.append((i, sorted(index for frame in frames if isinstance(frame, Frame) for index in frame.indices())))
        return float(i)

    evaluator = evaluator_of(function)
    assert sorted(ends_of(evaluator.evaluate(list(range(10))))) == list(range(10))
    assert told == [(4, [0, 1, 2, 3]), (7, [4, 5, 6])]
    assert evaluator.early_frames() == []
