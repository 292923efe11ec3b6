"""An environment that was unpacked somewhere else, as docs/cluster.md has it on a node's own disk."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from studies import Project

import fullrank

PAGE = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text("utf-8")
STAGING = PAGE[PAGE.index("## Thousands of ranks") :]


def run(*words: object, folder: Path) -> "subprocess.CompletedProcess[str]":
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(word) for word in words]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def unpacked(project: Project, tmp_path: Path) -> Path:
    """A virtual environment as pip leaves it, packed by the page's command, moved away, and unpacked elsewhere.

    What fullrank needs is found where this Python finds it.
    """
    environment = project.folder / ".venv"
    assert run(sys.executable, "-m", "venv", "--without-pip", environment, folder=tmp_path).returncode == 0
    packages = next(environment.glob("lib/python3*/site-packages"))
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    copied = packages / "fullrank"
    assert run("cp", "-r", Path(fullrank.__file__).parent, copied, folder=tmp_path).returncode == 0
    script = environment / "bin" / "fullrank"
    script.write_text(f"#!{environment}/bin/python\nfrom fullrank.__main__ import main\nraise SystemExit(main())\n")
    script.chmod(0o755)
    (pack,) = re.findall(r"(?m)^    (tar -cf .*?)(?:  #.*)?$", STAGING)
    assert run(*shlex.split(pack), folder=project.folder).returncode == 0
    environment.rename(tmp_path / "moved away")
    node = tmp_path / "node"
    node.mkdir()
    assert run("tar", "-C", node, "-xf", project.folder / "env.tar", folder=tmp_path).returncode == 0
    return node / ".venv"


def test_unpacked_python_runs_fullrank_from_where_it_is(unpacked: Path, project: Project) -> None:
    assert ".venv/bin/python -m fullrank run study.toml" in STAGING
    project.write("import fullrank\ndef f(x):\n    print(fullrank.__file__)\n    return x / 7\n")
    done = run(unpacked / "bin" / "python", "-m", "fullrank", "run", "study.toml", "-n", "2", folder=project.folder)
    assert done.returncode == 0, done.stderr
    assert project.read("f").tolist() == [x / 7 for x in range(12)]
    assert set(project.log.read_text().split()) >= {
        str(next(unpacked.glob("lib/*/site-packages/fullrank/__init__.py")))
    }
    assert "moved away" not in project.log.read_text()


def test_unpacked_scripts_start_the_python_of_the_place_they_were_installed_to(unpacked: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(unpacked / "bin" / "fullrank", "--version", folder=unpacked)
