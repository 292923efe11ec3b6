"""Every command of docs/look-and-watch.md, as it stands there, does what the page says."""

import re
import shlex
from pathlib import Path

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
