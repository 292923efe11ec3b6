"""``fullrank report --plot`` and ``--html`` as users run them."""

import subprocess
import sys
from pathlib import Path

import pytest
from studies import Project

pytestmark = pytest.mark.in_process

SQUARE = """\
def f(x):
    return x * x / 7
"""


@pytest.fixture
def done(project: Project) -> Project:
    project.write(SQUARE).run("-b", "serial")
    return project


@pytest.mark.parametrize(("name", "start"), [("out.png", b"\x89PNG"), ("out.pdf", b"%PDF"), ("out.svg", b"<?xml")])
def test_figure_is_written_and_its_path_told(done: Project, name: str, start: bytes) -> None:
    shown = done.fullrank("report", "results/study.h5", "--plot", name)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"Figure: {done.folder / name}" in shown.stdout
    assert (done.folder / name).read_bytes().startswith(start)


def test_page_is_written_beside_the_figure(done: Project) -> None:
    shown = done.fullrank("report", "study.toml", "--plot", "f.svg", "--html", "r.html")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"Page: {done.folder / 'r.html'}" in shown.stdout
    assert "12 items: all ok" in (done.folder / "r.html").read_text()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--plot", "out.jpg"], "--plot out.jpg: expected a name that ends in .png, .pdf, .svg, got .jpg"),
        (["--plot", "out"], "got no ending"),
        (["--html", "out.png"], "--html out.png: expected a name that ends in .html, got .png"),
        (["--plot", "none/out.png"], "there is no folder"),
        (["--plot", "results/study.h5"], "got .h5"),
        (["results/study.h5", "--html", "out.html"], "expected one FILE to show, got 2"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_sentence(done: Project, options: list[str], sentence: str) -> None:
    before = done.files()
    shown = done.fullrank("report", "results/study.h5", *options)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert sentence in shown.stderr
    assert "Traceback" not in shown.stderr
    assert done.files() == before


@pytest.mark.in_process(False)
def test_without_matplotlib_the_cure_is_named(done: Project) -> None:
    (done.folder / "matplotlib").mkdir()
    (done.folder / "matplotlib" / "__init__.py").write_text("raise ImportError(\"No module named 'matplotlib'\")\n")
    for option, name in (("--plot", "out.png"), ("--html", "out.html")):
        shown = done.fullrank("report", "results/study.h5", option, name, env={"PYTHONPATH": str(done.folder)})
        assert (shown.returncode, shown.stdout) == (2, "")
        assert "pip install 'fullrank[plot]'" in shown.stderr
        assert "Traceback" not in shown.stderr
    assert done.fullrank("report", "results/study.h5", env={"PYTHONPATH": str(done.folder)}).returncode == 0


@pytest.mark.parametrize("module", ["report", "plots", "commands", "cli"])
def test_matplotlib_is_loaded_when_a_figure_is_asked_for(module: str) -> None:
    program = f"import sys, fullrank.{module}; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def test_file_that_was_there_stays_if_the_new_one_cannot_be_written(done: Project) -> None:
    (done.folder / "out.png").mkdir()
    shown = done.fullrank("report", "results/study.h5", "--plot", "out.png")
    assert (shown.returncode, "got a folder" in shown.stderr) == (2, True)


def test_damaged_file_is_an_error_and_no_figure(done: Project, tmp_path: Path) -> None:
    data = bytearray(done.output.read_bytes())
    data[len(data) // 2 :] = b""
    done.output.write_bytes(data)
    shown = done.fullrank("report", "results/study.h5", "--plot", "out.png")
    assert shown.returncode == 74
    assert not (done.folder / "out.png").exists()
