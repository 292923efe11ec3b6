"""One run from config to file: the results are those of a plain loop, whatever computes them."""

import itertools
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from studies import INTERPRETERS, VISITED, Project, needs_interpreters

pytestmark = pytest.mark.in_process

LOGISTIC = """\
import math

def f(r, x):
    total = 0.0
    for _ in range(20):
        x = r * x * (1 - x)
        total += math.log(abs(r * (1 - 2 * x)) + 1e-12)
    return total / 20
"""
LOGISTIC_GRID = "r = { start = 2.5, stop = 4.0, num = 17, units = '1' }\nx = [0.1, 0.2, 0.35]"
LOGISTIC_AXES = np.linspace(2.5, 4.0, 17).tolist(), [0.1, 0.2, 0.35]

WAYS = [
    ("serial", 1, "guided", "spread"),
    ("serial", 1, "static", "index"),
    ("threads", 3, "guided", "index"),
    ("threads", 2, "static", "spread"),
    ("processes", 1, "guided", "spread"),
    ("processes", 2, "static", "spread"),
    ("processes", 3, "guided", "index"),
]


def looped(project: Project, *axes: list[object]) -> list[object]:
    """What the function returns in a plain loop over the grid of ``axes``."""
    return list(itertools.starmap(project.call(), itertools.product(*axes)))


@pytest.mark.parametrize(
    ("backend", "n_workers", "schedule", "order"),
    [*WAYS, pytest.param("interpreters", 2, "guided", "spread", marks=needs_interpreters)],
)
def test_results_are_those_of_a_plain_loop(
    project: Project, backend: str, n_workers: int, schedule: str, order: str
) -> None:
    tail = f'[run]\nschedule = "{schedule}"\norder = "{order}"'
    project.write(LOGISTIC, grid=LOGISTIC_GRID, tail=tail).run("-b", backend, "-n", n_workers)
    expected = np.array(looped(project, *LOGISTIC_AXES)).reshape(17, 3)
    np.testing.assert_array_equal(project.read("f"), expected)
    assert (project.read("status") == 1).all()
    assert project.read("attempts/n_workers").tolist() == [n_workers]


def test_results_have_one_digest_whatever_computes_them(project: Project) -> None:
    digests = set()
    for number, (backend, n_workers, schedule, order) in enumerate(WAYS[::3]):
        tail = f'[run]\nschedule = "{schedule}"\norder = "{order}"'
        project.write(LOGISTIC, grid=LOGISTIC_GRID, tail=tail)
        project.run("-b", backend, "-n", n_workers, "-o", f"{number}.h5")
        digests.add(project.digest(f"{number}.h5"))
    assert len(digests) == 1
    assert project.fullrank("diff", "0.h5", "2.h5").returncode == 0


@pytest.mark.parametrize("backend", ["threads", "processes", INTERPRETERS])
def test_many_tiny_items_are_each_evaluated_and_stored_once(project: Project, backend: str) -> None:
    project.write("def f(x):\n    return x * x", grid="x = { range = 50000 }").run("-b", backend, "-n", 3)
    np.testing.assert_array_equal(project.read("f"), np.arange(50000) ** 2)
    assert project.read("workers/n_items").sum() == 50000


@pytest.mark.parametrize("schedule", ["guided", "static"])
def test_workers_without_an_item_are_no_trouble(project: Project, schedule: str) -> None:
    project.write("def f(x):\n    return x", grid="x = [5]", tail=f'[run]\nschedule = "{schedule}"').run("-n", 3)
    assert project.read("f").tolist() == [5]


@pytest.mark.parametrize("schedule", ["guided", "static"])
@pytest.mark.parametrize("backend", ["threads", "processes", INTERPRETERS])
def test_every_worker_computes(project: Project, backend: str, schedule: str) -> None:
    # each of the first three items waits until all three have begun
    code = f"""\
{VISITED}
def f(x):
    visited(x)
    while os.path.getsize("visits") < 6:
        time.sleep(0.002)
    return x
"""
    tail = f'[run]\nschedule = "{schedule}"'
    project.write(code, grid="x = { range = 9 }", tail=tail).run("-b", backend, "-n", 3)
    assert set(project.read("worker").tolist()) == {0, 1, 2}


