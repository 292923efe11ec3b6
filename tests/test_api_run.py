"""`fullrank.run`, called from scripts as users write them."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import SLOW, Project, Started

import fullrank
from fullrank.errors import FunctionError, UsageError
from fullrank.named import name_of

SIM = """\
def simulate(r, x0=0.5, steps=10):
    if r > 3.99:
        raise ValueError("too big")
    return r * x0 * steps
"""
HEAD = "import fullrank\nfrom sim import simulate\n"
GRID = 'grid={"r": [1.0, 2.0, 4.0], "x0": (0.25, 0.5)}'
EXPECTED = [[2.5, 5.0], [5.0, 10.0], [float("nan")] * 2]

Script = Callable[..., "subprocess.CompletedProcess[str]"]


def start(project: Project, body: str, *, head: str = HEAD) -> Started:
    """Start ``script.py``, whose body stands under the usual condition."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (project.folder / "script.py").write_text(f'{head}if __name__ == "__main__":\n{lines}')
    return Started([sys.executable, "script.py"], cwd=project.folder, env={})


@pytest.fixture
def script(project: Project) -> Script:
    """``script(body)``: runs it as a script beside ``sim.py`` to its end, which has to be a good one."""
    (project.folder / "sim.py").write_text(SIM)

    def run(body: str, *, head: str = HEAD, expect: int = 0) -> "subprocess.CompletedProcess[str]":
        done = start(project, body, head=head).end()
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    return run


@pytest.mark.parametrize("backend", [None, "serial", "threads", "processes"])
def test_function_is_run_over_its_grid_and_failures_are_no_error(script: Script, backend: str | None) -> None:
    done = script(
        f"""\
result = fullrank.run(simulate, {GRID}, workers={1 if backend == "serial" else 2}, backend={backend!r})
print(result["simulate"].tolist(), result.n_failed, result.dims)"""
    )
    assert done.stdout == f"{EXPECTED} 2 ('r', 'x0')\n"


def test_nothing_is_printed_and_what_happens_is_logged(script: Script) -> None:
    done = script(f"fullrank.run(simulate, {GRID})")
    assert done.stdout == ""
    assert done.stderr.endswith("results/simulate.h5: 6 of 6 items are finished, 2 of them failed\n")  # a warning
    assert done.stderr.count("\n") == 1
    done = script(
        f"""\
import logging
logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
fullrank.run(simulate, {GRID}, limit=2, output="o.h5")
fullrank.run(simulate, {GRID}, output="o.h5")"""
    )
    assert "fullrank INFO 2 of 6 items were finished before; going on\n" in done.stderr
    assert done.stdout == ""


def test_config_is_run_by_its_path(script: Script, project: Project) -> None:
    project.write(SIM, grid="r = [1.0, 2.0]", function="sim.py:simulate")
    done = script('print(fullrank.run("study.toml")["simulate"].tolist())')
    assert done.stdout == "[5.0, 10.0]\n"
    assert project.output.is_file()


def test_config_that_the_call_stands_for_is_written_and_goes_on(script: Script, project: Project) -> None:
    call = """\
import numpy as np
fullrank.run(simulate, grid={"r": np.linspace(0, 1, 50), "x0": range(1, 3)},
    constants={"steps": np.int64(3)}, seed=4, replicates=2)"""
    script(call)
    config = tomllib.loads((project.folder / "results/simulate.toml").read_text())
    assert config == {
        "workload": {"function": "../sim.py:simulate", "seed": 4, "constants": {"steps": 3}},
        "sweep": {
            "replicates": 2,
            "grid": {"r": {"start": 0.0, "stop": 1.0, "num": 50}, "x0": {"range": [1, 3, 1]}},
        },
    }
    assert "already complete" in project.fullrank("run", "results/simulate.toml").stdout


def test_array_is_given_to_the_last_bit(script: Script, project: Project) -> None:
    script('import numpy as np\nfullrank.run(simulate, grid={"r": np.geomspace(1e-3, 3, 40) / 7})')
    np.testing.assert_array_equal(project.read("r", "results/simulate.h5"), np.geomspace(1e-3, 3, 40) / 7)


def test_it_can_be_called_again_and_leaves_handlers_modules_and_path_alone(script: Script) -> None:
    script(
        f"""\
import signal, sys, sim
def state():
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM
    return [signal.getsignal(n) for n in numbers], list(sys.path), sys.modules["sim"], sys.stdout, sys.stderr
signal.signal(signal.SIGTERM, lambda *_: None)
before = state()
for backend in ("processes", "threads", "serial"):
    fullrank.run(simulate, {GRID}, backend=backend, output=backend + ".h5", workers=1)
    assert state() == before, backend
assert sim.simulate is simulate"""
    )


