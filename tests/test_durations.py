"""Durations as people write them."""

from datetime import timedelta

import pytest

from fullrank.durations import duration_seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", timedelta(seconds=90)),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("0.5h", timedelta(minutes=30)),
        ("2m30s", timedelta(minutes=2, seconds=30)),
        ("1h 30m", timedelta(hours=1, minutes=30)),
        ("25h5s", timedelta(hours=25, seconds=5)),
        ("1:30:00", timedelta(hours=1, minutes=30)),
        ("100:00:01", timedelta(hours=100, seconds=1)),
        (" 55 m ", timedelta(minutes=55)),
    ],
)
def test_each_spelling_means_the_same_everywhere(text: str, expected: timedelta) -> None:
    assert duration_seconds(text) == expected.total_seconds()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0:00:00",
        "-5",
        "+5",
        "1e3",
        "nan",
        "inf",
        "1:30",
        "1:60:00",
        "30s2m",
        "2m90s",
        "h",
        "0h0m",
        "1h1h",
        "1:00:60",
        "5x",
        "m",
        "\u0663s",
        400 * "9",
    ],
)
def test_anything_else_is_refused_with_examples_of_what_is_meant(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a duration > 0 such as 90, 90s, 15m, 1h30m or ") as raised:
        duration_seconds(text)
    assert len(str(raised.value)) < 150
