"""docs/reliability.md, SECURITY.md, CONTRIBUTING.md: commands that give figures again, files that are named."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from pages import PAGES, ROOT, commands, in_code, names_alone, words
from studies import Project

from fullrank.arguments import parser

WITH_TESTS = ("docs/reliability.md", "CONTRIBUTING.md", "SECURITY.md", "docs/method.md")
FULL = [command for page in WITH_TESTS for command in commands(page) if not names_alone(command)]
NOT_HERE = {
    "fullrank selftest --kills 100 --dir /scratch/me": "takes minutes; tests/mpi/test_selftest.py kills ten times",
}
"""Commands that only the parser reads here."""
NEED_PREPARATION = {"fullrank report FILE --json": "run below"}


def code_in(page: str) -> list[str]:
    """What a page shows as code, line ends as spaces."""
    inline = [" ".join(text.split()) for text in in_code(PAGES[page])]
    blocks = [re.sub(r"\s+#.*", "", line.strip()) for line in PAGES[page].splitlines() if line.startswith("    make ")]
    return inline + blocks


MAKES = sorted({text for page in PAGES for text in code_in(page) if re.match(r"make [a-z]", text)})
PYTESTS = sorted({text for page in WITH_TESTS for text in code_in(page) if text.startswith("pytest ")})


def test_commands_that_take_too_long_are_shown_and_parsed() -> None:
    assert NOT_HERE.keys() | NEED_PREPARATION.keys() == set(FULL)
    for command in NOT_HERE:
        assert parser().parse_args(words(command)).kills == 100


@pytest.mark.in_process
@pytest.mark.skipif(shutil.which("h5dump") is None, reason="no h5dump on the PATH")
def test_what_a_file_tells_of_its_maker_is_shown_by_the_two_commands_of_the_page(project: Project) -> None:
    project.write("def f(x):\n    print('a secret')\n    return 1 / x\n").run("-b", "serial", expect=3)
    (ours,) = NEED_PREPARATION
    told = project.fullrank(*words(ours))
    assert told.returncode == 0, told.stderr
    (theirs,) = (text for text in in_code(PAGES["SECURITY.md"]) if text.startswith("h5dump "))
    command = theirs.replace("FILE", "results/study.h5").split()
    dumped = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, timeout=60, check=False)
    assert dumped.returncode == 0, dumped.stderr
    for shown in ("ZeroDivisionError", "return 1 / x", '"x": 0', '"working_folder"', '"host"', '"command"'):
        assert shown in told.stdout
    for shown in ("a secret", "[sweep.grid]"):
        assert shown not in told.stdout
        assert shown in dumped.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("command", MAKES)
def test_target_of_a_page_is_one_that_make_knows(command: str) -> None:
    words_ = shlex.split(command)
    done = subprocess.run(
        [words_[0], "--dry-run", *words_[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_targets_of_all_kinds_are_shown() -> None:
    assert {command.split()[1] for command in MAKES} >= {
        "run",
        "test",
        "check",
        "bench",
        "torture",
        "fuzz",
        "crash-points",
    }


@pytest.mark.parametrize("command", PYTESTS)
def test_command_for_pytest_selects_tests(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command), "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    named = [word for word in shlex.split(command) if word.endswith(".py")]
    for path in named:
        assert f"{path}::" in done.stdout


def test_tests_that_kill_are_selected_by_several_commands() -> None:
    assert len(PYTESTS) >= 4


@pytest.mark.parametrize("page", PAGES)
def test_files_and_folders_of_the_repository_that_a_page_names_are_there(page: str) -> None:
    folders = "tests|src|benchmarks|configs|jobs|docs"
    named = {at for text in code_in(page) for at in re.findall(rf"(?<![\w/.<])((?:{folders})/[\w./-]*)", text)}
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_to_files_and_headings(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if link.startswith("https://"):
            continue
        path, _, heading = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if heading:
            assert heading in {anchor(line) for line in target.read_text("utf-8").splitlines() if line.startswith("#")}


def anchor(line: str) -> str:
    """Return the name by which a heading is linked to, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")


def test_modules_that_contributing_describes_are_there() -> None:
    listing = PAGES["CONTRIBUTING.md"].split("\n| module | job |\n")[1].split("\n\n")[0]
    table = [line.split("|")[1] for line in listing.splitlines()]
    named = {text for cell in table for text in in_code(cell) if re.fullmatch(r"\w+\.py|\w+/", text)}
    assert len(named) > 60
    package = ROOT / "src/fullrank"
    within = {"child.py", "guest.py", "guard.py", "base.py"}
    assert {name for name in named - within if not (package / name).exists()} == set()
