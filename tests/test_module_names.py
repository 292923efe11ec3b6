"""Names of a user's files that would take the place of a module which a run needs."""

import re
import tomllib
from pathlib import Path

import pytest
from studies import Project

from fullrank.module_names import NEEDED

pytestmark = pytest.mark.in_process

ROOT = Path(__file__).parent.parent
FUNCTION = "def f(x):\n    return x * 2.0\n"


def test_what_a_run_needs_is_what_the_package_depends_on() -> None:
    depends = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {"fullrank", *(re.split(r"\W", line)[0] for line in depends)} == NEEDED


@pytest.mark.parametrize("name", ["fullrank", "numpy", "mpi4py", "random"])
def test_function_in_a_file_that_is_called_like_a_module_of_others_is_refused(project: Project, name: str) -> None:
    project.write(function=f"{name}.py:f")
    (project.folder / f"{name}.py").write_text(FUNCTION)
    said = project.run("-b", "serial", expect=2).stderr
    assert f"{name}.py has the name of a module of " in said
    assert "rename the file" in said
    assert "Traceback" not in said
    assert not project.output.parent.exists()
    done = project.fullrank("new", "--function", f"{name}.py:f")
    assert (done.returncode, "rename the file" in done.stderr) == (2, True)


def test_setup_in_such_a_file_is_refused(project: Project) -> None:
    project.write(FUNCTION, workload='setup = "random.py:prepare"')
    (project.folder / "random.py").write_text("def prepare(): pass\n")
    assert "rename the file" in project.run("-b", "serial", expect=2).stderr


def test_file_beside_the_function_that_hides_fullrank_is_refused(project: Project) -> None:
    project.write(FUNCTION)
    (project.folder / "fullrank.py").write_text("import sim\n")
    assert "fullrank.py has the name of a module of " in project.run(expect=2).stderr


def test_name_of_a_package_that_fullrank_does_not_need_may_be_meant(project: Project) -> None:
    project.write(function="pluggy.py:f")
    (project.folder / "pluggy.py").write_text(FUNCTION)
    project.run("-b", "serial")
