"""Deadly items in a process of their own: only that process dies, and a kill from outside changes no result."""

import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from fullrank.axes import RangeAxis
from fullrank.backends.threads import ThreadInterrupts
from fullrank.claim import IDLE
from fullrank.contained import evaluate_contained
from fullrank.encode import Naming
from fullrank.evaluate import Evaluation, Evaluator, Interrupts
from fullrank.function import FunctionSource, Parameter
from fullrank.interrupt import STOP_SIGNALS, MainThreadInterrupts
from fullrank.job import Job
from fullrank.journal import Frame, Kind, read_stream
from fullrank.status import Status
from fullrank.sweep import Sweep

INDEX = 5
MakeJob = Callable[..., Job]


@pytest.fixture(autouse=True)
def _nothing_is_left(leaves_nothing_running: None) -> Iterator[None]:
    n_open = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield
    assert len(os.listdir("/proc/self/fd")) == n_open  # noqa: PTH208


@pytest.fixture
def job_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeJob:
    """``job_of(body)``: a job whose function ``f(i)`` has this body, in a file of the user's."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "fr_deadly", raising=False)

    def make(body: str, *, top: str = "", **options: Any) -> Job:
        lines = dedent(body).strip().splitlines()
        text = f"import ctypes, os, signal, time\n{top}\ndef f(i):\n" + "\n".join("    " + line for line in lines)
        (tmp_path / "fr_deadly.py").write_text(text)
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
            function=FunctionSource("fr_deadly.py:f", (str(tmp_path),)),
            parameters=(Parameter("i", "positional", True),),
            setup=None,
            setup_parameters=(),
            sweep=Sweep("grid", (RangeAxis("i", start=0, stop=10),)),
            **(settings | options),
        )

    return make


def contained(
    job: Job,
    *,
    running: list[int] | None = None,
    interrupts: Interrupts | None = None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Evaluation:
    running = [IDLE] if running is None else running
    found = evaluate_contained(
        job, INDEX, running=running, interrupts=interrupts or Interrupts(), stop_requested=stop_requested
    )
    assert running == [IDLE]
    return found


@dataclass(frozen=True)
class End:
    """The end of the one item, as the journal tells it."""

    status: int
    description: Mapping[str, str]


def failure_in(evaluation: Evaluation) -> End:
    (frame,) = frames_of(evaluation)
    assert (frame.kind, list(frame.indices())) == (Kind.FAILURES, [INDEX])
    assert (evaluation.n_finished, evaluation.n_failed, evaluation.abandoned) == (1, 1, False)
    (description,) = frame.json()
    return End(frame.body[12], description)


def frames_of(evaluation: Evaluation) -> list[Frame]:
    found = list(read_stream(io.BytesIO(b"".join(evaluation.frames)), Path("journal")))
    assert all(isinstance(each, Frame) for each in found)
    return found  # type: ignore[return-value]


def is_unfinished(evaluation: Evaluation) -> bool:
    return (evaluation.frames, evaluation.n_finished, evaluation.abandoned) == ([], 0, True)


TRIES = 'open(os.path.dirname(__file__) + "/tries", "a").write("x")\n'


def n_tries(folder: Path) -> int:
    return len((folder / "tries").read_text())


# --- items that do no harm


@pytest.mark.parametrize(
    "value",
    ["0.1 * i", "{'a': float('nan'), 'b': [1.5, -0.0, 1e-310], 'c': True}", "(1j, 2**62)", "[[i, 2], [3, 4]]"],
)
def test_a_result_is_the_same_to_the_last_bit_as_without_containment(value: str, job_of: MakeJob) -> None:
    job = job_of(f"return {value}")
    (inside,) = frames_of(contained(job))
    (outside,) = frames_of(Evaluator(job, running=[IDLE]).evaluate([INDEX]))
    assert (inside.kind, inside.n_rows, inside.meta) == (outside.kind, outside.n_rows, outside.meta)
    assert list(inside.indices()) == [INDEX]
    assert inside.body[12:] == outside.body[12:]  # behind index and seconds


def test_an_error_is_the_items_own_and_tried_once(job_of: MakeJob, tmp_path: Path) -> None:
    end = failure_in(contained(job_of(TRIES + "return 1 / (i - 5)")))
    assert (end.status, end.description["exception"]) == (Status.FAILED, "ZeroDivisionError: division by zero")
    assert "return 1 / (i - 5)" in end.description["traceback"]
    assert "fullrank" not in end.description["traceback"]
    assert n_tries(tmp_path) == 1


def test_a_result_larger_than_a_pipe_passes(job_of: MakeJob) -> None:
    (frame,) = frames_of(contained(job_of("return [float(k) for k in range(300_000)]")))
    assert struct.unpack("<300000d", frame.body[12:]) == tuple(range(300_000))


def test_what_the_function_prints_stays_out_of_the_answer(job_of: MakeJob, capfd: pytest.CaptureFixture[str]) -> None:
    (frame,) = frames_of(contained(job_of('print("printed"); os.write(1, b"as C code does\\n"); return 1')))
    assert frame.kind == Kind.VALUES
    out, err = capfd.readouterr()
    assert (out, sorted(err.splitlines())) == ("", ["as C code does", "printed"])


# --- deadly items


@pytest.mark.parametrize(
    ("death", "told"),
    [
        ("ctypes.string_at(0)", "SIGSEGV (signal 11)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL (signal 9)"),
        ("os.abort()", "SIGABRT (signal 6)"),
        ("os.kill(os.getpid(), 40)", f"SIGRTMIN+{40 - signal.SIGRTMIN} (signal 40)"),
        ("os._exit(3)", "it left with code 3"),
        ("os._exit(0)", "it left with code 0"),
    ],
)
def test_an_item_whose_process_dies_twice_crashed(death: str, told: str, job_of: MakeJob, tmp_path: Path) -> None:
    end = failure_in(contained(job_of(TRIES + death)))
    assert (end.status, end.description["exception"]) == (Status.CRASHED, f"its process died twice: {told}")
    assert n_tries(tmp_path) == 2


def test_a_crash_in_c_code_is_told_with_the_users_lines(job_of: MakeJob) -> None:
    end = failure_in(contained(job_of("return inner()", top="def inner(): return ctypes.string_at(0)")))
    head, *frames = end.description["traceback"].splitlines()
    assert head == "Where it died (most recent call last):"
    assert [line.strip() for line in frames[1::2]][:2] == ["return inner()", "def inner(): return ctypes.string_at(0)"]
    assert "fullrank" not in end.description["traceback"]


@pytest.mark.parametrize("death", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)"])
def test_a_death_that_leaves_no_stack_is_told_without(death: str, job_of: MakeJob) -> None:
    first = "ctypes.string_at(0)" if "KILL" in death else "pass"
    body = TRIES + f'if len(open(os.path.dirname(__file__) + "/tries").read()) == 1: {first}\n{death}'
    assert set(failure_in(contained(job_of(body))).description) == {"exception"}


def test_an_item_whose_process_dies_once_is_tried_again(job_of: MakeJob, tmp_path: Path) -> None:
    body = TRIES + 'if len(open(os.path.dirname(__file__) + "/tries").read()) == 1: os._exit(1)\nreturn 0.5'
    evaluation = contained(job_of(body))
    assert (evaluation.n_finished, evaluation.n_failed) == (1, 0)
    assert n_tries(tmp_path) == 2


# --- signals that an item sends itself, or that somebody sends to all

HANG_UP = "signal.signal(signal.SIGHUP, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGHUP)"  # also under nohup
TERMINATED = "signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGTERM)"


@pytest.mark.parametrize(
    ("death", "told"), [(HANG_UP, "SIGHUP (signal 1)"), (TERMINATED, "SIGTERM (signal 15)")], ids=["HUP", "TERM"]
)
def test_an_item_that_ends_its_process_by_a_signal_crashed(
    death: str, told: str, job_of: MakeJob, tmp_path: Path
) -> None:
    end = failure_in(contained(job_of(TRIES + death)))
    assert (end.status, end.description["exception"]) == (Status.CRASHED, f"its process died twice: {told}")
    assert n_tries(tmp_path) == 2


@pytest.mark.parametrize("death", [HANG_UP, TERMINATED, "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)"])
def test_a_death_while_the_run_is_asked_to_stop_says_nothing_about_the_item(
    death: str, job_of: MakeJob, tmp_path: Path
) -> None:
    assert is_unfinished(contained(job_of(TRIES + death), stop_requested=lambda: True))
    assert n_tries(tmp_path) == 1


def test_a_signal_that_asks_to_stop_may_reach_the_item_before_its_worker(job_of: MakeJob, tmp_path: Path) -> None:
    looks = iter([False, False, True])
    assert is_unfinished(contained(job_of(TRIES + TERMINATED), stop_requested=lambda: next(looks)))
    assert n_tries(tmp_path) == 1


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_that_asks_to_stop_is_left_to_the_worker(number: signal.Signals, job_of: MakeJob) -> None:
    evaluation = contained(job_of(2 * f"os.kill(os.getpid(), {int(number)})\n" + "return 1.5"))
    assert (evaluation.n_finished, evaluation.n_failed) == (1, 0)


# --- time limits and stops, which the worker around it minds too

IN_C_FOR_EVER = "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64)); ctypes.CDLL(None).pause()"


@pytest.mark.parametrize("body", ["while True: pass", IN_C_FOR_EVER], ids=["in Python", "in C"])
def test_an_item_that_never_returns_is_timed_out(body: str, job_of: MakeJob) -> None:
    job = job_of(body, item_time_limit_seconds=0.3)
    running = [IDLE]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=0.3)
    with signals.installed():
        evaluation = contained(job, running=running, interrupts=signals.interrupts)
    end = failure_in(evaluation)
    assert (end.status, end.description["exception"]) == (Status.TIMED_OUT, "time limit of 0.3 s exceeded")


def test_the_import_of_the_users_module_is_no_time_of_the_item(job_of: MakeJob) -> None:
    job = job_of("return 0.5", top="time.sleep(1.0)", item_time_limit_seconds=0.5)
    running = [IDLE]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=0.5)
    with signals.installed():
        evaluation = contained(job, running=running, interrupts=signals.interrupts)
    assert (evaluation.n_finished, evaluation.n_failed) == (1, 0)


def test_a_stop_leaves_the_item_unfinished(job_of: MakeJob) -> None:
    running = [IDLE]
    signals = MainThreadInterrupts(running=running, item_time_limit_seconds=None, grace_seconds=0.0)
    with signals.installed():
        os.kill(os.getpid(), signal.SIGTERM)
        assert is_unfinished(contained(job_of("while True: pass"), running=running, interrupts=signals.interrupts))


class Cell(list[int]):
    """A running cell that does something once it holds an item."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__([IDLE])
        self.then = then

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        if value != IDLE:
            self.then()


