"""docs/method.md: its verdicts and counts of rounds; tests/test_compare_statistics.py has its tables of simulations."""

import re

import pytest
from pages import PAGES, in_code, rows

from fullrank.compare.statistics import default_rounds
from fullrank.compare.verdict import Outcome

PAGE = "docs/method.md"
PROSE = " ".join(PAGES[PAGE].split())
NUMBERS = {"six": 6, "seven": 7, "nine": 9, "eleven": 11, "thirteen": 13}


def test_verdicts_of_the_table_are_those_that_are_given() -> None:
    listed = {row[0] for row in rows(PAGE, header="verdict | is given if")}
    assert listed == {outcome.value for outcome in Outcome} - {"baseline", "not possible"}


@pytest.mark.parametrize(
    ("n_comparisons", "words"), [(1, "one comparison at 5 % that takes"), (3, "three comparisons"), (12, "twelve")]
)
def test_rounds_that_an_interval_takes_follow_from_coins(n_comparisons: int, words: str) -> None:
    (shown,) = re.findall(rf"{words} (six|seven|nine)\b", PROSE)
    fewest = next(n for n in range(1, 50) if 2 * 2.0**-n <= 0.05 / n_comparisons)
    assert fewest == NUMBERS[shown]


@pytest.mark.parametrize(("n_ways", "shown"), [(2, "nine"), (4, "eleven"), (5, "eleven"), (13, "thirteen")])
def test_rounds_by_default_are_those_that_leave_one_out_at_each_end(n_ways: int, shown: str) -> None:
    assert "nine for two ways, eleven for four or five, thirteen for thirteen" in PROSE
    bound = 0.05 / (n_ways - 1)
    fewest = next(n for n in range(1, 50) if 2 * (1 + n) * 2.0**-n <= bound)  # fewer than two heads in n throws
    assert fewest == default_rounds(n_ways) == NUMBERS[shown]


def test_no_command_of_the_page_is_more_than_a_name() -> None:
    assert {text for text in in_code(PROSE) if text.startswith("fullrank ")} == {"fullrank compare", "fullrank run"}
