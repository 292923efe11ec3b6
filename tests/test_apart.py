"""A command that only reads runs beside the process that was started: that one lives to say what became of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from studies import Project, Started

IN_C_CODE = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nPath('begun').touch()\ntime.sleep(1000)"


def program(deed: str) -> list[str]:
    """A program whose command does something."""
    lines = deed.replace("\n", "\n    ")
    code = (
        "import os, signal, sys, time\nfrom pathlib import Path\nfrom fullrank.apart import apart\n"
        f"def command(argv):\n    {lines}\n    return 3\n"
        "sys.exit(apart(command, ['verify', 'a b.h5']))\n"
    )
    return [sys.executable, "-c", code]


def test_what_the_command_says_and_its_exit_code_are_those_of_the_program(tmp_path: Path) -> None:
    done = subprocess.run(
        program("print('said')\nsys.stderr.write('told')"), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\n", "told")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT])
def test_crash_of_the_library_is_a_sentence_and_an_exit_code(tmp_path: Path, number: signal.Signals) -> None:
    done = subprocess.run(
        program(f"os.kill(os.getpid(), {number})"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 74
    assert f"fullrank verify 'a b.h5': HDF5 died of {number.name} while it read" in done.stderr
    assert "take another copy" in done.stderr


def test_crash_is_no_traceback_where_nobody_hears_it(tmp_path: Path) -> None:
    words = ["/bin/sh", "-c", '"$0" "$@" 2>&-', *program("os.abort()")]
    assert subprocess.run(words, timeout=60, check=False).returncode == 74


def test_ctrl_c_ends_a_command_that_is_deaf_to_it(project: Project) -> None:
    started = Started(program(IN_C_CODE), cwd=project.folder, env={})
    project.until((project.folder / "begun").exists, "the command computes")
    started.send(signal.SIGINT)
    done = started.end()
    assert done.returncode == 75
    assert done.stderr == "fullrank: interrupted\n"


def test_killed_program_takes_its_command_with_it(project: Project) -> None:
    started = Started(program(IN_C_CODE), cwd=project.folder, env={})
    project.until((project.folder / "begun").exists, "the command computes")
    (child,) = project.children(started.pid)
    started.send(signal.SIGKILL)
    started.end()
    project.until(lambda: not os.path.exists(f"/proc/{child}"), "the child is gone")  # noqa: PTH110


def test_commands_that_read_are_carried_out_apart(project: Project) -> None:
    # a file from which opening never returns: a pipe that nobody writes to
    os.mkfifo(project.folder / "a.h5")
    started = project.start("verify", "a.h5")
    project.until(lambda: project.children(started.pid), "there is a child")
    started.send(signal.SIGTERM)
    assert started.end().returncode == -signal.SIGTERM