def test_the_item_stands_in_the_running_cell_once_its_own_code_runs(job_of: MakeJob, tmp_path: Path) -> None:
    seen: list[list[int]] = []
    running = Cell(lambda: seen.append(list(running)))
    contained(job_of("return 1.0"), running=running)
    assert seen == [[INDEX]]


def test_an_interruption_that_comes_too_late_reaches_nobody(job_of: MakeJob) -> None:
    interrupts = ThreadInterrupts()
    interrupts.attach()

    class LateCell(Cell):
        def __setitem__(self, key: Any, value: Any) -> None:
            has_ended = value == IDLE and self[0] != IDLE
            super().__setitem__(key, value)
            if has_ended:
                interrupts.overdue.add(INDEX)
                interrupts.send([INDEX], INDEX)

    evaluation = contained(job_of("return 1.0"), running=LateCell(lambda: None), interrupts=interrupts)
    time.sleep(0)  # where it would come
    assert evaluation.n_finished == 1


# --- nobody stays behind


def test_the_child_of_a_worker_that_was_killed_ends_by_itself(job_of: MakeJob, tmp_path: Path) -> None:
    job = job_of('open(os.path.dirname(__file__) + "/started", "w")\nwhile True: time.sleep(0.1)')
    code = """\
        import pickle, sys
        from fullrank.contained import evaluate_contained
        from fullrank.evaluate import Interrupts
        job = pickle.load(sys.stdin.buffer)
        evaluate_contained(job, 5, running=[-1], interrupts=Interrupts(), stop_requested=bool)
        """
    with subprocess.Popen([sys.executable, "-c", dedent(code)], stdin=subprocess.PIPE) as worker:
        assert worker.stdin is not None
        worker.stdin.write(pickle.dumps(job))
        worker.stdin.close()
        deadline = time.monotonic() + 20
        while not (tmp_path / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        worker.kill()