def test_processes_on_all_usable_cores_are_the_default(project: Project) -> None:
    project.write().hurry()
    one_core = {min(os.sched_getaffinity(0))}
    pinned = f"import os, sys; os.sched_setaffinity(0, {one_core}); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", pinned, sys.executable, "-m", "fullrank", "run", "study.toml", "-o", "one.h5"]
    subprocess.run(command, cwd=project.folder, check=True, timeout=60, capture_output=True)
    assert project.read("attempts/backend", "one.h5").tolist() == ["processes"]
    assert project.read("attempts/n_workers", "one.h5").tolist() == [1]


# --- sweeps


def test_replicates_are_the_first_dimension_and_seeds_are_the_items_own(project: Project) -> None:
    project.write("def f(x, y, seed):\n    return seed", grid="x = [1, 2]\ny = [5, 6, 7]", workload="seed = 7")
    project.run("-b", "serial", "-o", "single.h5")
    text = (project.folder / "study.toml").read_text()
    (project.folder / "study.toml").write_text(text.replace("[sweep.grid]", "[sweep]\nreplicates = 3\n[sweep.grid]"))
    project.run("-n", 2)
    seeds = project.read("f")
    assert seeds.shape == (3, 2, 3)
    assert len(set(seeds.ravel().tolist())) == 18
    assert seeds.min() >= 0
    np.testing.assert_array_equal(seeds[0], project.read("f", "single.h5"))


def test_global_generators_are_seeded_for_a_function_without_seed(project: Project) -> None:
    grid = "x = { range = 8 }"
    project.write("def f(x, seed):\n    return seed", grid=grid, workload="seed = 7").run("-b", "serial")
    seeds = project.read("f").tolist()
    code = """\
import random
import numpy as np
def f(x):
    return random.random(), np.random.random()
"""
    project.write(code, grid=grid, workload="seed = 7").run("-n", 2, "-o", "p.h5")
    project.run("-b", "serial", "-o", "s.h5")
    assert project.read("f_0", "p.h5").tolist() == [random.Random(seed).random() for seed in seeds]
    assert project.digest("p.h5") == project.digest("s.h5")
    assert len(set(project.read("f_1", "p.h5").tolist())) == 8


def test_threads_that_would_share_seeded_generators_are_warned_of(project: Project) -> None:
    project.write("import random\ndef f(x):\n    return random.random()", workload="seed = 7")
    assert "threads share the global random generators" in project.run("-b", "threads", "-n", 2).stderr


def test_zip_walks_its_axes_together_and_names_them_as_coordinates(project: Project) -> None:
    project.write("def f(a, b):\n    return a / b", sweep="[sweep.zip]\na = [1, 2, 3]\nb = [7.0, 8.0, 9.0]")
    project.run("-n", 2)
    assert project.read("f").tolist() == [1 / 7.0, 2 / 8.0, 3 / 9.0]
    with xarray.open_dataset(project.output, engine="h5netcdf") as dataset:
        assert dataset["f"].dims == ("item",)
        assert dataset["f"].coords["b"].values.tolist() == [7.0, 8.0, 9.0]


def test_table_gives_one_item_a_row_with_text_where_a_column_has_text(project: Project) -> None:
    (project.folder / "points.csv").write_text("model,n,x\nising,4,0.5\npotts,5,1.5\nxy,6,2\n")
    project.write("def f(model, n, x):\n    return len(model) * n + x", sweep='[sweep.table]\npath = "points.csv"')
    project.run("-n", 2)
    assert project.read("f").tolist() == [5 * 4 + 0.5, 5 * 5 + 1.5, 2 * 6 + 2.0]
    assert project.read("model").tolist() == ["ising", "potts", "xy"]


