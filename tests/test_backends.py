"""The contract of all backends that run workers on this machine: one suite for every one of them."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from studies import INTERPRETERS

from fullrank.axes import RangeAxis
from fullrank.backends import interpreters, processes, serial, threads
from fullrank.backends.base import Backend, Handle, LocalCounter, Outcome, Tally, unwatched
from fullrank.backends.cells import (
    TOKEN_CELLS_BYTES,
    ProcessCounter,
    TokenCounter,
    create_cells,
    create_memory,
    create_token,
)
from fullrank.encode import Naming
from fullrank.errors import FunctionError, JournalError
from fullrank.function import FunctionSource, Parameter
from fullrank.interrupt import STOP_SIGNALS
from fullrank.job import Job
from fullrank.journal import Frame, Kind, read
from fullrank.schedule import Todo, empty_bitmap, mark, spread_stride
from fullrank.status import Status
from fullrank.sweep import Sweep

BACKENDS: dict[str, tuple[Backend, int]] = {
    "serial": (serial.run, 1),
    "threads": (threads.run, 3),
    "processes": (processes.run, 2),
    "interpreters": (interpreters.run, 2),
}
ISOLATED = [f"{name}, isolated" for name in ("serial", "threads", "processes")]


@dataclass
class Study:
    """A job, the backend that runs it, and what its journals tell afterwards."""

    backend: Backend
    job: Job

    def run(self, *, todo: Todo | None = None, watch: Any = unwatched) -> Outcome:
        return self.backend(self.job, todo or Todo(self.job.order), watch)

    @property
    def folder(self) -> Path:
        return Path(self.job.work_folder)

    def frames(self, kind: Kind) -> list[Frame]:
        found = [each for path in sorted(self.folder.glob("*.journal")) for each in read(path)]
        assert all(isinstance(each, Frame) for each in found)
        return [each for each in found if isinstance(each, Frame) and each.kind == kind]

    def values(self) -> dict[int, Any]:
        """Return the value of each item that has one; fails if one has two records."""
        found: dict[int, Any] = {}
        for frame in self.frames(Kind.VALUES):
            ((_, dtype, shape),) = frame.json()
            values = np.frombuffer(frame.body, dtype, offset=12 * frame.n_rows).reshape(-1, *shape).tolist()
            assert not found.keys() & set(frame.indices())
            found |= dict(zip(frame.indices(), values, strict=True))
        return found

    def failures(self) -> dict[int, tuple[int, dict[str, str]]]:
        """Return status and description of each item without a result."""
        found: dict[int, tuple[int, dict[str, str]]] = {}
        for frame in self.frames(Kind.FAILURES):
            for row, index in enumerate(frame.indices()):
                assert index not in found
                found[index] = frame.body[12 * frame.n_rows + row], frame.json()[row]
        assert not found.keys() & self.values().keys()
        return found

    def printed(self) -> dict[str, list[str]]:
        """Return the lines that stand under each heading of the logs."""
        found: dict[str, list[str]] = {}
        for log in sorted(self.folder.glob("*.log")):
            lines = found.setdefault("", [])
            for line in log.read_text().splitlines():
                if line.startswith("--- "):
                    lines = found.setdefault(line.removeprefix("--- "), [])
                else:
                    lines.append(line)
        return {heading: lines for heading, lines in found.items() if heading or lines}

    def noted(self, name: str) -> list[int]:
        """Return the numbers that items noted in a file, with :data:`NOTE`."""
        path = self.folder.parent / name
        return [int(line) for line in path.read_text().split()] if path.exists() else []


NOTE = """\
def note(name, number):
    with open(os.path.join(os.path.dirname(__file__), name), "a") as file:
        file.write(f"{number}\\n")
