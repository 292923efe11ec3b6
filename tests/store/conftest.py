"""Fixtures for the tests of the store."""

import sys
from pathlib import Path

import pytest

# The tests, and programs that they start, import the sample studies from beside this file.
sys.path.insert(0, str(Path(__file__).parent))

from store_samples import Study, grid_study, numbers_study


@pytest.fixture
def study() -> Study:
    return grid_study()


@pytest.fixture
def numbers():
    """A study of one float an item, for any sweep."""
    return numbers_study