def test_function_that_was_edited_is_run_as_it_stands(script: Script) -> None:
    """In a notebook the module that is loaded may be older than its file."""
    done = script(
        """\
from pathlib import Path
Path("sim.py").write_text("def simulate(r, added=1):\\n    return r + added\\n")
result = fullrank.run(simulate, grid={"r": [1.0], "added": [5]}, backend="serial")
print(result["simulate"].tolist())"""
    )
    assert done.stdout == "[[6.0]]\n"


def test_function_of_the_script_itself_is_run(script: Script) -> None:
    head = "import fullrank\ndef here(a):\n    return 2 * a\n"
    done = script('print(fullrank.run(here, grid={"a": [1, 2]})["here"].tolist())', head=head)
    assert done.stdout == "[2, 4]\n"


@pytest.mark.parametrize("command", [["script.py"], ["-m", "fullrank", "run", "script.py:here", "--grid", "a=1"]])
def test_call_at_a_scripts_top_level_is_told_where_it_belongs(project: Project, command: list[str]) -> None:
    code = 'import fullrank\ndef here(a):\n    return a\nfullrank.run(here, grid={"a": [1, 2]})\n'
    (project.folder / "script.py").write_text(code)
    done = Started([sys.executable, *command], cwd=project.folder, env={}).end()
    assert done.returncode != 0
    assert 'put that call under: if __name__ == "__main__":' in done.stderr.splitlines()[-1]
    assert not (project.folder / "results/here.h5").exists()


def test_function_of_a_notebook_is_refused_with_the_cure(project: Project) -> None:
    code = 'import fullrank\ndef f(x):\n    return x\nfullrank.run(f, grid={"x": [1]})\n'
    done = subprocess.run(
        [sys.executable, "-"], input=code, cwd=project.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert "'f' lives only in this session" in done.stderr
    assert done.stderr.endswith(
        "put %%writefile sim.py on top of its cell, run it, and go on with: from sim import f\n"
    )


def nested() -> Any:
    def inner(x: float) -> float:
        return x

    return inner


class Adder:
    def __call__(self, x: float) -> float:
        return x

    def method(self, x: float) -> float:
        return x


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x: x, "is a lambda"),
        (nested(), "is defined inside another function"),
        (Adder(), "objects have no name by which workers could import them"),
        (Adder().method, "is another object than the function that was given"),
    ],
)
def test_function_without_a_name_in_a_file_is_refused(function: Any, sentence: str) -> None:
    with pytest.raises(FunctionError, match=sentence):
        fullrank.run(function, grid={"x": [1]})


def test_function_of_a_package_is_named_by_its_module() -> None:
    from fullrank.workloads.lyapunov import exponent

    assert name_of(exponent) == "fullrank.workloads.lyapunov:exponent"


