"""``fullrank compare`` of a study that is edited meanwhile: no two studies in one verdict."""

from collections.abc import Callable, Iterator

import h5py
import pytest
from studies import Project

from fullrank.compare import tryout
from fullrank.compare.measure import Bench, Taken
from fullrank.compare.records import Variant
from fullrank.store import read_comparison

Edit = Callable[[int, Callable[[], object]], None]
pytestmark = [pytest.mark.timeout(400), pytest.mark.in_process]

BEFORE, SAME_VALUES, OTHER_VALUES = (
    "def f(x):\n    return 2 * x\n",
    "def f(x):\n    return x + x\n",
    "def f(x):\n    return 3 * x\n",
)


@pytest.fixture(scope="module", autouse=True)
def _few_runs_before_the_rounds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tryout, "MOST_STARTS", 1)
        patch.setattr(tryout, "FEWEST_STARTS", 1)
        patch.setattr(tryout, "TRIED_SECONDS", 1e-9)
        yield


@pytest.fixture
def edit_after_rounds(monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Return what has an edit made when so many whole rounds of two ways have run."""

    def of(n_rounds: int, edit: Callable[[], object]) -> None:
        run, n_of_sample = Bench.run, iter(range(1, 1000))

        def counted(bench: Bench, variant: Variant, n_items: int) -> Taken:
            taken = run(bench, variant, n_items)
            if n_items == 8 and next(n_of_sample) == 2 * n_rounds:
                edit()
            return taken

        monkeypatch.setattr(Bench, "run", counted)

    return of


def compare(project: Project):
    words = ("--here", "--backends", "threads", "-n", 2, "--rounds", 2)
    return project.fullrank("compare", "study.toml", *words, timeout=300)


def kept(project: Project) -> tuple[bool, list[tuple[int, int]]]:
    with h5py.File(project.folder / "compare.h5") as file:
        rows = zip(file["measurements/round"][()].tolist(), file["measurements/variant"][()].tolist(), strict=True)
        return bool(file.attrs["complete"]), sorted(rows)


@pytest.mark.parametrize("code", [SAME_VALUES, OTHER_VALUES], ids=["same values", "other values"])
def test_edit_of_the_code_ends_the_comparison_and_keeps_the_rounds_before(
    project: Project, edit_after_rounds: Edit, code: str
) -> None:
    project.write(BEFORE, grid="x = { range = 8 }")
    edit_after_rounds(1, lambda: (project.folder / "sim.py").write_text(code))
    done = compare(project)
    assert done.returncode == 2, done.stderr
    assert "error: sim.py: was edited while it was compared" in done.stderr
    assert "code of sim.py changed" in done.stderr
    assert "1 whole round before that are kept: fullrank report " in done.stderr
    assert "random numbers" not in done.stderr
    assert "Traceback" not in done.stderr
    assert kept(project) == (False, [(0, 0), (0, 1)])


def test_edit_of_the_axis_is_no_difference_of_results(project: Project, edit_after_rounds: Edit) -> None:
    project.write(BEFORE, grid="x = [0, 1, 2, 3, 4, 5, 6, 7]")
    edit_after_rounds(1, lambda: project.write(BEFORE, grid="x = [0, 1, 2, 3, 4, 5, 6, 8]"))
    done = compare(project)
    assert done.returncode == 2, done.stderr
    assert "study.toml: was edited while it was compared" in done.stderr
    assert "sweep.grid.x" in done.stderr
    assert "gave different results" not in done.stderr
    assert kept(project) == (False, [(0, 0), (0, 1)])


def test_report_of_the_rounds_before_an_edit_says_why_there_are_no_more(
    project: Project, edit_after_rounds: Edit
) -> None:
    project.write(BEFORE, grid="x = { range = 8 }")
    edit_after_rounds(1, lambda: (project.folder / "sim.py").write_text(SAME_VALUES))
    compare(project)
    report = " ".join(project.fullrank("report", "compare.h5").stdout.split())
    assert "1 of 2 rounds are whole" in report
    assert "sim.py was edited while it was compared; what ran since then is left out" in report


def test_edit_before_the_first_round_leaves_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(BEFORE, grid="x = { range = 8 }")
    before, run = project.files(), Bench.run

    def run_and_edit(bench: Bench, variant: Variant, n_items: int) -> Taken:
        taken = run(bench, variant, n_items)
        (project.folder / "sim.py").write_text(SAME_VALUES)
        return taken

    monkeypatch.setattr(Bench, "run", run_and_edit)
    done = compare(project)
    assert done.returncode == 2
    assert "sim.py: was edited while it was compared" in done.stderr
    assert "kept" not in done.stderr
    assert project.files() == before


def test_comments_and_layout_may_be_edited_meanwhile(project: Project, edit_after_rounds: Edit) -> None:
    project.write(BEFORE, grid="x = { range = 8 }")
    edit_after_rounds(1, lambda: (project.folder / "sim.py").write_text(f"# A note\n{BEFORE}"))
    done = compare(project)
    assert done.returncode == 0, done.stderr
    assert not read_comparison(project.folder / "compare.h5").partial
