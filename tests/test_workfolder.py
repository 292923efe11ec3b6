"""The folder beside the output: what is noted there outlives any kill, and nothing of the user's is touched."""

import itertools
import math
import os
from pathlib import Path
from typing import Any

import pytest

from fullrank import workfolder
from fullrank.account import Closing
from fullrank.attempts import REASON_COMPLETE, REASON_KILLED, AttemptStart
from fullrank.errors import OutputError, StorageError
from fullrank.filesystem import filesystem_type, is_shared
from fullrank.workfolder import WorkFolder, moved_aside


@pytest.fixture
def folder(tmp_path: Path) -> WorkFolder:
    folder = WorkFolder(tmp_path / "run.h5")
    folder.create()
    return folder


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def start(attempt: int) -> AttemptStart:
    return AttemptStart(attempt, "threads", 4, "guided", "spread")


# --- places


@pytest.mark.parametrize(
    ("output", "work", "partial", "printed"),
    [
        ("run.h5", "run.h5.work", "run.partial.h5", "run.h5.log"),
        ("run", "run.work", "run.partial.h5", "run.log"),
        ("run.v2.nc", "run.v2.nc.work", "run.v2.partial.nc", "run.v2.nc.log"),
        ("run.log", "run.log.work", "run.partial.log", "run.log.log"),
    ],
)
def test_everything_stands_beside_the_output_under_names_of_its_own(
    output: str, work: str, partial: str, printed: str, tmp_path: Path
) -> None:
    folder = WorkFolder(tmp_path / output)
    assert (folder.path, folder.partial, folder.printed) == (tmp_path / work, tmp_path / partial, tmp_path / printed)


def test_the_folder_is_made_with_those_above_it_and_may_be_there(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "a" / "b" / "run.h5")
    folder.create()
    folder.create()
    assert folder.path.is_dir()


def test_a_folder_that_cannot_be_made_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(OutputError, match="a: the output folder cannot be written: Not a directory"):
        WorkFolder(tmp_path / "a" / "run.h5").create()


# --- the study


def test_the_study_is_read_back_as_it_was_noted(folder: WorkFolder) -> None:
    text = 'title = "é\r\n"\n'
    assert folder.identity() is None
    folder.begin_study('{"a": 1}', config=text, config_path=Path("/some/where/run.toml"))
    assert folder.identity() == '{"a": 1}'
    assert folder.config_path() == Path("/some/where/run.toml")
    assert (folder.path / "config.toml").read_bytes() == text.encode()


def test_a_config_in_a_folder_whose_name_is_no_unicode_is_found_again(folder: WorkFolder) -> None:
    path = Path(os.fsdecode(b"/data/m\xfcller/run.toml"))
    folder.begin_study("{}", config="", config_path=path)
    assert folder.config_path() == path


def test_what_cannot_be_noted_gets_a_sentence(folder: WorkFolder) -> None:
    folder.path.rmdir()
    with pytest.raises(StorageError, match=r"config.toml: cannot be written: No such file"):
        folder.begin_study("{}", config="", config_path=Path("/x"))
    with pytest.raises(StorageError, match=r"attempts.jsonl: cannot be written: No such file"):
        folder.attempt_log.begin(start(1))


def test_tokens_differ(folder: WorkFolder) -> None:
    tokens = [folder.write_token("token") for _ in range(20)]
    assert len(set(tokens)) == 20
    assert (folder.path / "token").read_text() == tokens[-1]


# --- attempts


def test_attempts_are_told_with_their_ends(folder: WorkFolder) -> None:
    assert folder.attempt_log.rows() == ()
    folder.attempt_log.begin(start(1))
    folder.attempt_log.begin(start(2))
    folder.attempt_log.end(2, reason=REASON_COMPLETE, wall_seconds=1.5)
    killed, ended = folder.attempt_log.rows()
    assert (killed.attempt, killed.reason, killed.ended) == (1, REASON_KILLED, "")
    assert math.isnan(killed.wall_seconds)
    assert (ended.attempt, ended.reason, ended.wall_seconds) == (2, REASON_COMPLETE, 1.5)
    assert (ended.backend, ended.n_workers, ended.schedule, ended.order) == ("threads", 4, "guided", "spread")
    assert killed.started <= ended.started <= ended.ended
    assert ended.ended[10] == "T"
    assert ended.ended[-6] in "+-"  # with its offset


