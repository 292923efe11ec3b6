"""From a finished result to the next: failed items done again, more items, another version of the code."""

import json
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from studies import VISITED, Project

from fullrank.leftovers import find
from fullrank.restore import fingerprint, restore
from fullrank.standing import COMPLETE, standing
from fullrank.store import ResultFile
from fullrank.workfolder import WorkFolder

pytestmark = pytest.mark.in_process

N_ITEMS = 30
GRID = f"x = {{ range = {N_ITEMS} }}"
FAILS = f"{VISITED}\ndef f(x):\n    visited(x)\n    if x % 10 == 3: raise ValueError(f'no {{x}}')\n    return x / 7\n"
MENDED = FAILS.replace("if x % 10 == 3: raise", "if x == 23: raise")
RIGHT = f"{VISITED}\ndef f(x):\n    visited(x)\n    return x / 7\n"
EXPECTED = [x / 7 for x in range(N_ITEMS)]
BACKENDS = ("serial", "processes")


def n_visits(project: Project) -> Counter[int]:
    return Counter(project.visits())


# --- failed items again


@pytest.mark.parametrize("backend", BACKENDS)
def test_failed_items_are_done_again_once_the_function_is_mended(project: Project, backend: str) -> None:
    project.write(FAILS, grid=GRID).run("-b", backend, expect=3)
    done = project.write(MENDED, grid=GRID).run("-b", backend, "--retry-failed", expect=3)
    assert "finished items are kept" in done.stderr
    assert n_visits(project) == {x: 2 if x % 10 == 3 else 1 for x in range(N_ITEMS)}
    assert np.flatnonzero(project.read("status") == 2).tolist() == [23]
    assert np.delete(project.read("f"), 23).tolist() == EXPECTED[:23] + EXPECTED[24:]
    assert project.read("code_version").tolist() == [1 if x % 10 == 3 else 0 for x in range(N_ITEMS)]
    assert project.read("failures/index").tolist() == [23]
    assert not (project.folder / "results/study.h5.work").exists()


def test_the_next_file_tells_of_all_attempts_and_their_workers(project: Project) -> None:
    project.write(FAILS, grid=GRID).run("-b", "processes", "-n", 3, expect=3)
    first = {name: project.read(name) for name in COLUMNS}
    seconds, workers = project.read("item_seconds"), project.read("worker")
    project.write(RIGHT, grid=GRID).run("-b", "serial", "--retry-failed")
    for name, column in first.items():
        assert project.read(name)[: len(column)].tolist() == column.tolist(), name
    kept = np.flatnonzero(np.arange(N_ITEMS) % 10 != 3)
    assert (project.read("item_seconds")[kept] == seconds[kept]).all()
    assert (project.read("worker")[kept] == workers[kept]).all()
    assert project.read("attempts/reason").tolist() == ["complete", "complete"]
    assert project.read("workers/attempt").tolist() == [1, 1, 1, 2]
    identities = [json.loads(text) for text in project.read("config/versions")]
    assert len({identity["code"]["sim.py"] for identity in identities}) == 2
    assert identities[-1] == json.loads(project.read("config/identity"))
    assert project.fullrank("verify", project.output).returncode == 0


COLUMNS = (
    *(f"workers/{name}" for name in ("attempt", "worker", "host", "pid", "backend", "platform", "n_items", "n_claims")),
    *(f"workers/{name}_seconds" for name in ("startup", "import", "compute", "claim", "journal", "elapsed", "cpu")),
    *(f"workers/{name}_seconds" for name in ("launch", "start_wait", "encode", "end_wait", "account")),
    *(f"attempts/{name}" for name in ("attempt", "started", "ended", "backend", "n_workers", "schedule", "order")),
    *(f"attempts/{name}" for name in ("reason", "wall_seconds", "gather_seconds", "write_seconds", "n_done_again")),
)


def test_without_a_failed_item_there_is_nothing_to_do_again(project: Project) -> None:
    project.write(RIGHT, grid=GRID).run()
    assert "already complete" in project.run("--retry-failed").stdout
    assert set(n_visits(project).values()) == {1}


def test_a_complete_study_with_failures_says_how_to_do_them_again(project: Project) -> None:
    project.write(FAILS, grid=GRID).run(expect=3)
    assert "--retry-failed" in project.run(expect=3).stdout


