"""Every command of docs/look-and-watch.md, as it stands there, does what the page says."""

import json
import re
import shlex
from pathlib import Path

import pytest
from pages import in_code, rows
from studies import Project

PAGE = (Path(__file__).parents[1] / "docs" / "look-and-watch.md").read_text("utf-8")
COMMANDS = re.findall(r"(?m)^    fullrank (.+)$", PAGE)
WITHOUT_TERMINAL = {
    "run study.toml --item 3 --pdb": (2, "needs a terminal"),
    "clean study.toml": (2, "add --yes"),
}


def test_commands_of_the_page_run_one_after_the_other(project: Project) -> None:
    project.write("def f(x):\n    return x / 7\n")
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        code, said = WITHOUT_TERMINAL.get(command, (0, ""))
        done = project.fullrank(*shlex.split(command))
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        assert said in done.stderr


def options_that_delete() -> dict[str, str]:
    """The option with which `clean` deletes something, by what the page's table calls it."""
    return {row[0]: in_code(row[1])[0] for row in rows("docs/look-and-watch.md", header="| goes") if "`--" in row[1]}


@pytest.mark.in_process
@pytest.mark.parametrize("option", ["--all", "--result"])
def test_clean_deletes_with_an_option_what_its_row_says_and_without_it_not(option: str, project: Project) -> None:
    (what,) = (row for row, named in options_that_delete().items() if named == option)
    assert ("moved aside" if option == "--all" else "the result") in what
    project.write("def f(x):\n    return x / 7\n").run("-b", "serial")
    project.run("-b", "serial", "--fresh")
    (aside,) = project.folder.glob("results/study.2*.h5")
    assert project.fullrank("clean", "study.toml", "--yes").returncode == 0
    assert aside.exists()
    assert project.output.exists()
    assert project.fullrank("clean", "study.toml", "--yes", option).returncode == 0
    assert (aside.exists(), project.output.exists()) == ((False, True) if option == "--all" else (True, False))


@pytest.mark.in_process
def test_json_is_one_object_of_each_command_that_the_page_lists(project: Project) -> None:
    listed = PAGE[PAGE.index("## For programs") :]
    project.write("def f(x):\n    return x / 7\n")
    for command in ("run --dry-run", "run --item", "run", "status", "clean"):
        assert f"`{command}`" in listed
        name, *options = command.split()
        more = {"--item": [3], "run": ["-b", "serial"], "clean": ["--yes"]}.get(([*options, name])[0], [])
        done = project.fullrank(name, "study.toml", *options, *more, "--json")
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert isinstance(json.loads(done.stdout), dict)
    watched = project.fullrank("status", "study.toml", "--watch", "--json").stdout.splitlines()
    assert all(isinstance(json.loads(line), dict) for line in watched)
    assert watched