def f(x: float) -> float:
    return x


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "expected axes by grid={…} (every combination) or by zip={…} (walked together), got none"),
        ({"grid": {"x": [1]}, "zip": {"x": [1]}}, "got both"),
        ({"grid": {"x": [None]}}, "the value of 'x' is of type NoneType, which a config cannot hold"),
        ({"grid": {"x": [1]}, "constants": {"y": (1, 2)}}, "is of type tuple; write a list"),
        ({"grid": {"x": [1]}, "seed": 0.5}, "seed: expected an integer, got 0.5"),
        ({"grid": {"x": [1]}, "seed": -1}, "sim.py:f: seed: expected an integer >= 0"),
        ({"grid": {"x": []}}, "sim.py:f: grid['x']: expected at least one value"),
        ({"grid": {"x": [1]}, "workers": 0}, "workers: expected an integer >= 1, got 0"),
        ({"grid": {"x": [1]}, "backend": "thread"}, "backend: invalid choice: 'thread'"),
        ({"grid": {"x": [1]}, "stop_after": "1:30"}, "expected a duration > 0"),
        ({"grid": {"z": [1]}}, "the axis 'z' is no parameter of sim.py:f, which takes x"),
        ({"grid": {"x": [1]}, "fresh": True, "accept_change": True}, "accept_change=True: not allowed with fresh=True"),
        ({"grid": {"x": [1]}, "workers": 2, "backend": "serial"}, "workers=2 needs another one: backend='processes'"),
        ({"grid": {"x": 7}}, "got a number 7; what never changes stands in constants"),
        ({"zip": {"x": [1], "y": [1, 2]}}, "sim.py:f: zip: "),
        ({"grid": [1]}, "grid: expected a dict of names and values, got list"),
        ({"grid": {"x": [1]}, "constants": [1]}, "constants: expected a dict of names and values, got list"),
        ({"grid": {"x": [1]}, "output": 5}, "output: expected a path, got int"),
        ({"grid": {"x": [1]}, "replicates": True}, "replicates: expected an integer, got True"),
    ],
)
def test_wrong_call_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], sentence: str
) -> None:
    (tmp_path / "sim.py").write_text("def f(x):\n    return x\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as raised:
        fullrank.run("sim.py:f", **options)
    assert sentence in str(raised.value)
    assert ".toml" not in str(raised.value)
    assert "../" not in str(raised.value)
    assert not (tmp_path / "results/f.h5").exists()


def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    (tmp_path / "sim.py").write_text(code)
    monkeypatch.chdir(tmp_path)


def test_other_study_is_refused_with_the_arguments_that_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_folder(tmp_path, monkeypatch, "def f(x):\n    return x\n")
    fullrank.run("sim.py:f", grid={"x": [1, 2]}, backend="serial")
    with pytest.raises(UsageError, match="Start anew with fresh=True, which moves the old results aside"):
        fullrank.run("sim.py:f", grid={"x": [3]}, backend="serial")
    (tmp_path / "sim.py").write_text("def f(x):\n    return -x\n")
    with pytest.raises(UsageError, match="with accept_change=True, and retry_failed=True does failed items again"):
        fullrank.run("sim.py:f", grid={"x": [1, 2]}, backend="serial")


def test_missing_seed_is_asked_for_as_an_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    in_folder(tmp_path, monkeypatch, "def f(x):\n    return x\ndef g(x, seed):\n    return x\n")
    with pytest.raises(UsageError, match=r"^sim\.py:g: nothing gives its parameter 'seed'; add seed=1 \(or another"):
        fullrank.run("sim.py:g", grid={"x": [1]}, backend="serial")
    fullrank.run("sim.py:f", grid={"x": [1]}, replicates=2, backend="serial")
    assert "replicates without a seed cannot be repeated; add seed=1 (or another one)" in caplog.messages


@pytest.mark.parametrize("option", [{"grid": {"x": [1]}}, {"seed": 1}])
def test_what_a_config_says_itself_is_not_given_beside_it(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"is for a function; study\.toml says itself what is computed"):
        fullrank.run("study.toml", **option)


def test_another_object_is_no_study() -> None:
    with pytest.raises(UsageError, match="expected the path of a config or a function, got an object of type int"):
        fullrank.run(7)  # type: ignore[arg-type]  # that is the point


def test_in_another_thread_it_says_what_is_not_possible(script: Script) -> None:
    done = script(
        f"""\
import threading
def call():
    try:
        fullrank.run(simulate, {GRID})
    except fullrank.errors.UsageError as error:
        print(error)
import fullrank.errors
thread = threading.Thread(target=call)
thread.start()
thread.join()"""
    )
    assert done.stdout.startswith("fullrank.run works in the main thread alone, for signals")


def test_stopped_run_raises_and_the_same_call_goes_on(project: Project) -> None:
    body = """\
import fullrank.errors
try:
    result = fullrank.run(f, grid={"x": range(12)}, workers=2)
    print(result["f"].tolist())
except fullrank.errors.Stopped as stopped:
    print(stopped)"""
    head = "import fullrank\nfrom sim import f\n"
    running = start(project.write(SLOW), body, head=head)
    project.until_visited(3)
    running.send(signal.SIGINT)
    done = running.end()
    assert done.returncode == 0, done.stderr
    assert "none is lost. The same call goes on" in done.stdout
    project.hurry()
    done = start(project, body, head=head).end()
    assert done.stdout == f"{[x * x / 7 for x in range(12)]}\n"
    assert len(project.visits()) < 24


def test_study_whose_items_all_fail_raises_with_the_first_failure(script: Script) -> None:
    done = script('fullrank.run(simulate, grid={"r": [5.0] * 30})', expect=1)
    assert "fullrank.errors.FailedItems: " in done.stderr
    assert "ValueError: too big" in done.stderr


def test_ranks_are_started_as_the_command_starts_them(mpi_project: Project) -> None:
    (mpi_project.folder / "sim.py").write_text(SIM)
    body = f"""\
result = fullrank.run(simulate, {GRID}, backend="mpi", workers=2)
print(result["simulate"].tolist())
import fullrank.errors
try:
    fullrank.run(simulate, grid={{"r": [1.0], "none": [2]}}, backend="mpi", workers=2, output="other.h5")
except fullrank.errors.UsageError as error:
    print(error)"""
    done = start(mpi_project, body).end()
    first, second = done.stdout.splitlines()
    assert first == str(EXPECTED)
    assert "the axis 'none' is no parameter of sim.py:simulate" in second
    assert mpi_project.read("attempts/n_workers", "results/simulate.h5").tolist() == [2]


def test_package_loads_nothing_heavy_before_it_is_asked_to(tmp_path: Path) -> None:
    program = "import sys, fullrank; print({'numpy', 'h5py', 'mpi4py', 'fullrank.api'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "set()\n"


def test_function_of_a_package_is_named_by_the_package_and_not_by_a_file_of_it() -> None:
    assert name_of(np.sin) == "numpy:sin"
    assert name_of(json.dumps) == "json:dumps"
