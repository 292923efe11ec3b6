"""What a run says of where and how it ran."""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from fullrank import provenance
from fullrank.provenance import collect, git_facts, machine, parse_git_status

SOURCE = Path(__file__).resolve().parents[1] / "src"

CPUINFO = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Some Processor @ 2.40GHz
flags\t\t: fpu avx2 sse4_2
power management:

processor\t: 1
model name\t: Another
flags\t\t: fpu
"""


def facts(tmp_path: Path, **environ: str) -> provenance.Facts:
    return collect(
        argv=["fullrank", "run", "a study.toml"],
        config_folder=tmp_path,
        environ=environ,
        mpi_library="MPICH 5.0",
    )


def test_versions_and_host_are_told(tmp_path: Path) -> None:
    found = facts(tmp_path)
    assert found["python"] == platform.python_version()
    assert found["host"] == platform.node()
    assert found["mpi_library"] == "MPICH 5.0"
    assert found["gil"] in ("enabled", "disabled")
    assert isinstance(found["usable_cores"], int)


def test_the_command_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    found = facts(tmp_path)
    assert found["command"] == "fullrank run 'a study.toml'"
    assert found["working_folder"] == str(Path.cwd())


def test_the_time_is_told_with_its_offset(tmp_path: Path) -> None:
    started = datetime.fromisoformat(str(facts(tmp_path)["started"]))
    assert started.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - started) < timedelta(minutes=1)


def test_every_fact_can_stand_in_a_file(tmp_path: Path) -> None:
    for name, fact in facts(tmp_path, SLURM_JOB_ID="5").items():
        assert isinstance(fact, str | int | float), name
        assert fact != "", name


def test_packages_are_told_by_their_installed_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("pytest", "no-such-package"))
    found = facts(tmp_path)
    assert found["pytest"] == importlib.metadata.version("pytest") == pytest.__version__
    assert "no-such-package" not in found


def test_nothing_heavy_is_imported() -> None:
    script = (
        "import sys; from pathlib import Path; from fullrank.provenance import collect\n"
        "collect(argv=[], config_folder=Path())\n"
        "sys.exit(' '.join({'numpy', 'h5py', 'mpi4py', 'msgspec', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() == ""


def test_a_job_is_told_by_a_list_of_variables_and_no_other(tmp_path: Path) -> None:
    found = facts(
        tmp_path,
        SLURM_JOB_ID="5",
        SLURM_JOB_NAME="sweep",
        SLURM_RESTART_COUNT="2",
        SLURM_JOB_USER="somebody",
        API_TOKEN="secret",
    )
    assert found["scheduler"] == "slurm"
    assert found["job_id"] == "slurm:5"
    assert found["job_name"] == "sweep"
    assert found["job_n_restarts"] == 2
    assert "secret" not in json.dumps(found)
    assert "somebody" not in json.dumps({k: v for k, v in found.items() if k != "working_folder"})


def test_outside_a_job_none_is_told(tmp_path: Path) -> None:
    assert not [name for name in facts(tmp_path) if name.startswith(("job", "scheduler"))]


def test_the_processor_is_the_first_of_the_machine(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(CPUINFO)
    found = machine(cpuinfo)
    assert found["cpu_model"] == "Some Processor @ 2.40GHz"
    assert found["cpu_flags_sha256"] == sha256(b"avx2 fpu sse4_2").hexdigest()


def test_the_features_of_an_arm_processor_are_its_flags(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xd0c\n")
    assert machine(cpuinfo)["cpu_flags_sha256"] == sha256(b"asimd fp").hexdigest()


def test_a_system_without_cpuinfo_tells_the_rest(tmp_path: Path) -> None:
    found = machine(tmp_path / "missing")
    assert found["host"] == platform.node()
    assert found["cpu_flags_sha256"] == ""


def test_the_c_library_is_told() -> None:
    answer = subprocess.run(["getconf", "GNU_LIBC_VERSION"], capture_output=True, text=True)
    if answer.returncode:
        pytest.skip("not the GNU C library")
    assert machine()["libc"] == answer.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    folder = tmp_path / "study"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "sim.py").write_text("x = 1\n")
    git(folder, "add", "sim.py")
    return folder


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@b.c"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_of_the_study_is_told(repository: Path) -> None:
    git(repository, "commit", "--quiet", "--message", "first")
    (repository / "results.h5").touch()  # never committed, and no change of the code
    commit = git(repository, "rev-parse", "HEAD")
    assert git_facts(repository) == {"git_commit": commit, "git_dirty": 0}


def test_code_that_is_not_committed_is_told(repository: Path) -> None:
    git(repository, "commit", "--quiet", "--message", "first")
    (repository / "sim.py").write_text("x = 2\n")
    assert git_facts(repository)["git_dirty"] == 1


def test_a_folder_below_the_repository_will_do(repository: Path) -> None:
    git(repository, "commit", "--quiet", "--message", "first")
    below = repository / "configs"
    below.mkdir()
    assert git_facts(below)["git_commit"] == git(repository, "rev-parse", "HEAD")


def test_the_repository_of_the_study_counts_and_not_that_of_a_hook_that_runs_us(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "commit", "--quiet", "--message", "first")
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git_facts(repository)["git_commit"] == commit


def test_without_a_commit_none_is_told(repository: Path) -> None:
    assert git_facts(repository) == {}


def test_outside_a_repository_none_is_told(tmp_path: Path) -> None:
    assert git_facts(tmp_path) == {}
    assert git_facts(tmp_path / "missing") == {}


def test_without_git_none_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(repository, "commit", "--quiet", "--message", "first")
    monkeypatch.setenv("PATH", "")
    assert git_facts(repository) == {}


def test_git_is_not_started_where_there_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    told = tmp_path / "bin" / "git"
    told.write_text(f"#!/bin/sh\necho '# branch.oid ab12'\ntouch '{tmp_path}/started'\n")
    told.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    assert git_facts(tmp_path) == {}
    assert not (tmp_path / "started").exists()
    (tmp_path / ".git").write_text("gitdir: elsewhere\n")  # of a worktree
    assert git_facts(tmp_path)["git_commit"] == "ab12"


def test_a_git_that_does_not_answer_is_given_up(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(slow.parent), prepend=os.pathsep)
    monkeypatch.setattr(provenance, "GIT_TIME_LIMIT_SECONDS", 0.1)
    assert git_facts(repository) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# branch.oid (initial)\n# branch.head main\n1 A. sim.py\n", {}),
        ("# branch.oid ab12\n# branch.head (detached)\n", {"git_commit": "ab12", "git_dirty": 0}),
        ("# branch.oid ab12\n2 R. a b\n", {"git_commit": "ab12", "git_dirty": 1}),
    ],
)
def test_what_git_says_is_read(text: str, expected: dict[str, object]) -> None:
    assert parse_git_status(text) == expected
