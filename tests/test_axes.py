import json
import math
import pickle
from array import array
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fullrank.axes import (
    Axis,
    ColumnAxis,
    LinearAxis,
    ListAxis,
    LogAxis,
    RangeAxis,
    SweepError,
    Value,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
int64 = st.integers(-(2**63), 2**63 - 1)


def everything(axis: Axis) -> list[Value]:
    return axis.column(range(len(axis)))


@settings(deadline=None)
@given(start=finite, stop=finite, num=st.integers(1, 70))
@example(start=0.0, stop=5e-324, num=5)  # the step underflows to 0
@example(start=1.0, stop=1.0 + 2**-52, num=9)
@example(start=0.0, stop=0.0, num=4)
@example(start=-0.0, stop=-0.0, num=1)
@example(start=-0.0, stop=1.0, num=1)
@example(start=-0.0, stop=-1.0, num=3)
@example(start=-8.9e307, stop=8.9e307, num=3)
@example(start=0.1, stop=0.7, num=7)  # i * step + start misses stop by one bit
@example(start=0.0, stop=1.7976931348623157e308, num=13)  # numpy's last product overflows
@example(start=3, stop=4, num=2)
def test_linear_axis_is_numpy_linspace_to_the_last_bit(start: float, stop: float, num: int) -> None:
    assume(math.isfinite(stop - start))
    axis = LinearAxis("r", start=start, stop=stop, num=num)
    values = everything(axis)
    assert set(map(type, values)) == {float}
    with np.errstate(over="ignore"):  # of a last value that numpy then replaces by stop
        expected = np.linspace(start, stop, num)
    assert np.array(values).tobytes() == expected.tobytes()


@settings(deadline=None)
@given(start=finite, stop=finite, num=st.integers(2, 10**7), data=st.data())
def test_a_value_does_not_depend_on_what_else_is_asked_for(
    start: float, stop: float, num: int, data: st.DataObject
) -> None:
    assume(math.isfinite(stop - start))
    axis = LinearAxis("r", start=start, stop=stop, num=num)
    i, j = (data.draw(st.integers(0, num - 1)) for _ in range(2))
    assert axis.column([i, j, i]) == [axis.value(i), axis.value(j), axis.value(i)]


def test_axis_of_millions_of_values_is_numpy_linspace_too() -> None:
    axis = LinearAxis("r", start=-2.5, stop=1.1, num=1_000_003)
    assert np.array(everything(axis)).tobytes() == np.linspace(-2.5, 1.1, 1_000_003).tobytes()


@pytest.mark.parametrize("axis_class", [LinearAxis, LogAxis])
def test_axis_of_more_values_than_any_memory_holds_is_usable(
    axis_class: type[LinearAxis] | type[LogAxis],
) -> None:
    axis = axis_class("r", start=1.0, stop=16.0, num=10**15 + 1)
    middle = 8.5 if axis_class is LinearAxis else 4.0
    assert axis.column([0, 5 * 10**14, 10**15]) == [1.0, middle, 16.0]


@settings(deadline=None)
@given(
    start=st.floats(1e-100, 1e100),
    stop=st.floats(1e-100, 1e100),
    num=st.integers(2, 30),
    sign=st.sampled_from([1.0, -1.0]),
)
def test_log_axis_is_geometric_with_exact_ends(start: float, stop: float, num: int, sign: float) -> None:
    values = everything(LogAxis("r", start=sign * start, stop=sign * stop, num=num))
    assert (values[0], values[-1]) == (sign * start, sign * stop)
    with localcontext(prec=40):
        ratio = Decimal(stop) / Decimal(start)
        for i, value in enumerate(values):
            assert isinstance(value, float)
            exact = float(Decimal(start) * (ratio ** (Decimal(i) / (num - 1))))
            assert sign * value == pytest.approx(exact, rel=1e-12)


def test_log_axis_of_one_value_is_its_start() -> None:
    assert everything(LogAxis("r", start=0.1, stop=5.0, num=1)) == [0.1]


@settings(deadline=None)
@given(start=int64, stop=int64, step=int64.filter(bool), data=st.data())
def test_range_axis_is_pythons_range(start: int, stop: int, step: int, data: st.DataObject) -> None:
    truth = range(start, stop, step)
    assume(bool(truth) and not truth[2**62 - 1 :])
    axis = RangeAxis("n", start=start, stop=stop, step=step)
    positions = data.draw(st.lists(st.integers(0, len(truth) - 1), max_size=5))
    assert len(axis) == len(truth)
    assert axis.column(positions) == [truth[position] for position in positions]
    assert axis.value(len(truth) - 1) == truth[-1]


@pytest.mark.parametrize(
    ("given_values", "values"),
    [
        ([3, 1, 3], [3, 1, 3]),
        ([0.1, 0.2], [0.1, 0.2]),
        ([1, 0.5], [1.0, 0.5]),
        (["b", "", "ä"], ["b", "", "ä"]),
        ([True, False], [True, False]),
        ([-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
        ([math.inf, -math.inf], [math.inf, -math.inf]),
    ],
)
def test_list_axis_keeps_its_values_and_gives_them_one_type(given_values: list[Value], values: list[Value]) -> None:
    axis = ListAxis("a", values=given_values)
    assert everything(axis) == values
    assert [type(value) for value in everything(axis)] == [type(value) for value in values]
    assert axis.value_type is type(values[0])


def test_nan_is_a_value_of_a_list_axis() -> None:
    first, second = everything(ListAxis("a", values=[math.nan, 1]))
    assert math.isnan(first) and second == 1.0  # type: ignore[arg-type]  # it is a float


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "at least one value"),
        ([1, "a"], "integers and text"),
        ([0.5, True], "floats and true/false"),
        ([1, True], "integers and true/false"),
        ([1, [2]], "type list"),
        ([{}], "type dict"),
        ([2**63], "64 bits"),
        ([0.5, -(2**63) - 1], "64 bits"),
        (["a\0b"], "HDF5"),
        (["\ud800"], "HDF5"),
    ],
)
def test_list_axis_refuses_what_a_file_cannot_hold(values: list[Value], words: str) -> None:
    with pytest.raises(SweepError, match=words):
        ListAxis("a", values=values)


