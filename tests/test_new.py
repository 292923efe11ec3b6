"""`fullrank new`: what it writes runs at once, and nothing that is there is overwritten."""

import json
import tomllib
from math import pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import Project

from fullrank import example

pytestmark = pytest.mark.in_process

NEEDED_PACKAGES = ("fullrank", "h5py", "mpi4py", "msgspec", "numpy", "rich")

SIM = """\
def simulate(r, x0: float, n: int, *, steps=20, rate=0.5, names=["a", "b"], seed=7, table=None, shape=(1, 2)):
    return r * x0 + n * rate
"""


def written(project: Project, *args: object) -> dict[str, Any]:
    """Run ``new ARGS``; return the config that its last line but one names."""
    done = project.fullrank("new", *args)
    assert done.returncode == 0, done.stderr
    return tomllib.loads((project.folder / done.stdout.split()[0]).read_text())


def refusal(project: Project, *args: object) -> str:
    done = project.fullrank("new", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_parameters_become_axes_and_those_with_a_default_constants(project: Project) -> None:
    config = written(project.write(SIM), "--function", "sim.py:simulate")
    assert config["workload"] == {
        "function": "sim.py:simulate",
        "seed": 7,
        "constants": {"steps": 20, "rate": 0.5, "names": ["a", "b"]},
    }
    axis = {"start": 0.0, "stop": 1.0, "num": 11}
    assert config["sweep"]["grid"] == {"r": axis, "x0": axis, "n": {"range": 11}}


def test_default_that_toml_cannot_hold_is_left_out_and_told(project: Project) -> None:
    written(project.write(SIM), "--function", "sim.py:simulate")
    text = (project.folder / "simulate.toml").read_text()
    assert "\n# table = None: its default stays, for TOML cannot hold it\n" in text
    assert "\n# shape = (1, 2): its default stays, for TOML cannot hold it\n" in text


@pytest.mark.parametrize(
    ("code", "instead"),
    [
        ("async def f(x): return x", "sweep a 'def' that returns asyncio.run(f(...))"),
        ("def f(x): yield x", "put what it yields into a list and 'return' that"),
        ("async def f(x): yield x", "put what it yields into a list and 'return' that"),
    ],
)
def test_function_whose_calls_give_no_result_is_refused_with_what_to_write_instead(
    project: Project, code: str, instead: str
) -> None:
    project.write(f"{code}\n")
    assert instead in refusal(project, "--function", "sim.py:f")
    assert instead in project.run("-b", "serial", expect=2).stderr
    assert not project.output.parent.exists()


@pytest.mark.parametrize("code", ["def rate(rate): return rate", "def status(x): return x"])
def test_function_whose_name_its_result_cannot_have_is_told_so_before_and_after(project: Project, code: str) -> None:
    name = code.removeprefix("def ").partition("(")[0]
    written(project.write(code), "--function", f"sim.py:{name}")
    text = (project.folder / f"{name}.toml").read_text()
    assert f"# A number that it returned would be called {name}, after the function, and that name is taken:\n" in text
    done = project.fullrank("run", f"{name}.toml", "-b", "serial")
    assert done.returncode == 2
    assert 'rename the function, or return {"value": ...}' in done.stderr
    project.write(code.replace("return rate", 'return {"value": rate}').replace("return x", 'return {"value": x}'))
    assert project.fullrank("run", f"{name}.toml", "-b", "serial").returncode == 0


def test_config_of_a_function_runs_at_once(project: Project) -> None:
    written(project.write(SIM), "--function", "sim.py:simulate")
    done = project.fullrank("run", "simulate.toml", "-b", "serial")
    assert done.returncode == 0, done.stderr
    unit = np.linspace(0.0, 1.0, 11)
    expected = unit[:, None, None] * unit[None, :, None] + np.arange(11) * 0.5
    np.testing.assert_array_equal(project.read("simulate", "results/simulate.h5"), expected)


def test_config_in_another_folder_finds_the_function(project: Project) -> None:
    (project.write(SIM).folder / "deep" / "er").mkdir(parents=True)
    done = project.fullrank("new", "--function", "sim.py:simulate", "-o", "deep/er/my.toml")
    assert done.stdout.startswith("deep/er/my.toml\n")
    done = project.fullrank("run", "deep/er/my.toml", "--limit", "3")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("code", "grid"),
    [
        ("def f(seed):\n    return seed", {"seed": {"range": 11}}),
        ("def f(a=None, b=2, c=0.5):\n    return b", {"b": [2]}),
        ("def f(on: bool, way: str):\n    return on", {"on": [False, True], "way": ["a", "b"]}),
        ("from __future__ import annotations\ndef f(n: int):\n    return n", {"n": {"range": 11}}),
    ],
)
def test_any_signature_gets_an_axis_that_runs(project: Project, code: str, grid: dict[str, Any]) -> None:
    assert written(project.write(code), "--function", "sim.py:f")["sweep"]["grid"] == grid
    done = project.fullrank("run", "f.toml", "-b", "serial")
    assert done.returncode == 0, done.stderr


def test_many_parameters_make_no_endless_study(project: Project) -> None:
    names = [f"p{number}" for number in range(12)]
    config = written(project.write(f"def f({', '.join(names)}):\n    return 1"), "--function", "sim.py:f")
    assert np.prod([axis["num"] for axis in config["sweep"]["grid"].values()]) <= 10_000


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("def f(*values):\n    return 1", "'*values' takes values without names; wrap it in a 'def' that names them"),
        ("def f():\n    return 1", "has no parameter that could be an axis"),
        ("def f(status):\n    return 1", "its parameter 'status' cannot be an axis"),
        ("def g(x):\n    return 1", "there is no 'f' in sim.py; did you mean"),
        ("raise ValueError('no')", "importing sim.py failed:"),
    ],
)
def test_function_that_cannot_be_swept_is_refused_and_nothing_written(
    project: Project, code: str, sentence: str
) -> None:
    before = project.write(code).files()
    done = project.fullrank("new", "--function", "sim.py:f")
    assert done.returncode == 2
    assert "sim.py:f: " in done.stderr
    assert sentence.partition("; did")[0] in done.stderr
    assert project.files() == before


