import json
import pickle
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank.axes import Axis, LinearAxis, ListAxis, RangeAxis, Value
from fullrank.sweep import RESERVED_NAMES, Kind, Sweep, SweepError, name_problem

NAMES = ("a", "b", "c", "d")


def integers(name: str, n: int) -> RangeAxis:
    return RangeAxis(name, start=0, stop=n)


def rows(sweep: Sweep) -> list[tuple[Value, ...]]:
    return list(zip(*sweep.columns(range(sweep.n_items)), strict=True))


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    replicates=st.one_of(st.none(), st.integers(1, 4)),
)
def test_grid_is_in_c_order_with_the_replicate_slowest(lengths: list[int], replicates: int | None) -> None:
    values = [[f"{name}{i}" for i in range(n)] for name, n in zip(NAMES, lengths, strict=False)]
    axes = tuple(ListAxis(name, values=v) for name, v in zip(NAMES, values, strict=False))
    sweep = Sweep("grid", axes, replicates=replicates)
    assert rows(sweep) == list(product(*values)) * (replicates or 1)


@settings(deadline=None)
@given(
    kind=st.sampled_from(["zip", "table"]),
    n=st.integers(1, 6),
    replicates=st.one_of(st.none(), st.integers(1, 4)),
)
def test_zip_and_table_walk_their_axes_together(kind: Kind, n: int, replicates: int | None) -> None:
    letters = "uvwxyz"[:n]
    sweep = Sweep(kind, (integers("a", n), ListAxis("b", values=list(letters))), replicates)
    assert rows(sweep) == list(zip(range(n), letters, strict=True)) * (replicates or 1)


@settings(deadline=None)
@given(
    lengths=st.lists(st.sampled_from([1, 3, 65_536, 65_537, 1_000_003]), min_size=1, max_size=3),
    replicates=st.one_of(st.none(), st.integers(1, 4)),
    data=st.data(),
)
def test_axes_too_long_for_a_list_give_what_short_ones_would(
    lengths: list[int], replicates: int | None, data: st.DataObject
) -> None:
    axes = tuple(integers(name, n) for name, n in zip(NAMES, lengths, strict=False))
    sweep = Sweep("grid", axes, replicates=replicates)
    index = data.draw(st.integers(0, sweep.n_items - 1))
    expected, rest = [], index
    for n in reversed(lengths):
        rest, position = divmod(rest, n)
        expected.insert(0, [position, 0])
    assert sweep.columns([index, 0]) == expected


def test_parameters_of_an_item_are_its_row_of_the_columns() -> None:
    axes = (LinearAxis("r", start=0.0, stop=1.0, num=7), ListAxis("x", values=["u", "v", "w"]))
    sweep = Sweep("grid", axes, replicates=2)
    r, x = sweep.columns(range(sweep.n_items))
    for index in range(sweep.n_items):
        assert sweep.parameters(index) == {"r": r[index], "x": x[index]}


@pytest.mark.parametrize("index", [-1, 6, 2**70])
def test_item_outside_the_sweep_is_an_index_error(index: int) -> None:
    sweep = Sweep("grid", (integers("a", 2), integers("b", 3)))
    with pytest.raises(IndexError, match="6 items"):
        sweep.parameters(index)


@pytest.mark.parametrize(
    ("kind", "lengths", "replicates", "dims", "shape"),
    [
        ("grid", (2, 3), None, ("a", "b"), (2, 3)),
        ("grid", (2, 3), 4, ("replicate", "a", "b"), (4, 2, 3)),
        ("grid", (2,), 1, ("replicate", "a"), (1, 2)),
        ("zip", (3, 3), None, ("item",), (3,)),
        ("table", (3, 3), 4, ("replicate", "item"), (4, 3)),
    ],
)
def test_dimensions_are_named_by_the_axes_or_the_item(
    kind: Kind,
    lengths: tuple[int, ...],
    replicates: int | None,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
) -> None:
    axes = tuple(integers(name, n) for name, n in zip(NAMES, lengths, strict=False))
    sweep = Sweep(kind, axes, replicates=replicates)
    assert (sweep.dims, sweep.shape) == (dims, shape)


