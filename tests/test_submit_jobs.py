"""The scripts in jobs/ are what ``submit --dry-run`` prints."""

import sys
from pathlib import Path

import pytest

from fullrank.cli import main

ROOT = Path(__file__).parent.parent
ASKED = {
    "slurm": ["--nodes=2", "--ntasks-per-node=16"],
    "pbs": ["-l", "select=2:ncpus=16:mpiprocs=16"],
    "sge": ["-pe", "mpi", "32"],
    "lsf": ["-n", "32", "-R", "span[ptile=16]"],
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as it is after `make install`, with no profile of this machine."""
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    for name in ("fullrank", "mpiexec"):
        (bin_folder / name).touch(mode=0o755)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    monkeypatch.setattr("fullrank.launch.find_mpiexec", lambda: (bin_folder / "mpiexec", "MPICH"))
    monkeypatch.setattr("fullrank.submit.site.profile_paths", lambda _environ: [])
    return tmp_path


@pytest.mark.parametrize("system", ASKED)
def test_job_of_the_repository_is_what_a_dry_run_prints(
    checkout: Path, system: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["submit", "configs/mandelbrot.toml", "--scheduler", system, "--time", "1h", "--dry-run", "--"]
    assert main([*words, *ASKED[system]]) == 0
    told = capsys.readouterr().out
    assert told == (ROOT / "jobs" / f"{system}.sh").read_text()
    assert {path.name for path in checkout.iterdir()} == {".venv", "configs"}
