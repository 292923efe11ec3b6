"""On what is measured: two cores of a machine, its facts, and the state of the code. Never a name or a path."""

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness import Raw
from programs import HERE, OWN, Bench, ProgramError, run

from fullrank.cores import usable_cores

N_CORES = 2
"""All programs have as many, however many there are: sections name two of them."""
_TREE = ("src", "benchmarks", *(f":(exclude)benchmarks/{name}" for name in ("RESULTS.md", "raw.h5", "scale.png")))
"""What figures depend on; what a measurement writes itself is no change of the code."""


def keep_to_two_cores(*, quick: bool) -> Raw:
    """Bind this process, and so all that it starts, to two of its cores; return how many there were, and which kind.

    Raises ProgramError where there is one alone, unless the run is a quick one, whose figures nobody reads.
    """
    affine = os.sched_getaffinity(0)
    n_usable = min(len(affine), usable_cores())
    if n_usable < N_CORES and not quick:
        raise ProgramError("expected two usable cores, on which everything is measured, and there is one")
    siblings = {core: _siblings(core) for core in affine}
    cores = two_of(siblings)
    os.sched_setaffinity(0, cores)
    return {
        "cores": n_usable,
        "bound_cores": len(cores),
        "one_physical": len(cores) > 1 and len({siblings[core] for core in cores}) == 1,
    }


def two_of(siblings: Mapping[int, str]) -> list[int]:
    """Return two of the cores, if there are two; hyper-threads of one core only where there is no other.

    >>> two_of({4: "4,6", 5: "5,7", 6: "4,6"}), two_of({0: "0,1", 1: "0,1"}), two_of({3: "3"})
    ([4, 5], [0, 1], [3])
    """
    first, *others = sorted(siblings)
    others.sort(key=lambda core: siblings[core] == siblings[first])  # stable: the least of those that are apart
    return [first, *others[: N_CORES - 1]]


def _siblings(core: int) -> str:
    """Return the hyper-threads of a core's physical core, as the system spells them; the core alone if it is silent."""
    try:
        return Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(core)


def facts(bench: Bench, cores: Raw) -> Raw:
    """Return what the figures depend on beside the code; ``cores`` is what :func:`keep_to_two_cores` told."""
    installed = run(OWN.script("versions.py", "fullrank", "numpy", "h5py", "mpi4py"), folder=bench.scratch).told()
    return {
        "processor": _processor(),
        **cores,
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "scratch": file_system(bench.scratch.resolve(), Path("/proc/self/mounts").read_text()),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": installed.pop("python"),
        "mpi": installed.pop("mpi"),
        "packages": installed,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def file_system(path: Path, mounts: str) -> str:
    r"""Return the type of the file system that a path is on; of two mounted at one place the later one hides the other.

    >>> file_system(Path("/tmp/x"), "a / ext4 rw 0 0\nb /tmp tmpfs rw 0 0\nc /tmpdir xfs rw 0 0")
    'tmpfs'
    """
    found = [(line.split()[1], line.split()[2]) for line in mounts.splitlines()]
    above = [(len(Path(place).parts), number) for number, (place, _) in enumerate(found) if path.is_relative_to(place)]
    return found[max(above)[1]][1] if above else "unknown"


def spelled(told: Raw) -> dict[str, str]:
    """Return each fact as a part of a sentence, by name; what was not kept is left out."""
    found = {
        "processor": told.get("processor", ""),
        "cores": f"{told['cores']} usable cores" if "cores" in told else "",
        "bound_cores": _bound(told) if "bound_cores" in told else "",
        "memory_gb": f"{told['memory_gb']} GB of memory" if "memory_gb" in told else "",
        "scratch": f"files on {told['scratch']}" if "scratch" in told else "",
        "kernel": told.get("kernel", ""),
        "python": f"Python {told['python']}" if "python" in told else "",
        "mpi": told.get("mpi", ""),
        **{name: f"{name} {version}" for name, version in told.get("packages", {}).items()},
    }
    return {name: text for name, text in found.items() if text}


def _bound(told: Raw) -> str:
    cores = "two" if told["bound_cores"] == N_CORES else "one"
    kind = ", hyper-threads of one core," if told["one_physical"] else ""
    return f"of which {cores}{kind} are used"


def beyond(told: Raw, page: Raw) -> list[str]:
    """Return the facts of a section's machine that are not those of the page."""
    of_page = spelled(page)
    return [text for name, text in spelled(told).items() if text != of_page.get(name)]


def state_of_code(tree: Path = HERE.parent) -> Raw:
    """Return the commit, and whether what figures depend on is changed since; nothing outside of a Git repository."""
    commit = _git(tree, "rev-parse", "--short=12", "HEAD")
    changes = _git(tree, "status", "--porcelain", "--", *_TREE)
    return {} if commit is None or changes is None else {"commit": commit, "has_changes": bool(changes)}


def _git(tree: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=tree, capture_output=True, text=True, check=False)
    except OSError:  # it is not installed
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def has_free_fsync(told: Raw) -> bool:
    """Whether the files of a measurement stood in memory, where it costs nothing to wait until they are safe."""
    return told.get("scratch") in ("tmpfs", "ramfs")