def test_text_axis_of_a_grid_is_a_dimension(project: Project) -> None:
    code = "def f(rule, n):\n    return n ** 2 if rule == 'square' else n ** 3"
    project.write(code, grid='rule = ["square", "cube"]\nn = { range = [2, 5] }').run("-n", 2)
    with xarray.open_dataset(project.output, engine="h5netcdf") as dataset:
        assert dataset["f"].dims == ("rule", "n")
        assert dataset["f"].sel(rule="cube").values.tolist() == [8, 27, 64]


# --- constants


def test_constants_arrays_and_what_setup_returns_reach_the_function(project: Project) -> None:
    np.save(project.folder / "potential.npy", np.arange(6.0).reshape(2, 3))
    code = """\
def load(factor):
    return {"offset": 1000 * factor}

def f(x, factor, potential, offset, flags):
    try:
        potential[0, 0] = 1
    except ValueError:
        return float(potential[1, x]) * factor + offset + sum(flags["counts"])
"""
    workload = 'setup = "sim.py:load"\n[workload.constants]\nfactor = 2\n'
    workload += 'potential = { npy = "potential.npy" }\nflags = { counts = [1, 2] }'
    project.write(code, grid="x = { range = 3 }", workload=workload)
    for backend in ("serial", "processes"):
        project.run("-b", backend, "-o", f"{backend}.h5")
        assert project.read("f", f"{backend}.h5").tolist() == [2.0 * x + 2000 + 3 for x in (3, 4, 5)]


def test_setup_is_called_once_in_each_worker(project: Project) -> None:
    code = f"{VISITED}\ndef load():\n    visited(0)\n    return {{}}\ndef f(x):\n    return x\n"
    project.write(code, workload='setup = "sim.py:load"').run("-b", "processes", "-n", 2)
    assert project.visits() == [0, 0]


