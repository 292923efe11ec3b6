"""Root's exit code on its way to the process that started the ranks, among what the ranks print."""

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fullrank.launch import NoRoot, Starter, run_on_ranks
from fullrank.told_code import MARK_VARIABLE, ToldCode, exit_code_teller

TELLS = "from fullrank.told_code import exit_code_teller as t; tell = t(); print('a', flush=True); tell(74); tell(7)"


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the place of a launcher: a script that notes what temporary files there are, and is root."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "launcher"


def started(launcher: Path, last: str) -> tuple[int | None, bytes]:
    """Return the code that was told, and what was printed beside it."""
    launcher.write_text(f"#!/bin/sh\nls -A {shlex.quote(str(launcher.parent / 'tmp'))} > {launcher}.files\n{last}\n")
    launcher.chmod(0o755)
    printed: list[bytes] = []
    code = run_on_ranks([], 1, starter=Starter((str(launcher),)), hear=printed.append)
    return code, b"".join(printed)


def test_code_comes_among_what_is_printed_and_leaves_no_file(launcher: Path) -> None:
    assert started(launcher, shlex.join([sys.executable, "-c", TELLS]) + "\necho b\nexit 99") == (7, b"a\nb\n")
    assert Path(f"{launcher}.files").read_text() == ""


def test_root_that_told_no_code_is_none_whatever_the_launcher_says(launcher: Path) -> None:
    begins = shlex.join([sys.executable, "-c", TELLS.partition("tell(74)")[0]])
    assert started(launcher, f"{begins}\nprintf 'no end'") == (None, b"a\nno end")


def test_launcher_that_started_no_root_is_told_from_one_whose_root_died(launcher: Path) -> None:
    with pytest.raises(NoRoot, match=r"launcher started no ranks \(exit code 3\)"):
        started(launcher, "exit 3")


def test_code_of_another_run_is_printed_and_not_taken(launcher: Path) -> None:
    line = "0123456789abcdef0123456789abcdef:3"
    code, printed = started(launcher, f"{shlex.join([sys.executable, '-c', TELLS])}\necho {line}")
    assert (code, printed) == (7, f"a\n{line}\n".encode())


def test_programs_that_root_starts_do_not_tell_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK_VARIABLE, "f" * 32)
    exit_code_teller()
    assert MARK_VARIABLE not in os.environ


def test_without_a_process_that_waits_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(MARK_VARIABLE, raising=False)
    assert exit_code_teller()(3) == 3
    assert capfd.readouterr().out == ""


def test_ranks_end_with_nothing_that_a_launcher_takes_for_a_failure_once_the_code_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(MARK_VARIABLE, "f" * 32)
    assert exit_code_teller()(3) == 0
    assert capfd.readouterr().out.endswith(":3\n")


def pieces_of(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return (data[begin:end] for begin, end in pairwise(places))


@given(
    parts=st.lists(
        st.sampled_from(["MARK", "MARK:", "MARK:5", "MARK:5\n", "MARK:-\n", ":", "7", "\n", "MAR", "text\n"]),
        max_size=8,
    ),
    cuts=st.lists(st.integers(0, 500), max_size=20),
)
@example(parts=["MARK:5", "MARK:5\n", "\n"], cuts=[])
def test_pieces_in_which_the_output_comes_make_no_difference(parts: list[str], cuts: list[int]) -> None:
    whole, told = ToldCode(), ToldCode()
    told.mark = whole.mark
    data = "".join(parts).replace("MARK", whole.mark).encode()
    expected = whole.without(data) + whole.left()
    assert b"".join([*map(told.without, pieces_of(data, cuts)), told.left()]) == expected
    assert (told.code, told.has_begun) == (whole.code, whole.has_begun)
    line = re.compile(rf"{whole.mark}:(\d{{1,3}}|-)\n".encode())
    numbers = line.findall(data)
    assert expected == line.sub(b"", data)  # taken out, a line may leave another one: that was never root's
    assert whole.has_begun == bool(numbers)
    assert whole.code == next((int(number) for number in reversed(numbers) if number != b"-"), None)
