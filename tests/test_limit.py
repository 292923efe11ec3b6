"""``run --limit N``: a fair sample first, which a full run keeps."""

import json
from math import gcd

import numpy as np
import pytest
from studies import INTERPRETERS, SLOW, Project

from fullrank.schedule import Order, Todo, empty_bitmap, mark

pytestmark = pytest.mark.in_process

PARTIAL = "results/study.partial.h5"
QUICK = "def f(x):\n    return x * x / 7\n"


def first_of_the_spread_order(n_items: int, limit: int) -> set[int]:
    """By the definition alone: multiples of a stride near N over the golden ratio that has no factor with N."""
    wanted = n_items / ((1 + 5**0.5) / 2)
    stride = min((s for s in range(1, n_items) if gcd(s, n_items) == 1), key=lambda s: abs(s - round(wanted)))
    return {position * stride % n_items for position in range(limit)}


def finished(project: Project, output: str = PARTIAL) -> set[int]:
    return set(np.flatnonzero(project.read("status", output)).tolist())


@pytest.mark.parametrize("backend", ["serial", "threads", "processes", INTERPRETERS])
def test_limit_evaluates_the_first_items_of_the_spread_order(project: Project, backend: str) -> None:
    project.write(QUICK, grid="x = { range = 100 }")
    done = project.run("--limit", 7, "-b", backend)
    assert finished(project) == first_of_the_spread_order(100, 7)
    assert "7 of 100 items are finished" in done.stdout
    assert not project.output.exists()


def test_limit_is_a_fair_sample_also_of_a_study_in_index_order(project: Project) -> None:
    project.write(QUICK, grid="x = { range = 100 }", tail='[run]\norder = "index"')
    project.run("--limit", 7, "-n", 2)
    assert finished(project) == first_of_the_spread_order(100, 7)
    project.run("-n", 2)
    assert project.read("f").tolist() == [x * x / 7 for x in range(100)]


def test_failed_items_beyond_a_sample_that_is_done_again_wait_and_are_not_called_finished(project: Project) -> None:
    assert max(first_of_the_spread_order(24, 2)) < 20
    code = "import os\ndef f(x):\n    return 1 / (x < 20 or os.path.exists('mended'))\n"
    project.write(code, grid="x = { range = 24 }").run("-b", "serial", expect=3)
    (project.folder / "mended").touch()
    done = project.run("-b", "serial", "--retry-failed", "--limit", 2)
    assert "\n20 of 24 items are finished: the 2 of the sample" in done.stdout
    assert project.fullrank("status", "study.toml").stdout.startswith("stopped: 20 of 24 items")
    assert np.flatnonzero(project.read("status", PARTIAL) == 0).tolist() == [20, 21, 22, 23]
    project.run("-b", "serial", "--limit", 2)
    again = project.run("-b", "serial")
    assert not (project.folder / PARTIAL).exists()
    assert "20 of 24 items were finished before" in again.stderr
    assert finished(project, "results/study.h5") == set(range(24))


def test_object_of_a_sample_that_is_done_again_counts_no_item_that_waits(project: Project) -> None:
    code = "def f(x):\n    return 1 / (x < 20)\n"
    project.write(code, grid="x = { range = 24 }").run("-b", "serial", expect=3)
    told = json.loads(project.run("-b", "serial", "--retry-failed", "--limit", 2, "--json").stdout)
    assert [told[name] for name in ("n_finished", "n_ok", "n_failed", "exit_code")] == [20, 20, 0, 0]


def test_full_run_keeps_the_sample_and_removes_the_partial_file(project: Project) -> None:
    (project.folder / "fast").touch()
    project.write(SLOW, grid="x = { range = 30 }")
    project.run("--limit", 5, "-n", 2)
    sample = project.visits()
    assert len(sample) == 5
    project.run("-n", 2)
    assert sorted(project.visits()) == list(range(30))
    assert not (project.folder / PARTIAL).exists()
    assert project.read("f").tolist() == [x * x / 7 for x in range(30)]


def test_larger_limit_goes_on_from_a_smaller_one(project: Project) -> None:
    (project.folder / "fast").touch()
    project.write(SLOW, grid="x = { range = 30 }")
    project.run("--limit", 5, "-n", 1, "-b", "serial")
    project.run("--limit", 11, "-n", 2)
    assert set(project.visits()) == first_of_the_spread_order(30, 11)
    assert len(project.visits()) == 11


