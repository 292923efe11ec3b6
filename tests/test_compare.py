"""``fullrank compare`` as users run it: real runs, its file, bad input, Ctrl-C."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from in_process import ProjectInProcess
from studies import Project

from fullrank.compare import tryout

pytestmark = [pytest.mark.timeout(400), pytest.mark.in_process]
LIMIT_SECONDS = 300.0

# Items of some milliseconds: the function's own time matters here, how much there is of it does not.
COMPUTE = """\
def f(x):
    total = 0
    for i in range(30000 + 100 * x):
        total = (total * 31 + i) % 1000003
    return total
"""
MEASURED = ["serial", "threads", "processes", "mpi"]


@pytest.fixture(scope="module", autouse=True)
def _few_runs_before_the_rounds() -> Iterator[None]:
    """How well start and end are known, and what items take, is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tryout, "MOST_STARTS", tryout.FEWEST_STARTS)
        patch.setattr(tryout, "TRIED_SECONDS", 0.02)
        yield


@pytest.fixture(scope="module")
def compared(
    tmp_path_factory: pytest.TempPathFactory, mpiexec_beside: Path, _few_runs_before_the_rounds: None
) -> Iterator[Project]:
    """A folder in which all ways but sub-interpreters were compared, once each; that run's output too."""
    folder = tmp_path_factory.mktemp("compare") / "Ada's $tudies, größer"
    folder.mkdir()
    project = ProjectInProcess(folder, mpiexec_beside)
    project.write(COMPUTE, grid="x = { range = 30 }")
    project.before = project.files()
    backends = ",".join(MEASURED)
    project.done = compare(project, "--backends", backends, "-n", 2, "--rounds", 1, "--budget", "10m")
    yield project


@pytest.fixture(scope="module")
def mpiexec_beside() -> Path:
    from fullrank.errors import BackendError
    from fullrank.launch import find_mpiexec

    try:
        return find_mpiexec()[0]
    except BackendError as error:
        pytest.skip(str(error))


def compare(project: Project, *args: object, expect: int = 0, here: bool = True, **options: object):
    """Compare; ``here``, also where the machine that runs the tests has a batch system."""
    done = project.fullrank(
        "compare", "study.toml", *(["--here"] if here else []), *args, timeout=LIMIT_SECONDS, **options
    )
    assert done.returncode == expect, f"exit code {done.returncode}, not {expect}\n{done.stdout}{done.stderr}"
    return done


def column(project: Project, name: str) -> np.ndarray:
    with h5py.File(project.folder / "compare.h5") as file:
        data = file[name]
        return data.asstr()[()] if h5py.check_string_dtype(data.dtype) else data[()]


@pytest.mark.mpi
def test_each_way_is_measured_once_in_each_round(compared: Project) -> None:
    assert column(compared, "variants/backend").tolist() == MEASURED
    assert column(compared, "variants/n_workers").tolist() == [1, 2, 2, 2]
    rows = zip(column(compared, "measurements/round"), column(compared, "measurements/variant"), strict=True)
    assert sorted((int(number), int(place)) for number, place in rows) == [(0, 0), (0, 1), (0, 2), (0, 3)]


@pytest.mark.mpi
def test_times_fit_together(compared: Project) -> None:
    wall, makespan = column(compared, "measurements/wall_seconds"), column(compared, "measurements/makespan_seconds")
    compute, cpu = column(compared, "measurements/compute_seconds"), column(compared, "measurements/cpu_seconds")
    longest, balance = (column(compared, f"measurements/{name}") for name in ("longest_item_seconds", "load_balance"))
    n_workers = column(compared, "variants/n_workers")[column(compared, "measurements/variant")]
    assert (wall > makespan).all()
    assert (compute <= makespan * n_workers).all()
    assert (cpu <= makespan * n_workers * 1.05 + 0.02).all()  # two clocks, one of them in ticks
    assert (longest <= makespan).all()
    assert ((balance > 0) & (balance <= 1)).all()


