"""What a run ran on: versions, machine, job, code. Cheap, and no secrets: tables say what is kept.

Packages are asked for their versions; none is imported for it.
"""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from fullrank.cores import usable_cores
from fullrank.gil import gil_state
from fullrank.scheduler import job_from

if TYPE_CHECKING:
    from fullrank.config import Config

Facts = dict[str, str | int | float]

PACKAGES = ("fullrank", "numpy", "h5py", "mpi4py")
GIT_TIME_LIMIT_SECONDS = 2.0


def collect(
    *,
    argv: Sequence[str],
    config_folder: Path,
    environ: Mapping[str, str] | None = None,
    mpi_library: str = "",
) -> Facts:
    """Return what is known of this run, by words that stay the same in every version of the file.

    ``mpi_library`` is what MPI says of itself; this module does not load it. What cannot be found
    out is left out.
    """
    environ = os.environ if environ is None else environ
    facts: Facts = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(argv),
        "working_folder": str(Path.cwd()),
        **versions(),
        "gil": gil_state(),
        "mpi_library": mpi_library,
        **machine(),
        "usable_cores": usable_cores(environ),
        **job_facts(environ),
        **git_facts(config_folder),
    }
    return {name: fact for name, fact in facts.items() if fact != ""}


def origin(config: "Config") -> Facts:
    """Return where the study's config stood, and what the command line set of it."""
    facts: Facts = {"config_path": str(config.path)}
    return facts | {"settings": shlex.join(config.settings)} if config.settings else facts


def versions() -> Facts:
    """Return the versions of Python and of the packages that a result depends on, of those that are loaded.

    A package is asked itself: importlib.metadata would cost more than all the rest of this module.
    """
    found: Facts = {"python": platform.python_version()}
    found["python_implementation"] = platform.python_implementation()
    for package in PACKAGES:
        version = getattr(sys.modules.get(package), "__version__", None)
        if isinstance(version, str):
            found[package] = version
    return found


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> Facts:
    """Return what decides the last bits of a float here: C library and CPU, and where here is.

    Two machines whose ``libc`` and ``cpu_flags_sha256`` agree give the same results.
    """
    cpu = _first_cpu(cpuinfo)
    flags = cpu.get("flags") or cpu.get("Features", "")
    return {
        "host": platform.node(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "kernel": platform.release(),
        "libc": _libc(),
        "cpu_model": cpu.get("model name") or platform.processor(),
        "cpu_flags_sha256": sha256(" ".join(sorted(flags.split())).encode()).hexdigest() if flags else "",
        "cpu_count": os.cpu_count() or 1,
    }


def _first_cpu(cpuinfo: Path) -> dict[str, str]:
    """The fields of the first processor; the file has a paragraph for each of hundreds."""
    fields: dict[str, str] = {}
    try:
        with cpuinfo.open() as lines:
            for line in lines:
                if not line.strip() and fields:
                    break
                name, _, value = line.partition(":")
                fields[name.strip()] = value.strip()
    except OSError:
        pass
    return fields


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):  # musl and macOS
        return " ".join(platform.libc_ver()).strip()


def job_facts(environ: Mapping[str, str]) -> Facts:
    """Return what the batch system says of this job: an allow-list, never the environment."""
    job = job_from(environ)
    if job is None:
        return {}
    return {
        "scheduler": job.scheduler,
        "job_id": job.job_id,
        "job_n_restarts": job.n_restarts,
        **job.others,
    }


def git_facts(folder: Path) -> Facts:
    """Return the commit checked out in ``folder``, and whether tracked files differ from it.

    Nothing where there is no git, no repository or no answer within two seconds.
    """
    with suppress(OSError):
        inside = folder.resolve()
        if not any((parent / ".git").exists() for parent in (inside, *inside.parents)):
            return {}  # as git would say, a process later
    command = ["git", "--no-optional-locks", "-C", str(folder), "-c", "core.fsmonitor=false"]
    command += ["status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    # of a git hook that runs us; they would name another repository
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        answer = subprocess.run(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_TIME_LIMIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return parse_git_status(answer.stdout.decode(errors="replace"))


def parse_git_status(text: str) -> Facts:
    r"""Return what the output of ``git status --porcelain=v2 --branch`` says.

    >>> parse_git_status("# branch.oid 5be1\n# branch.head main\n1 .M sim.py\n")
    {'git_commit': '5be1', 'git_dirty': 1}
    """
    lines = text.splitlines()
    commits = [line.split()[2] for line in lines if line.startswith("# branch.oid ")]
    if not commits or commits[0] == "(initial)":
        return {}
    is_dirty = any(not line.startswith("#") for line in lines)
    return {"git_commit": commits[0], "git_dirty": int(is_dirty)}
