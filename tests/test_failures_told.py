"""What a user is told of items that failed: where in their own code, once, and no more than can be read."""

import shlex
from pathlib import Path

import pytest
from studies import Project

pytestmark = pytest.mark.in_process

FAILS = """\
def inverse(x):
    return 1 / (x - 3)

def f(x):
    return inverse(x)
"""
LONG = "def f(x):\n    raise ValueError(TEXT)\n"
LONG_TEXTS = {"one line": "'a' * 1_000_000", "many lines": "'a\\n' * 500_000"}


def test_summary_shows_the_users_own_lines_between_the_exception_and_the_command(project: Project) -> None:
    said = project.write(FAILS).run("-b", "serial", expect=3).stdout
    lines = [line for line in said.splitlines() if set(line) - set(" ~^")]
    start = lines.index("  item 3 (x=3): ZeroDivisionError: division by zero")
    assert lines[start + 1 : start + 6] == [
        f'    File "{project.folder}/sim.py", line 5, in f',
        "      return inverse(x)",
        f'    File "{project.folder}/sim.py", line 2, in inverse',
        "      return 1 / (x - 3)",
        f"    fullrank run {shlex.quote(f'{project.folder}/study.toml')} --item 3",
    ]
    assert "src/fullrank" not in said


def test_lines_of_the_first_failure_alone_are_shown(project: Project) -> None:
    said = project.write(FAILS.replace("x - 3", "x % 4")).run("-b", "serial", expect=3).stdout
    assert said.count("ZeroDivisionError: division by zero") == 3
    assert said.count(f'File "{project.folder}/sim.py", line 2, in inverse') == 1


def test_lines_of_an_endless_recursion_are_told_with_their_ends(project: Project) -> None:
    said = (
        project.write("def f(x):\n    return g(x)\ndef g(x):\n    return f(x)\n").run("-b", "serial", expect=3).stdout
    )
    assert "in f" in said
    assert " more lines)" in said
    assert len(said.splitlines()) < 80


@pytest.mark.parametrize("text", ["no luck", "two\\nlines", ""])
def test_item_that_is_run_alone_shows_its_exception_once(project: Project, text: str) -> None:
    said = project.write(f"def f(x):\n    raise OSError('{text}'[:])\n").run("--item", 3, expect=3).stdout
    assert said.count("\nOSError") == 1
    assert said.count(f'File "{project.folder}/sim.py", line 2, in f') == 1


def test_item_over_its_time_limit_that_is_run_alone_shows_that_and_where_it_was(project: Project) -> None:
    code = "import time\ndef f(x):\n    while True:\n        time.sleep(0.01)\n"
    project.write(code, tail="[run]\nitem_time_limit_seconds = 0.2")
    said = project.run("--item", 3, expect=3).stdout
    assert said.count("time limit of 0.2 s exceeded") == 1
    assert f'File "{project.folder}/sim.py", line 4, in f' in said


def test_run_that_failures_stop_shows_the_exception_once(project: Project) -> None:
    code = FAILS.replace("def f(x):", "def f(x):\n    import time; time.sleep(0.05)")
    tail = '[run]\non_error = "stop"\norder = "index"'
    said = project.write(code, grid="x = { range = 40 }", tail=tail).run("-b", "serial", expect=3).stderr
    assert said.count("ZeroDivisionError: division by zero") == 1
    assert f'File "{project.folder}/sim.py", line 2, in inverse' in said


@pytest.mark.parametrize("text", LONG_TEXTS)
def test_text_of_a_million_characters_floods_nothing(project: Project, text: str) -> None:
    project.write(LONG.replace("TEXT", LONG_TEXTS[text]), grid="x = [1]")
    summary = project.run("-b", "serial", expect=3).stdout
    report = project.fullrank("report", project.output).stdout
    alone = project.run("--item", 0, expect=3).stdout
    for said in (summary, report, alone):
        assert len(said) < 5000
        assert "raise ValueError(" in said
    more = " more characters)" if text == "one line" else " more lines)"
    assert more in alone
    assert Path(project.output).stat().st_size < 100_000


def test_stopped_run_and_import_with_a_text_of_a_million_characters_flood_nothing(project: Project) -> None:
    project.write(LONG.replace("TEXT", LONG_TEXTS["one line"]), tail='[run]\non_error = "stop"')
    stopped = project.run("-b", "serial", expect=3).stderr
    project.write(f"raise ValueError({LONG_TEXTS['one line']})\n")
    imported = project.run("-b", "serial", "-o", "other.h5", expect=2).stderr
    for said in (stopped, imported):
        assert "… (999," in said
        assert len(said) < 5000