def test_more_replicates_leave_every_index_alone() -> None:
    axes = (integers("a", 3), integers("b", 4))
    few, many = (Sweep("grid", axes, replicates=n) for n in (2, 5))
    indices = range(few.n_items)
    assert few.columns(indices) == many.columns(indices)


def test_sweep_of_more_items_than_any_memory_holds_is_usable() -> None:
    axes = (integers("a", 10**9), integers("b", 10**9))
    sweep = Sweep("grid", axes)
    assert sweep.n_items == 10**18
    assert sweep.parameters(10**18 - 2) == {"a": 10**9 - 1, "b": 10**9 - 2}


def test_sweep_survives_a_pickle_which_stays_as_small_as_it_was() -> None:
    sweep = Sweep("grid", (integers("a", 60_000), integers("b", 7)), replicates=3)
    fresh = pickle.dumps(sweep)
    columns = sweep.columns(range(100))
    assert len(pickle.dumps(sweep)) == len(fresh)
    copy = pickle.loads(fresh)
    assert copy == sweep
    assert copy.columns(range(100)) == columns


def test_description_is_json_and_sees_kind_axes_and_replicates() -> None:
    a, b = integers("a", 2), integers("b", 2)
    sweeps = [
        Sweep("grid", (a, b)),
        Sweep("grid", (b, a)),
        Sweep("zip", (a, b)),
        Sweep("grid", (a,)),
        Sweep("grid", (a, b), replicates=1),
        Sweep("grid", (a, b), replicates=2),
    ]
    assert len({json.dumps(sweep.describe(), allow_nan=False) for sweep in sweeps}) == len(sweeps)


@pytest.mark.parametrize(
    ("kind", "axes", "replicates", "keys", "words"),
    [
        ("grid", (), None, ("grid",), "at least one axis"),
        ("grid", (integers("a", 2),), 0, ("replicates",), ">= 1, got 0"),
        ("zip", (integers("a", 2), integers("b", 3)), None, ("zip",), "got a: 2, b: 3"),
        ("grid", (integers("a", 2), integers("a", 2)), None, ("grid", "a"), "once"),
        ("grid", (integers("status", 2),), None, ("grid", "status"), "'status' itself"),
        ("grid", (integers("a", 2**61),), 2, (), r"fewer than 2\*\*62 items"),
    ],
)
def test_sweep_that_cannot_be_names_the_setting(
    kind: Kind, axes: tuple[Axis, ...], replicates: int | None, keys: tuple[str, ...], words: str
) -> None:
    with pytest.raises(SweepError, match=words) as caught:
        Sweep(kind, axes, replicates=replicates)
    assert caught.value.keys == keys


def test_largest_sweep_is_one_item_short_of_two_to_the_62() -> None:
    assert Sweep("grid", (integers("a", 2**62 - 1),)).n_items == 2**62 - 1


@pytest.mark.parametrize("name", ["r", "x0", "_private", "größe", "λ", "seed", "Status"])
def test_python_names_can_name_an_axis(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "letters, digits"),
        ("2r", "letters, digits"),
        ("a b", "letters, digits"),
        ("a/b", "letters, digits"),
        ("a.b", "letters, digits"),
        ("n" * 256, "letters, digits"),
        ("lambda", "word of the Python language"),
        ("status", "the result file uses"),
        ("\ufb01eld", "'field', as Python reads"),
        ("u\u0308ber", "'\u00fcber', as Python reads"),
    ],
)
def test_other_names_cannot(name: str, words: str) -> None:
    assert words in (name_problem(name) or "")


def test_names_of_the_file_are_reserved() -> None:
    names = "status item_seconds worker code_version item replicate failures workers attempts provenance config"
    assert set(names.split()) == RESERVED_NAMES


def test_sweep_loads_nothing_but_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import fullrank.sweep\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    source = Path(sys.modules["fullrank.sweep"].__file__ or "").parents[1]
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(source)!r})\n{program}"]
    loaded = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.split() == ["fullrank"]