@pytest.mark.mpi
def test_start_and_end_of_each_way_are_kept(compared: Project) -> None:
    variants = column(compared, "trials/variant").tolist()
    assert [variants.count(place) >= 2 for place in range(4)] == [True] * 4
    assert (column(compared, "trials/start_end_seconds") > 0).all()


@pytest.mark.mpi
def test_file_tells_where_and_in_which_order_it_was_measured(compared: Project) -> None:
    with h5py.File(compared.folder / "compare.h5") as file:
        machine, root = dict(file["machine"].attrs), dict(file.attrs)
    assert machine["gil"] in ("enabled", "disabled")
    assert machine["usable_cores"] >= 1
    assert "MPI" in machine["mpi"]
    assert "order_seed" in machine
    assert (root["format"], root["format_version"], root["complete"]) == ("fullrank comparison", 1, 1)
    assert (root["n_items"], root["n_sampled"], root["n_rounds_asked"]) == (30, 30, 1)


@pytest.mark.mpi
def test_nothing_but_the_comparisons_file_is_left(compared: Project) -> None:
    assert compared.files() - compared.before == {"compare.h5"}


@pytest.mark.mpi
def test_report_is_made_again_from_the_file_alone(compared: Project, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.h5").write_bytes((compared.folder / "compare.h5").read_bytes())
    again = compared.fullrank("report", tmp_path / "elsewhere.h5")
    assert again.returncode == 0, again.stderr
    told = compared.done.stdout.rpartition("\nAll values: ")[0]
    assert again.stdout.strip() == told.strip()
    for way in ("serial", "threads ×2", "processes ×2", "mpi ×2"):
        assert way in again.stdout


@pytest.mark.mpi
def test_report_for_programs_is_json(compared: Project) -> None:
    done = compared.fullrank("report", "compare.h5", "--json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)


@pytest.mark.mpi
def test_earlier_comparison_is_moved_aside(compared: Project) -> None:
    before = (compared.folder / "compare.h5").read_bytes()
    name = "again.h5"
    (compared.folder / name).write_bytes(before)
    compare(compared, "--backends", "serial", "--rounds", 1, "-o", name)
    aside = list(compared.folder.glob("again.*.h5"))
    assert [path.read_bytes() for path in aside] == [before]


def test_users_own_results_and_journals_stay_as_they_are(project: Project) -> None:
    project.write(COMPUTE, grid="x = { range = 30 }")
    project.run("--limit", 3, "-n", 1, "-b", "serial")
    before = project.snapshot()
    compare(project, "--backends", "serial", "--rounds", 1, "-o", "results/compare.h5")
    after = project.snapshot()
    assert set(after) - set(before) == {"compare.h5"}
    assert {name: after[name] for name in before} == before


def test_way_that_cannot_run_here_is_told_with_its_reason(project: Project) -> None:
    """An MPI library that is not there stands for a machine without MPI."""
    project.write(COMPUTE, grid="x = { range = 8 }")
    options = {"env": {"MPI4PY_LIBMPI": "/nowhere/libmpi.so"}}
    done = compare(project, "--backends", "mpi", "-n", 2, "--rounds", 1, **options)
    assert column(project, "variants/backend").tolist() == ["serial", "mpi"]
    assert "needs an MPI library" in column(project, "variants/not_possible")[1]
    assert "mpi ×2" in done.stdout
    assert "not possible" in done.stdout


DIFFERING = """\
import threading

def f(x):
    return 2 * x if threading.current_thread() is threading.main_thread() else 2 * x + (x == 3)
"""


def test_results_that_differ_are_shown_and_no_time_is(project: Project) -> None:
    project.write(DIFFERING, grid="x = { range = 8 }")
    done = compare(project, "--backends", "threads", "-n", 2, "--rounds", 1, expect=3)
    assert "serial and threads ×2 gave different results, so no times are shown" in done.stderr
    assert "f: item 3 (x=3): 6 by serial, 7 by threads ×2; 1 of 8 items differ" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (project.folder / "compare.h5").exists()


RANDOM = """\
import random

def f(x):
    return random.random()
"""


def test_random_numbers_without_a_seed_are_noticed_and_the_cure_is_named(project: Project) -> None:
    project.write(RANDOM, grid="x = { range = 8 }")
    done = compare(project, "--backends", "serial", "--rounds", 2, expect=3)
    assert "serial and serial in another run gave different results" in done.stderr
    assert "give the study a seed, seed = 1 under [workload] or --seed 1" in done.stderr
    assert not (project.folder / "compare.h5").exists()


def test_budget_too_short_names_one_that_would_do(project: Project) -> None:
    project.write("import time\n\ndef f(x):\n    time.sleep(0.5)\n    return x\n", grid="x = { range = 8 }")
    done = compare(project, "--budget", "2s", "--backends", "threads", expect=2)
    assert "--budget 2.00 s is too short" in done.stderr
    assert "Try at least --budget " in done.stderr
    assert "Traceback" not in done.stderr


def test_budget_below_any_start_is_refused_before_anything_is_started(project: Project) -> None:
    project.write("open('loaded', 'w').close()\n\ndef f(x):\n    return x\n")
    before = project.files()
    done = compare(project, "--budget", "0.5s", "--backends", "threads,processes", "-o", "new/compare.h5", expect=2)
    assert "--budget 500 ms is too short: trying out and 7 rounds of 3 ways with 1 item take at least" in done.stderr
    assert "Try at least --budget " in done.stderr
    assert project.files() == before


def test_function_that_fails_is_told_as_run_tells_it(project: Project) -> None:
    project.write("def f(y):\n    return y\n")
    done = compare(project, "--backends", "threads", expect=2)
    assert "the axis 'x' is no parameter of sim.py:f, which takes y" in done.stderr


BAD_WORDS = {
    ("--backends", "serial,proceses"): "--backends: expected some of serial, threads, processes, interpreters, mpi, "
    "got 'proceses'; did you mean 'processes'?",
    ("-n", "0"): "-n: expected numbers of workers >= 1 such as 1,2,4, got '0'",
    ("-n", "1,100000"): "-n: expected at most ",
    ("--rounds", "0"): "--rounds: expected an integer >= 1, got 0",
    ("--rounds", "1000000000"): "--rounds: expected at most 1000, got 1000000000",
    ("--budget", "1:30"): "--budget: expected a duration > 0 such as 90, 90s, 15m, 1h30m or 1:30:00, got '1:30'",
    ("-o", "study.toml"): "study.toml: is no comparison of fullrank and stays as it is",
}


@pytest.mark.parametrize("args", BAD_WORDS)
def test_bad_words_are_refused_before_anything_runs(project: Project, args: tuple[str, ...]) -> None:
    project.write(COMPUTE)
    before = project.files()
    done = project.fullrank("compare", "study.toml", *args)
    assert done.returncode in (2, 74)
    assert BAD_WORDS[args] in done.stderr
    assert "Traceback" not in done.stderr
    assert project.files() == before


def test_two_studies_are_not_taken_for_results(project: Project) -> None:
    done = project.fullrank("compare", "a.toml", "b.toml")
    assert done.returncode == 2
    assert "expected one study, a TOML file, got a.toml b.toml; compare one study after the other" in done.stderr
    assert "diff" not in done.stderr


@pytest.mark.parametrize("files", [("a.h5", "b.h5"), ("a.h5",), ("study.toml", "b.h5")])
def test_results_are_for_diff_to_compare(project: Project, files: tuple[str, ...]) -> None:
    done = project.fullrank("compare", *files)
    assert done.returncode == 2
    assert "did you mean `fullrank diff`" in done.stderr


@pytest.mark.mpi
def test_compare_under_a_launcher_is_refused(mpi_project: Project) -> None:
    done = mpi_project.write(COMPUTE).fullrank("compare", "study.toml", n_ranks=2)
    assert done.returncode != 0
    assert "compare starts the ranks that it needs; start it once, without " in done.stderr


def on_login_node(project: Project) -> dict[str, str]:
    """Return an environment with a batch system's command and no job."""
    folder = project.folder / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text("#!/bin/sh\n")
    (folder / "sbatch").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_login_node_is_not_for_comparisons_unless_asked_for(project: Project) -> None:
    project.write(COMPUTE, grid="x = { range = 8 }")
    env = on_login_node(project)
    done = compare(project, "--backends", "serial", "--rounds", 1, expect=2, here=False, env=env)
    assert "looks like the login node of a cluster (sbatch is on the PATH" in done.stderr
    assert "add --here" in done.stderr
    compare(project, "--backends", "serial", "--rounds", 1, env=env)


def test_login_node_is_not_for_runs_on_many_cores_unless_asked_for(project: Project) -> None:
    project.write(COMPUTE, grid="x = { range = 8 }")
    env = on_login_node(project)
    assert "add --here" in project.run("-n", 5, "-b", "threads", env=env, expect=2).stderr
    project.run("-n", 2, "-b", "threads", env=env)
    project.run("-n", 5, "-b", "threads", "--here", "-o", "here.h5", env=env)


def test_interrupt_keeps_what_was_measured_as_partial(project: Project) -> None:
    project.write(COMPUTE, grid="x = { range = 20 }")
    before = project.files()
    started = project.start(
        "compare", "study.toml", "--here", "--backends", "serial", "--rounds", 500, "--budget", "5h"
    )
    told = "round 2 of 500 is done"
    project.until(lambda: told in started.stderr, "two rounds are done", limit_seconds=LIMIT_SECONDS)
    started.send(signal.SIGINT)
    done = started.end()
    assert done.returncode == 75, done.stderr
    assert "Traceback" not in done.stderr
    with h5py.File(project.folder / "compare.h5") as file:
        assert file.attrs["complete"] == 0
        assert len(file["measurements/round"]) >= 2
    assert project.files() - before == {"compare.h5"}
    report = project.fullrank("report", "compare.h5")
    assert "partial" in report.stdout.lower() or "stopped" in report.stdout.lower()


def test_interrupt_before_anything_was_measured_leaves_nothing(project: Project) -> None:
    project.write("import time\n\ndef f(x):\n    time.sleep(0.3)\n    return x\n", grid="x = { range = 20 }")
    before = project.files()
    started = project.start("compare", "study.toml", "--here", "--backends", "threads", "-n", 2, "--budget", "1h")
    project.until(lambda: "trying out 2 ways" in started.stderr, "it is tried out", limit_seconds=100)
    started.send(signal.SIGTERM)
    done = started.end()
    assert done.returncode == 75
    assert "stopped before anything was measured" in done.stderr
    assert project.files() == before


def test_killed_comparison_takes_its_run_with_it(project: Project) -> None:
    project.write("import time\n\ndef f(x):\n    time.sleep(0.3)\n    return x\n", grid="x = { range = 20 }")
    started = project.start("compare", "study.toml", "--here", "--backends", "processes", "-n", 2, "--budget", "1h")
    project.until(lambda: project.descendants(started.pid), "a run has begun")
    started.send(signal.SIGKILL)
    started.end()  # the fixture sees to it that nothing else is left running


def test_folder_that_a_killed_comparison_left_is_removed_by_the_next_one(project: Project) -> None:
    project.write("import time\n\ndef f(x):\n    time.sleep(0.1)\n    return x\n", grid="x = { range = 3 }")
    started = project.start("compare", "study.toml", "--here", "--backends", "threads", "-n", 2, "--budget", "1h")
    project.until(lambda: "trying out 2 ways" in started.stderr, "it is tried out", limit_seconds=100)
    started.send(signal.SIGKILL)
    started.end()
    assert list(project.folder.glob(".compare.h5.*"))
    compare(project, "--backends", "serial", "--rounds", 1)
    assert not list(project.folder.glob(".compare.h5.*"))
