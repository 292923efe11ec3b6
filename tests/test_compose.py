"""The text of a config that is composed: what stands in it is read back, whatever it is."""

import doctest
import tomllib
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fullrank.config import load, toml_text
from fullrank.config.compose import Outline, compose
from fullrank.config.toml_text import why_not_toml, wrapped

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**4000), 2**4000) | st.floats()
VALUES = st.recursive(
    st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)
NAMES = st.sampled_from(["r", "x0", "größe", "_", "kind", "Δt", "n"])
ENDS = st.floats(-1e6, 1e6)
COUNTS = st.integers(1, 9)
AXES = st.one_of(
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=40),
    st.lists(TEXTS, min_size=1, max_size=5),
    st.lists(st.booleans(), min_size=1, max_size=3),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40),
    st.builds(lambda start, stop, num: {"start": start, "stop": stop, "num": num}, ENDS, ENDS, COUNTS),
    st.builds(lambda start, n, step: {"range": [start, start + n * step, step]}, st.integers(-9, 9), COUNTS, COUNTS),
)


def same(first: Any, second: Any) -> bool:
    """Equal in value and type, NaN to NaN and 0.0 to 0.0 alone."""
    if type(first) is not type(second):
        return False
    if isinstance(first, float):
        return (isnan(first) and isnan(second)) or first.hex() == second.hex()
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(map(same, first.values(), second.values()))
    return bool(first == second)


@given(TEXTS, VALUES)
def test_any_value_under_any_key_is_read_back_by_tomllib(key: str, value: Any) -> None:
    assert why_not_toml(value) == ""
    assert same(tomllib.loads(wrapped(key, value)), {key: value})


@pytest.mark.parametrize(
    "value", [None, (1, 2), np.float64(0.5), object(), "a\0b", "\ud800", [[None]], {"a": {1}}, {1: 2}]
)
def test_value_that_would_come_back_as_another_is_known(value: object) -> None:
    assert why_not_toml(value)


def test_list_in_endless_lists_is_known() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "in one another" in why_not_toml(endless)


def values_of(axis: Any) -> list[Any]:
    """The values of an axis by numpy and Python, which are not ours."""
    if isinstance(axis, list):
        return axis
    if "range" in axis:
        return list(range(*axis["range"]))
    return [float(value) for value in np.linspace(axis["start"], axis["stop"], axis["num"])]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    axes=st.dictionaries(NAMES, AXES, min_size=1, max_size=3),
    constants=st.dictionaries(TEXTS.map(lambda text: f"c{text}"), VALUES, max_size=4),
    seed=st.none() | st.integers(0, 2**63 - 1),
    replicates=st.none() | st.integers(1, 9),
    texts=st.lists(TEXTS.filter(bool), min_size=4, max_size=4),
)
def test_composed_study_is_read_back_as_it_was(
    tmp_path: Path,
    axes: dict[str, Any],
    constants: dict[str, Any],
    seed: int | None,
    replicates: int | None,
    texts: list[str],
) -> None:
    title, comment, note, output = texts
    constants = {name: value for name, value in constants.items() if not holds_npy(value)}
    outline = Outline(
        function="package.module:f",
        axes=axes,
        constants=constants,
        seed=seed,
        replicates=replicates,
        run={"order": "index", "item_time_limit_seconds": 2.5},
        output=f"x{output}",
        title=title,
        head=[comment],
        notes=dict.fromkeys([*axes, *constants, "seed", "replicates", "function"], note),
        left_out=[comment],
    )
    path = tmp_path / "study.toml"
    path.write_bytes(compose(outline).encode())
    config = load(path)
    assert config.workload.function == "package.module:f"
    assert same(dict(config.workload.constants), constants)
    assert (config.workload.seed, config.sweep.replicates, config.title) == (seed, replicates, title)
    assert str(config.output) == str(Path(f"x{output}"))
    assert (config.run.order, config.run.item_time_limit_seconds) == ("index", 2.5)
    assert [axis.name for axis in config.sweep.axes] == list(axes)
    for axis in config.sweep.axes:
        assert same(list(axis.column(range(len(axis)))), values_of(axes[axis.name]))


def holds_npy(value: Any) -> bool:
    """Whether a table with that key, which names a file, is in a value."""
    if isinstance(value, dict):
        return "npy" in value or any(map(holds_npy, value.values()))
    return isinstance(value, list) and any(map(holds_npy, value))


def test_axes_that_go_together_are_composed_as_such(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(compose(Outline("a:f", {"x": [1, 2], "y": [3, 4]}, kind="zip")))
    sweep = load(path).sweep
    assert [sweep.parameters(index) for index in range(sweep.n_items)] == [{"x": 1, "y": 3}, {"x": 2, "y": 4}]


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(toml_text).failed == 0
