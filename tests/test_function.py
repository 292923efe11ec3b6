"""The user's function: found as it was named, called with what the study gives it."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank.config import load
from fullrank.errors import FunctionError
from fullrank.function import (
    ANY_KEYWORD,
    KEYWORD,
    POSITIONAL,
    Call,
    FunctionSource,
    Parameter,
    memory_mapped,
    plan_call,
)
from fullrank.signature import parameters_of
from fullrank.study import open_study

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _imports_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = dict(sys.modules)
    yield
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    sys.modules.update(modules)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write("sim.py", text)``: a file of the user's."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    return write


def source(written: str, folder: Path) -> FunctionSource:
    return FunctionSource(written, (str(folder),))


# --- finding


def test_a_function_is_found_in_a_module_in_a_package_and_in_a_file(write: Write, tmp_path: Path) -> None:
    write("fr_module.py", "def f(x): return x + 1")
    write("fr_package/__init__.py", "")
    write("fr_package/inner.py", "class C:\n    @staticmethod\n    def f(x): return x + 2")
    write("code/fr file.py", "f = lambda x: x + 3")
    assert source("fr_module:f", tmp_path).load()(0) == 1
    assert source("fr_package.inner:C.f", tmp_path).load()(0) == 2
    assert source("code/fr file.py:f", tmp_path).load()(0) == 3


def test_the_folders_of_a_study_come_first_on_the_path_in_their_order(write: Write, tmp_path: Path) -> None:
    write("one/fr_which.py", "f = lambda: 1")
    write("two/fr_which.py", "f = lambda: 2")
    write("two/fr_other.py", "f = lambda: 3")
    folders = (str(tmp_path / "one"), str(tmp_path / "two"))
    assert FunctionSource("fr_which:f", folders).load()() == 1
    assert FunctionSource("fr_other:f", folders).load()() == 3
    assert tuple(sys.path[:2]) == folders


def test_a_file_is_imported_once_under_its_own_name(write: Write, tmp_path: Path) -> None:
    write("fr_once.py", "import fr_neighbour\nimported = []\ndef f(): return imported")
    write("fr_neighbour.py", "def back():\n    import fr_once\n    return fr_once.f()")
    function = source("fr_once.py:f", tmp_path).load()
    assert source("fr_once.py:f", tmp_path).load() is function
    assert sys.modules["fr_neighbour"].back() is function()


@pytest.mark.parametrize("name", ["json", "stringprep"])
def test_a_file_called_like_a_standard_module_does_not_replace_it(name: str, write: Write, tmp_path: Path) -> None:
    if name == "stringprep":  # of the standard library, and hardly ever loaded
        sys.modules.pop(name, None)
    write(f"{name}.py", "state = []\ndef f(): return state\ndef setup(): state.append(1)")
    function = source(f"{name}.py:f", tmp_path).load()
    source(f"{name}.py:setup", tmp_path).load()()
    assert function() == [1]  # both from one import
    assert source(f"{name}.py:f", tmp_path).load() is function
    standard = Path(os.__file__).parent
    assert Path(sys.modules[name].__file__ or "").is_relative_to(standard) if name in sys.modules else True


def test_two_files_of_one_name_do_not_get_in_each_others_way(write: Write, tmp_path: Path) -> None:
    write("one/fr_twin.py", "f = lambda: 1")
    write("two/fr_twin.py", "f = lambda: 2")
    assert source("fr_twin.py:f", tmp_path / "one").load()() == 1
    assert source("fr_twin.py:f", tmp_path / "two").load()() == 2
    assert source("fr_twin.py:f", tmp_path / "one").load()() == 1


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("fr_sim.py:simulat", r"there is no 'simulat' in fr_sim.py; did you mean 'simulate'\?"),
        ("fr_sim.py:zzz", r"there is no 'zzz' in fr_sim.py$"),
        ("fr_sim.py:simulate.nothing", r"there is no 'simulate.nothing'"),
        ("fr_sim.py:number", r"'number' is of type int, not a function"),
        ("nowhere.py:f", r"nowhere.py: there is no such Python file"),
        ("fr_nowhere:f", r"fr_nowhere:f: there is no module 'fr_nowhere' on sys.path"),
        ("fr_nowhere.deep:f", r"there is no module 'fr_nowhere'"),
        ("json.fr_nowhere:f", r"there is no module 'json.fr_nowhere'"),
    ],
)
def test_what_cannot_be_found_gets_a_sentence(written: str, sentence: str, write: Write, tmp_path: Path) -> None:
    write("fr_sim.py", "number = 1\ndef simulate(): pass")
    with pytest.raises(FunctionError, match=sentence):
        source(written, tmp_path).load()


@pytest.mark.parametrize("written", ["fr_broken.py:f", "fr_broken:f"])
@pytest.mark.parametrize(
    ("text", "error"), [("1 / 0", ZeroDivisionError), ("import fr_nowhere", ModuleNotFoundError), ("(", SyntaxError)]
)
def test_an_error_of_the_users_module_passes_and_the_module_can_be_mended(
    written: str, text: str, error: type[Exception], write: Write, tmp_path: Path
) -> None:
    path = write("fr_broken.py", text)
    with pytest.raises(error):
        source(written, tmp_path).load()
    path.write_text("def f(): return 'mended, and longer than before'")
    assert source("fr_broken.py:f", tmp_path).load()().startswith("mended")


# --- signatures


def test_parameters_tell_how_they_may_be_given() -> None:
    def f(a: int, /, b: int, c: int = 1, *, d: int, e: int = 2, **rest: int) -> None: ...

    assert parameters_of(f, "m:f") == (
        Parameter("a", POSITIONAL, True),
        Parameter("b", POSITIONAL, True),
        Parameter("c", POSITIONAL, False),
        Parameter("d", KEYWORD, True),
        Parameter("e", KEYWORD, False),
        Parameter("rest", ANY_KEYWORD, False),
    )


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda *values: 0, r"m:f: '\*values' takes values without names; wrap it in a 'def' that names them"),
        (min, r"m:f: its parameters cannot be read; wrap it in a 'def' that names them"),
    ],
)
def test_functions_whose_parameters_have_no_names_get_a_sentence(function: Any, sentence: str) -> None:
    with pytest.raises(FunctionError, match=sentence):
        parameters_of(function, "m:f")


def planned(function: Any, *, axes: list[str], constants: list[str], has_setup: bool = False) -> Any:
    parameters = parameters_of(function, "m:f")
    return plan_call(parameters, axes=axes, constants=constants, written="m:f", has_setup=has_setup)


@pytest.mark.parametrize(
    ("axes", "constants", "sentence"),
    [
        (["rr"], [], r"^the axis 'rr' is no parameter of m:f, which takes r, steps; did you mean 'r'\?$"),
        (["r"], ["step"], r"^the constant 'step' is no parameter of m:f, .*; did you mean 'steps'\?$"),
        (["r", "q"], [], r"^the axis 'q' is no parameter of m:f, which takes r, steps$"),
        (["steps"], [], r"^m:f: nothing gives its parameter 'r'; give it a value$"),
    ],
)
def test_what_does_not_fit_the_signature_gets_a_sentence(axes: list[str], constants: list[str], sentence: str) -> None:
    def f(r: float, steps: int = 3) -> None: ...

    with pytest.raises(FunctionError, match=sentence):
        planned(f, axes=axes, constants=constants)


def test_missing_parameter_of_a_study_is_asked_for_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "sim.py").write_text("def f(x, y, seed):\n    return x\n")
    (tmp_path / "study.toml").write_text('[workload]\nfunction = "sim.py:f"\n[sweep.grid]\nx = [1]\n')
    with pytest.raises(FunctionError, match=r"study\.toml: .* add seed = 1 \(or another one\) under \[workload"):
        open_study(load(tmp_path / "study.toml"))
    with pytest.raises(FunctionError, match=r"make it an axis under \[sweep\.grid\] or a constant under \[workload\."):
        open_study(load(tmp_path / "study.toml", ["workload.seed=1"]))


def test_setup_may_still_give_what_is_missing() -> None:
    def f(r: float, table: Any) -> None: ...

    assert planned(f, axes=["r"], constants=[], has_setup=True).positional == ("r",)


# --- calling


@st.composite
def signatures(draw: st.DrawFn) -> tuple[str, list[str], list[str]]:
    """Return a signature, and the names that are axes and constants of a study that fits it."""
    names = draw(st.permutations("abcdef"))[: draw(st.integers(1, 6))]
    n_positional = draw(st.integers(0, len(names)))
    optional = draw(st.sets(st.sampled_from(names)))
    positional = sorted(names[:n_positional], key=lambda name: name in optional)
    keyword = names[n_positional:]
    given_names = [name for name in names if name not in optional or draw(st.booleans())]
    axes = [name for name in given_names if draw(st.booleans())]
    constants = [name for name in given_names if name not in axes]
    takes_any = draw(st.booleans())
    if takes_any:
        axes.append("another")
    parts = [name + "=None" * (name in optional) for name in positional]
    parts += ["*"] * bool(keyword) + [name + "=None" * (name in optional) for name in keyword]
    return ", ".join([*parts, *(["**more"] if takes_any else [])]), axes, constants


@settings(deadline=None)
@given(signatures(), st.integers(1, 5))
def test_every_item_gets_its_own_values_under_their_names(
    signature: tuple[str, list[str], list[str]], n_items: int
) -> None:
    parameters, axes, constants = signature
    function = eval(f"lambda {parameters}: dict(locals())")
    call = Call(
        function,
        planned(function, axes=axes, constants=constants),
        axes=axes,
        constants={name: f"constant {name}" for name in constants},
    )
    columns = [[f"{name} of {item}" for item in range(n_items)] for name in axes]
    arguments = call.arguments(columns)
    for item in range(n_items):
        given_values = {name: f"{name} of {item}" for name in axes} | {name: f"constant {name}" for name in constants}
        assert call.function(*next(arguments)) == function(**given_values)


def test_a_function_called_by_position_is_called_itself() -> None:
    def f(a: int, b: int) -> None: ...

    call = Call(f, planned(f, axes=["b"], constants=["a"]), axes=["b"], constants={"a": 1})
    assert call.function is f  # nothing between the loop and the function


def test_an_array_of_a_file_is_mapped_and_cannot_be_written(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(5.0))
    array = memory_mapped(str(tmp_path / "a.npy"))
    assert isinstance(array, np.memmap)
    assert array.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1.0


def test_a_file_of_pickled_objects_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(FunctionError, match=r"a.npy: expected an array written by numpy.save: .*Python objects"):
        memory_mapped(str(tmp_path / "a.npy"))
