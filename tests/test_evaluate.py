"""Items evaluated: every index gets its own end, whatever the user's function does."""

import io
import random
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from evaluating import AtHand, ends_of, evaluator_of, job_of, raises
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank import claim
from fullrank.claim import IDLE
from fullrank.errors import FunctionError
from fullrank.evaluate import Evaluator, Interrupts
from fullrank.function import FunctionSource
from fullrank.isolation import child
from fullrank.job import ArrayConstant
from fullrank.journal import Frame, read_stream
from fullrank.output import ItemLog
from fullrank.seeds import item_seed
from fullrank.status import Status

# --- each index its own end


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
    assert evaluation.paused_seconds == 100.0 * len(told)


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
