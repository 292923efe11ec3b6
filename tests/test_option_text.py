"""What --grid, --zip and --const say."""

import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullrank.config import option_text
from fullrank.config.option_text import axis_of, constant_of
from fullrank.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.5:4:2000", {"start": 2.5, "stop": 4.0, "num": 2000}),
        ("-1:1e3:3", {"start": -1.0, "stop": 1000.0, "num": 3}),
        ("log:1e-3:1e3:7", {"start": 0.001, "stop": 1000.0, "num": 7, "scale": "log"}),
        ("range:600", {"range": [600]}),
        ("range:10:600", {"range": [10, 600]}),
        ("range:600:10:-5", {"range": [600, 10, -5]}),
        ("1,2,3", [1, 2, 3]),
        ("0.1, 1e-3 ,-inf", [0.1, 0.001, float("-inf")]),
        (".5,1.,-.25", [0.5, 1.0, -0.25]),
        ("7", [7]),
        ("fast,exact", ["fast", "exact"]),
        ("007", ["007"]),
        ("true,false", [True, False]),
        ("2026-01-01", ["2026-01-01"]),
        ("two words,größe", ["two words", "größe"]),
        ('"a,b:c",\'d"e\'', ["a,b:c", 'd"e']),
        ("log,range", ["log", "range"]),
    ],
)
def test_axis_is_what_its_text_says(text: str, expected: Any) -> None:
    name, axis = axis_of("--grid", f"x={text}")
    assert name == "x"
    assert repr(axis) == repr(expected)  # 1 is not 1.0, and not true


@pytest.mark.parametrize(
    "text",
    [
        *("", "1:2", "1:2:3:4", "1:2:2.5", "a:b:3", "log:1:2", "range:", "range:1:2:3:4", "range:0.5"),
        *("1,,2", "1,", "[1,2]", '"a', "1,2:3", "x # y", "a\nb", "1:2:" + "9" * 5000),
    ],
)
def test_axis_of_no_form_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(UsageError, match=r"--grid x=[^§]*expected START:STOP:NUM .*range:STOP.*0\.1,0\.2"):
        axis_of("--grid", f"x={text}")


@pytest.mark.parametrize("text", ["", "x", "=1", "2.5:4:20", " =3"])
def test_axis_without_a_name_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected NAME=AXIS, as in --zip r=2\.5:4:2000"):
        axis_of("--zip", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500", 500),
        ("0x1F", 31),
        ("-1e3", -1000.0),
        (".5", 0.5),
        ("true", True),
        ("fast", "fast"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("/scratch/me/a b.txt", "/scratch/me/a b.txt"),
        ('"a, b"', "a, b"),
        ("[1, 2]", [1, 2]),
        ('{ npy = "v.npy" }', {"npy": "v.npy"}),
        ("a=b", "a=b"),
    ],
)
def test_constant_is_what_toml_reads_or_a_text(text: str, expected: Any) -> None:
    name, value = constant_of("--const", f"c={text}")
    assert name == "c"
    assert repr(value) == repr(expected)


@pytest.mark.parametrize("text", ["", "1,2", "[1, 2", "{a}", 'say "x"', "1\nb = 2", "[" * 5000])
def test_constant_that_may_mean_two_things_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(UsageError, match="expected a value as TOML writes it"):
        constant_of("--const", f"c={text}")


@given(st.text())
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    for read in (axis_of, constant_of):
        try:
            name, _ = read("--x", text)
        except UsageError as error:
            assert "expected" in str(error)
        else:
            assert name in text


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(option_text).failed == 0


@pytest.mark.parametrize("text", ["k=1:2:1", "k=log:1:2:1"])
def test_one_value_between_two_ends_is_refused(text: str) -> None:
    with pytest.raises(
        UsageError, match="expected at least 2 values between two ends, got 1; for one value: --grid k=1;"
    ):
        axis_of("--grid", text)


def test_one_value_of_one_end_is_that_value() -> None:
    assert axis_of("--grid", "k=2:2:1") == ("k", {"start": 2.0, "stop": 2.0, "num": 1})
