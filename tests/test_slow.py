"""The list of slow tests names tests that are there."""

import re
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("slow.txt")


@pytest.mark.parametrize("line", [line for line in LIST.read_text().splitlines() if not line.startswith("#")])
def test_slow_test_that_is_listed_stands_in_its_file(line: str) -> None:
    path, _, name = line.partition("::")
    text = (LIST.parents[1] / path).read_text()
    assert re.search(rf"^def {name.partition('[')[0]}\(", text, re.MULTILINE)