"""
Make = Callable[..., Study]


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # each test collects twice; what other tests left is not looked through every time
    yield
    gc.unfreeze()


@pytest.fixture(params=[INTERPRETERS if name == "interpreters" else name for name in BACKENDS] + ISOLATED)
def study_of(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaves_nothing_running: None
) -> Iterator[Make]:
    """``study_of(body)``: a study whose function ``f(i)`` has this body; afterwards nothing of the run is left.

    Each backend with and without isolation: what they promise is the same.
    """
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "fr_study", raising=False)
    name, _, isolated = request.param.partition(", ")
    backend, n_workers = BACKENDS[name]

    def make(body: str, *, n_items: int = 40, top: str = "", **options: Any) -> Study:
        lines = dedent(body).strip().splitlines()
        text = f"import ctypes, os, signal, sys, time\n{NOTE}\n{dedent(top)}\n"
        (tmp_path / "fr_study.py").write_text(text + "def f(i):\n" + "\n".join("    " + line for line in lines))
        (tmp_path / "work").mkdir(exist_ok=True)
        settings: dict[str, Any] = {
            "constants": {},
            "seed": None,
            "naming": Naming("f"),
            "stride": spread_stride(n_items),
            "schedule": "guided",
            "n_workers": n_workers,
            "attempt": 1,
            "backend": name,
            "isolate": bool(isolated),
            "work_folder": str(tmp_path / "work"),
        }
        job = Job(
            function=FunctionSource("fr_study.py:f", (str(tmp_path),)),
            parameters=(Parameter("i", "positional", True),),
            setup=None,
            setup_parameters=(),
            sweep=Sweep("grid", (RangeAxis("i", start=0, stop=n_items),)),
            **(settings | options),
        )
        return Study(backend, job)

    timer = signal.setitimer(signal.ITIMER_REAL, 0)  # pytest's own
    before = _surroundings()
    yield make
    after = _surroundings()
    signal.setitimer(signal.ITIMER_REAL, *timer)
    assert after == before


def _surroundings() -> dict[str, Any]:
    """Return what a run must leave as it was."""
    gc.collect()
    return {
        "signals": [signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGALRM)],
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "threads": threading.enumerate(),
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "streams": (sys.stdout, sys.stderr),
        "cwd": Path.cwd(),
    }


only_processes = pytest.mark.parametrize("study_of", ["processes"], indirect=True)


@contextmanager
def doing(handle: Handle, once: Callable[[Tally], bool], act: Callable[[Handle], None]) -> Iterator[None]:
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.002):
            if once(handle.tally()):
                act(handle)
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def when(
    once: Callable[[Tally], bool], act: Callable[[Handle], None]
) -> Callable[[Handle], AbstractContextManager[None]]:
    """Return a watch that does ``act`` when the tally is ``once`` so."""
    return lambda handle: doing(handle, once, act)


def receive(*numbers: signal.Signals) -> Callable[[Handle], None]:
    def act(_handle: Handle) -> None:
        for number in numbers:
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    return act


# --- results


@pytest.mark.parametrize("schedule", ["guided", "static"])
def test_every_item_is_evaluated_once_and_to_the_same_bits(study_of: Make, schedule: str) -> None:
    study = study_of("return [i ** 0.5, -1.0 / (i + 1)]", n_items=5000, schedule=schedule)
    assert study.run() == Outcome(stopped=False)
    assert study.values() == {i: [i**0.5, -1.0 / (i + 1)] for i in range(5000)}
    assert study.failures() == {}


@pytest.mark.parametrize("schedule", ["guided", "static"])
def test_only_what_is_left_of_earlier_attempts_is_evaluated(study_of: Make, schedule: str) -> None:
    study = study_of("return i", n_items=1000, schedule=schedule, attempt=3)
    finished = empty_bitmap(1000)
    done = [i for i in range(1000) if i % 7 < 5]
    for index in done:
        mark(finished, study.job.order.position(index))
    study.run(todo=Todo(study.job.order, finished))
    assert study.values() == {i: i for i in range(1000) if i not in set(done)}


def test_nothing_to_do_is_done_at_once(study_of: Make) -> None:
    study = study_of("return i", n_items=3)
    study.run(todo=Todo(study.job.order, bytes([0b111])))
    assert study.values() == {}


def test_each_worker_leaves_a_header_and_an_account(study_of: Make) -> None:
    study = study_of("return sum(range(1000))", n_items=300, attempt=2, code_version=4)
    study.run()
    headers = [frame.json() for frame in study.frames(Kind.HEADER)]
    assert [header["worker"] for header in headers] == list(range(study.job.n_workers))
    assert {(header["attempt"], header["code_version"], header["n_items"]) for header in headers} == {(2, 4, 300)}
    accounts = [frame.json() for frame in study.frames(Kind.ACCOUNT)]
    assert len(accounts) == study.job.n_workers
    assert sum(account["n_items"] for account in accounts) == 300
    for account in accounts:
        assert 0 <= account["compute_seconds"] <= account["elapsed_seconds"] + 1e-9


def test_the_tally_at_the_end_counts_every_item(study_of: Make) -> None:
    handles: list[Handle] = []
    last: list[Tally] = []

    @contextmanager
    def watch(handle: Handle) -> Iterator[None]:
        handles.append(handle)
        assert handle.tally() == Tally(0, 0, 0.0)
        yield
        last.append(handle.tally())

    study_of("time.sleep(0.002)\nreturn 1 / (i % 4)", n_items=40).run(watch=watch)
    assert (last[0].n_finished, last[0].n_failed) == (40, 10)
    assert last[0].busy_seconds > 0.06


# --- items that fail


def test_an_item_that_fails_costs_that_item_only(study_of: Make) -> None:
    study = study_of(
        """\
        if i == 3: raise ValueError("no luck")
        if i == 11: sys.exit(4)
        if i == 12: raise KeyboardInterrupt
        if i == 20: return None
        if i == 21: return f(i)
        return float(i)
        """
    )
    assert study.run() == Outcome(stopped=False)
    told = {index: description["exception"] for index, (_, description) in study.failures().items()}
    assert told.pop(21).startswith("RecursionError")
    assert told.pop(20).startswith("result 'f' is None")
    assert told == {3: "ValueError: no luck", 11: "SystemExit: 4", 12: "KeyboardInterrupt"}
    assert study.values() == {i: float(i) for i in range(40) if i not in {3, 11, 12, 20, 21}}


@pytest.mark.parametrize(
    "body",
    [
        "while i == 5: pass",
        "while i == 5: time.sleep(0.001)",
        """\
        try:
            while i == 5: pass
        except BaseException: return -1.0
        """,
        """\
        try:
            while i == 5: pass
        finally:
            if i == 5: raise OSError
        """,
    ],
    ids=["a loop", "a loop that sleeps", "swallowed", "made another error"],
)
def test_an_item_over_its_time_limit_is_timed_out(study_of: Make, body: str) -> None:
    study = study_of(dedent(body) + "\nreturn float(i)", n_items=10, item_time_limit_seconds=0.25)
    assert study.run() == Outcome(stopped=False)
    ((index, (status, description)),) = study.failures().items()
    assert (index, status) == (5, Status.TIMED_OUT)
    assert description["exception"] == "time limit of 0.25 s exceeded"
    assert study.values() == {i: float(i) for i in range(10) if i != 5}


@pytest.mark.parametrize("study_of", ["serial", "processes"], indirect=True)  # a thread sleeps on
def test_a_long_sleep_in_the_main_thread_of_a_process_is_timed_out(study_of: Make) -> None:
    study = study_of("if i == 1: time.sleep(1000)\nreturn i", n_items=3, item_time_limit_seconds=0.25)
    study.run()
    assert study.failures()[1][0] == Status.TIMED_OUT
    assert study.values() == {0: 0, 2: 2}


def test_a_suspect_dies_alone(study_of: Make) -> None:
    study = study_of(
        """\
        if i == 4: ctypes.string_at(0)
        return float(i)
        """,
        n_items=8,
        suspects=frozenset({4, 6}),
    )
    assert study.run() == Outcome(stopped=False)
    assert study.failures() == {4: (Status.CRASHED, {"exception": "its process died twice: SIGSEGV (signal 11)"})}
    assert study.values() == {i: float(i) for i in range(8) if i != 4}


def test_what_fails_before_any_item_is_raised_with_the_users_own_words(study_of: Make) -> None:
    study = study_of("return i", top="raise ValueError('no such data set')")
    with pytest.raises(FunctionError, match="ValueError: no such data set"):
        study.run()


def test_a_journal_that_is_there_is_not_written_to_and_told(study_of: Make) -> None:
    study = study_of("return i")
    (study.folder / "a0001-w00000.journal").write_text("of another run")
    with pytest.raises(JournalError, match=r"a0001-w00000.journal: the journal cannot be created: File exists"):
        study.run()
    assert (study.folder / "a0001-w00000.journal").read_text() == "of another run"


# --- stopping


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
    study = study_of("if i < 3: return i\n" + dedent(body), n_items=10, stride=1)
    n_easy = 3
    outcome = study.run(
        watch=when(
            lambda tally: tally.n_finished >= n_easy, receive(signal.SIGTERM, signal.SIGINT)
        )  # two of a kind may be one
    )
    assert outcome.stopped
    assert outcome.deaths == ()
    assert (study.values(), study.failures()) == ({0: 0, 1: 1, 2: 2}, {})


# --- what is printed


def test_prints_go_to_the_log_under_the_item_that_printed_them(study_of: Make) -> None:
    study = study_of(
        """\
        print("out of", i)
        print("error of", i, file=sys.stderr)
        time.sleep(0.002)
        if i == 7:
            print("last words")
            raise ValueError
        return i
        """,
        top='print("loading")',
    )
    study.run()
    printed = study.printed()
    assert set(printed.pop("outside any item")) == {"loading"}
    expected = {f"item {i}": [f"out of {i}", f"error of {i}"] for i in range(40)}
    expected["item 7"].append("last words")
    assert printed == expected
    assert study.failures()[7][1]["output"] == "out of 7\nerror of 7\nlast words\n"


def test_a_run_that_prints_nothing_leaves_no_output(study_of: Make) -> None:
    study = study_of("return i")
    study.run()
    assert study.printed() == {}


# --- the deaths of workers, where a worker is a process


@only_processes
@pytest.mark.parametrize(
    ("death", "told"),
    [
        ("os._exit(5)", "it left with code 5"),
        ("os._exit(0)", "it left with code 0"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL (signal 9)"),
        ("ctypes.string_at(0)", "SIGSEGV (signal 11)"),
    ],
)
def test_a_workers_death_is_told_and_loses_no_finished_item(study_of: Make, death: str, told: str) -> None:
    study = study_of(f"time.sleep(0.03)\nif i == 9: {death}\nnote('ended', i)\nreturn i", n_items=24, stride=1)
    outcome = study.run()
    assert not outcome.stopped
    (dead,) = outcome.deaths
    assert (dead.reason, dead.host) == (told, os.uname().nodename)
    assert str(dead) == f"worker {dead.worker} ({dead.host}) died in item 9: {told}"
    assert study.values() == {i: i for i in range(24) if i != 9}
    assert set(study.noted("ended")) == study.values().keys()
    cells = {
        path.stem: int.from_bytes(path.read_bytes(), "little", signed=True) for path in study.folder.glob("*.running")
    }
    assert cells == {f"a0001-w{worker:05d}": 9 if worker == dead.worker else -1 for worker in range(2)}


@only_processes
def test_a_run_whose_workers_all_die_ends_with_what_they_finished(study_of: Make) -> None:
    study = study_of("time.sleep(0.03)\nif i in (6, 7): os._exit(1)\nnote('ended', i)\nreturn i", n_items=24, stride=1)
    outcome = study.run()
    assert {death.worker for death in outcome.deaths} == {0, 1}
    assert study.values().keys() == set(study.noted("ended")) == set(range(6))


@only_processes
def test_a_run_does_not_wait_for_what_a_dead_worker_had_started(study_of: Make) -> None:
    study = study_of(
        """\
        if i == 2:
            if os.fork() == 0:
                note("orphan", os.getpid())
                time.sleep(30)
                os._exit(0)
            while not os.path.exists(os.path.join(os.path.dirname(__file__), "orphan")): time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.03)
        return i
        """,
        n_items=6,
        stride=1,
    )
    outcome = study.run()
    (orphan,) = study.noted("orphan")
    os.kill(orphan, signal.SIGKILL)  # it is still there: the run did not wait for it
    assert len(outcome.deaths) == 1
    assert study.values().keys() == {0, 1, 3, 4, 5}


@only_processes
def test_a_worker_that_dies_at_import_is_told(study_of: Make) -> None:
    outcome = study_of("return i", top="os._exit(9)").run()
    assert [death.reason for death in outcome.deaths] == 2 * ["it left with code 9"]


@only_processes
def test_workers_keep_to_one_core_and_hash_alike_unless_the_user_says_otherwise(
    study_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    monkeypatch.setenv("PMI_RANK", "0")
    study = study_of(
        """\
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED", "MKL_NUM_THREADS", "PMI_RANK")
        return [float(os.environ.get(name, -1)) for name in variables]
        """,
        n_items=2,
    )
    study.run()
    assert study.values() == {i: [1.0, 1.0, 0.0, 3.0, -1.0] for i in range(2)}


@only_processes
def test_an_item_that_asks_for_input_fails(study_of: Make) -> None:
    study = study_of("return float(input())", n_items=1)
    study.run()
    assert study.failures()[0][1]["exception"].startswith("EOFError")


# --- counters


@contextmanager
def counters(kind: str, n: int) -> Iterator[list[Any]]:
    """Yield ``n`` views of one counter."""
    if kind == "threads":
        shared = threads.LockedCounter()
        yield [threads.ThreadCounter(shared) for _ in range(n)]
        return
    if kind == "serial":
        yield [LocalCounter()] * n
        return
    if kind == "processes":
        cells = create_cells()
        yield [ProcessCounter(cells) for _ in range(n)]
        os.close(cells)
        return
    cells, token = create_memory(TOKEN_CELLS_BYTES), create_token()
    yield [TokenCounter(cells, token) for _ in range(n)]
    for fd in (cells, *token):
        os.close(fd)


@pytest.mark.parametrize("kind", BACKENDS)
def test_counters_hand_out_positions_and_stop(kind: str) -> None:
    with counters(kind, 2) as (one, other):
        one.begin(3)
        assert one.result() == 0
        other.begin(5)
        assert other.result() == 3
        other.add_finished(4, 1, busy_milliseconds=1500)
        assert not one.stopped()
        one.stop()
        assert other.stopped()
        for _ in range(3):
            one.begin(2**40)
            assert one.result() >= 2**62
        assert one.stopped()


def test_threads_that_claim_together_get_every_position_once() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    with counters("threads", 4) as views:
        found: list[list[int]] = [[] for _ in views]

        def claim(number: int) -> None:
            for _ in range(2000):
                views[number].begin(2)
                found[number].append(views[number].result())
                views[number].add_finished(2, 1, busy_milliseconds=1)

        workers = [threading.Thread(target=claim, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        sys.setswitchinterval(interval)
        assert sorted(position for each in found for position in each) == list(range(0, 16_000, 2))
        assert views[0].shared.tally() == Tally(16_000, 8000, 8.0)


def test_processes_that_claim_together_get_every_position_once(tmp_path: Path) -> None:
    code = """\
        import json, sys
        from fullrank.backends.cells import ProcessCounter
        counter, found = ProcessCounter(int(sys.argv[1])), []
        for _ in range(3000):
            counter.begin(2)
            found.append(counter.result())
            counter.add_finished(2, 1, busy_milliseconds=1)
        print(json.dumps(found))
        """
    cells = create_cells()
    command = [sys.executable, "-c", dedent(code), str(cells)]
    running = [subprocess.Popen(command, pass_fds=[cells], stdout=subprocess.PIPE) for _ in range(3)]
    found = [position for each in running for position in json.loads(each.communicate(timeout=60)[0])]
    assert sorted(found) == list(range(0, 18_000, 2))
    assert ProcessCounter(cells).tally() == Tally(18_000, 9000, 9.0)
    os.close(cells)