@pytest.mark.parametrize("again", [(), ("--retry-failed",)])
def test_killed_in_the_middle_the_old_result_stays_and_the_same_command_goes_on(
    project: Project, again: tuple[str, ...]
) -> None:
    project.write(FAILS, grid=GRID).run(expect=3)
    before = project.output.read_bytes()
    stuck = RIGHT.replace("return", "\n    if x == 13: dawdle(1000)\n    return")
    running = project.write(stuck, grid=GRID).start_run("-b", "serial", "--retry-failed")
    project.until(lambda: n_visits(project)[13] == 2, "the item that hangs is begun")
    assert "27 of 30 items" in project.fullrank("status", "study.toml").stdout
    running.send(signal.SIGKILL)
    running.end()
    assert project.output.read_bytes() == before
    project.hurry()
    project.run("-b", "serial", *again)
    assert project.read("f").tolist() == EXPECTED
    assert {x for x, n in n_visits(project).items() if n > 1} <= {3, 13, 23}


def test_failed_items_of_a_run_that_was_stopped_are_done_again_too(project: Project) -> None:
    project.write(FAILS, grid=GRID, tail='[run]\non_error = "stop"').run("-b", "serial", expect=3)
    n_before = len(project.visits())
    project.write(RIGHT, grid=GRID).run("-b", "serial", "--retry-failed")
    assert project.read("f").tolist() == EXPECTED
    assert len(project.visits()) == N_ITEMS + 1 > n_before
    assert project.read("code_version").max() == 1


# --- other code


def test_changed_code_is_refused_with_both_ways_out(project: Project) -> None:
    project.write(RIGHT, grid=GRID).run()
    done = project.write(RIGHT.replace("x / 7", "x / 8"), grid=GRID).run(expect=2)
    assert "--fresh" in done.stderr
    assert "--accept-change" in done.stderr
    assert "code of sim.py changed" in done.stderr


def test_accepted_code_keeps_finished_items_and_says_so_of_each(project: Project) -> None:
    project.write(RIGHT, grid=GRID).run("--limit", 10)
    finished = set(project.visits())
    project.write(RIGHT.replace("x / 7", "x / 8"), grid=GRID).run("--accept-change")
    versions = project.read("code_version")
    assert {x for x in range(N_ITEMS) if versions[x] == 0} == finished
    assert project.read("f").tolist() == [x / 7 if x in finished else x / 8 for x in range(N_ITEMS)]


def test_results_of_an_earlier_version_that_the_file_cannot_hold_are_kept_in_their_journals(project: Project) -> None:
    project.write(RIGHT, grid=GRID).run("--limit", 10)
    kept = sorted(path.read_bytes() for path in (project.folder / "results/study.h5.work").glob("*.journal"))
    project.write(RIGHT.replace("x / 7", "{'other': x / 8, 'name': x}"), grid=GRID)
    done = project.run("--accept-change", expect=3)
    (aside,) = (project.folder / "results").glob("study.h5.work.*")
    assert f"are kept in {aside}" in done.stderr
    assert {*kept} <= {path.read_bytes() for path in aside.glob("*.journal")}
    assert int((project.read("status") == 1).sum()) == N_ITEMS - 10
    assert not (project.folder / "results/study.h5.work").exists()


def test_result_of_others_at_the_output_is_not_taken_for_the_earlier_versions_own(project: Project) -> None:
    project.write("def f(x):\n    return x * 777.0\n", grid=GRID).run("-o", "theirs.h5")
    project.write(RIGHT, grid=GRID).run("--limit", 10)
    kept = sorted(path.read_bytes() for path in (project.folder / "results/study.h5.work").glob("*.journal"))
    put = "import shutil\ndef f(x):\n    shutil.copy('theirs.h5', 'results/study.h5')\n    return {'a': x, 'b': x}\n"
    project.write(put, grid=GRID).run("--accept-change", expect=3)
    (aside,) = (project.folder / "results").glob("study.h5.work.*")
    assert {*kept} <= {path.read_bytes() for path in aside.glob("*.journal")}
    (theirs,) = (project.folder / "results").glob("study.*.h5")
    assert theirs.read_bytes() == (project.folder / "theirs.h5").read_bytes()


def test_consent_where_nothing_changed_is_an_error(project: Project) -> None:
    project.write(RIGHT, grid=GRID).run()
    assert "nothing has changed" in project.run("--accept-change", expect=2).stderr


def test_consent_counts_once(project: Project) -> None:
    project.write(RIGHT, grid=GRID).run("--limit", 10)
    project.write(RIGHT.replace("x / 7", "x / 8"), grid=GRID).run("--limit", 20, "--accept-change")
    project.run()
    assert sorted(set(project.read("code_version").tolist())) == [0, 1]
    assert len(project.read("config/versions")) == 2


