"""How much a study will write, against what one wrote."""

import json
from pathlib import Path

import pytest
from studies import Project

from fullrank.errors import StorageError
from fullrank.room import ONE_FLOAT, free_bytes, needed_bytes, record_bytes, require_room, still_needed, with_need
from fullrank.survey import Survey
from fullrank.workfolder import WorkFolder

RANDOM = "import random\ndef f(x):\n    draw = random.Random(x)\n    return [draw.random() for _ in range(50)]\n"


def test_a_study_writes_about_what_is_expected_of_it(project: Project) -> None:
    project.write(RANDOM, grid="x = { range = 2000 }").run("-b", "serial")
    written = project.output.stat().st_size
    expected = needed_bytes(2000, 0, record_bytes=12 + 50 * 8)
    assert written == pytest.approx(expected, rel=0.15)  # numbers that do not compress


def test_what_is_finished_need_not_be_written_again() -> None:
    assert needed_bytes(1000, 1000) - needed_bytes(1000, 400) == 600 * ONE_FLOAT


def test_records_are_sorted_on_the_disk_only_if_they_are_many() -> None:
    per_item_of_few = needed_bytes(2000, 0) - needed_bytes(1000, 0)
    per_item_of_many = needed_bytes(10_001_000, 0) - needed_bytes(10_000_000, 0)
    assert (per_item_of_few, per_item_of_many) == (12_000, 39_000)


def test_before_an_item_has_ended_a_result_is_taken_for_one_float() -> None:
    assert record_bytes(Survey()) == 8 + 4 + 8
    assert still_needed([], 1000) == needed_bytes(1000, 1000)


def test_items_that_have_ended_tell_what_the_others_need() -> None:
    assert record_bytes(Survey(n_bytes=5000, n_ok=9, n_failed=1)) == 500


def test_what_items_printed_so_far_is_expected_of_the_others(project: Project) -> None:
    code = "def f(x):\n    print('p' * 999)\n    return x / 7\n"
    project.write(code, grid="x = { range = 1000 }").run("-b", "serial", "--limit", 100)
    folder = WorkFolder(project.output)
    silent = still_needed(folder.journals(), 1000)
    printed = still_needed(folder.journals(), 1000, log_bytes=folder.log_bytes()) - silent
    found = json.loads(project.run("--dry-run", "--json", "-b", "serial").stdout)
    assert found["needed_bytes"] == pytest.approx(silent + printed, abs=1)
    project.run("-b", "serial")
    assert printed == pytest.approx(project.log.stat().st_size * 0.9, rel=0.05)


def test_a_folder_without_room_is_refused_with_both_numbers(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    assert free is not None
    require_room(tmp_path, free // 2)
    with pytest.raises(
        StorageError, match=r"about [\d,]+ bytes are needed there .*, [\d,]+ are free; make room"
    ) as told:
        require_room(tmp_path, 10 * free)
    assert told.value.exit_code == 74


def test_a_file_system_that_does_not_tell_refuses_nothing(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "gone") is None
    require_room(tmp_path / "gone", 1 << 60)
    assert free_bytes(Path("/proc/self")) is None  # a file system without blocks


def test_a_full_disk_is_told_with_what_it_takes_to_go_on(tmp_path: Path) -> None:
    cause = OSError(28, "No space left on device")
    error = with_need(StorageError.of(cause, "j: cannot be written"), tmp_path, needed=1234)
    assert str(error).startswith(
        "j: cannot be written: No space left on device; about 1,234 more bytes are needed there, "
    )
    assert "run the same command again" in str(error)


@pytest.mark.parametrize(("number", "is_full"), [(28, True), (122, True), (5, False), (13, False)])
def test_a_full_disk_and_a_quota_are_told_from_other_errors(number: int, is_full: bool) -> None:
    assert StorageError.of(OSError(number, "words"), "what").is_full is is_full