@pytest.mark.parametrize(
    ("axis_class", "start", "stop", "num", "key"),
    [
        (LinearAxis, 0.0, 1.0, 0, "num"),
        (LinearAxis, 0.0, 1.0, 2**62, "num"),
        (LinearAxis, math.nan, 1.0, 3, "start"),
        (LinearAxis, 0.0, math.inf, 3, "stop"),
        (LinearAxis, -1e308, 1e308, 3, "stop"),
        (LogAxis, 0.0, 1.0, 3, "start"),
        (LogAxis, 1.0, 0.0, 3, "stop"),
        (LogAxis, -1.0, 1.0, 3, "stop"),
        (LogAxis, 1.0, -1.0, 3, "stop"),
        (LogAxis, 1e-300, 1e300, 3, "stop"),
        (LogAxis, 1e300, 1e-300, 3, "stop"),
    ],
)
def test_spaced_axis_names_the_setting_that_is_wrong(
    axis_class: type[LinearAxis] | type[LogAxis], start: float, stop: float, num: int, key: str
) -> None:
    with pytest.raises(SweepError) as caught:
        axis_class("r", start=start, stop=stop, num=num)
    assert caught.value.keys == (key,)
    assert str(caught.value).startswith(f"{key}: expected")


@pytest.mark.parametrize(
    ("start", "stop", "step", "words"),
    [
        (0, 3, 0, "other than 0"),
        (3, 3, 1, "at least one value"),
        (0, 3, -1, "at least one value"),
        (0, 2**64, 1, "64 bits"),
        (2**63, 2**63 + 1, 1, "64 bits"),
        (0, 2**62, 1, "fewer than 2"),
        (-(2**63), 2**63 - 1, 1, "fewer than 2"),
    ],
)
def test_range_axis_refuses_what_is_empty_or_too_large(start: int, stop: int, step: int, words: str) -> None:
    with pytest.raises(SweepError, match=words):
        RangeAxis("n", start=start, stop=stop, step=step)


AXES: list[Axis] = [
    LinearAxis("a", start=0.0, stop=1.0, num=3),
    LogAxis("a", start=1.0, stop=10.0, num=3),
    RangeAxis("a", start=0, stop=3),
    ListAxis("a", values=["x", "y", "z"]),
    ColumnAxis("a", values=array("d", [0.5, 1.5, 2.5])),
    ColumnAxis("a", values=["x", "y", "z"]),
]


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: type(axis).__name__)
def test_axis_survives_a_pickle(axis: Axis) -> None:
    copy = pickle.loads(pickle.dumps(axis))
    assert copy == axis
    assert everything(copy) == everything(axis)


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: type(axis).__name__)
@pytest.mark.parametrize("position", [-1, 3])
def test_position_outside_the_axis_is_an_index_error(axis: Axis, position: int) -> None:
    with pytest.raises(IndexError, match="'a' has 3 values"):
        axis.value(position)


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: type(axis).__name__)
def test_description_is_json_and_equal_for_equal_values_alone(axis: Axis) -> None:
    described = json.dumps(axis.describe(), allow_nan=False)
    others = [json.dumps(other.describe()) for other in AXES if other is not axis]
    assert described not in others
    assert json.dumps(pickle.loads(pickle.dumps(axis)).describe()) == described


def test_units_and_long_name_are_no_part_of_the_description() -> None:
    plain = RangeAxis("n", start=0, stop=3)
    labelled = RangeAxis("n", start=0, stop=3, units="1", long_name="number")
    assert plain.describe() == labelled.describe()


def test_ranges_of_the_same_numbers_have_one_description() -> None:
    assert RangeAxis("n", start=0, stop=10, step=3).describe() == (RangeAxis("n", start=0, stop=12, step=3).describe())


def test_description_tells_nan_from_text_and_one_from_true() -> None:
    lists: list[list[Value]] = [[math.nan], ["nan"], [1], [1.0], [True], ["1"], [0.0], [-0.0]]
    described = {json.dumps(ListAxis("a", values=values).describe(), allow_nan=False) for values in lists}
    assert len(described) == len(lists)


def test_digest_of_text_sees_where_a_cell_ends() -> None:
    first, second = (ColumnAxis("a", values=cells) for cells in (["ab", "c"], ["a", "bc"]))
    assert first.describe() != second.describe()


def test_digest_of_a_column_is_that_of_its_bytes() -> None:
    # sha256sum of the 16 bytes 01 00 … 00 02 00 … 00
    expected = "0c730b69905c5ef7a4ca5269f72365400bde2dd2c04eaf9bbb3d1c4a265a0131"
    described = ColumnAxis("n", values=array("q", [1, 2])).describe()
    assert described["sha256"] == expected
