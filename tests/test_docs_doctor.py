"""docs/doctor.md: its screens have the lines of real ones, and its table has a row for each."""

import json
import re

import pytest
from pages import commands, fenced, rows
from studies import Project

from fullrank.doctor.finding import LEVELS
from fullrank.doctor.judge_machine import judge_threads

PAGE = "docs/doctor.md"
ALONE, LAUNCHED, MIXED = fenced(PAGE, "text")


def checks(screen: str) -> list[str]:
    """The names of the lines of a screen."""
    return re.findall(rf"(?m)^(?:{'|'.join(LEVELS)}) +(\S+(?: \S+)*)  ", screen)


def test_table_has_a_row_for_each_line_of_the_screens() -> None:
    named = [row[0] for row in rows(PAGE, header="line")]
    assert set(named) == {*checks(ALONE), *checks(LAUNCHED)}
    assert set(checks(MIXED)) <= set(named)


@pytest.mark.mpi
@pytest.mark.in_process
def test_command_of_the_page_shows_the_lines_of_its_screen(mpi_project: Project) -> None:
    assert commands(PAGE)[0] == "fullrank doctor study.toml"
    done = mpi_project.write().fullrank("doctor", "study.toml")
    assert done.returncode == 0, done.stdout
    assert [name for name in checks(ALONE) if name != "mpiexec"] == [
        name for name in checks(done.stdout) if name not in ("mpiexec", "shared")
    ]


@pytest.mark.mpi
def test_command_for_a_launch_shows_the_lines_of_its_screen(mpi_project: Project) -> None:
    assert "mpiexec -n 4 fullrank doctor study.toml" in commands(PAGE)
    done = mpi_project.write().fullrank("doctor", "study.toml", n_ranks=4, timeout=100)
    assert done.returncode in (0, 1)  # a launcher may bind four ranks to fewer cores
    assert list(dict.fromkeys(checks(done.stdout))) == [*checks(LAUNCHED), "import"]


def test_warning_of_the_page_is_what_the_same_facts_give() -> None:
    judged = judge_threads({"OMP_NUM_THREADS": 8}, n_workers=2, n_cores=2)
    assert f"{judged.text}\n" in ALONE
    assert f"cure: {judged.cure}\n" in ALONE


@pytest.mark.in_process
def test_problem_gives_the_exit_code_of_the_page(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fullrank.doctor.examine.of_libraries", lambda _folder: ([], ()))
    done = project.fullrank("doctor", "no.toml", "--json")
    assert (done.returncode, json.loads(done.stdout)["has_problem"]) == (1, True)
