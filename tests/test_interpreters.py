"""What is particular to sub-interpreters: each has a GIL of its own, and not every module loads in one."""

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from studies import VISITED, Project, needs_interpreters

from fullrank.axes import RangeAxis
from fullrank.backends.base import Tally
from fullrank.backends.cells import TOKEN_CELLS_BYTES, Token, TokenCounter, create_memory, create_token
from fullrank.backends.guest import refusing_package
from fullrank.backends.interpreters import impossible, interpreters_module
from fullrank.encode import Naming
from fullrank.errors import BackendError
from fullrank.function import FunctionSource, Parameter
from fullrank.interrupt import GRACE_SECONDS, KILL_SECONDS
from fullrank.job import ArrayConstant, Job
from fullrank.sweep import Sweep


def job_of(folder: Path, code: str, **options: Any) -> Job:
    (folder / "fr_guest.py").write_text(dedent(code))
    function = FunctionSource("fr_guest.py:f", (str(folder),))
    settings: dict[str, Any] = {"setup": None, "setup_parameters": (), "constants": {}, "seed": None}
    return Job(
        function=function,
        parameters=(Parameter("i", "positional", True),),
        sweep=Sweep("grid", (RangeAxis("i", start=0, stop=3),)),
        naming=Naming("f"),
        stride=1,
        schedule="guided",
        n_workers=1,
        attempt=1,
        backend="interpreters",
        work_folder=str(folder),
        **(settings | options),
    )


# --- what cannot run there


@needs_interpreters
def test_pure_python_is_possible(tmp_path: Path) -> None:
    assert impossible(job_of(tmp_path, "import random, json, zlib\ndef f(i): return i")) is None


@needs_interpreters
@pytest.mark.parametrize(
    ("code", "package"),
    [
        ("import numpy\ndef f(i): return i", "numpy"),
        ("import numpy.linalg as la\ndef f(i): return i", "numpy"),
        ("import h5py\ndef f(i): return i", "h5py"),
        ("import msgspec\ndef f(i): return i", "msgspec"),  # whose extension calls itself _core
        ("import faulthandler\ndef f(i): return i", "faulthandler"),
    ],
)
def test_the_package_that_does_not_load_is_named_in_one_line(tmp_path: Path, code: str, package: str) -> None:
    assert impossible(job_of(tmp_path, code)) == (
        f"backend 'interpreters' cannot run fr_guest.py:f: {package} does not load in a sub-interpreter. "
        f"Try -b processes"
    )


@needs_interpreters
def test_setup_and_constant_arrays_may_need_what_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "fr_setup.py").write_text("import numpy\ndef load(): return {}")
    np.save(tmp_path / "a.npy", np.zeros(3))
    setup = FunctionSource("fr_setup.py:load", (str(tmp_path),))
    array = ArrayConstant(str(tmp_path / "a.npy"))
    pure = "def f(i, a=0): return i"
    for job in (job_of(tmp_path, pure, setup=setup), job_of(tmp_path, pure, constants={"a": array})):
        assert "numpy does not load in a sub-interpreter" in str(impossible(job))


@needs_interpreters
def test_a_module_that_does_without_numpy_is_possible(tmp_path: Path) -> None:
    code = """\
    try:
        import numpy
    except ImportError:
        numpy = None
    def f(i): return i
    """
    assert impossible(job_of(tmp_path, code)) is None


@needs_interpreters
def test_an_error_with_another_cause_is_not_taken_for_a_refusal(tmp_path: Path) -> None:
    assert impossible(job_of(tmp_path, "import no_such_module_anywhere\ndef f(i): return i")) is None


@pytest.mark.parametrize(
    ("version", "cure"),
    [((3, 11, 7), "Try -b processes"), ((3, 12, 1), "Try -b processes"), ((3, 13, 0), "pip install 'fullrank[interp")],
)
def test_a_python_without_sub_interpreters_is_told_with_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: tuple[int, ...], cure: str
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    for name in ("concurrent.interpreters", "interpreters_backport", "interpreters_backport.interpreters"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        BackendError, match=r"needs Python 3\.14, or 3\.13 with interpreters-pep-734; this is 3\.1"
    ) as it:
        interpreters_module()
    assert cure in str(it.value)
    assert impossible(job_of(tmp_path, "def f(i): return i")) == str(it.value)


def test_a_refusal_hidden_behind_another_error_is_found() -> None:
    def import_it() -> None:
        try:
            raise ImportError("module numpy._core._multiarray_umath does not support loading in subinterpreters")
        except ImportError as error:
            raise ImportError("Unable to import the C extensions") from error

    try:
        try:
            import_it()
        except ImportError:
            raise RuntimeError("sim.py failed") from None
    except RuntimeError as error:
        assert refusing_package(error) == "numpy"


def test_a_refusal_in_an_extensions_own_words_names_who_imported_it() -> None:
    namespace = {"__name__": "quick.core"}
    with pytest.raises(ImportError) as it:
        exec("raise ImportError('Interpreter change detected - this module loads in one interpreter')", namespace)
    assert refusing_package(it.value) == "quick"


@needs_interpreters
def test_a_run_that_is_not_possible_is_one_line_and_touches_nothing(project: Project) -> None:
    project.write("def f(x):\n    return x").run("-b", "serial")
    project.write("import numpy as np\ndef f(x):\n    return float(np.sqrt(x))")
    before = project.files()
    done = project.run("-b", "interpreters", "-n", 2, "--fresh", expect=2)
    assert done.stderr == (
        "fullrank: error: backend 'interpreters' cannot run sim.py:f: numpy does not load in a sub-interpreter. "
        "Try -b processes\n"
    )
    assert project.files() == before


