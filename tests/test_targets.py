"""What is written over nothing: the files that a study consists of, as targets of export and report."""

import io
import os
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


def refused(*words: str, expect: int | None = 2) -> str:
    """Run a command that has to be refused, and return what it said."""
    err = io.StringIO()
    with redirect_stderr(err), redirect_stdout(err):
        code = main(words)
    assert code == expect if expect is not None else code != 0
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


def test_nothing_is_written_over_the_journals_behind_a_partial_file(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("def f(x):\n    print(x)\n    return x", grid="x = { range = 9 }")
    project.run("-b", "serial", "--limit", 3)
    monkeypatch.chdir(project.folder)
    work = project.folder / "results/study.h5.work"
    before = {path: path.read_bytes() for path in work.iterdir() if path.is_file()}
    (project.folder / "results/study.h5.log").write_text("1\n")
    for path in [*before, work / "new.csv", project.folder / "results/study.h5.log"]:
        said = refused("export", "results/study.partial.h5", "--csv", str(path), "--force")
        assert "that is the work folder of the study" in said or "that is what the function printed" in said
    assert {path: path.read_bytes() for path in work.iterdir() if path.is_file()} == before
    work.rename(project.folder / "results/study.h5.work.aside")
    assert "work folder" in refused("export", "results/study.partial.h5", "--csv", "results/study.h5.work.aside/a.csv")


def test_what_is_no_file_is_neither_replaced_nor_waited_for(study: Path) -> None:
    os.mkfifo("pipe.png")
    for words in (["export", "study.toml", "--force", "--csv"], ["report", "study.toml", "--plot"]):
        assert "expected " in (said := refused(*words, "pipe.png"))
        assert "got a device or a pipe" in said
    assert Path("pipe.png").is_fifo()
    for words in (["verify"], ["report"], ["diff", "results/study.h5"], ["export", "--csv", "-"]):
        assert "expected a file, got a device or a pipe" in refused(*words, "pipe.png", expect=None)
    os.mkfifo("pipe.toml")
    assert "expected a file, got the device or pipe" in refused("run", "pipe.toml")


def test_report_draws_over_no_result(study: Path) -> None:
    (study / "results/study.h5").rename(study / "drawn.svg")
    before = (study / "drawn.svg").read_bytes()
    assert "--plot drawn.svg: that is " in refused("report", "drawn.svg", "--plot", "drawn.svg")
    assert (study / "drawn.svg").read_bytes() == before