def test_another_seed_cannot_be_consented_to(project: Project) -> None:
    code = "def f(x, seed): return float(seed % 1000)\n"
    project.write(code, grid=GRID, workload="seed = 1").run()
    done = project.write(code, grid=GRID, workload="seed = 2").run("--accept-change", expect=2)
    assert "seed: 1 → 2" in done.stderr
    assert "--accept-change" not in done.stderr


# --- more items


def test_a_sweep_that_grew_at_its_end_keeps_every_result(project: Project) -> None:
    project.write(RIGHT, grid="x = { range = 20 }").run()
    project.write(RIGHT, grid=GRID).run()
    assert project.read("f").tolist() == EXPECTED
    assert set(n_visits(project).values()) == {1}
    assert set(project.read("code_version").tolist()) == {0}


def test_more_replicates_keep_every_result_and_seed(project: Project) -> None:
    code = f"{VISITED}\ndef f(x, seed):\n    visited(x)\n    return float(seed)\n"
    project.write(code, sweep="[sweep]\nreplicates = 2\n[sweep.grid]\nx = [5, 6, 7]", workload="seed = 11").run()
    before = project.read("f")
    project.write(code, sweep="[sweep]\nreplicates = 4\n[sweep.grid]\nx = [5, 6, 7]", workload="seed = 11").run()
    assert before.shape == (2, 3)
    assert project.read("f").shape == (4, 3)
    assert project.read("f")[:2].tolist() == before.tolist()
    assert len(project.visits()) == 12
    assert len(set(project.read("f").ravel().tolist())) == 12  # each item has a seed of its own


def test_a_table_that_grew_is_gone_on_with_also_in_the_middle_of_a_run(project: Project) -> None:
    table = project.folder / "points.csv"
    table.write_text("x\n" + "".join(f"{x}\n" for x in range(20)))
    project.write(RIGHT, sweep='[sweep.table]\npath = "points.csv"').run("--limit", 10)
    table.write_text("x\n" + "".join(f"{x}\n" for x in range(N_ITEMS)))
    project.run()
    assert project.read("f").tolist() == EXPECTED
    assert set(n_visits(project).values()) == {1}


def test_a_sweep_that_grew_in_the_middle_is_refused(project: Project) -> None:
    project.write(RIGHT.replace("f(x)", "f(x, y)"), grid="x = [1, 2]\ny = [1, 2]").run()
    done = project.write(RIGHT.replace("f(x)", "f(x, y)"), grid="x = [1, 2]\ny = [1, 2, 3]").run(expect=2)
    assert "only the first axis, x, can grow" in done.stderr


# --- results of every kind survive the way back

EVERY_KIND = """\
import cmath
def f(x):
    if x == 4 and not GOOD: raise ValueError("no")
    return {
        "real": x / 3, "count": 10**15 + x, "flag": x % 2 == 0, "z": cmath.exp(1j * x),
        "pair_re": 1.5 * x, "fixed": [x / 7, -0.0, 1e-310], "varying": list(range(x % 4)),
        "matrix": [[x, 1], [2, 3]], "waves": [cmath.exp(1j * k) for k in range(x % 3 + 1)],
    }
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_of_every_kind_are_what_an_undisturbed_run_has(project: Project, backend: str) -> None:
    project.write("GOOD = True\n" + EVERY_KIND, grid="x = { range = 9 }").run("-o", "undisturbed.h5")
    project.write("GOOD = False\n" + EVERY_KIND, grid="x = { range = 9 }").run(expect=3)
    project.write("GOOD = True\n" + EVERY_KIND, grid="x = { range = 9 }").run("--retry-failed", "-b", backend)
    done = project.fullrank("diff", project.output, "undisturbed.h5")
    assert done.returncode == 0, done.stdout
    assert project.fullrank("verify", project.output).returncode == 0


# --- files


def test_a_complete_file_alone_is_enough(project: Project) -> None:
    """Somebody else's result, copied: the study goes on from it elsewhere."""
    project.write(FAILS, grid=GRID).run(expect=3)
    shutil.move(project.output, project.folder / "copy.h5")
    project.write(RIGHT, grid=GRID).run("--retry-failed", "-o", "copy.h5")
    assert project.read("f", "copy.h5").tolist() == EXPECTED


def test_a_partial_file_is_gone_on_with(project: Project) -> None:
    project.write(RIGHT, grid=GRID).run("--limit", 10)
    shutil.move(project.folder / "results/study.partial.h5", project.folder / "half.h5")
    project.run("-o", "half.h5")
    assert project.read("f", "half.h5").tolist() == EXPECTED
    assert set(n_visits(project).values()) == {1}