def test_function_may_stand_in_a_module_beside_the_config_and_import_its_neighbours(project: Project) -> None:
    package = project.folder / "studies_of" / "waves"
    package.mkdir(parents=True)
    (package / "model.py").write_text("from studies_of.waves.helper import twice\ndef g(x):\n    return twice(x)\n")
    (package / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    project.write(function="studies_of.waves.model:g").run("-n", 2)
    assert project.read("g").tolist() == [2 * x for x in range(12)]


def test_study_may_be_run_from_any_folder(project: Project, tmp_path: Path) -> None:
    project.write("def f(x):\n    return x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, "-m", "fullrank", "run", project.folder / "study.toml", "-n", "1"]
    done = subprocess.run(command, cwd=elsewhere, check=True, timeout=60, capture_output=True, text=True)
    assert str(elsewhere / "results" / "study.h5") in done.stdout
    assert (elsewhere / "results" / "study.h5").exists()


# --- what functions return

LEAVES = {
    "a_float": ("x / 3", [x / 3 for x in range(4)], "<f8"),
    "an_int": ("x - 2**62", [x - 2**62 for x in range(4)], "<i8"),
    "a_bool": ("x > 1", [0, 0, 1, 1], "|i1"),
    "int_or_float": ("x if x % 2 else x / 1", [0.0, 1.0, 2.0, 3.0], "<f8"),
    "infinite": ("float('inf') if x else -0.0", [-0.0, math.inf, math.inf, math.inf], "<f8"),
    "a_list": ("[x, x + 0.5]", [[x, x + 0.5] for x in range(4)], "<f8"),
    "nested_list": ("[[x, 1], [2, 3]]", [[[x, 1], [2, 3]] for x in range(4)], "<i8"),
    "an_array": ("array.array('f', [x, 0.5])", [[x, 0.5] for x in range(4)], "<f4"),
    "numpy_array": ("np.full((2, 3), x, 'i2')", [np.full((2, 3), x) for x in range(4)], "<i2"),
    "numpy_scalar": ("np.float32(x) / 2", [0.0, 0.5, 1.0, 1.5], "<f4"),
    "big_endian": ("np.array([x, 1], '>f8')", [[x, 1.0] for x in range(4)], "<f8"),
}


def assert_stored(stored: np.ndarray, values: list[object], dtype: str) -> None:
    np.testing.assert_array_equal(stored, np.array(values))
    np.testing.assert_array_equal(np.signbit(stored), np.signbit(np.array(values)))
    assert stored.dtype.str == dtype


def test_numbers_and_arrays_of_all_kinds_are_stored_as_they_are(project: Project) -> None:
    parts = "".join(f"        {name}={expression},\n" for name, (expression, _, _) in LEAVES.items())
    code = f"import array\nimport numpy as np\n\ndef f(x):\n    return dict(\n{parts}        z=complex(x, 0.5)\n    )\n"
    project.write(code, grid="x = { range = 4 }").run("-n", 2)
    for name, (_, values, dtype) in LEAVES.items():
        assert_stored(project.read(name), values, dtype)
    assert_stored(project.read("z_re"), [0.0, 1.0, 2.0, 3.0], "<f8")
    assert_stored(project.read("z_im"), [0.5, 0.5, 0.5, 0.5], "<f8")
    assert list(project.attributes()["results"]) == [*LEAVES, "z_re", "z_im"]


SEVERAL = {
    "tuple": ("(x, [x])", ["f_0", "f_1"]),
    "dataclass": ("Point(x, [x])", ["at", "around"]),
    "named tuple": ("Pair(x, [x])", ["left", "right"]),
    "mapping": ("types.MappingProxyType({'b': x, 'a': [x]})", ["b", "a"]),
}


@pytest.mark.parametrize("kind", SEVERAL)
def test_results_that_come_together_are_named_by_what_holds_them(project: Project, kind: str) -> None:
    expression, (number, array) = SEVERAL[kind]
    code = f"""\
import types
from collections import namedtuple
from dataclasses import dataclass

Pair = namedtuple("Pair", "left right")

@dataclass
class Point:
    at: int
    around: list

def f(x):
    return {expression}
"""
    project.write(code, grid="x = { range = 4 }").run("-b", "serial")
    assert project.read(number).tolist() == [0, 1, 2, 3]
    assert project.read(array).tolist() == [[0], [1], [2], [3]]
    assert list(project.attributes()["results"]) == [number, array]


def test_names_under_results_name_the_parts_of_a_tuple(project: Project) -> None:
    tail = '[results]\nnames = ["mean", "spread"]\n[results.spread]\nunits = "K"\nlong_name = "width"'
    project.write("def f(x):\n    return x / 2, x", tail=tail).run("-b", "serial")
    assert project.read("mean").tolist() == [x / 2 for x in range(12)]
    with h5py.File(project.output) as file:
        assert file["spread"].attrs["units"] == "K"
        assert file["spread"].attrs["long_name"] == "width"


def test_arrays_of_varying_length_are_padded_and_tell_their_length(project: Project) -> None:
    project.write("def f(x):\n    return list(range(x))", grid="x = { range = 5 }").run("-n", 2)
    assert project.read("f_length").tolist() == [0, 1, 2, 3, 4]
    stored = project.read("f")
    assert stored.shape == (5, 4)
    for x in range(5):
        assert stored[x, :x].tolist() == list(range(x))


def test_nan_is_a_value(project: Project) -> None:
    project.write("def f(x):\n    return float('nan') if x == 3 else float(x)").run("-n", 2)
    values = project.read("f")
    assert (project.read("status") == 1).all()
    assert np.flatnonzero(np.isnan(values)).tolist() == [3]


def test_result_opens_in_xarray_with_its_axes_units_and_values(project: Project) -> None:
    tail = '[results.f]\nunits = "1/s"\nlong_name = "growth"'
    project.write(LOGISTIC, grid=LOGISTIC_GRID, tail=tail).run("-n", 2)
    with xarray.open_dataset(project.output, engine="h5netcdf") as dataset:
        assert dataset["f"].dims == ("r", "x")
        assert dataset["f"].attrs["units"] == "1/s"
        assert dataset["r"].values.tolist() == LOGISTIC_AXES[0]
        f = project.call()
        assert float(dataset["f"].sel(r=4.0, x=0.35)) == f(4.0, 0.35)


# --- surroundings of a worker


@pytest.mark.in_process(False)
def test_workers_keep_to_one_core_and_hash_alike_unless_the_user_says_otherwise(project: Project) -> None:
    code = """\
import os
def f(x):
    return int(os.environ["OMP_NUM_THREADS"]), int(os.environ["OPENBLAS_NUM_THREADS"]), hash("fullrank")
"""
    project.write(code)
    asked = [sys.executable, "-c", "print(hash('fullrank'))"]
    zero, five = (
        int(subprocess.run(asked, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout)
        for seed in ("0", "5")
    )
    unset = {"OMP_NUM_THREADS": "", "OPENBLAS_NUM_THREADS": "", "PYTHONHASHSEED": ""}
    for backend in ("serial", "processes"):
        project.run("-b", backend, "-o", f"{backend}.h5", env=unset)
        found = [set(project.read(f"f_{part}", f"{backend}.h5").tolist()) for part in range(3)]
        assert found == [{1}, {1}, {zero}]
        chosen = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "", "PYTHONHASHSEED": "5"}
        project.run("-b", backend, "-o", f"{backend}-chosen.h5", env=chosen)
        found = [set(project.read(f"f_{part}", f"{backend}-chosen.h5").tolist()) for part in range(3)]
        assert found == [{3}, {1}, {five}]


@pytest.mark.in_process(False)
def test_python_does_not_randomize_hashes_even_where_the_command_itself_computes(project: Project) -> None:
    code = "import sys\ndef f(x):\n    return sys.flags.hash_randomization\n"
    project.write(code).run("-b", "serial", env={"PYTHONHASHSEED": ""})
    assert set(project.read("f").tolist()) == {0}


@pytest.mark.parametrize("backend", ["serial", "threads", "processes", INTERPRETERS])
def test_what_the_function_prints_goes_to_a_log_under_the_items_heading(project: Project, backend: str) -> None:
    code = """\
import os, sys
print("module is loaded")
def f(x):
    print("hello from", x)
    if x == 2:
        print("a complaint", file=sys.stderr)
        if os.environ["BACKEND"] == "processes":
            os.system("echo from a child")
    return x
"""
    project.write(code, grid="x = { range = 4 }")
    done = project.run("-b", backend, "-n", 1, env={"BACKEND": backend})
    text = project.log.read_text()
    for x in range(4):
        assert f"--- item {x}\nhello from {x}\n" in text
    assert "--- item 2\nhello from 2\na complaint\n" in text
    assert "hello" not in done.stdout + done.stderr
    assert "complaint" not in done.stdout + done.stderr
    assert ("from a child" in text) == (backend == "processes")
    assert "from a child" not in done.stdout + done.stderr
    assert str(project.log) in done.stdout


def test_standard_output_ends_with_the_summary_and_standard_error_holds_the_rest(project: Project) -> None:
    project.write("def f(x):\n    return x")
    done = project.run("-n", 2)
    assert "12 items: all ok" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(str(project.output))
    assert str(project.output) not in done.stderr


def test_nothing_but_the_result_is_left_behind(project: Project) -> None:
    project.write("def f(x):\n    return x").run("-n", 2)
    assert [path.name for path in project.output.parent.iterdir()] == ["study.h5"]
    verified = project.fullrank("verify", project.output)
    assert verified.returncode == 0
    assert project.digest() in verified.stdout
