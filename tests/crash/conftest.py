"""A study small enough to be run some hundred times, and a keeper that does not wake up in between."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from crash_study import CrashStudy

from fullrank import worker


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> CrashStudy:
    return CrashStudy(tmp_path_factory.mktemp("study"))


@pytest.fixture(autouse=True)
def _keeper_sleeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a thread does by the clock would be another call at another place in every run."""
    monkeypatch.setattr(worker, "FLUSH_SECONDS", 1e6)
    yield
