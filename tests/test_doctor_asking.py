"""Processes that are asked, and what comes of those that never answer."""

import os
import sys
import time
from pathlib import Path

import pytest

from fullrank.doctor.asking import ask, within


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_answers_are_the_lines_that_are_objects() -> None:
    program = "print('noise'); print('{\"a\": 1}'); print('[2]'); print('{\"b\": 2}')"
    answer = ask(python(program), limit_seconds=60, environ=os.environ)
    assert answer.told == ({"a": 1}, {"b": 2})
    assert answer.exit_code == 0


def test_complaint_is_the_line_that_tells_why() -> None:
    program = "import sys; sys.stderr.write('-----\\nlibfabric: cannot open device\\n  code: 16\\n'); sys.exit(4)"
    answer = ask(python(program), limit_seconds=60, environ=os.environ)
    assert (answer.complaint, answer.exit_code) == ("libfabric: cannot open device", 4)


@pytest.mark.usefixtures("leaves_nothing_running")
def test_process_that_hears_no_signal_ends_with_its_children_and_its_first_answer_counts(tmp_path: Path) -> None:
    program = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '1000'])\n"
        "print('{\"note\": 1}', flush=True)\n"
        "time.sleep(1000)\n"
    )
    answer = ask(python(program), limit_seconds=2, environ=os.environ)
    assert answer.told == ({"note": 1},)
    assert answer.exit_code is None


def test_call_that_lasts_is_left_to_itself() -> None:
    with pytest.raises(TimeoutError, match=r"no answer within 0\.1 s"):
        within(0.1, lambda: time.sleep(3))


def test_call_gives_what_it_returns_and_raises_what_it_raises() -> None:
    assert within(60, lambda: 7) == 7
    with pytest.raises(FileNotFoundError):
        within(60, Path("/no/such/file").read_text)
