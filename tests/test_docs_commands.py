"""No page shows a command or an option that the real parser does not know."""

import re
from pathlib import Path

import pytest
from pages import NO_COMMANDS, PAGES, command_names, commands, names_alone, option_names, words

from fullrank.arguments import parser

SHOWN = [(page, command) for page in PAGES for command in commands(page)]
NOT_RUN = {"mpiexec fullrank run study.toml": "under a batch system; tests/mpi/ starts ranks in the same way"}
OPTIONS_OF_OTHERS = {
    **dict.fromkeys(
        ("--array", "--cpus-per-task", "--hint", "--mpi", "--nodes", "--ntasks", "--ntasks-per-node", "--signal"),
        "sbatch, srun",
    ),
    "--threads-per-core": "sbatch",
    **dict.fromkeys(("--cpu-bind", "--kill-on-bad-exit"), "srun"),
    **dict.fromkeys(("--only", "--quick", "--render"), "benchmarks/bench.py"),
    "--ssh": "benchmarks/hosts.py",
    "--strict": "mypy",
}


def test_pages_show_commands_of_all_kinds() -> None:
    kinds = {words(command)[0] for _, command in SHOWN if not names_alone(command)}
    assert kinds == command_names()


@pytest.mark.parametrize(("page", "command"), SHOWN)
def test_command_of_a_page_is_one_that_the_parser_takes(page: str, command: str) -> None:
    name, *rest = words(command)
    assert name in command_names()
    study = ["study.toml"] if names_alone(command) and name != "selftest" else []
    if rest:
        assert parser().parse_args([name, *study, *rest]).command == name


@pytest.mark.parametrize("page", PAGES)
def test_options_that_a_page_names_are_options(page: str) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGES[page]))
    assert named - OPTIONS_OF_OTHERS.keys() - option_names() == set()


@pytest.mark.parametrize("text", [*NO_COMMANDS, *NOT_RUN, *OPTIONS_OF_OTHERS])
def test_exceptions_are_still_needed(text: str) -> None:
    assert any(text in page for page in PAGES.values())


def test_every_page_with_commands_is_opened_by_a_test_of_its_own() -> None:
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    with_commands = {page for page in PAGES if any(not names_alone(command) for command in commands(page))}
    assert {page for page in with_commands if Path(page).name not in tests} == set()
