"""What makes two studies one, and what a refusal says about those that differ."""

import json
import math
import os
import subprocess
import sys
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullrank.axes import Axis, ColumnAxis, LinearAxis, ListAxis, LogAxis, RangeAxis
from fullrank.errors import ConfigError, StorageError
from fullrank.identity import Identity, changes, plain
from fullrank.sweep import Sweep

R = LinearAxis("r", start=2.5, stop=4.0, num=2000)
X0 = ListAxis("x0", values=[0.1, 0.2])


def grid(*axes: Axis, replicates: int | None = None) -> Mapping[str, Any]:
    return Sweep("grid", axes, replicates).describe()


STUDY = Identity(
    function="sim.py:simulate",
    sweep=grid(R, X0),
    constants={"iterations": 5000, "model": {"a": 1.5, "name": "été"}, "edge": [0.0, math.inf]},
    seed=1,
    results=("x", "y"),
    code={"sim.py": "aa", "tools/near.py": "bb"},
)


def changed(**parts: Any) -> list[str]:
    return changes(STUDY, replace(STUDY, **parts))


def with_constant(name: str, value: object) -> list[str]:
    return changed(constants={**STUDY.constants, name: value})


def test_a_study_is_itself() -> None:
    assert changes(STUDY, replace(STUDY)) == []
    assert replace(STUDY) == STUDY


def test_json_brings_back_the_study() -> None:
    read = Identity.from_json(STUDY.to_json())
    assert changes(STUDY, read) == []
    assert read == STUDY
    assert read.to_json() == STUDY.to_json()


def test_the_json_is_plain_json_that_any_reader_takes() -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    parts = json.loads(STUDY.to_json(), parse_constant=refuse)
    assert parts["constants"]["iterations"] == 5000
    assert parts["constants"]["edge"] == [0.0, {"float": "inf"}]


def test_the_digest_is_the_sha256_of_the_json() -> None:
    assert STUDY.digest == sha256(STUDY.to_json().encode("ascii")).hexdigest()


def test_the_digest_is_the_same_in_every_process() -> None:
    script = "from fullrank.identity import Identity; import sys\nprint(Identity.from_json(sys.stdin.read()).digest)"
    source = Path(__file__).resolve().parents[1] / "src"
    for seed in ("1", "2"):
        answer = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(source)},
            input=STUDY.to_json(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.strip() == STUDY.digest


def test_the_order_constants_are_written_in_does_not_count() -> None:
    turned = dict(reversed(list(STUDY.constants.items())))
    assert replace(STUDY, constants=turned).digest == STUDY.digest


SIM_CHANGED = "code of sim.py changed (any function in it counts; comments and layout do not)"


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"format": 2}', '{"format": 1}', "\0"])
def test_what_is_no_identity_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(StorageError, match="expected a study's identity in format 1, got"):
        Identity.from_json(text)


def test_a_newer_format_is_refused() -> None:
    newer = STUDY.to_json().replace('"format":1', '"format":2')
    with pytest.raises(StorageError, match="newer fullrank"):
        Identity.from_json(newer)


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(StorageError, match="newer fullrank"):
        Identity.from_json(json.dumps({**json.loads(STUDY.to_json()), "weather": "fine"}))


@pytest.mark.parametrize(
    ("parts", "sentences"),
    [
        ({"seed": 2}, ["seed: 1 → 2"]),
        ({"seed": None}, ["seed: 1 → none"]),
        ({"function": "sim.py:run"}, ['function: "sim.py:simulate" → "sim.py:run"']),
        ({"setup": "sim.py:load"}, ['setup: none → "sim.py:load"']),
        ({"results": ("x", "z")}, ['results.names: ["x", "y"] → ["x", "z"]']),
        ({"results": None}, ['results.names: ["x", "y"] → none']),
        (
            {"code": {**STUDY.code, "sim.py": "cc"}},
            [SIM_CHANGED],
        ),
        ({"code": {**STUDY.code, "new.py": "cc"}}, ["code of new.py was added"]),
        ({"code": {"sim.py": "aa"}}, ["code of tools/near.py is no longer imported"]),
        (
            {"seed": 2, "code": {**STUDY.code, "sim.py": "cc"}},
            ["seed: 1 → 2", SIM_CHANGED],
        ),
    ],
)
def test_each_difference_is_a_sentence(parts: dict[str, Any], sentences: list[str]) -> None:
    assert changed(**parts) == sentences