@needs_interpreters
def test_what_an_item_imports_too_late_fails_that_item_only(project: Project) -> None:
    code = "def f(x):\n    if x == 3:\n        import numpy\n    return x"
    project.write(code).run("-b", "interpreters", "-n", 2, expect=3)
    assert np.flatnonzero(project.read("status") == 2).tolist() == [3]
    assert "does not support loading in subinterpreters" in project.read("failures/exception")[0]


# --- a GIL each


@needs_interpreters
def test_items_compute_at_the_same_time(project: Project) -> None:
    # Neither loop lets go of a GIL before the other one has begun: under one GIL the first would spin for ever.
    code = """\
import mmap, sys
sys.setswitchinterval(1000)
with open("meeting", "r+b") as file:
    here = mmap.mmap(file.fileno(), 2)

def f(x):
    here[x] = 1
    while not here[1 - x]:
        pass
    return x
"""
    (project.folder / "meeting").write_bytes(bytes(2))
    project.write(code, grid="x = { range = 2 }").run("-b", "interpreters", "-n", 2)
    assert sorted(project.read("worker").tolist()) == [0, 1]
    assert len(set(project.read("workers/pid").tolist())) == 1


@needs_interpreters
def test_each_worker_has_modules_of_its_own(project: Project) -> None:
    code = f"{VISITED}\ncalls = []\ndef f(x):\n    calls.append(x)\n    dawdle(0.02)\n    return len(calls)"
    project.write(code).run("-b", "interpreters", "-n", 2)
    n_calls = Counter(project.read("worker").tolist())
    assert len(n_calls) == 2
    assert sorted(project.read("f").tolist()) == sorted(k + 1 for n in n_calls.values() for k in range(n))


# --- the counter


@pytest.fixture
def shared() -> Iterator[tuple[int, Token]]:
    cells, token = create_memory(TOKEN_CELLS_BYTES), create_token()
    yield cells, token
    for fd in (cells, *token):
        os.close(fd)


@needs_interpreters
def test_interpreters_that_claim_together_get_every_position_once(shared: tuple[int, Token], tmp_path: Path) -> None:
    cells, token = shared
    code = f"""\
from fullrank.backends.cells import TokenCounter
counter, found = TokenCounter({cells}, {token}), []
for _ in range(3000):
    counter.begin(2)
    found.append(counter.result())
    counter.add_finished(2, 1, busy_milliseconds=1)
with open({str(tmp_path)!r} + "/{{}}", "w") as file:
    print(*found, file=file)
"""
    made = [interpreters_module().create() for _ in range(3)]
    threads = [threading.Thread(target=each.exec, args=(code.format(k),)) for k, each in enumerate(made)]
    for thread in threads:
        thread.start()
    for thread, each in zip(threads, made, strict=True):
        thread.join()
        each.close()
    found = [int(position) for path in tmp_path.iterdir() for position in path.read_text().split()]
    assert sorted(found) == list(range(0, 18_000, 2))
    assert TokenCounter(cells, token).tally() == Tally(18_000, 9000, 9.0)


def test_a_claim_that_ends_in_an_exception_does_not_keep_the_token(shared: tuple[int, Token]) -> None:
    one, other = TokenCounter(*shared), TokenCounter(*shared)
    with pytest.raises(TypeError):
        one.begin("three")  # type: ignore[arg-type]
    other.begin(3)
    assert other.result() == 0


# --- the same results, and ends


@needs_interpreters
@pytest.mark.parametrize(
    ("function", "grid", "constants"),
    [
        ("ep:gaussian_pairs", "batch = { range = 2 }", ""),
        ("lyapunov:exponent", "r = { start = 2.5, stop = 4.0, num = 40 }\nx0 = [0.1]", "transient=20\niterations=200"),
        (
            "mandelbrot:row",
            "row = { range = 24 }",
            "width=30\nheight=24\nmax_iterations=200\nx_min=-2.25\nx_max=0.75\ny_min=-1.2\ny_max=1.2",
        ),
    ],
)
def test_workloads_that_ship_give_the_same_bits_as_serial(
    project: Project, function: str, grid: str, constants: str
) -> None:
    project.write(function=f"fullrank.workloads.{function}", grid=grid, workload=f"[workload.constants]\n{constants}")
    project.run("-b", "serial", "-o", "serial.h5")
    project.run("-b", "interpreters", "-n", 2, "-o", "interpreters.h5")
    assert project.digest("interpreters.h5") == project.digest("serial.h5")


@needs_interpreters
def test_a_worker_that_hears_nothing_is_left_behind_and_its_item_is_done_again(project: Project) -> None:
    code = f"""\
{VISITED}
def f(x):
    visited(x)
    if not os.path.exists("fast"):
        time.sleep(1000)
    return x
"""
    running = project.write(code).start_run("-b", "interpreters", "-n", 2)
    project.until_visited(2)
    for number in (signal.SIGINT, signal.SIGTERM):
        running.send(number)
    done = running.end(timeout=KILL_SECONDS + GRACE_SECONDS + 20)
    assert done.returncode == 75
    assert "0 of 12 items are finished" in done.stderr
    project.hurry()
    project.run("-b", "interpreters", "-n", 2)
    assert project.read("f").tolist() == list(range(12))
    assert set(Counter(project.visits()).values()) == {1, 2}
