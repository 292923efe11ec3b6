"""What a run does beside the verification of its file can do no harm to the file."""

from pathlib import Path

import pytest
from studies import Project

from fullrank.errors import Locked
from fullrank.onlooking import RunOnlooker
from fullrank.report import Reading, report
from fullrank.store import FileSummary, verify


@pytest.fixture
def path(project: Project) -> Path:
    """A result file."""
    project.write().run("-b", "serial")
    return project.output


def test_the_report_is_that_of_the_file(path: Path) -> None:
    onlooker = RunOnlooker(lambda: None, is_reported=True)
    verify(path, onlooker)
    assert repr(onlooker.report) == repr(report(path))  # some numbers of it are NaN


def test_none_is_made_that_nobody_asks_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reading, "begin", lambda *_: pytest.fail("read all the same"))
    onlooker = RunOnlooker(lambda: None, is_reported=False)
    verify(path, onlooker)
    assert onlooker.report is None


@pytest.mark.parametrize("step", ["begin", "add", "end"])
def test_a_report_that_fails_leaves_the_file_as_good_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Reading, step, fail)
    onlooker = RunOnlooker(lambda: None, is_reported=True)
    assert isinstance(verify(path, onlooker), FileSummary)
    assert onlooker.report is None


def test_a_lock_that_is_lost_meanwhile_ends_the_run(path: Path) -> None:
    def lose() -> None:
        raise Locked("lost")

    with pytest.raises(Locked, match="lost"):
        verify(path, RunOnlooker(lose, is_reported=True))