@pytest.mark.parametrize(
    ("sweep", "sentences"),
    [
        (grid(replace(R, num=4000), X0), ["sweep.grid.r.num: 2000 → 4000"]),
        (
            grid(replace(R, start=2.0, stop=3.0), X0),
            ["sweep.grid.r.start: 2.5 → 2.0", "sweep.grid.r.stop: 4.0 → 3.0"],
        ),
        (grid(X0, R), ["order of the axes changed: r, x0 → x0, r"]),
        (grid(R), ["axis x0 was removed"]),
        (grid(R, X0, ListAxis("z", values=[1])), ["axis z was added"]),
        (grid(R, ListAxis("x1", values=[0.1, 0.2])), ["axis x0 was removed", "axis x1 was added"]),
        (grid(R, ListAxis("x0", values=[0.1])), ["sweep.grid.x0: [0.1, 0.2] → [0.1]"]),
        (grid(R, X0, replicates=3), ["replicates: none → 3"]),
        (
            grid(LogAxis("r", start=2.5, stop=4.0, num=2000), X0),
            [
                "sweep.grid.r: 2000 values from 2.5 to 4.0 on a linear scale → "
                "2000 values from 2.5 to 4.0 on a log scale"
            ],
        ),
        (
            grid(RangeAxis("r", start=10, stop=19, step=3), X0),
            ["sweep.grid.r: 2000 values from 2.5 to 4.0 on a linear scale → 10 … 16 in steps of 3"],
        ),
        (
            grid(R, ListAxis("x0", values=list(range(500)))),
            ["sweep.grid.x0: [0.1, 0.2] → 500 values"],
        ),
    ],
)
def test_a_change_of_the_sweep_is_said_in_the_words_of_the_config(
    sweep: Mapping[str, Any], sentences: list[str]
) -> None:
    assert changed(sweep=sweep) == sentences


def test_another_kind_of_sweep_is_said() -> None:
    axes = ListAxis("a", values=[1, 2]), ListAxis("b", values=[3, 4])
    old, new = (replace(STUDY, sweep=Sweep(kind, axes).describe()) for kind in ("grid", "zip"))
    assert changes(old, new) == ["the sweep is a zip, was a grid"]


def test_units_and_long_names_of_axes_are_no_part_of_a_study() -> None:
    labelled = replace(R, units="1", long_name="growth rate")
    assert changed(sweep=grid(labelled, X0)) == []


def test_a_long_list_shows_the_first_entry_that_changed() -> None:
    values = [float(i) for i in range(500)]
    old = replace(STUDY, sweep=grid(ListAxis("a", values=values)))
    new = replace(STUDY, sweep=grid(ListAxis("a", values=[*values[:-2], -1.0, -2.0])))
    assert changes(old, new) == ["sweep.grid.a[498]: 498.0 → -1.0 (and 1 more)"]


def test_a_range_is_said_by_its_ends() -> None:
    old = replace(STUDY, sweep=grid(RangeAxis("n", start=10, stop=600)))
    new = replace(STUDY, sweep=grid(RangeAxis("n", start=10, stop=700)))
    assert changes(old, new) == ["sweep.grid.n: 10 … 599 in steps of 1 → 10 … 699 in steps of 1"]


def test_a_column_of_a_table_is_said_by_its_size() -> None:
    def table(*values: float) -> Identity:
        axis = ColumnAxis("r", values=array("d", values))
        return replace(STUDY, sweep=Sweep("table", (axis,)).describe())

    assert changes(table(1.0, 2.0), table(1.0, 2.0)) == []
    assert changes(table(1.0, 2.0), table(1.0, 2.0, 3.0)) == [
        "sweep.table.r: 2 values of type float → 3 values of type float"
    ]
    assert changes(table(1.0, 2.0), table(1.0, 3.0)) == ["sweep.table.r: 2 values of type float, and they changed"]


def test_keys_of_another_form_of_axis_are_not_looked_at() -> None:
    def table(**others: float) -> Identity:
        axis = {"name": "r", "form": "column", "type": "int", "num": 9, "sha256": "00"}
        return replace(STUDY, sweep={"kind": "table", "axes": [axis | others], "replicates": None})

    assert changes(table(), table(stop=0.5)) == ["sweep.table.r: 9 values of type int, and they changed"]


@pytest.mark.parametrize("key", ["start", "step", "num"])
def test_a_number_that_no_config_can_hold_is_refused(key: str) -> None:
    axis = {"name": "n", "form": "range", "start": 0, "step": 0.5, "num": 4, key: 10**400}
    text = replace(STUDY, sweep={"kind": "grid", "axes": [axis], "replicates": None}).to_json()
    with pytest.raises(StorageError, match="expected a study's identity in format 1, got"):
        Identity.from_json(text)


