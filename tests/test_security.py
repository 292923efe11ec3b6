"""What SECURITY.md promises of runs: the code that runs, the files and programs that are touched, who may read them."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from studies import Project

import fullrank

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(fullrank.__file__).parent

# Every Python of a run loads this first, and notes what it does.
NOTING = """\
import os, sys
log = os.open(os.environ["NOTED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def note(event, arguments):
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        line = "write " + os.path.abspath(os.fsdecode(path))
    elif event in ("os.remove", "os.rmdir"):
        line = "delete " + os.path.abspath(os.fsdecode(arguments[0]))
    elif event == "subprocess.Popen":
        line = "start " + os.fsdecode(arguments[0])
    elif event.startswith(("socket.", "os.system", "pty.", "urllib.")):
        line = "never " + event
    else:
        return
    os.write(log, line.encode() + b"\\n")
sys.addaudithook(note)
"""


def noted_of(project: Project, *words: object) -> set[tuple[str, str]]:
    """Return what all processes of a command, which has to end well, did: kind and name."""
    beside = project.folder.with_name("noting")
    beside.mkdir(exist_ok=True)
    (beside / "sitecustomize.py").write_text(NOTING)
    (beside / "noted").write_bytes(b"")
    path = os.pathsep.join([str(beside), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = project.fullrank(*words, env={"PYTHONPATH": path, "NOTED": str(beside / "noted")})
    assert done.returncode == 0, done.stderr
    return {(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in (beside / "noted").read_text().splitlines()}


def noted_of_run(project: Project, backend: str) -> set[tuple[str, str]]:
    """Return what all processes of a run did."""
    project.write("def f(x):\n    print(x)\n    return x / 7")
    noted = noted_of(project, "run", "study.toml", "-b", backend)
    assert project.read("f").tolist() == [x / 7 for x in range(12)]
    return noted


@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_run_opens_no_socket_and_starts_python_and_git_alone(project: Project, backend: str) -> None:
    noted = noted_of_run(project, backend)
    assert {name for kind, name in noted if kind == "never"} == set()
    started = {name for kind, name in noted if kind == "start"}
    assert started <= {"git", sys.executable}
    assert sys.executable in started or backend != "processes"  # else nothing was noted


@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_run_writes_beside_its_output_alone(project: Project, backend: str) -> None:
    written = {name for kind, name in noted_of_run(project, backend) if kind == "write"}
    beside = str(project.output.parent)
    assert any(name.startswith(f"{project.output}.work/") for name in written)
    temporary = {name for name in written if Path(name).parent == Path(os.environ.get("TMPDIR", "/tmp"))}
    assert {name for name in written - temporary if not name.startswith(beside)} <= {os.devnull}
    # nameless: the counter that processes share
    assert [name for name in temporary if Path(name).exists()] == []


@pytest.mark.in_process
def test_commands_on_files_run_no_code_of_the_study(project: Project) -> None:
    project.write("open('ran', 'a').close()\ndef f(x):\n    return x")
    project.run("-b", "serial", "--limit", "5")
    (project.folder / "ran").unlink()
    partial = "results/study.partial.h5"
    for words in (["status", "study.toml"], ["gather", "study.toml", "--partial"], ["report", partial]):
        assert project.fullrank(*words).returncode == 0
    for words in (["verify", partial], ["diff", partial, partial]):
        assert project.fullrank(*words).returncode == 0
    for words in (["export", partial, "--csv", "table.csv"], ["clean", "study.toml", "--yes"]):
        assert project.fullrank(*words).returncode == 0
    assert not (project.folder / "ran").exists()


def test_new_config_is_made_without_a_call_of_the_function(project: Project) -> None:
    project.write("def f(x):\n    open('ran', 'a').close()")
    assert project.fullrank("new", "--function", "sim.py:f").returncode == 0
    assert (project.folder / "f.toml").exists()
    assert not (project.folder / "ran").exists()


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["export", "study.toml", "--csv", "table.csv"], {"table.csv"}),
        (["report", "study.toml", "--plot", "figure.svg"], {"figure.svg"}),
        (["new", "mine"], {"mine.py", "mine.toml"}),
        (["new", "--function", "sim.py:f"], {"f.toml"}),
    ],
)
def test_command_writes_what_it_names_alone(project: Project, words: list[str], written: set[str]) -> None:
    project.write("def f(x):\n    return x").run("-b", "serial")
    before = project.files()
    noted = noted_of(project, *words)
    assert project.files() - before == written
    names = {Path(name) for kind, name in noted if kind in ("write", "delete") and name != os.devnull}
    beside = {name for name in names if name.parent == project.folder}
    assert beside
    assert all(any(name.name.lstrip(".").startswith(whole) for whole in written) for name in beside)
    caches = {"matplotlib", "fontconfig", "__pycache__"}
    assert [name for name in names - beside if not caches & set(name.parts)] == []


def test_clean_deletes_what_it_lists_alone(project: Project) -> None:
    project.write("def f(x):\n    print(x)\n    return x").run("-b", "serial", "--limit", 5)
    (project.output.parent / "mine.h5.work").mkdir()
    listed = project.fullrank("clean", "study.toml").stdout
    noted = noted_of(project, "clean", "study.toml", "--yes")
    deleted = {Path(name) for kind, name in noted if kind == "delete"}
    tops = {project.output.with_name(name) for name in ("study.h5.work", "study.partial.h5")}
    assert all(str(top) in listed for top in tops)
    assert tops <= deleted
    assert {name for name in deleted if not tops & {name, *name.parents}} == set()
    assert project.files() == {"sim.py", "study.toml", "results", "results/mine.h5.work"}


class _Touch:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self._path,)


def test_array_file_that_holds_pickles_is_refused_and_none_is_loaded(project: Project) -> None:
    trap = project.folder / "unpickled"
    np.save(project.folder / "a.npy", np.array([_Touch(trap)], object), allow_pickle=True)
    np.load(project.folder / "a.npy", allow_pickle=True)
    assert trap.exists()  # so it would go off
    trap.unlink()
    project.write("def f(x, a):\n    return x", workload='[workload.constants]\na = { npy = "a.npy" }')
    done = project.run("-b", "serial", expect=2)
    assert "expected an array written by numpy.save" in done.stderr
    assert not trap.exists()


def test_what_stands_in_the_work_folder_is_for_its_owner_alone(project: Project) -> None:
    project.write("def f(x):\n    print(x)\n    return x").run("-b", "processes", "-n", 2, "--limit", "6")
    work = project.output.with_name("study.h5.work")
    assert work.stat().st_mode & 0o777 == 0o700
    private = [path for path in work.iterdir() if path.suffix in (".journal", ".log")]
    assert {path.suffix for path in private} == {".journal", ".log"}
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    project.run("--fresh", "--limit", "6")
    aside = [path for path in project.output.parent.iterdir() if path.name.startswith("study.h5.work.")]
    assert [path.stat().st_mode & 0o777 for path in aside] == [0o700]


def test_pickles_are_loaded_from_pipes_and_messages_alone() -> None:
    loaders = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if {"pickle", "marshal", "shelve", "dill"} & _modules_imported(file)
    }
    ends_of_pipes = {"contained.py"} | {f"backends/{name}.py" for name in ("answers", "child", "guest", "interpreters")}
    ends_of_pipes |= {f"isolation/{name}.py" for name in ("child", "evaluator", "process")}
    assert loaders == ends_of_pipes | {"backends/processes.py", "backends/mpi/crew.py"}


def test_no_text_is_run_as_code() -> None:
    calls = {
        (str(file.relative_to(PACKAGE)), node.func.id)
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert {call for call in calls if call[1] in ("eval", "exec", "compile")} == set()


def _modules_imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module.partition(".")[0])
    return found


def test_job_script_passes_every_argument_on_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "a b $(touch ran)"
    for name in ("jobs", ".venv/bin"):
        (folder / name).mkdir(parents=True)
    (folder / "jobs" / "laptop.sh").write_bytes((ROOT / "jobs" / "laptop.sh").read_bytes())
    program = folder / ".venv" / "bin" / "fullrank"
    program.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    program.chmod(0o700)
    given = ["my study.toml", "$(touch ran)", "`touch ran`", "; touch ran", "a'b\"c", "*", ""]
    done = subprocess.run(
        ["sh", folder / "jobs" / "laptop.sh", *given], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\0")[:-1] == ["run", "-b", "mpi", *given]
    assert not (tmp_path / "ran").exists()
