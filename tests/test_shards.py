"""``run --shard K/N``: fixed shares of one study, each a run of its own, without MPI between them."""

import json
import os
import signal
from datetime import datetime

import pytest
from studies import INTERPRETERS, SLOW, STUCK, Project

from fullrank.schedule import Order
from fullrank.shard import Shard

QUICK = """\
def f(x):
    with open("visits", "ab", buffering=0) as file:
        file.write(b"%d\\n" % x)
    return x * x / 7
"""
N_ITEMS = 40
EXPECTED = [x * x / 7 for x in range(N_ITEMS)]
GRID = f"x = {{ range = {N_ITEMS} }}"
N_MANY = 400
MANY = f"x = {{ range = {N_MANY} }}"
"""Of STUCK a share of these comes to no end before it is told to hurry."""


def written(project: Project, code: str = QUICK, **parts: str) -> Project:
    return project.write(code, grid=parts.pop("grid", GRID), **parts)


def status(project: Project) -> "dict[str, object]":
    found: dict[str, object] = json.loads(project.fullrank("status", "study.toml", "--json").stdout)
    return found


# --- what a share is


@pytest.mark.parametrize(("n_items", "n_shards"), [(40, 3), (7, 7), (1000, 20), (1, 1)])
def test_shares_are_disjoint_and_leave_no_item_out(n_items: int, n_shards: int) -> None:
    order = Order.named("spread", n_items)
    shares = [order.indices(Shard(number, n_shards).positions(n_items)) for number in range(1, n_shards + 1)]
    assert sorted(index for share in shares for index in share) == list(range(n_items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("n_rows", [2, 10, 25, 100])
def test_a_share_has_about_as_many_items_of_each_row_of_a_grid(n_rows: int) -> None:
    """Items of a row often cost alike; of 2,000 items in 10 shards each row should have its tenth in each."""
    n_items, n_shards = 2000, 10
    order, row_items = Order.named("spread", n_items), n_items // n_rows
    for number in range(1, n_shards + 1):
        rows = [index // row_items for index in order.indices(Shard(number, n_shards).positions(n_items))]
        counts = [rows.count(row) for row in range(n_rows)]
        assert all(abs(count - row_items / n_shards) <= 3 for count in counts)


# --- one after the other


@pytest.mark.in_process
@pytest.mark.parametrize("backend", ["serial", "threads", "processes", INTERPRETERS])
def test_shards_together_give_the_result_of_one_run_and_visit_each_item_once(project: Project, backend: str) -> None:
    written(project).run("-b", "serial", "-o", "whole.h5")
    (project.folder / "visits").unlink()
    for number in (2, 3, 1):
        assert not project.output.exists()
        done = project.run("-b", backend, "--shard", f"{number}/3")
    assert "Result: " in done.stdout
    assert project.digest() == project.digest("whole.h5")
    assert sorted(project.visits()) == list(range(N_ITEMS))
    assert project.files() == {"sim.py", "study.toml", "visits", "whole.h5", "results", "results/study.h5"}


@pytest.mark.in_process
def test_items_get_the_seeds_of_one_run(project: Project) -> None:
    project.write("def f(x, seed):\n    return float(seed % 2**40)\n", grid=GRID, workload="seed = 5")
    project.run("-b", "serial", "-o", "whole.h5")
    for number in (1, 2):
        project.run("-b", "serial", "--shard", f"{number}/2")
    assert project.digest() == project.digest("whole.h5")


@pytest.mark.in_process
def test_a_shard_says_what_it_has_done_and_status_how_far_the_others_are(project: Project) -> None:
    done = written(project).run("-b", "serial", "--shard", "2/3")
    assert "shard 2/3 is complete; 13 of 40 items are finished" in done.stdout
    said = project.fullrank("status", "study.toml").stdout
    assert "stopped: 13 of 40 items" in said
    assert "3 shards: 1 complete (2), 2 not started (1, 3)" in said
    assert [(share["state"], share["n_finished"]) for share in status(project)["shards"]] == [  # type: ignore[attr-defined]
        ("not started", 0),
        ("complete", 13),
        ("not started", 0),
    ]


@pytest.mark.in_process
def test_what_shards_have_left_is_cleaned_away_whole(project: Project) -> None:
    written(project)
    before = project.files()
    for number in (1, 2):
        project.run("-b", "serial", "--shard", f"{number}/3")
    assert project.fullrank("clean", "study.toml", "--yes").returncode == 0
    assert project.files() - {"visits", "results"} == before


@pytest.mark.in_process
def test_a_fresh_run_moves_aside_what_shards_have_done(project: Project) -> None:
    written(project).run("-b", "serial", "--shard", "1/2")
    project.run("-b", "serial", "--fresh")
    assert project.read("attempts/shard").tolist() == [""]
    assert len(list(project.output.parent.glob("study.h5.work.*/a0001-*.journal"))) == 1


@pytest.mark.in_process
def test_a_shard_that_is_complete_has_nothing_to_do_when_it_is_run_again(project: Project) -> None:
    written(project).run("-b", "serial", "--shard", "1/2")
    visits = project.visits()
    done = project.run("-b", "serial", "--shard", "1/2", "--json")
    assert json.loads(done.stdout)["end"] == "shard complete"
    assert project.visits() == visits


@pytest.mark.in_process
@pytest.mark.parametrize("last", [("--shard", "1/2"), ("--shard", "4/7"), ()])
def test_another_division_or_a_plain_run_keeps_what_shards_have_done(project: Project, last: tuple[str, ...]) -> None:
    written(project).run("-b", "serial", "--shard", "2/4")
    for number in (1, 2, 3):
        project.run("-b", "serial", "--shard", f"{number}/5")
    project.run("-b", "serial", *last)
    project.run("-b", "serial")
    assert project.read("f").tolist() == EXPECTED
    assert sorted(project.visits()) == list(range(N_ITEMS))


@pytest.mark.in_process
def test_shards_go_on_with_what_a_stopped_run_has_done(project: Project) -> None:
    written(project).run("-b", "serial", "--limit", 10)
    for number in (1, 2):
        project.run("-b", "serial", "--shard", f"{number}/2")
    assert project.read("f").tolist() == EXPECTED
    assert sorted(project.visits()) == list(range(N_ITEMS))


@pytest.mark.in_process
def test_shards_of_a_sample_write_the_partial_file(project: Project) -> None:
    written(project).run("-b", "serial", "--limit", 10, "-o", "one.h5")
    for number in (1, 2):
        project.run("-b", "serial", "--limit", 10, "--shard", f"{number}/2")
    partial = "results/study.partial.h5"
    assert project.read("status", partial).tolist() == project.read("status", "one.partial.h5").tolist()
    assert not project.output.exists()


@pytest.mark.in_process
def test_gather_tells_what_is_missing_and_writes_what_shards_have_done_if_asked(project: Project) -> None:
    written(project).run("-b", "serial", "--shard", "1/2")
    refused = project.fullrank("gather", "study.toml")
    assert refused.returncode == 75
    assert "20 of 40 items are missing" in refused.stderr
    assert len(project.indices_finished()) == 20


@pytest.mark.in_process
def test_failed_items_of_all_shards_are_told_by_the_last_one(project: Project) -> None:
    code = "def f(x):\n    return 1 / (x - 7)\n"
    written(project, code).run("-b", "serial", "-o", "whole.h5", expect=3)
    codes = [project.fullrank("run", "study.toml", "-b", "serial", "--shard", f"{k}/4").returncode for k in range(1, 5)]
    assert codes == [0, 0, 0, 3]
    assert project.digest() == project.digest("whole.h5")
    assert project.read("failures/index").tolist() == [7]


@pytest.mark.in_process
def test_a_shard_whose_items_all_failed_does_them_again(project: Project) -> None:
    code = "import os\ndef f(x):\n    return 1 / os.path.exists('mended')\n"
    written(project, code, grid="x = { range = 80 }").run("-b", "serial", "--shard", "1/2", expect=3)
    (project.folder / "mended").touch()
    for number in (1, 2):
        project.run("-b", "serial", "--shard", f"{number}/2")
    assert project.read("f").tolist() == [1.0] * 80


@pytest.mark.in_process
def test_file_and_report_tell_of_the_shards_together(project: Project) -> None:
    """The makespan is that of a wall clock around both of them, but for what commands do before and after."""
    written(project, "import time\ndef f(x):\n    time.sleep(0.01)\n    return x\n")
    for number in (1, 2):
        project.run("-b", "serial", "--shard", f"{number}/2")
    assert project.read("attempts/shard").tolist() == ["1/2", "2/2"]
    started, ended = (project.read(f"attempts/{name}").tolist() for name in ("started", "ended"))
    span = datetime.fromisoformat(ended[1]).timestamp() - datetime.fromisoformat(started[0]).timestamp()
    found = json.loads(project.fullrank("report", "results/study.h5", "--json").stdout)["shards"]
    assert (found["n_shards"], found["n_workers"]) == (2, 2)
    assert found["makespan_seconds"] == pytest.approx(span)
    assert found["busy_share"] == pytest.approx(project.read("item_seconds").sum() / (2 * span), rel=0.2)
    said = project.fullrank("report", "results/study.h5").stdout
    assert "2 shards together, with 2 workers: makespan" in " ".join(said.split())
    assert "complete, shard 2/2" in said
    project.run("-b", "serial", "-o", "whole.h5")
    whole = project.fullrank("report", "whole.h5").stdout
    assert (project.read("attempts/shard", "whole.h5").tolist(), "shards together" in whole) == ([""], False)


# --- beside each other


def test_shards_that_run_beside_each_other_end_with_0_and_one_gathers(project: Project) -> None:
    written(project, SLOW)
    runs = [project.start_run("-b", "processes", "-n", 1, "--shard", f"{number}/3") for number in (1, 2, 3)]
    project.until_visited(6)
    project.hurry()
    ends = [run.end() for run in runs]
    assert [end.returncode for end in ends] == [0, 0, 0], [end.stderr for end in ends]
    assert project.read("f").tolist() == EXPECTED
    assert sorted(project.visits()) == list(range(N_ITEMS))
    assert [path.name for path in project.output.parent.iterdir()] == ["study.h5"]


def test_while_a_shard_is_at_work_nobody_else_takes_its_items(project: Project) -> None:
    first = written(project, STUCK, grid=MANY).start_run("-b", "serial", "--shard", "1/2")
    project.until_visited(1)
    who = f"pid {first.pid} on {os.uname().nodename}"
    for options in (("--shard", "1/2"), ("--shard", "1/3"), ()):
        refused = project.run("-b", "serial", *options, expect=74)
        assert who in refused.stderr
        assert "Traceback" not in refused.stderr
    assert first.is_running()
    assert f"running by shard 1/2 by {who}" in project.fullrank("status", "study.toml").stdout
    refused = project.fullrank("clean", "study.toml", "--yes")
    assert (refused.returncode, who in refused.stderr) == (74, True)
    project.hurry()
    assert first.end().returncode == 0
    assert sorted(project.visits()) == sorted(Order.named("spread", N_MANY).indices(range(200)))


def test_a_shard_of_the_study_as_it_is_now_waits_for_those_of_it_as_it_was(project: Project) -> None:
    first = written(project, STUCK, grid=MANY).start_run("-b", "serial", "--shard", "1/2")
    project.until_visited(1)
    (project.folder / "sim.py").write_text(STUCK.replace("x * x / 7", "x * x / 8"))
    refused = project.run("-b", "serial", "--shard", "2/2", expect=74)
    assert f"pid {first.pid}" in refused.stderr
    assert "the study as it was" in refused.stderr
    project.hurry()
    assert first.end().returncode == 0


@pytest.mark.parametrize("last", [("run", "--shard", "2/2"), ("run", "-n", "2"), ("run", "--shard", "1/2")])
def test_a_killed_shard_loses_no_finished_item(project: Project, last: tuple[str, ...]) -> None:
    first = written(project, STUCK, grid=MANY).start_run("-b", "serial", "--shard", "1/2")
    project.until(lambda: status(project)["n_ok"], "an item is on record")
    first.send(signal.SIGKILL)
    first.end()
    before = project.indices_finished()
    project.hurry()
    n_visits = len(project.visits())
    command, *options = last
    assert project.fullrank(command, "study.toml", *options).returncode == 0
    if not project.output.exists():
        assert project.run("--shard", "1/2" if "2/2" in last else "2/2").returncode == 0
    assert project.read("f").tolist() == [x * x / 7 for x in range(N_MANY)]
    assert not before & set(project.visits()[n_visits:])


# --- what it refuses


@pytest.mark.in_process
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0/3", "from 1 to N, got 0/3"),
        ("4/3", "from 1 to N, got 4/3"),
        ("1/0", "from 1 to N, got 1/0"),
        ("3", "expected K/N, auto/N or auto"),
        ("a/b", "expected K/N, auto/N or auto"),
        ("-1/3", "expected K/N, auto/N or auto"),
        ("1/3/5", "expected K/N, auto/N or auto"),
        ("1/41", "got 41 shards of 40 items"),
        ("auto", "this is no element of an array job"),
        ("auto/3", "this is no element of an array job"),
    ],
)
def test_a_shard_that_cannot_be_is_refused_in_a_sentence(project: Project, text: str, said: str) -> None:
    refused = written(project).run(f"--shard={text}", expect=2)
    assert said in refused.stderr
    assert not project.output.parent.exists()


@pytest.mark.in_process
@pytest.mark.parametrize("option", ["--fresh", "--accept-change", "--retry-failed"])
def test_what_concerns_all_shards_is_refused_with_the_way_to_do_it(project: Project, option: str) -> None:
    written(project).run("-b", "serial", "--shard", "1/2")
    refused = project.run("-b", "serial", "--shard", "1/2", option, expect=2)
    assert f"{option} --limit 1, without --shard" in refused.stderr


@pytest.mark.in_process
def test_failed_items_are_done_again_by_shards_after_a_run_of_one_item_has_asked_for_it(project: Project) -> None:
    code = "import os\ndef f(x):\n    return 1 / (x != 7 or os.path.exists('mended'))\n"
    written(project, code).run("-b", "serial", expect=3)
    (project.folder / "mended").touch()
    project.run("-b", "serial", "--retry-failed", "--limit", 1)
    for number in (1, 2):
        project.run("-b", "serial", "--shard", f"{number}/2")
    assert project.read("f").tolist() == [1.0] * N_ITEMS


# --- as an element of an array job

ARRAYS = {
    "Slurm": {
        "SLURM_JOB_ID": "8",
        "SLURM_ARRAY_TASK_ID": "7",
        "SLURM_ARRAY_TASK_MIN": "5",
        "SLURM_ARRAY_TASK_MAX": "7",
        "SLURM_ARRAY_TASK_STEP": "1",
    },
    "Grid Engine": {
        "JOB_ID": "8",
        "SGE_TASK_ID": "3",
        "SGE_TASK_FIRST": "1",
        "SGE_TASK_LAST": "3",
        "SGE_TASK_STEPSIZE": "1",
    },
}


@pytest.mark.in_process
@pytest.mark.parametrize("system", ARRAYS)
def test_auto_is_the_place_in_the_array(project: Project, system: str) -> None:
    done = written(project).run("-b", "serial", "--shard", "auto", env=ARRAYS[system])
    assert "shard 3/3 is complete" in done.stdout


@pytest.mark.in_process
@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_JOB_ID": "8", "SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_MIN": "2", "SLURM_ARRAY_TASK_MAX": "2"},
        {"PBS_JOBID": "8[2].head", "PBS_ARRAY_INDEX": "2"},
        {"LSB_JOBID": "8", "LSB_JOBINDEX": "2"},
        {"JOB_ID": "8", "SGE_TASK_ID": "2", "SGE_TASK_FIRST": "2", "SGE_TASK_LAST": "2"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_auto_with_a_number_takes_the_index_alone_also_where_one_element_is_queued_again(
    project: Project, variables: dict[str, str]
) -> None:
    done = written(project).run("-b", "serial", "--shard", "auto/3", env=variables)
    assert "shard 2/3 is complete" in done.stdout


@pytest.mark.in_process
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PBS_JOBID": "8[2].head", "PBS_ARRAY_INDEX": "2"}, "say it: --shard auto/20"),
        ({"LSB_JOBID": "8", "LSB_JOBINDEX": "0"}, "no element of an array job"),
        ({"JOB_ID": "8", "SGE_TASK_ID": "undefined"}, "no element of an array job"),
    ],
)
def test_auto_is_refused_where_nothing_tells(project: Project, variables: dict[str, str], said: str) -> None:
    assert said in written(project).run("--shard", "auto", expect=2, env=variables).stderr


@pytest.mark.in_process
def test_a_dry_run_tells_of_the_share_alone(project: Project) -> None:
    done = written(project).run("--shard", "1/4", "--dry-run", "--json")
    assert json.loads(done.stdout)["n_todo"] == 10
