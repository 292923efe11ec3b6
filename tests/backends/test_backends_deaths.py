"""The deaths of workers, where a worker is a process, and what such workers find."""

import os
import signal

import pytest
from backend_studies import Make, only_processes

from fullrank.backends.base import Outcome
from fullrank.backends.cells import create_cells
from fullrank.backends.processes import _Child

SO_FEW = 11
"""Items, of which each of two workers claims one at a time: what ended beside one that kills its process in the same
claim, less than a second before, is not on record."""


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
    study = study_of(f"time.sleep(0.03)\nif i == 9: {death}\nnote('ended', i)\nreturn i", n_items=SO_FEW, stride=1)
    outcome = study.run()
    assert not outcome.stopped
    (dead,) = outcome.deaths
    assert (dead.reason, dead.host) == (told, os.uname().nodename)
    assert str(dead) == f"worker {dead.worker} ({dead.host}) died in item 9: {told}"
    assert study.values() == {i: i for i in range(SO_FEW) if i != 9}
    assert set(study.noted("ended")) == study.values().keys()
    cells = {
        path.stem: int.from_bytes(path.read_bytes(), "little", signed=True) for path in study.folder.glob("*.running")
    }
    assert cells == {f"a0001-w{worker:05d}": 9 if worker == dead.worker else -1 for worker in range(2)}


@only_processes
def test_a_workers_death_costs_what_its_claim_holds_and_no_more(study_of: Make) -> None:
    study = study_of(
        "if i == 9: os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(0.01)\nreturn i", n_items=60, stride=1
    )
    (dead,) = study.run().deaths
    found = study.values()
    missing = sorted(set(range(60)) - found.keys())
    assert found == {i: i for i in found}
    assert 9 in missing
    assert missing == list(range(missing[0], missing[-1] + 1))  # one claim
    assert len(missing) <= 60 / 3 / 2  # a third of a worker's share
    assert dead.item == 9


@only_processes
def test_a_signal_that_an_item_sends_its_own_worker_ends_neither(study_of: Make) -> None:
    study = study_of("if i == 9: os.kill(os.getpid(), signal.SIGTERM)\nreturn i", n_items=24)
    assert study.run() == Outcome(stopped=False)
    assert study.values() == {i: i for i in range(24)}


@only_processes
def test_a_run_whose_workers_all_die_ends_with_what_they_finished(study_of: Make) -> None:
    code = "time.sleep(0.03)\nif i in (6, 7): os._exit(1)\nnote('ended', i)\nreturn i"
    study = study_of(code, n_items=SO_FEW, stride=1)
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


@only_processes
@pytest.mark.parametrize("was_sent_its_job", [True, False])
def test_a_worker_whose_parent_was_killed_before_the_start_leaves_without_a_traceback(
    study_of: Make, was_sent_its_job: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    cells = create_cells()
    worker = _Child(study_of("return i").job, 0, cells=cells, finished=None)
    os.close(cells)
    os.close(worker.answers.readable)
    if was_sent_its_job:
        worker.send_job()
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    worker.process.wait(30)
    assert "".join(capfd.readouterr()) == ""
