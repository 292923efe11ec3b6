"""`fullrank.run` in a script that a user starts with mpiexec: collective, and the script goes on with its ranks."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Program = Callable[..., "subprocess.CompletedProcess[str]"]
SIM = "def f(x):\n    return x * x / 7\n"
SCRIPT = """\
from mpi4py import MPI
import fullrank, fullrank.errors
from sim import f
if __name__ == "__main__":
    comm = MPI.COMM_WORLD
    def told(text):
        for line in comm.gather(text) or []:
            print(line, flush=True)
{body}
    assert comm.allreduce(1) == comm.size
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sim.py").write_text(SIM)
    return tmp_path


def script(folder: Path, body: str) -> list[object]:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / "script.py").write_text(SCRIPT.format(body=lines))
    return [sys.executable, "script.py"]


def test_root_gets_the_result_and_the_ranks_go_on(run_mpi: Program, folder: Path) -> None:
    body = """\
for output in ("a.h5", "b.h5"):
    result = fullrank.run(f, grid={"x": range(40)}, output=output)
    told(result["f"].tolist() if result else None)"""
    done = run_mpi(3, *script(folder, body))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str([x * x / 7 for x in range(40)]), "None", "None"] * 2


def test_every_rank_is_a_worker(run_mpi: Program, folder: Path) -> None:
    body = """\
result = fullrank.run(f, grid={"x": range(40)})
if result:
    import h5py
    with h5py.File(result.path) as file:
        print(file["attempts/backend"][0].decode(), file["attempts/n_workers"][0])"""
    done = run_mpi(2, *script(folder, body))
    assert done.stdout == "mpi 2\n", done.stderr


def test_error_is_raised_on_every_rank(run_mpi: Program, folder: Path) -> None:
    body = """\
try:
    fullrank.run(f, grid={"y": [1]})
except fullrank.errors.FunctionError as error:
    told(str(error).partition("the axis")[2])"""
    done = run_mpi(2, *script(folder, body))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [" 'y' is no parameter of sim.py:f, which takes x"] * 2


def test_backend_of_one_process_is_refused_on_ranks(run_mpi: Program, folder: Path) -> None:
    body = """\
try:
    fullrank.run(f, grid={"x": [1]}, backend="processes")
except fullrank.errors.UsageError as error:
    told("leave out backend" in str(error))"""
    done = run_mpi(2, *script(folder, body))
    assert done.stdout.splitlines() == ["True", "True"], done.stderr