def test_closing_of_an_account_comes_back_as_it_was_noted(folder: WorkFolder) -> None:
    closing = Closing((0.1, 1e6 / 3), 7.25, gather_seconds=1 / 7)
    for number in (1, 2, 3):
        folder.attempt_log.begin(start(number))
    folder.attempt_log.end(1, reason=REASON_COMPLETE, wall_seconds=1.5)
    folder.attempt_log.end(2, reason=REASON_COMPLETE, wall_seconds=1.5, closing=closing)
    assert folder.attempt_log.closings() == {2: closing}
    assert [attempt.attempt for attempt in folder.attempt_log.rows()] == [1, 2, 3]


def test_a_note_cut_anywhere_costs_itself_alone_and_not_the_next(folder: WorkFolder) -> None:
    path = folder.path / "attempts.jsonl"
    folder.attempt_log.begin(start(1))
    end_of_first = path.stat().st_size
    folder.attempt_log.end(1, reason=REASON_COMPLETE, wall_seconds=1.0)
    whole = path.read_bytes()
    for length in range(0, len(whole) + 1, 3):
        path.write_bytes(whole[:length])
        noted = folder.attempt_log.rows()
        assert len(noted) == (length >= end_of_first)
        assert [attempt.reason for attempt in noted] in ([], [REASON_KILLED], [REASON_COMPLETE])
        folder.attempt_log.begin(start(7))
        assert folder.attempt_log.rows()[-1].attempt == 7
        assert folder.next_attempt() == 8


def test_blocks_of_zeros_that_a_crash_of_the_machine_leaves_are_skipped(folder: WorkFolder) -> None:
    folder.attempt_log.begin(start(1))
    with (folder.path / "attempts.jsonl").open("ab") as file:
        file.write(b"\0" * 100)
    folder.attempt_log.begin(start(2))
    assert [attempt.attempt for attempt in folder.attempt_log.rows()] == [1, 2]


def test_the_next_attempt_is_one_that_left_nothing_behind(folder: WorkFolder) -> None:
    assert folder.next_attempt() == 1
    folder.attempt_log.begin(start(1))
    assert folder.next_attempt() == 2
    folder.journal_of("a0005-w00003").touch()  # the notes were lost
    assert folder.next_attempt() == 6


def test_journals_stand_by_attempt_and_worker(folder: WorkFolder) -> None:
    stems = [f"a{attempt:04d}-w{worker:05d}" for attempt, worker in itertools.product([1, 2, 10], [0, 2, 11])]
    for stem in reversed(stems):
        folder.journal_of(stem).touch()
    (folder.path / "a0001-w00000.log").touch()
    assert folder.journals() == [folder.journal_of(stem) for stem in stems]


def test_interrupted_items_are_those_in_the_cells_of_workers_that_died(folder: WorkFolder) -> None:
    for worker, content in enumerate([5, 0, 2**40, -1]):
        (folder.path / f"a0003-w{worker:05d}.running").write_bytes(content.to_bytes(8, "little", signed=True))
    (folder.path / "a0002-w00001.running").touch()  # killed before it wrote
    assert folder.interrupted() == ((3, 5), (3, 0), (3, 2**40))


# --- putting away


class Noon:
    """A clock that stands still."""

    @staticmethod
    def now(*_: object) -> "Noon":
        return Noon()

    def astimezone(self) -> "Noon":
        return self

    def strftime(self, _form: str) -> str:
        return "20261123T120000"


def test_what_is_moved_aside_keeps_its_content_and_its_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workfolder, "datetime", Noon)
    path = tmp_path / "run.h5"
    for content in ("one", "two", "three"):
        path.write_text(content)
        assert moved_aside(path).read_text() == content
        assert not path.exists()
    assert names(tmp_path) == ["run.20261123T120000-2.h5", "run.20261123T120000-3.h5", "run.20261123T120000.h5"]


