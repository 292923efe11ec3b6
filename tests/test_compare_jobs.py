"""The scripts that compare, on a laptop and in a Slurm job; their fullrank only writes down what it is asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

JOBS = Path(__file__).parent.parent / "jobs"

# It answers `report` with a table; `compare` leaves a new file for an -o at the end, unless $KEPT is "nothing", and its
# exit code is $CODE.
FULLRANK = """\
#!/bin/sh
echo "$@" >>calls
case $1 in
report) echo "the table" ;;
*)
    for output; do :; done
    [ "${KEPT:-}" = nothing ] || { touch "$output.new" && mv "$output.new" "$output"; }
    exit "${CODE:-0}"
    ;;
esac
"""


def run(folder: Path, script: str, *args: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a copy of the script, as Slurm does, where this fullrank is on the PATH."""
    for name, text in (("fullrank", FULLRANK), ("python3", "#!/bin/sh\nexit 1\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "jobs").mkdir()
    shutil.copy(JOBS / script, folder / "jobs")
    env = {"PATH": f"{folder}:{os.environ['PATH']}"} | variables
    words = [str(folder / "jobs" / script), *args]
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


@pytest.mark.parametrize(
    ("n_tasks", "counts"), [("1", "1,1"), ("2", "1,2"), ("6", "1,2,4,6"), ("8", "1,2,4,8"), ("9", "1,2,4,8,9")]
)
def test_slurm_job_compares_powers_of_two_up_to_the_allocation(tmp_path: Path, n_tasks: str, counts: str) -> None:
    done = run(tmp_path, "compare-slurm.sh", "my study.toml", "--rounds", "9", SLURM_NTASKS=n_tasks, SLURM_JOB_ID="7")
    assert done.returncode == 0, done.stderr
    assert calls(tmp_path) == [f"compare -n {counts} --budget 50m -o compare-7.h5 my study.toml --rounds 9"]


@pytest.mark.parametrize("variables", [{}, {"SLURM_JOB_ID": "7"}, {"SLURM_NTASKS": "4"}])
def test_slurm_job_outside_an_allocation_says_how_it_is_submitted(tmp_path: Path, variables: dict[str, str]) -> None:
    done = run(tmp_path, "compare-slurm.sh", "study.toml", **variables)
    assert done.returncode == 2
    assert "submit it with: sbatch " in done.stderr
    assert "unbound" not in done.stderr
    assert not (tmp_path / "calls").exists()


def test_laptop_leaves_table_and_values_in_results(tmp_path: Path) -> None:
    done = run(tmp_path, "compare-laptop.sh", "configs/lyapunov.toml", "-n", "2")
    assert done.returncode == 0, done.stderr
    assert calls(tmp_path)[0] == "compare configs/lyapunov.toml -n 2 -o results/lyapunov.compare.h5"
    assert (tmp_path / "results/lyapunov.compare.txt").read_text() == "the table\n"
    assert done.stdout.splitlines() == [
        "Report: results/lyapunov.compare.txt",
        "Figure: none, for matplotlib is not installed: pip install 'fullrank[plot]'",
    ]


def test_laptop_leaves_no_figure_of_an_earlier_comparison(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/study.compare.png").touch()
    assert run(tmp_path, "compare-laptop.sh", "study.toml").returncode == 0
    assert not (tmp_path / "results/study.compare.png").exists()


def test_laptop_does_not_take_an_earlier_comparison_for_one_that_was_stopped_too_early(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/study.compare.h5").touch()
    assert run(tmp_path, "compare-laptop.sh", "study.toml", CODE="75", KEPT="nothing").returncode == 75
    assert len(calls(tmp_path)) == 1


@pytest.mark.parametrize(("code", "n_calls"), [("75", 2), ("2", 1)])
def test_laptop_reports_a_comparison_that_was_stopped_and_none_that_failed(
    tmp_path: Path, code: str, n_calls: int
) -> None:
    done = run(tmp_path, "compare-laptop.sh", "study.toml", CODE=code)
    assert done.returncode == int(code)
    assert len(calls(tmp_path)) == n_calls


@pytest.mark.parametrize("script", ["compare-laptop.sh", "compare-slurm.sh"])
def test_script_without_a_study_says_how_it_is_used(tmp_path: Path, script: str) -> None:
    done = run(tmp_path, script)
    assert done.returncode == 2
    assert "CONFIG [OPTION...]" in done.stderr


def test_laptop_with_an_option_before_the_study_says_how_it_is_used(tmp_path: Path) -> None:
    done = run(tmp_path, "compare-laptop.sh", "--budget", "1m", "study.toml")
    assert done.returncode == 2
    assert "CONFIG [OPTION...]" in done.stderr
    assert not (tmp_path / "results").exists()
