"""When two files are equal, and what is said where they are not."""

from dataclasses import replace

import numpy as np
import pytest

from fullrank.axes import LinearAxis, ListAxis, RangeAxis
from fullrank.errors import OutputError
from fullrank.schema import Field, Tables
from fullrank.store import differences
from fullrank.sweep import Sweep


@pytest.fixture
def compare(tmp_path):
    """Write two studies and return how they differ, with the files' names shortened."""

    def run(first, second, *, rtol=0.0):
        first.write(tmp_path / "a.h5")
        second.write(tmp_path / "b.h5", cuts=(1,))
        found = differences(tmp_path / "a.h5", tmp_path / "b.h5", rtol=rtol)
        return [text.replace(f"{tmp_path}/", "") for text in found]

    return run


def changed(study, name, place, value):
    values = {key: array.copy() for key, array in study.values.items()}
    values[name][place] = value
    return replace(study, values=values)


def test_equal_studies_have_no_differences(compare, study):
    ended = study.with_ends({1: 0, 5: 2})
    assert compare(ended, ended) == []


def test_times_workers_attempts_and_titles_do_not_count(compare, study):
    worker = replace(study.tables.workers[0], host="elsewhere", compute_seconds=9.0)
    other = replace(study, tables=Tables((), (worker, worker), ()), title="another")
    assert compare(study, other) == []


def test_the_first_item_that_differs_is_named_with_both_values_and_their_number(compare, study):
    other = changed(study, "energy", [7, 9], 0.5)
    assert compare(study, other) == [
        "energy: item 7 (r=3.5, site='Zürich'): 1.0 in a.h5, 0.5 in b.h5; 2 of 12 items differ"
    ]


def test_of_an_array_the_element_is_named(compare, study):
    other = changed(study, "hits", (4, 1), -1)
    assert compare(study, other) == [
        "hits: item 4 (r=3.0, site='Zürich'), element [1]: 13 in a.h5, -1 in b.h5; 1 of 12 items differ"
    ]


def test_nan_equals_nan_and_nothing_else(compare, study):
    nan = changed(study, "energy", 3, np.nan)
    assert compare(nan, changed(study, "energy", 3, -np.float64(np.nan))) == []
    assert "item 3 (r=3.0, site='Genève'): nan in a.h5" in compare(nan, study)[0]


def test_zeros_of_different_sign_differ(compare, study):
    assert "0.0 in a.h5, -0.0 in b.h5" in compare(study, changed(study, "energy", 0, -0.0))[0]


def test_the_last_bit_counts_unless_a_tolerance_is_given(compare, study):
    near = changed(study, "energy", 3, np.nextafter(3 / 7, 1.0))
    assert len(compare(study, near)) == 1
    assert compare(study, near, rtol=1e-15) == []


@pytest.mark.parametrize(
    ("x", "y", "is_equal"),
    [
        (1.0, 1.01, True),
        (1.0, 1.02, False),
        (-1.0, 1.0, False),
        (0.0, 1e-300, False),
        (0.0, -0.0, True),
        (np.inf, np.inf, True),
        (np.inf, -np.inf, False),
        (np.inf, 1e308, False),
        (1.7e308, -1.7e308, False),
    ],
)
def test_the_tolerance_is_relative_to_the_larger_value(compare, study, x, y, is_equal):
    first, second = changed(study, "energy", 3, x), changed(study, "energy", 3, y)
    assert (compare(first, second, rtol=0.01) == []) == is_equal


def test_integers_are_compared_within_the_tolerance_too(compare, study):
    first, second = changed(study, "hits", (0, 0), 1000), changed(study, "hits", (0, 0), 1001)
    assert compare(first, second, rtol=0.01) == []
    assert len(compare(first, second)) == 1


def test_ends_are_named_and_values_compared_where_both_are_ok(compare, study):
    other = changed(study, "energy", [5, 6], 0.5).with_ends({5: 2})
    assert compare(study, other) == [
        "status: item 5 (r=3.0, site='東京'): ok in a.h5, failed in b.h5; 1 of 12 items differ",
        "energy: item 6 (r=3.5, site='Genève'): 0.8571428571428571 in a.h5, 0.5 in b.h5; 1 of 12 items differ",
    ]


def test_lengths_of_varying_results_count(compare, study):
    other = replace(study, lengths={"trace": study.lengths["trace"].copy()})
    other.lengths["trace"][1] = 2
    found = compare(study, other)
    assert "trace_length: item 1 (r=2.5, site='Zürich'): 1 in a.h5, 2 in b.h5" in found[-1]


def test_results_that_one_file_lacks_are_named_and_the_others_compared(compare, study):
    other = changed(study, "energy", 0, 9.0)
    other = replace(other, fields=[field for field in study.fields if field.name != "hits"])
    found = compare(study, other)
    assert found[0] == "result hits: <i8 of shape (3,) in a.h5, absent in b.h5"
    assert found[1].startswith("energy: item 0")


def test_types_of_results_count(compare, study):
    values = study.values | {"energy": study.values["energy"].astype("<f4")}
    fields = [Field("energy", "<f4"), *study.fields[1:]]
    assert compare(study, replace(study, values=values, fields=fields)) == [
        "result energy: <f8 of shape () in a.h5, <f4 of shape () in b.h5"
    ]


def line(stop, *, num=4, name="r"):
    return LinearAxis(name, start=0.0, stop=stop, num=num)


def test_sizes_of_the_sweep_are_compared_first(compare, numbers):
    first, second = (numbers(Sweep("grid", (line(1.0, num=n),))) for n in (4, 5))
    assert compare(first, second) == ["dimensions: {'r': 4} in a.h5, {'r': 5} in b.h5"]


def test_names_of_parameters_count(compare, numbers):
    first, second = (numbers(Sweep("zip", (line(1.0, name=name),))) for name in ("r", "q"))
    assert compare(first, second) == ["parameters: r in a.h5, q in b.h5"]


def test_values_on_an_axis_count(compare, numbers):
    first, second = (numbers(Sweep("grid", (line(stop),))) for stop in (3.0, 4.0))
    assert compare(first, second) == ["axis r: value 1: 1.0 in a.h5, 1.3333333333333333 in b.h5; 3 of 4 values differ"]


def test_types_of_axes_count(compare, numbers):
    first = numbers(Sweep("grid", (RangeAxis("k", start=0, stop=2),)))
    second = numbers(Sweep("grid", (ListAxis("k", values=(0.0, 1.0)),)))
    assert "axis k: value 0: 0 in a.h5, 0.0 in b.h5" in compare(first, second)[0]


def test_the_order_of_axes_counts(compare, numbers):
    axes = line(1.0, name="r"), line(1.0, name="q")
    assert "dimensions" in compare(*(numbers(Sweep("grid", a)) for a in (axes, axes[::-1])))[0]


def test_a_file_that_is_not_there_is_told(tmp_path, study):
    study.write(tmp_path / "a.h5")
    with pytest.raises(OutputError, match=r"b\.h5: cannot be opened: No such file"):
        differences(tmp_path / "a.h5", tmp_path / "b.h5")