def test_example_is_written_and_runs(project: Project) -> None:
    done = project.fullrank("new", "pendulum")
    names = ["pendulum.py", "pendulum.toml"]
    assert done.stdout.splitlines()[:2] == names
    assert project.files() == set(names)
    commands = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert commands == ["fullrank run pendulum.toml --limit 20", "fullrank run pendulum.toml"]
    done = project.fullrank(*commands[0].split()[1:])
    assert done.returncode == 0, done.stderr
    assert np.count_nonzero(project.read("status", "results/pendulum.partial.h5") == 1) == 20


@pytest.mark.parametrize(("amplitude", "length"), [(5.0, 0.5), (90.0, 1.0), (175.0, 2.0)])
def test_example_gives_the_period_that_gauss_found(amplitude: float, length: float) -> None:
    """T = 2 pi sqrt(l / g) / agm(1, cos(amplitude / 2)), the arithmetic-geometric mean."""
    namespace: dict[str, Any] = {}
    exec(example.code(), namespace)
    first, second = 1.0, float(np.cos(np.radians(amplitude) / 2))
    for _ in range(8):
        first, second = (first + second) / 2, sqrt(first * second)
    exact = 2 * pi * sqrt(length / namespace["GRAVITY"]) / first
    assert namespace["period"](amplitude, length, steps=20_000) == pytest.approx(exact, rel=1e-6)


def test_example_may_have_the_name_of_a_module_beside_it(project: Project) -> None:
    (project.folder / "pendulum").mkdir()
    assert project.fullrank("new", "pendulum").returncode == 0


@pytest.mark.parametrize("taken", ["pendulum.py", "pendulum.toml"])
def test_file_that_is_there_is_never_overwritten(project: Project, taken: str) -> None:
    (project.folder / taken).write_text("mine")
    assert "is there already and stays as it is" in refusal(project, "pendulum")
    assert project.files() == {taken}
    assert (project.folder / taken).read_text() == "mine"


def test_config_that_is_there_is_never_overwritten(project: Project) -> None:
    (project.write(SIM).folder / "simulate.toml").write_text("mine")
    assert "is there already" in refusal(project, "--function", "sim.py:simulate")
    assert (project.folder / "simulate.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ([], "expected either a NAME"),
        (["a", "--function", "sim.py:f"], "expected either a NAME"),
        (["two words"], "expected a name that a module of your own can have"),
        (["random"], "Python's standard library has a module of that name"),
        *[
            ([name], "is installed here has a module of that name")
            for name in (*NEEDED_PACKAGES, "pytest", "hypothesis")
        ],
        (["nowhere/pendulum"], "there is no folder"),
        (["pendulum", "-o", "x.toml"], "-o is for --function"),
        (["--function", "sim.py"], "expected FILE.py:FUNCTION"),
        (["--function", "sin.py:f"], "there is no file sin.py; did you mean 'sim.py'?"),
        (["--function", "sim.py:f", "-o", "x.txt"], "expected a name that ends with .toml"),
        (["--function", "no_such_module:f"], "there is no module 'no_such_module'"),
    ],
)
def test_wrong_command_is_refused_in_a_sentence(project: Project, args: list[str], sentence: str) -> None:
    before = project.write("def f(x):\n    return x").files()
    assert sentence in refusal(project, *args)
    assert project.files() == before


def test_function_behind_a_link_is_named_by_the_place_it_is_in(project: Project, tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.mkdir()
    (project.write(SIM).folder / "link").symlink_to(far)
    assert project.fullrank("new", "--function", "sim.py:simulate", "-o", "link/my.toml").returncode == 0
    done = project.fullrank("run", "link/my.toml", "--limit", "2")
    assert done.returncode == 0, done.stderr


def test_object_of_new_has_the_files_and_the_commands_that_go_on(project: Project) -> None:
    found = json.loads(project.fullrank("new", "pendulum", "--json").stdout)
    assert found["files"] == [str(project.folder / name) for name in ("pendulum.py", "pendulum.toml")]
    assert found["commands"] == ["fullrank run pendulum.toml --limit 20", "fullrank run pendulum.toml"]


def test_object_of_new_is_the_only_output_also_where_the_function_prints(project: Project) -> None:
    done = project.write(f"print('hello')\n{SIM}").fullrank("new", "--function", "sim.py:simulate", "--json")
    assert json.loads(done.stdout)["files"] == [str(project.folder / "simulate.toml")]


METHODS = """\
class A:
    def m(self, x):
        return x
    @staticmethod
    def s(x):
        return x
    @classmethod
    def c(cls, x):
        return x
"""


def test_method_that_waits_for_an_object_is_refused_by_new_and_by_run(project: Project) -> None:
    project.write(METHODS, function="sim.py:A.m")
    said = refusal(project, "--function", "sim.py:A.m")
    assert "sim.py:A.m: is a method, called on an object of A; " in said
    assert "is a method, called on an object of A; " in project.run("-b", "serial", expect=2).stderr


@pytest.mark.parametrize("name", ["s", "c"])
def test_method_that_needs_no_object_is_a_function(project: Project, name: str) -> None:
    assert list(written(project.write(METHODS), "--function", f"sim.py:A.{name}")["sweep"]["grid"]) == ["x"]
