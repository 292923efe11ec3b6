"""What is written over nothing: the files that a study consists of, as targets of export and report."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from studies import Project

from fullrank.cli import main


@pytest.fixture
def study(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a study that has a result, as working directory."""
    (project.folder / "points.csv").write_text("x\n1\n2\n")
    project.write("def f(x):\n    print(x)\n    return x", sweep='[sweep.table]\npath = "points.csv"')
    project.run("-b", "serial")
    monkeypatch.chdir(project.folder)
    return project.folder


def refused(*words: str) -> str:
    """Run a command that has to be refused, and return what it said."""
    err = io.StringIO()
    with redirect_stderr(err), redirect_stdout(io.StringIO()):
        assert main(words) == 2
    return err.getvalue()


@pytest.mark.parametrize("given", ["study.toml", "results/study.h5"])
def test_export_overwrites_nothing_of_the_study(study: Path, given: str) -> None:
    files = ["study.toml", "sim.py", "points.csv", "results/study.h5", "results/study.h5.log"]
    before = {name: (study / name).read_bytes() for name in files}
    (study / "link.csv").symlink_to("study.toml")
    for name in [*files, "link.csv"]:
        said = refused("export", given, "--csv", name, "--force")
        assert f"--csv {name}: that is " in said
        assert said.endswith("which is never overwritten; name another file\n")
    assert {name: (study / name).read_bytes() for name in files} == before


def test_nothing_is_written_into_the_work_folder(study: Path) -> None:
    (study / "results/study.h5.work").mkdir()
    for words in (["export", "study.toml", "--csv"], ["report", "study.toml", "--html"]):
        said = refused(*words, "results/study.h5.work/a.html")
        assert "a.html: that is the work folder of the study; name a file elsewhere\n" in said
    assert list((study / "results/study.h5.work").iterdir()) == []


def test_report_draws_over_no_result(study: Path) -> None:
    (study / "results/study.h5").rename(study / "drawn.svg")
    before = (study / "drawn.svg").read_bytes()
    assert "--plot drawn.svg: that is " in refused("report", "drawn.svg", "--plot", "drawn.svg")
    assert (study / "drawn.svg").read_bytes() == before
