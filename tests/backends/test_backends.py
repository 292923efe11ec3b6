"""The contract of all backends that run workers on this machine: one suite for every one of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent

import pytest
from backend_studies import Make

from fullrank.backends.base import Handle, Outcome, Tally
from fullrank.errors import FunctionError, JournalError
from fullrank.journal import Kind
from fullrank.schedule import Todo, empty_bitmap, mark
from fullrank.status import Status


@pytest.mark.parametrize("schedule", ["guided", "static"])
def test_every_item_is_evaluated_once_and_to_the_same_bits(study_of: Make, schedule: str) -> None:
    study = study_of("return [i ** 0.5, -1.0 / (i + 1)]", n_items=2000, schedule=schedule)
    assert study.run() == Outcome(stopped=False)
    assert study.values() == {i: [i**0.5, -1.0 / (i + 1)] for i in range(2000)}
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
    assert study.failures().keys() == {4}
    status, described = study.failures()[4]
    assert (status, described["exception"]) == (Status.CRASHED, "its process died twice: SIGSEGV (signal 11)")
    assert "if i == 4: ctypes.string_at(0)" in described["traceback"]
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