def test_studies_can_be_told_apart_in_a_set() -> None:
    assert len({STUDY, replace(STUDY), replace(STUDY, seed=2)}) == 2


@pytest.mark.parametrize(
    ("name", "value", "sentences"),
    [
        ("iterations", 6000, ["constant 'iterations': 5000 → 6000"]),
        ("iterations", 5000.0, ["constant 'iterations': 5000 → 5000.0"]),
        ("iterations", "5000", ["constant 'iterations': 5000 → \"5000\""]),
        ("model", {"a": 2.5, "name": "été"}, ["constant 'model'.a: 1.5 → 2.5"]),
        ("model", {"a": 1.5}, ["constant 'model'.name: \"été\" → none"]),
        ("model", [1], ['constant \'model\': {"a": 1.5, "name": "été"} → [1]']),
        ("edge", [0.0, math.nan], ["constant 'edge': [0.0, inf] → [0.0, nan]"]),
        ("edge", [-0.0, math.inf], ["constant 'edge': [0.0, inf] → [-0.0, inf]"]),
        ("edge", (0.0, math.inf), []),
        ("new", 1, ["constant 'new' was added"]),
    ],
)
def test_a_change_of_a_constant_is_said(name: str, value: object, sentences: list[str]) -> None:
    assert with_constant(name, value) == sentences


def test_a_constant_that_is_gone_is_said() -> None:
    assert changed(constants={"model": STUDY.constants["model"], "edge": [0.0, math.inf]}) == [
        "constant 'iterations' was removed"
    ]


def test_nan_is_nan_and_true_is_not_one() -> None:
    nan = replace(STUDY, constants={"a": math.nan, "b": 1})
    assert changes(nan, replace(nan, constants={"a": float("nan"), "b": 1})) == []
    assert changes(nan, replace(nan, constants={"a": math.nan, "b": True})) == ["constant 'b': 1 → true"]


def test_a_long_text_is_cut_in_the_sentence_and_whole_in_the_study() -> None:
    old = replace(STUDY, constants={"text": "a" * 500 + "b"})
    new = replace(STUDY, constants={"text": "a" * 500 + "c"})
    (sentence,) = changes(old, new)
    assert sentence.endswith("changed")
    assert len(sentence) < 120


@dataclass(frozen=True)
class ArrayInFile:
    """As the config's."""

    path: Path


def test_an_array_counts_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    here, there = tmp_path / "a.npy", tmp_path / "b.npy"
    here.write_bytes(b"\x93NUMPY 1")
    there.write_bytes(b"\x93NUMPY 1")
    first = plain({"potential": ArrayInFile(here)})
    assert first == {"potential": {"npy_sha256": sha256(b"\x93NUMPY 1").hexdigest()}}
    assert plain({"potential": ArrayInFile(there)}) == first
    there.write_bytes(b"\x93NUMPY 2")
    old = replace(STUDY, constants=first)
    new = replace(STUDY, constants=plain({"potential": ArrayInFile(there)}))
    assert changes(old, new) == ["constant 'potential': the array in its file changed"]


def test_an_array_is_read_once_when_the_study_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY 1")
    study = replace(STUDY, constants={"potential": ArrayInFile(path)})
    digest = study.digest
    path.unlink()
    assert study.digest == digest
    assert changes(study, replace(study)) == []


def test_an_array_that_cannot_be_read_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.npy: cannot be read: No such file"):
        plain(ArrayInFile(tmp_path / "gone.npy"))


VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=3))
def test_any_constants_survive_json(constants: dict[str, Any]) -> None:
    study = replace(STUDY, constants=constants)
    assert changes(study, Identity.from_json(study.to_json())) == []


@given(VALUES, VALUES)
def test_there_is_a_sentence_exactly_if_the_digest_differs(one: object, other: object) -> None:
    old, new = (replace(STUDY, constants={"a": value}) for value in (one, other))
    assert bool(changes(old, new)) == (old.digest != new.digest)


def parts_that_differ() -> Iterator[Identity]:
    yield STUDY
    yield replace(STUDY, function="other.py:simulate")
    yield replace(STUDY, setup="sim.py:load")
    yield replace(STUDY, sweep=grid(X0, R))
    yield replace(STUDY, constants={})
    yield replace(STUDY, seed=None)
    yield replace(STUDY, results=None)
    yield replace(STUDY, code={})


def test_every_part_counts() -> None:
    studies = list(parts_that_differ())
    assert len({study.digest for study in studies}) == len(studies)
    assert all(changes(old, new) for old, new in pairwise(studies))