def test_limit_reached_before_evaluates_nothing_and_writes_the_file_again(project: Project) -> None:
    (project.folder / "fast").touch()
    project.write(SLOW, grid="x = { range = 30 }")
    project.run("--limit", 5, "-n", 2)
    (project.folder / PARTIAL).unlink()
    project.run("--limit", 3, "-n", 2)
    assert len(project.visits()) == 5
    assert finished(project) == set(project.visits())


def test_limit_of_the_whole_sweep_and_beyond_is_the_whole_run(project: Project) -> None:
    project.write(QUICK, grid="x = { range = 12 }")
    project.run("--limit", 99, "-n", 2)
    assert project.read("f").tolist() == [x * x / 7 for x in range(12)]


@pytest.mark.mpi
def test_limit_counts_for_all_ranks_together(mpi_project: Project) -> None:
    mpi_project.write(QUICK, grid="x = { range = 100 }")
    mpi_project.run("--limit", 9, n_ranks=3)
    assert finished(mpi_project) == first_of_the_spread_order(100, 9)


def test_failed_items_of_a_sample_are_told_by_the_exit_code(project: Project) -> None:
    project.write("def f(x):\n    return 1 / (x % 2)\n", grid="x = { range = 100 }")
    project.run("--limit", 9, "-n", 2, expect=3)
    assert finished(project) == first_of_the_spread_order(100, 9)


def test_limit_zero_is_refused(project: Project) -> None:
    done = project.write(QUICK).run("--limit", 0, expect=2)
    assert "--limit: expected an integer >= 1, got 0" in done.stderr


def test_a_file_of_somebody_elses_at_the_partial_name_stays(project: Project) -> None:
    project.write(QUICK)
    (project.folder / "results").mkdir()
    (project.folder / PARTIAL).write_text("mine")
    done = project.run("--limit", 3, "-n", 1, "-b", "serial", expect=74)
    assert "study.partial.h5: is there and is no partial result of this study" in done.stderr
    assert (project.folder / PARTIAL).read_text() == "mine"


def test_items_that_an_earlier_run_did_beyond_the_sample_are_told_beside_it(project: Project) -> None:
    (project.folder / "fast").touch()
    code = SLOW.replace("    dawdle(0.04)", "    if x == 13: raise ValueError(x)")
    tail = '[run]\norder = "index"\non_error = "stop"'
    project.write(code, grid="x = { range = 60 }", tail=tail).run("-b", "serial", expect=3)
    before, sample = set(project.visits()), first_of_the_spread_order(60, 16)
    done = project.run("--limit", 16, "-b", "serial", expect=3)
    assert finished(project) == before | sample
    n_beyond = len(before - sample)
    assert f"{16 + n_beyond} of 60 items are finished: the 16 of the sample, and {n_beyond} that" in done.stdout


def test_fresh_moves_the_sample_of_the_old_study_aside(project: Project) -> None:
    project.write(QUICK).run("--limit", 3, "-b", "serial")
    before = (project.folder / PARTIAL).read_bytes()
    assert "moved aside" in project.write(QUICK.replace("7", "9")).run("--dry-run", "--fresh").stdout
    project.run("--fresh", "-b", "serial")
    assert not (project.folder / PARTIAL).exists()
    (aside,) = (project.folder / "results").glob("study.partial.2*.h5")
    assert aside.read_bytes() == before


def test_fresh_leaves_a_file_of_somebody_elses_at_the_partial_name(project: Project) -> None:
    project.write(QUICK)
    (project.folder / "results").mkdir()
    (project.folder / PARTIAL).write_text("mine")
    project.run("--fresh", "-b", "serial")
    assert (project.folder / PARTIAL).read_text() == "mine"


@pytest.mark.parametrize("limit", [1, 8, 9, 50, 99, 100, 1000])
@pytest.mark.parametrize("n_finished", [0, 1, 37, 100])
def test_limit_counts_visiting_positions_finished_ones_among_them(limit: int, n_finished: int) -> None:
    order, bitmap = Order.named("spread", 100), empty_bitmap(100)
    done = np.random.default_rng(7).permutation(100)[:n_finished].tolist()
    for position in done:
        mark(bitmap, position)
    todo = Todo(order, bitmap, among=range(limit))
    expected = [p * order.stride % 100 for p in range(min(limit, 100)) if p not in done]
    assert todo.n_items == len(expected)
    assert todo.n_unfinished == 100 - n_finished
    assert todo.indices(range(todo.n_items)) == expected
