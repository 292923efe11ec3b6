"""Two comparisons with one output: none of them overwrites, or deletes, what the other has measured."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from comparisons import PURE_PYTHON, comparison
from studies import Project

from fullrank.compare.hold import OutputHold
from fullrank.compare.measure import Bench
from fullrank.errors import Locked
from fullrank.owner import this_process
from fullrank.store import write_comparison

pytestmark = [pytest.mark.timeout(400), pytest.mark.in_process]
WORDS = ("compare", "study.toml", "--here", "--backends", "serial", "--rounds", 1)


def hold(output: Path, *, take_over: bool = False) -> OutputHold:
    return OutputHold(output, take_over=take_over, notify=lambda _sentence: None)


def test_second_comparison_is_refused_while_the_first_one_measures(project: Project) -> None:
    project.write("def f(x):\n    return x\n")
    output = project.folder / "compare.h5"
    with hold(output):
        write_comparison(output, comparison(PURE_PYTHON))
        before = output.read_bytes()
        done = project.fullrank(*WORDS)
        assert done.returncode == 74
        assert "compare.h5.work: another run writes here: " in done.stderr
        assert "Traceback" not in done.stderr
        assert output.read_bytes() == before
    assert project.files() == {"sim.py", "study.toml", "compare.h5"}


def test_comparison_that_lost_its_output_touches_it_no_more(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("def f(x):\n    return x\n")
    output, run = project.folder / "compare.h5", Bench.run

    def another_takes_over(bench: Bench, *args: object):
        if not output.exists():
            another = replace(this_process(), token="another")
            (project.folder / "compare.h5.work" / "lock").write_text(another.to_json())
            write_comparison(output, comparison(PURE_PYTHON))
        return run(bench, *args)

    monkeypatch.setattr(Bench, "run", another_takes_over)
    done = project.fullrank(*WORDS)
    assert done.returncode == 74
    assert "this run lost its lock to " in done.stderr
    assert not list(project.folder.glob("compare.*.h5"))
    assert json.loads(project.fullrank("report", "compare.h5", "--json").stdout)["title"] == "A study"


def test_dead_comparison_on_another_host_gives_its_output_up_when_told_so(tmp_path: Path) -> None:
    output = tmp_path / "compare.h5"
    folder = tmp_path / "compare.h5.work"
    folder.mkdir()
    (folder / "lock").write_text(replace(this_process(), host="elsewhere", token="dead").to_json())
    with hold(output, take_over=True) as held:
        held.check()
    assert not folder.exists()


def test_lock_is_renewed_while_one_measured_run_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fullrank.compare.hold.RENEWAL_SECONDS", 0.01)
    held = hold(tmp_path / "compare.h5")
    with held:
        path = tmp_path / "compare.h5.work" / "lock"
        path.write_text("{}")
        while held._renewing.is_alive():
            pass
        with pytest.raises(Locked, match="lost its lock"):
            held.check()