def test_a_damaged_file_is_nothing_to_go_on_from(project: Project) -> None:
    project.write(FAILS, grid=GRID).run(expect=3)
    with h5py.File(project.output, "r+") as file:
        file["f"][5] = 99.0
    done = project.write(RIGHT, grid=GRID).run("--retry-failed", expect=74)
    assert "damaged" in done.stderr
    assert project.read("f")[5] == 99.0


def shorten(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def change(name: str, value: float) -> Callable[[Path], None]:
    def change_it(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            file[name][5] = value

    return change_it


def exchange_status(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["status"]
        file["status"] = np.ones(3, np.uint8)


DAMAGES = {"half of it": shorten, "a value": change("f", 99.0), "an end": change("status", 0), "shape": exchange_status}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_not_called_complete_and_its_cure_is_told(project: Project, damage: str) -> None:
    project.write(RIGHT, grid=GRID).run("-b", "serial")
    DAMAGES[damage](project.output)
    before = project.output.read_bytes()
    done = project.run("-b", "serial", expect=74)
    assert "study.h5" in done.stderr
    assert "--fresh" in done.stderr
    assert "complete" not in done.stdout
    assert project.output.read_bytes() == before
    project.run("-b", "serial", "--fresh")
    assert project.read("f").tolist() == EXPECTED


@pytest.mark.parametrize("attempt", [-5, 2**62])
def test_a_file_with_attempts_that_nobody_has_counted_is_nothing_to_go_on_from(project: Project, attempt: int) -> None:
    project.write(FAILS, grid=GRID).run(expect=3)
    with h5py.File(project.output, "r+") as file:
        file["workers/attempt"][0] = attempt
    assert "attempts numbered" in project.write(RIGHT, grid=GRID).run("--retry-failed", expect=74).stderr
    assert project.fullrank("status", "study.toml").returncode == 0


def test_journals_are_kept_where_the_result_they_could_restore_is_damaged(project: Project) -> None:
    project.write(FAILS, grid=GRID).run("--limit", 20, expect=3)
    work = project.folder / "results/study.h5.work"
    shutil.copytree(work, project.folder / "kept")
    project.run(expect=3)
    shutil.copytree(project.folder / "kept", work)
    with h5py.File(project.output, "r+") as file:
        file["f"][5] = 99.0
    assert "damaged" in project.run("--retry-failed", expect=74).stderr
    assert {path.name for path in (project.folder / "kept").glob("*.journal")} <= {path.name for path in work.iterdir()}


@pytest.mark.parametrize("killed", ["before it was noted whose it is", "before it was noted from what", "at the end"])
def test_what_a_kill_left_that_came_before_a_run_went_on_is_told_as_such_and_removed(
    project: Project, killed: str
) -> None:
    project.write(RIGHT, grid=GRID).run("-b", "serial")
    folder = WorkFolder(project.output)
    folder.create()
    with ResultFile(project.output) as file, suppress(KeyboardInterrupt), folder.restoring(fingerprint(file)):
        restore(file, folder)
        if killed != "before it was noted whose it is":
            folder.begin_study(file.identity, config=file.config, config_path=project.folder / "study.toml")
        if killed != "at the end":
            raise KeyboardInterrupt
    (folder.path / "restoring").touch()
    assert standing(project.output).state == COMPLETE
    found = find(project.output, aside=False, result=False)
    assert [leftover.what for leftover in found.ours] == [
        "working folder, half restored from the result, which has all that is in it"
    ]
    assert found.strange == ()
    assert "already complete" in project.run("-b", "serial").stdout
    assert not folder.path.exists()


OTHER_LAYOUTS = {
    "another result beside": ("{'a': x * 1.0}", "{'a': x * 1.0, 'extra': 1}"),
    "another name": ("{'a': x * 1.0}", "{'b': x * 1.0}"),
    "integers that become floats": ("{'a': 2**60 + x}", "{'a': 0.5}"),
}


@pytest.mark.parametrize("layout", OTHER_LAYOUTS)
def test_values_that_new_items_would_displace_are_kept_in_the_old_file(project: Project, layout: str) -> None:
    old, new = OTHER_LAYOUTS[layout]
    code = f"def f(x): return {old} if x < 4 else {new}\n"
    project.write(code, grid="x = { range = 4 }").run("-b", "serial")
    before = project.output.read_bytes()
    done = project.write(code, grid="x = { range = 12 }").fullrank("run", "study.toml", "-b", "serial")
    (aside,) = (path for path in project.output.parent.glob("study.2*.h5"))
    assert aside.read_bytes() == before
    assert str(aside) in done.stderr
