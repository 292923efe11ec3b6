"""docs/python.md: its program, the arguments it lists, what is refused and what is told."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pages import PAGES, fenced, in_code, option_names, rows

import fullrank
from fullrank import errors

PAGE = "docs/python.md"
PROSE = " ".join(PAGES[PAGE].split())
SIM = "def simulate(r, x0, iterations):\n    for _ in range(iterations): x0 = r * x0 * (1 - x0)\n    return x0\n"
AS_MAIN = 'if __name__ == "__main__":'


def python(folder: Path, script: str, *, expect: int = 0, launcher: tuple[object, ...] = ()) -> str:
    """Run a script in the folder, to its end, and return what it wrote."""
    (folder / "script.py").write_text(script)
    command = [*map(str, launcher), sys.executable, "script.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path, leaves_nothing_running: None) -> Path:
    (tmp_path / "sim.py").write_text(SIM)
    return tmp_path


def program() -> str:
    """Return the page's program, with fewer values on its axis."""
    (block,) = fenced(PAGE, "python")
    assert "4.0, 2000)" in block
    return block.replace("4.0, 2000)", "4.0, 20)")


def simulated(r: float, x0: float, iterations: int = 500) -> float:
    for _ in range(iterations):
        x0 = r * x0 * (1 - x0)
    return x0


def test_program_gives_what_a_plain_loop_does_and_the_same_call_returns_at_once(folder: Path) -> None:
    assert python(folder, program()) == "(20, 2) 0\n"
    with fullrank.open_result(folder / "results/simulate.h5") as result:
        expected = [[simulated(r, x0) for x0 in (0.1, 0.2)] for r in np.linspace(2.5, 4.0, 20)]
        assert result["simulate"].tolist() == expected
    before = (folder / "results/simulate.h5").stat().st_mtime_ns
    assert python(folder, program()) == "(20, 2) 0\n"
    assert (folder / "results/simulate.h5").stat().st_mtime_ns == before


