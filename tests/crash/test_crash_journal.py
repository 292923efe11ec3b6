"""A journal of 200 records, cut after every byte and with every byte changed."""

import io
import shutil
import struct
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import pytest
from crash_disk import Disk
from crash_study import CrashStudy, until_death

from fullrank.journal import Damage, Frame, Kind, read_stream
from fullrank.survey import Survey

N_RECORDS = 200
CODE = "visits = []\n\ndef f(x):\n    visits.append(x)\n    return x * x / 7\n"
pytestmark = pytest.mark.timeout(600)
JOURNAL = "run.h5.work/a0001-w00000.journal"


class Stopped:
    """A run that was killed when all its items were on record and no result was written yet."""

    def __init__(self, folder: Path) -> None:
        study = folder / "study"
        study.mkdir()
        self.study = CrashStudy(study, code=CODE, n_items=N_RECORDS)
        self._folder = folder
        self._template = folder / "template"
        self._template.mkdir()
        at = next(n for n, call in enumerate(self.study.calls_undisturbed, 1) if call.file.startswith("result."))
        assert until_death(lambda system: self.study.run(self._template, system), Disk(self._template, at=at))
        self.journal = (self._template / JOURNAL).read_bytes()

    @cached_property
    def ends(self) -> list[int]:
        """Where the frames end, by the sizes that stand in them; nothing else of them is looked at."""
        ends = [0]
        while ends[-1] < len(self.journal):
            n_meta, n_body = struct.unpack_from("<IQ", self.journal, ends[-1] + 12)
            ends.append(ends[-1] + 28 + n_meta + n_body)
        return ends[1:]

    @cached_property
    def frames(self) -> list[tuple[int, bytes, bytes]]:
        """What each frame is: kind, meta and body, cut out by the sizes that stand in them."""
        return [self._frame(start, stop) for start, stop in zip([0, *self.ends], self.ends, strict=False)]

    def _frame(self, start: int, stop: int) -> tuple[int, bytes, bytes]:
        (kind,) = struct.unpack_from("<4xB", self.journal, start)
        (n_meta,) = struct.unpack_from("<I", self.journal, start + 12)
        return kind, self.journal[start + 28 : start + 28 + n_meta], self.journal[start + 28 + n_meta : stop]

    @cached_property
    def values(self) -> list[dict[int, float]]:
        """What each frame holds, by the layout that stands in the format's description."""
        return [self._values(start, stop) for start, stop in zip([0, *self.ends], self.ends, strict=False)]

    def _values(self, start: int, stop: int) -> dict[int, float]:
        kind, n = struct.unpack_from("<4xB3xI", self.journal, start)
        if kind != Kind.VALUES:
            return {}
        body = stop - n * 20
        indices = struct.unpack_from(f"<{n}q", self.journal, body)
        return dict(zip(indices, struct.unpack_from(f"<{n}d", self.journal, body + 12 * n), strict=True))

    def with_journal(self, data: bytes, name: str) -> Path:
        folder = self._folder / name
        shutil.copytree(self._template, folder)
        (folder / JOURNAL).write_bytes(data)
        return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    return Stopped(tmp_path_factory.mktemp("stopped"))


def read_back(data: bytes) -> tuple[list[tuple[int, bytes, bytes]], list[Damage]]:
    """Return the frames that are read, and the damages; from memory, a file for each changed byte takes minutes."""
    found = list(read_stream(io.BytesIO(data), Path(JOURNAL)))
    frames = [(frame.kind, frame.meta, frame.body) for frame in found if isinstance(frame, Frame)]
    return frames, [damage for damage in found if isinstance(damage, Damage)]


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ (1 + place % 255)]) + data[place + 1 :]


def test_the_journal_holds_200_records_in_many_frames(stopped: Stopped) -> None:
    known = {index: value for values in stopped.values for index, value in values.items()}
    assert known == {x: x * x / 7 for x in range(N_RECORDS)}
    assert len(stopped.ends) > 10
    assert stopped.ends[-1] == len(stopped.journal)


def test_every_byte_prefix_holds_the_records_that_are_whole_in_it_and_no_other(stopped: Stopped) -> None:
    for length in range(len(stopped.journal) + 1):
        n_whole = sum(end <= length for end in stopped.ends)
        assert read_back(stopped.journal[:length]) == (stopped.frames[:n_whole], [])


def test_every_changed_byte_costs_its_frame_alone_which_is_named_and_never_read(stopped: Stopped) -> None:
    for place in range(len(stopped.journal)):
        hit = sum(end <= place for end in stopped.ends)
        frames, damages = read_back(flipped(stopped.journal, place))
        assert frames == stopped.frames[:hit] + stopped.frames[hit + 1 :]
        is_last = hit == len(stopped.ends) - 1  # then it is what a death leaves
        start = stopped.ends[hit - 1] if hit else 0
        assert [(damage.start, damage.stop) for damage in damages] == ([] if is_last else [(start, stopped.ends[hit])])


def test_a_survey_names_the_damage(stopped: Stopped, tmp_path: Path) -> None:
    path = tmp_path / "a0001-w00000.journal"
    path.write_bytes(flipped(stopped.journal, stopped.ends[4] + 30))
    survey = Survey()
    survey.add_journal(path)
    assert survey.damages == [
        f"{path}: bytes {stopped.ends[4]}-{stopped.ends[5]} are damaged; the items in them are evaluated again"
    ]
    assert survey.n_finished == N_RECORDS - len(stopped.values[5])


def assert_resumes(stopped: Stopped, data: bytes, name: str) -> list[str]:
    """Resume with ``data`` as the journal; return what was told."""
    folder = stopped.with_journal(data, name)
    told = stopped.study.resume(folder)
    shutil.rmtree(folder)
    return told.sentences


def test_a_resume_evaluates_what_a_cut_journal_lacks(stopped: Stopped) -> None:
    for end in stopped.ends[:: len(stopped.ends) // 3]:
        for length in (end - 1, end):
            assert_resumes(stopped, stopped.journal[:length], f"cut{length}")


def test_a_resume_evaluates_what_is_damaged_and_says_so(stopped: Stopped) -> None:
    for number in range(0, len(stopped.ends) - 1, len(stopped.ends) // 3):
        told = assert_resumes(stopped, flipped(stopped.journal, stopped.ends[number] - 1), f"flip{number}")
        assert any("are damaged; the items in them are evaluated again" in sentence for sentence in told)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("change", [lambda data, place: data[:place], flipped], ids=["cut", "changed"])
def test_a_resume_gives_the_same_results_wherever_the_journal_is_hurt(
    stopped: Stopped, change: Callable[[bytes, int], bytes]
) -> None:
    for place in range(0, len(stopped.journal), 5):
        assert_resumes(stopped, change(stopped.journal, place), f"place{place}")
