"""Every command that README.md shows runs, in a folder with the study of the README's own example."""

import pytest
from pages import PAGES, commands, in_code, indented, names_alone, rows, words
from studies import Project

from fullrank.arguments import parser

PAGE = "README.md"
N_ITEMS = 400 * 3
NOT_HERE = {
    "mpiexec -n 64 fullrank run study.toml": "64 ranks; tests/mpi/ starts up to eight in the same way",
    "fullrank run study.toml -b mpi -n 4 -o b.h5": "has a test of its own here, which needs mpiexec",
    "fullrank compare study.toml": "measures for minutes; tests/test_compare.py bounds them",
    "fullrank selftest --dir DIR": "kills real runs under mpiexec; tests/mpi/test_selftest.py does",
}
OPERANDS = {
    "verify FILE…": "verify results/study.h5 c.h5",
    "diff A B": "diff results/study.h5 c.h5",
    "plan study.toml -n 16,64,256": "plan study.toml -n 16,64,256 -o anew.h5 --here",
    "submit study.toml --array 20 --time 2h": "submit study.toml --array 20 --time 2h --dry-run --scheduler slurm",
    "submit study.toml --time 2h -- --nodes=2": "submit study.toml --time 2h --dry-run --scheduler slurm -- --nodes=2",
}
"""What is typed here in place of what is shown: there is no batch system, and a complete study has nothing to plan."""
RETURNS = {
    "gather study.toml --partial": (2, "the result is complete"),  # of one that is not: see below
}
"""Exit code and what is said, of commands that are refused here."""

SHOWN = [command for command in commands(PAGE) if not names_alone(command)]


def example_in(project: Project) -> Project:
    """Write the README's function and study, with fewer steps, and the function of its commands without a config."""
    blocks = indented(PAGE)
    (code,) = (block for block in blocks if block.startswith("def decay"))
    (study,) = (block for block in blocks if block.startswith("[workload]"))
    assert "steps = 20000" in study
    code += "\n\ndef simulate(r):\n    return r * r\n"
    (project.folder / "sim.py").write_text(code)
    (project.folder / "study.toml").write_text(study.replace("20000", "20"))
    return project


def test_those_that_cannot_run_here_are_still_shown() -> None:
    assert NOT_HERE.keys() <= set(SHOWN)


@pytest.mark.timeout(300)
@pytest.mark.in_process
def test_commands_run_one_after_the_other(project: Project) -> None:
    example_in(project)
    tried = []
    for command in SHOWN:
        if command in NOT_HERE:
            continue
        text = command.removeprefix("fullrank ")
        given = OPERANDS[text].split() if text in OPERANDS else words(command)
        code, said = RETURNS.get(text, (0, ""))
        done = project.fullrank(*given)
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        assert said in done.stderr
        tried.append(given[0])
    assert {*tried, "compare", "selftest"} == {row_name(row) for row in table()}
    assert project.attributes()["n_ok"] == N_ITEMS


def table() -> list[list[str]]:
    return rows(PAGE, header="command")


def row_name(row: list[str]) -> str:
    return words(in_code(row[0])[0])[0]


@pytest.mark.in_process
def test_options_that_the_table_mentions_run_with_their_row(project: Project) -> None:
    example_in(project).run("-b", "serial", "--limit", 20)
    more = {
        "run study.toml --dry-run": ["--set run.order=index"],
        "status study.toml": ["--watch", "--exit-code"],
        "report results/study.h5": ["--plot", "--html"],
        "diff A B": ["--rtol"],
    }
    for row in table():
        shown = in_code(row[0])[0].removeprefix("fullrank ")
        assert set(more.get(shown, [])) <= set(in_code(row[1]))
    project.run("--dry-run", "--set", "run.order=index")
    assert project.fullrank("gather", "study.toml", "--partial").returncode == 0
    assert project.attributes("results/study.partial.h5")["n_ok"] == 20
    assert project.fullrank("status", "study.toml", "--exit-code").returncode == 75
    assert project.fullrank("status", "study.toml", "--watch").returncode == 0
    asked = project.fullrank("clean", "study.toml")
    assert (asked.returncode, "add --yes" in asked.stderr) == (2, True)  # nobody is there to answer its question
    project.run("-b", "serial")
    assert project.fullrank("status", "study.toml", "--exit-code").returncode == 0
    done = project.fullrank("report", project.output, "--plot", "study.png", "--html", "study.html")
    assert done.returncode == 0, done.stderr
    assert (project.folder / "study.png").read_bytes().startswith(b"\x89PNG")
    assert "<html" in (project.folder / "study.html").read_text()
    project.run("-b", "serial", "-o", "c.h5")
    assert project.fullrank("diff", project.output, "c.h5", "--rtol", "1e-9").returncode == 0


@pytest.mark.timeout(200)
def test_ways_of_running_that_the_example_shows_give_equal_results(mpi_project: Project) -> None:
    ways = [words(command) for command in SHOWN if "-o" in words(command)]
    assert [parser().parse_args(way).backend for way in ways] == ["mpi", "threads"]
    example_in(mpi_project).run()
    for way in ways:
        done = mpi_project.fullrank(*way)
        assert done.returncode == 0, done.stderr
        assert mpi_project.digest(way[-1]) == mpi_project.digest()


@pytest.mark.in_process
def test_exit_codes_of_run_are_those_that_the_readme_lists(project: Project) -> None:
    (told,) = (part for part in PAGES[PAGE].split("\n\n") if part.startswith("Exit codes of `run`"))
    code = "def f(x):\n    if x in (3, 7): raise ValueError(x)\n    return x\n"
    project.write(code)
    seen = {
        "0 every item done": project.write("def f(x):\n    return x\n").fullrank(
            "run", "study.toml", "-b", "serial", "-o", "good.h5"
        ),
        "3 more items failed": project.write(code).fullrank("run", "study.toml", "-b", "serial", "--allow-failures", 1),
        "2 wrong usage": project.fullrank("run", "nowhere.toml"),
        "74 input/output error": project.fullrank("run", "study.toml", "-o", "sim.py/x.h5"),
        "75 stopped early": project.fullrank(
            "run", "study.toml", "-o", "early.h5", "-b", "serial", "--stop-after", "0.000001"
        ),
    }
    for words_, done in seen.items():
        assert words_ in told
        assert done.returncode == int(words_.split()[0]), f"{words_}\n{done.stdout}{done.stderr}"
    project.run("-b", "serial", "-o", "other.h5", "--allow-failures", 2)


@pytest.mark.in_process
def test_statuses_in_the_file_are_those_that_the_readme_lists(project: Project) -> None:
    assert "1 ok,\n2 failed, 3 timed out, 4 crashed" in PAGES[PAGE]
    code = (
        "import os, time\ndef f(x):\n    if x == 1: raise ValueError\n    if x == 2: time.sleep(100)\n"
        "    if x == 3: os._exit(5)\n    print('said', x)\n    return x\n"
    )
    tail = "[run]\nitem_time_limit_seconds = 1\nisolate = true"
    project.write(code, grid="x = { range = 4 }", tail=tail).run("-b", "serial", expect=3)
    assert project.read("status").tolist() == [1, 2, 3, 4]
    assert "said 0" in project.log.read_text()