def test_config_that_the_call_stands_for_is_taken_by_commands_and_by_a_call(folder: Path, fullrank_cli) -> None:
    python(folder, program())
    assert "`results/simulate.toml`" in PROSE
    done = fullrank_cli("status", "results/simulate.toml", "--exit-code", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert '`fullrank.run("study.toml")` runs a config' in PROSE
    script = f"import fullrank\n{AS_MAIN}\n    print(fullrank.run('results/simulate.toml')['simulate'].shape)\n"
    assert python(folder, script) == "(20, 2)\n"


def test_arguments_of_the_table_are_those_of_the_function() -> None:
    listed = [name for row in rows(PAGE, header="argument |") for name in in_code(row[0])]
    assert sorted(listed) == sorted(set(inspect.signature(fullrank.run).parameters) - {"study"})


def test_arguments_that_are_as_options_are_options() -> None:
    likewise = [row[0] for row in rows(PAGE, header="argument |") if row[1].startswith(("as the options", "likewise"))]
    named = {"--" + name.replace("_", "-") for cell in likewise for name in in_code(cell)}
    assert len(named) == 10
    assert named <= option_names()


def test_axes_of_every_kind_that_the_table_names_are_taken(folder: Path) -> None:
    (cell,) = (row[1] for row in rows(PAGE, header="argument |") if "`grid`" in row[0])
    table = in_code(cell)[-1]
    assert "a list, an array, a `range`, or a table" in cell
    (folder / "sim.py").write_text("def f(a, b, c, d): return a + b + c + d\n")
    script = f"""\
import fullrank, numpy as np
from sim import f
{AS_MAIN}
    result = fullrank.run(f, grid={{"a": [1, 2], "b": np.array([0.5]), "c": range(3), "d": {table}}}, backend="serial")
    print(result["f"].shape, result.units["d"])
"""
    assert python(folder, script) == "(2, 1, 3, 11) m\n"


REFUSED = {"A lambda": "lambda x: x", "a function inside a function": "inner()"}


@pytest.mark.parametrize("kind", REFUSED)
def test_function_without_a_place_of_its_own_is_refused(kind: str, folder: Path) -> None:
    assert kind in PROSE
    script = f"""\
import fullrank
def inner():
    def f(x): return x
    return f
{AS_MAIN}
    try:
        fullrank.run({REFUSED[kind]}, grid={{"x": [1]}})
    except fullrank.errors.UsageError as error:
        print("refused:", error)
"""
    assert python(folder, script).startswith("refused:")
    assert not (folder / "results").exists()


def test_function_of_a_notebooks_cell_is_refused(folder: Path) -> None:
    assert "`%%writefile sim.py`" in PROSE
    script = """\
import fullrank
names = {"__name__": "__main__"}
exec("def f(x): return x", names)
if __name__ == "__main__":
    try:
        fullrank.run(names["f"], grid={"x": [1]})
    except fullrank.errors.UsageError as error:
        print("refused:", error)
"""
    assert python(folder, script).startswith("refused:")


def test_script_that_calls_without_the_guard_is_refused_with_the_sentence_and_nothing_runs(folder: Path) -> None:
    script = 'import fullrank\ndef f(x):\n    return x\nfullrank.run(f, grid={"x": [1, 2]})\n'
    assert AS_MAIN in python(folder, script, expect=1)
    assert not (folder / "results/f.h5").exists()


LOGGED = f"""\
import fullrank, logging
{AS_MAIN}
    SETTING
    result = fullrank.run("fails.py:f", grid={{"x": [0, 1, 2]}}, backend="serial")
    assert result.n_failed == 1
"""


def test_nothing_is_printed_but_a_warning_of_the_logger_if_items_failed(folder: Path) -> None:
    assert "Nothing is printed. The logger `fullrank` has a warning if items failed" in PROSE
    (folder / "fails.py").write_text("def f(x):\n    return 1 / x\n")
    (warning,) = python(folder, LOGGED.replace("SETTING", "pass")).splitlines()
    assert "failed" in warning


def test_logger_tells_what_a_run_goes_on_from_where_it_is_asked_to(folder: Path) -> None:
    (setting,) = re.findall(r"`(logging\.basicConfig.*?)`", PROSE)
    (folder / "fails.py").write_text("def f(x):\n    return 1 / x\n")
    python(folder, LOGGED.replace("SETTING", "pass").replace("[0, 1, 2]", "[0, 1]"))
    told = python(folder, LOGGED.replace("SETTING", setting))
    assert "INFO:fullrank:2 of 3 items were finished before; going on" in told
    assert "WARNING:fullrank" in told
    assert "sum" not in told


def test_errors_that_the_page_names_stand_under_one() -> None:
    for name in ("Stopped", "FailedItems", "UsageError"):
        assert f"`{name}`" in PROSE
        assert issubclass(getattr(errors, name), errors.FullrankError)


def test_a_study_of_which_all_items_failed_raises_what_the_page_says(folder: Path) -> None:
    (folder / "fails.py").write_text("def f(x):\n    raise ValueError(x)\n")
    (folder / "slow.py").write_text("import time\ndef f(x):\n    time.sleep(0.1)\n    return x\n")
    script = f"""\
import fullrank, signal
before = signal.getsignal(signal.SIGINT)
{AS_MAIN}
    try:
        fullrank.run("fails.py:f", grid={{"x": range(40)}}, backend="serial")
    except fullrank.errors.FailedItems:
        print("FailedItems")
    try:
        fullrank.run("slow.py:f", grid={{"x": range(1000)}}, output="early.h5", stop_after=0.001)
    except fullrank.errors.Stopped:
        print("Stopped", signal.getsignal(signal.SIGINT) is before)
"""
    assert python(folder, script) == "FailedItems\nStopped True\n"


def test_under_mpiexec_rank_0_gets_the_result_and_the_others_none(folder: Path, mpiexec: Path) -> None:
    (shown,) = re.findall(r"`(mpiexec -n 64 python script\.py)`", PROSE)
    assert shown.split()[3:] == ["python", "script.py"]
    script = program().replace("    print(result", "    print(result is None) if result is None else print(result")
    assert sorted(python(folder, script, launcher=(mpiexec, "-n", 2)).splitlines()) == ["(20, 2) 0", "True"]
