"""The witness tells how a process ended that could not say it itself, and keeps silent where one did."""

import doctest
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fullrank import beside, witness
from fullrank.witness import leave_note, running_index

PROGRAM = """\
import os, signal, sys, time
from pathlib import Path
from fullrank.witness import call_witness
witness = call_witness(3, 8)
cell = Path("cell")
cell.write_bytes((412).to_bytes(8, "little"))
"""
ATTEND = "witness.attend(cell, note=Path('note'))\n"
HOST = os.uname().nodename


def said(tmp_path: Path, end: str) -> str:
    """What comes out on standard error until the last process has closed it; the process ends as ``end`` says."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + end], cwd=tmp_path, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    return done.stderr


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGSEGV)", "os.kill(os.getpid(), 9)"])
def test_process_that_ends_without_a_word_is_named_with_its_item(tmp_path: Path, end: str) -> None:
    text = said(tmp_path, ATTEND + end)
    assert text.startswith(f"fullrank: rank 3 of 8 ({HOST}) ")
    assert ", in item 412; the run ends." in text
    assert text.count("\n") == 1
    assert (tmp_path / "note").read_text() in text


def test_process_that_is_not_in_an_item_is_said_to_be_in_none(tmp_path: Path) -> None:
    assert ", outside any item; the run ends." in said(tmp_path, f"{ATTEND}cell.write_bytes(b'\\xff' * 8)\nos._exit(0)")


@pytest.mark.parametrize("end", ["witness.dismiss()", "witness.tell('ValueError')", "witness.dismiss(); os._exit(3)"])
def test_process_that_says_itself_how_it_ends_has_a_silent_witness(tmp_path: Path, end: str) -> None:
    assert said(tmp_path, ATTEND + end) == ""
    note = tmp_path / "note"
    assert (note.read_text() if note.exists() else "") == ("ValueError" if "tell" in end else "")


def test_process_whose_library_does_not_let_it_go_is_ended_and_this_is_said(tmp_path: Path) -> None:
    in_c = "import ctypes\nctypes.PyDLL(None).sleep(100)\n"  # which holds the GIL
    text = said(tmp_path, f"{ATTEND}witness.leave_within(0.5)\n{in_c}Path('note').write_text('it was let go')")
    assert text == f"fullrank: rank 3 of 8 ({HOST}) is done, but its MPI library does not let it go: it is killed\n"
    assert not (tmp_path / "note").exists()


def test_process_that_its_library_lets_go_has_a_silent_witness(tmp_path: Path) -> None:
    assert said(tmp_path, f"{ATTEND}witness.leave_within(100)\nwitness.dismiss(); os._exit(3)") == ""
    assert said(tmp_path, f"{ATTEND}witness.leave_within(100)\nos.kill(os.getpid(), 9)") == ""
    assert not (tmp_path / "note").exists()


def test_second_death_of_an_attempt_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("rank 1 died")
    assert said(tmp_path, ATTEND + "os._exit(0)") == ""
    assert (tmp_path / "note").read_text() == "rank 1 died"


def test_before_there_is_a_study_only_a_death_of_its_own_is_told(tmp_path: Path) -> None:
    assert f"rank 3 of 8 ({HOST})" in said(tmp_path, "os.kill(os.getpid(), signal.SIGSEGV)")
    assert said(tmp_path, "os.kill(os.getpid(), signal.SIGTERM)") == ""


def test_forked_child_of_an_item_does_not_keep_the_witness_waiting(tmp_path: Path) -> None:
    # it ends once the death is noted; a witness that waits for it fails the test by its time limit
    fork = """
if os.fork() == 0:
    os.close(2)
    end = time.monotonic() + 100
    while not os.path.exists("note") and time.monotonic() < end:
        time.sleep(0.01)
    os._exit(0)
"""
    text = said(tmp_path, f"{ATTEND}{fork}os._exit(0)")
    assert "in item 412" in text


def test_rank_that_is_orphaned_before_it_can_look_itself_is_ended(tmp_path: Path) -> None:
    # as one that waits inside MPI_Init when mpiexec is killed: it would never end, nor close standard error
    orphaned = "import os, time\nif os.fork():\n    time.sleep(0.5)\n    os._exit(0)\n"
    program = f"{orphaned}{PROGRAM}while True:\n    time.sleep(1)\n"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, timeout=60, check=True)


LAUNCHER = """\
import ctypes, os, subprocess, sys, time
ctypes.CDLL(None).prctl(15, b"mpiexec")  # PR_SET_NAME
rank = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
rank.stdout.read(1)
"""
LAUNCHER_DIES = """
time.sleep(0.5)  # the witness has looked who started its rank
parent = f"/proc/{os.getppid()}/stat"
os.write(1, b"!")
while os.path.exists(parent) and Path(parent).read_text().rpartition(")")[2].split()[0] != "Z":
    time.sleep(0.001)
os.kill(os.getpid(), 9)
"""

LINGERS = "while not os.path.exists('note'):\n    time.sleep(0.01)\n"


def launched(tmp_path: Path, rank: str, launcher: str) -> str:
    """What is noted of a program that a process with the name of a launcher starts, which then does something."""
    words = [sys.executable, "-c", LAUNCHER + launcher, PROGRAM + ATTEND + rank]
    subprocess.run(words, cwd=tmp_path, stderr=subprocess.PIPE, timeout=60, check=False)
    return (tmp_path / "note").read_text()


def test_rank_that_is_killed_after_its_launcher_ended_is_not_blamed(tmp_path: Path) -> None:
    text = launched(tmp_path, LAUNCHER_DIES, "os._exit(0)")
    assert text.startswith("mpiexec (process ")
    assert f", {HOST}) ended first" in text
    assert "item" not in text


def test_rank_that_is_killed_while_its_launcher_lives_is_named(tmp_path: Path) -> None:
    text = launched(tmp_path, "os.write(1, b'!')\nos.kill(os.getpid(), 9)", LINGERS)
    assert text == f"rank 3 of 8 ({HOST}) died of SIGKILL, in item 412"


def test_witness_is_deaf_to_what_is_meant_for_the_rank(tmp_path: Path) -> None:
    signals = "\n".join(f"os.kill(child, signal.{number.name})" for number in beside._DEAF_TO)
    find = "child = int(open(f'/proc/self/task/{os.getpid()}/children').read())\ntime.sleep(0.5)\n"
    assert "in item 412" in said(tmp_path, f"{ATTEND}{find}{signals}\nos._exit(0)")


def test_cell_that_names_no_item_or_is_not_there_has_none(tmp_path: Path) -> None:
    cell = tmp_path / "cell"
    assert running_index(cell) is None
    cell.write_bytes((-1).to_bytes(8, "little", signed=True))
    assert running_index(cell) is None
    cell.write_bytes((7).to_bytes(8, "little"))
    assert running_index(cell) == 7


def test_first_note_stands(tmp_path: Path) -> None:
    note = tmp_path / "note"
    assert leave_note(note, "first")
    assert not leave_note(note, "second")
    assert note.read_text() == "first"


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(witness).failed == 0
    assert doctest.testmod(beside).failed == 0
    assert signal.SIGKILL in witness._FOLLOWS
