"""What a signal does that an item sends to its own process, and one that somebody sends to all processes of a run."""

import os
import signal
from contextlib import suppress
from typing import Any

import pytest
from studies import VISITED, Project

from fullrank.status import Status

N_ITEMS = 12
SIGNALLED = 5
MOST_COMMANDS = 3
ENDS_ITSELF = {
    name: f"signal.signal(signal.{name}, signal.SIG_DFL); os.kill(os.getpid(), signal.{name})"  # also under nohup
    for name in ("SIGHUP", "SIGTERM")
}
ASKS_TO_STOP = "os.kill(os.getpid(), signal.SIGTERM)"

LIES_DOWN = f"""\
{VISITED}
import signal
def f(x):
    visited(x)
    if x == {SIGNALLED} and not os.path.exists("fast"):
        if not os.path.exists("died"):
            open("died", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        open("lies", "w").close()
        dawdle(1000)
    return x / 7
"""
"""One item kills its process; where it is tried again no handler keeps it from the signals, and it does not end."""


def study(project: Project, deed: str) -> Project:
    code = f"import os, signal\ndef f(x):\n    if x == {SIGNALLED}:\n        {deed}\n    return x / 7\n"
    return project.write(code, grid=f"x = {{ range = {N_ITEMS} }}")


def codes_until_complete(project: Project, *options: object) -> list[int]:
    """Give the same command until the study is complete; return the exit codes."""
    codes: list[int] = []
    while not project.output.exists() and len(codes) < MOST_COMMANDS:
        codes.append(project.start_run(*options).end().returncode)
    return codes


def statuses(project: Project) -> list[int]:
    found: list[int] = project.read("status").tolist()
    return found


@pytest.mark.parametrize("deed", ENDS_ITSELF)
@pytest.mark.parametrize("options", [("serial",), ("processes", "-n", 2), ("mpi", "-n", 2)], ids=lambda words: words[0])
def test_an_item_that_ends_its_process_by_a_signal_is_crashed_and_the_others_are_done(
    project: Project, options: tuple[Any, ...], deed: str
) -> None:
    codes = codes_until_complete(study(project, ENDS_ITSELF[deed]), "-b", *options)
    assert codes[-1] == 3
    expected = [Status.OK] * N_ITEMS
    expected[SIGNALLED] = Status.CRASHED
    assert statuses(project) == expected
    (told,) = project.read("failures/exception")
    assert told.startswith(f"its process died twice: {deed} ")


@pytest.mark.parametrize("options", [("serial",), ("processes", "-n", 2), ("mpi", "-n", 2)], ids=lambda words: words[0])
def test_an_item_that_asks_its_own_process_to_stop_does_not_keep_a_study_from_its_end(
    project: Project, options: tuple[Any, ...]
) -> None:
    codes = codes_until_complete(study(project, ASKS_TO_STOP), "-b", *options)
    assert codes in ([0], [75, 0])  # where the process is the run's own, the run stops
    assert statuses(project) == [Status.OK] * N_ITEMS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("options", [("serial",), ("processes", "-n", 2)], ids=lambda words: words[0])
def test_a_signal_to_all_processes_of_a_run_changes_no_result(
    project: Project, options: tuple[Any, ...], number: signal.Signals
) -> None:
    project.write(LIES_DOWN, grid=f"x = {{ range = {N_ITEMS} }}")
    if options == ("serial",):
        assert project.start_run("-b", *options).end().returncode == -signal.SIGKILL
    for _ in range(2):
        running = project.start_run("-b", *options)
        project.until((project.folder / "lies").exists, "the item is tried again")
        (project.folder / "lies").unlink()
        for pid in [*reversed(project.descendants(running.pid)), running.pid]:  # the item's before its worker's
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        assert running.end().returncode == (75 if number == signal.SIGTERM else -number)
    project.hurry()
    project.run("-b", *options)
    assert statuses(project) == [Status.OK] * N_ITEMS
    assert project.read("f").tolist() == [x / 7 for x in range(N_ITEMS)]