def test_contents_are_moved_aside_and_the_lock_stays(folder: WorkFolder, tmp_path: Path) -> None:
    (folder.path / "lock").touch()
    (folder.path / "lock.guard").touch()
    assert folder.move_contents_aside() is None
    folder.begin_study("{}", config="", config_path=Path("/x"))
    folder.journal_of("a0001-w00000").write_text("records")
    aside = folder.move_contents_aside()
    assert aside is not None
    assert aside.parent == tmp_path
    assert (aside / "a0001-w00000.journal").read_text() == "records"
    assert names(folder.path) == ["lock", "lock.guard"]
    assert folder.identity() is None


def test_logs_of_workers_become_one_beside_the_output(folder: WorkFolder) -> None:
    assert folder.keep_what_was_printed() is None
    (folder.path / "a0001-w00001.log").write_text("one\n")
    (folder.path / "a0001-w00000.log").write_text("nought\n")
    (folder.path / "a0001-w00002.log").touch()
    expected = "=== worker a0001-w00000\nnought\n=== worker a0001-w00001\none\n"
    kept = folder.keep_what_was_printed()
    assert kept is not None
    assert kept.read_text() == expected
    (folder.path / "a0001-w00000.log").write_text("again\n")
    folder.keep_what_was_printed()
    # what an earlier run printed is not overwritten, and nothing is kept twice
    assert kept.read_text() == expected + "=== worker a0001-w00000\nagain\n"


def test_a_log_of_the_users_beside_the_output_is_left_alone(folder: WorkFolder, tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text("fullrank run … > run.log")
    (folder.path / "a0001-w00000.log").write_text("printed\n")
    folder.keep_what_was_printed()
    assert (tmp_path / "run.log").read_text() == "fullrank run … > run.log"


def test_only_what_a_run_made_is_removed(folder: WorkFolder, tmp_path: Path) -> None:
    folder.begin_study("{}", config="", config_path=Path("/x"))
    folder.attempt_log.begin(start(1))
    folder.write_token("token")
    for name in ("a0001-w00000.journal", "a0001-w00000.running", "a0001-w00000.log", "result.7.tmp", "lock"):
        (folder.path / name).touch()
    (folder.path / "notes of mine.txt").touch()
    folder.remove_contents()
    assert names(folder.path) == ["lock", "notes of mine.txt"]
    folder.remove()
    assert folder.path.is_dir()
    for path in folder.path.iterdir():
        path.unlink()
    (folder.path / "lock.guard").touch()
    folder.remove()
    assert names(tmp_path) == []


class NotingRemovals:
    """The system's calls; which names are removed is noted."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def unlink(self, path: Path) -> None:
        os.unlink(path)  # noqa: PTH108  this is the call that is noted
        self.removed.append(path.name)


def test_without_the_study_journals_are_nobodys(tmp_path: Path) -> None:
    system = NotingRemovals()
    folder = WorkFolder(tmp_path / "run.h5", system)
    folder.create()
    folder.begin_study("{}", config="", config_path=Path("/x"))
    folder.journal_of("a0001-w00000").touch()
    folder.remove_contents()
    assert system.removed[-1] == "study.json"


# --- the file system below

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/me/fast tmpfs rw 0 0
scratch /mnt/big\\040scratch lustre rw 0 0
/dev/sdb1 /homestead ext4 rw 0 0
overlay / overlay rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected", "shared"),
    [
        ("/home/me/results", "nfs4", True),
        ("/home", "nfs4", True),
        ("/home/me/fast/results", "tmpfs", False),
        ("/homestead/me", "ext4", False),
        ("/mnt/big scratch/me", "lustre", True),
        ("/var", "overlay", False),  # mounted over the first one
    ],
)
def test_the_type_of_a_file_system_is_that_of_the_last_mount_that_holds_the_folder(
    path: str, expected: str, shared: bool, tmp_path: Path
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert filesystem_type(Path(path), mounts) == expected
    assert is_shared(Path(path), mounts) == shared


def test_where_the_system_does_not_tell_a_folder_counts_as_local(tmp_path: Path) -> None:
    assert filesystem_type(tmp_path, tmp_path / "no such file") == ""
    assert not is_shared(tmp_path, tmp_path / "no such file")
