"""`fullrank selftest` on this machine's MPI library: thirty kills, of which none may cost a finished item."""

import doctest
import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from fullrank.selftest import evidence, figures
from fullrank.selftest.evidence import Evidence, Kill, begun_items, judge, n_wrong_values
from fullrank.selftest.figures import Figures
from fullrank.selftest.items import LONGEST_SECONDS, evaluate, seconds_of, value_of
from fullrank.selftest.plan import MOMENTS, VICTIMS, Start, draw
from fullrank.selftest.trial import Launcher, Trial, _victims

SALT = 7
AT_COMPUTE = Start("mpi", 4, "rank", "compute", 0.5)


@pytest.mark.timeout(600)  # ten kills are some twenty starts of an MPI job, and machines that run tests are busy
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_kills_lose_nothing_and_leave_nothing_behind(
    mpiexec: Path, fullrank_cli, tmp_path: Path, seed: int
) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    done = fullrank_cli("selftest", "--kills", 10, "--seed", seed, "--dir", folder, "--json", timeout=570)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["n_kills"] == 10
    lost = {name: found[name] for name in ("n_lost", "n_doubled", "n_wrong")}
    assert lost == dict.fromkeys(lost, 0)
    assert found["left_running"] == []
    assert sum(found["kills_by_victim"].values()) == sum(found["kills_by_moment"].values()) == 10
    assert found["max_seconds_to_end"] < 15
    assert list(folder.iterdir()) == []


def test_table_has_the_figures_that_are_promised(mpiexec: Path, fullrank_cli) -> None:
    done = fullrank_cli("selftest", "--kills", 1, timeout=100)
    assert done.returncode == 0
    for words in ("kills survived", "items lost  ", "items doubled", "work done again per kill", "95 % bound"):
        assert words in done.stdout


def test_folder_that_cannot_be_written_is_refused_with_a_sentence(mpiexec: Path, fullrank_cli) -> None:
    done = fullrank_cli("selftest", "--dir", "/proc/nothing")
    assert done.returncode == 74
    assert "/proc/nothing: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


# --- what the figures are made of


def test_item_on_record_that_is_begun_again_is_lost() -> None:
    kill = Kill(AT_COMPUTE, Counter([0, 1, 2]), 4, 0.1)
    assert judge([kill], [0, 1, 2, 3, 3, 4], salt=SALT, n_wrong=0).n_lost == 0
    assert judge([kill], [0, 1, 2, 3, 1, 3, 4], salt=SALT, n_wrong=0).n_lost == 1


def test_item_twice_on_record_is_doubled() -> None:
    assert judge([Kill(AT_COMPUTE, Counter([0, 1, 1]), 3, 0.1)], [0, 1, 1], salt=SALT, n_wrong=0).n_doubled == 1


def test_work_done_again_is_that_of_items_begun_and_not_on_record_at_each_kill() -> None:
    kills = [Kill(AT_COMPUTE, Counter([0]), 3, 0.1), Kill(AT_COMPUTE, Counter([0, 1, 2]), 6, 0.1)]
    found = judge(kills, [0, 1, 2, 1, 2, 3, 3], salt=SALT, n_wrong=0)
    expected = [seconds_of(1, SALT) + seconds_of(2, SALT), seconds_of(3, SALT)]
    assert found.done_again_seconds == pytest.approx(expected)


@pytest.mark.parametrize("name", ["n_lost", "n_doubled", "n_wrong"])
def test_any_loss_denies_that_kills_were_survived(name: str) -> None:
    found = Evidence([Kill(AT_COMPUTE, Counter(), 0, 0.1)] * 30, **{name: 1})
    shown = Figures.of(found, n_studies=1, library="MPI", seed=1, kept=None)
    assert not found.is_clean
    assert not shown.holds
    assert shown.bound is None
    assert "survived" not in shown.text()


def test_process_that_goes_on_running_denies_it_too() -> None:
    found = Evidence([Kill(AT_COMPUTE, Counter(), 0, 15.0, ("mpiexec",))])
    assert not found.is_clean
    assert not Figures.of(found, n_studies=1, library="MPI", seed=1, kept=None).holds


def test_bound_is_the_rule_of_three_and_needs_thirty_kills() -> None:
    def bound(n_kills: int) -> float | None:
        found = Evidence([Kill(AT_COMPUTE, Counter(), 0, 0.1)] * n_kills)
        return Figures.of(found, n_studies=1, library="MPI", seed=1, kept=None).bound

    assert bound(29) is None
    assert bound(300) == 0.01
    # exactly: the share at which 300 kills without a loss have a chance of 5 %
    assert bound(300) == pytest.approx(1 - 0.05 ** (1 / 300), rel=0.01)


def test_every_evaluation_leaves_its_line_and_takes_its_time(tmp_path: Path) -> None:
    lines = tmp_path / "evaluations"
    assert begun_items(lines) == []
    assert [evaluate(index, SALT, str(lines)) for index in (3, 5, 3)] == [value_of(index, SALT) for index in (3, 5, 3)]
    assert begun_items(lines) == [3, 5, 3]
    assert len({value_of(index, SALT) for index in range(500)}) == 500
    seconds = [seconds_of(index, SALT) for index in range(5000)]
    assert max(seconds) == LONGEST_SECONDS
    assert 2 < sum(seconds) / len(seconds) / min(seconds) < 4


def test_items_in_other_workers_when_one_is_killed_are_no_work_done_again() -> None:
    kill = Kill(Start("processes", 2, "worker", "compute", 0.5), Counter([0]), 3, 0.0)
    found = judge([kill], [0, 1, 2, 1, 3], salt=SALT, n_wrong=0)
    assert found.done_again_seconds == pytest.approx([seconds_of(1, SALT)])


@pytest.mark.parametrize("victim", ["rank", "root", "mpiexec", "worker", "all"])
def test_kill_that_comes_before_the_ranks_are_up_is_told_as_that(victim: str) -> None:
    backend = "processes" if victim == "worker" else "mpi"
    at_start = Start(backend, 2, victim, "start", 0.1)
    told, pids = _victims(at_start, {os.getpid(): b""}, os.getpid(), random.Random(1))
    assert told.endswith(" before the ranks were up")
    assert pids == [os.getpid()]


def test_worker_of_processes_is_killed_while_its_run_goes_on(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "study", Launcher(Path("mpiexec"), "MPICH"), salt=SALT, n_items=150)
    kill = trial._killed(Start("processes", 2, "worker", "compute", 0.3), random.Random(1))
    assert kill is not None
    assert kill.start.victim == "worker"
    assert 0 < len(kill.held) < 150
    assert kill.left_running == ()
    assert n_wrong_values(tmp_path / "study" / "result.h5", 150, SALT) == 0
    begun = Counter(begun_items(tmp_path / "study" / "evaluations"))
    assert set(begun) == set(range(150))
    assert max(begun[index] for index in kill.held) == 1


def test_examples_in_the_docstrings_hold() -> None:
    for module in (evidence, figures):
        assert doctest.testmod(module).failed == 0


def test_kills_are_spread_over_victims_moments_and_backends() -> None:
    rng = random.Random(1)
    starts = [draw(rng, is_first=number % 5 == 0) for number in range(1000)]
    for backend, victims in VICTIMS.items():
        assert {start.victim for start in starts if start.backend == backend} == set(victims)
    assert {start.moment for start in starts} == set(MOMENTS)
    assert {(start.backend, start.n_workers) for start in starts} == {
        ("mpi", 4),
        ("mpi", 3),
        ("mpi", 2),
        ("processes", 2),
    }
    assert all(start.n_workers == 4 for start in starts[::5])
