"""Which files a rank opens: on a cluster thousands of ranks ask one file server for them."""

import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import studies
from harness import Limit, Raw, table
from programs import OWN, Bench, run

TITLE = "Files opened"
ASKED = Limit(80)
HEAVY = ("numpy", "h5py")
ROOT, OTHER, IMPORTS = "fullrank run, root", "fullrank run, the other rank", "from mpi4py import MPI"
_OPENED = re.compile(r'\bopen(?:at)?\([^"]*"(?P<path>[^"]*)", (?P<flags>[A-Z_|]+).*\) = \d+')


def measure(bench: Bench) -> Raw:
    """Trace the ranks of a run of one item, and a program that imports MPI."""
    if shutil.which("strace") is None:
        return {"missing": "strace is not installed"}
    folder = bench.scratch
    config = studies.write_doing_nothing(folder / "traced.toml", 1)
    fullrank = [*OWN.fullrank, "run", str(config), "-o", str(folder / "traced.h5")]
    imports = [str(OWN.python), "-c", "from mpi4py import MPI"]
    traced = {ROOT: fullrank, OTHER: fullrank, IMPORTS: imports}
    traces = {name: folder / f"{number}.strace" for number, name in enumerate(traced)}

    def under_strace(name: str) -> list[str]:
        options = ["-f", "-qq", "-e", "trace=open,openat", "-o", str(traces[name])]
        return ["strace", *options, *traced[name]]

    # of one run: the launcher numbers the ranks as they stand in its command
    run([*OWN.mpiexec(1), *under_strace(ROOT), ":", "-n", "1", *under_strace(OTHER)], folder=folder)
    run([*OWN.mpiexec(2), *under_strace(IMPORTS)], folder=folder)
    return {name: _summary(opened_files(path.read_text())) for name, path in traces.items()}


def opened_files(trace: str) -> list[str]:
    """Return the files that were opened, from a trace: no directories, nothing that was not there.

    >>> opened_files('7 openat(AT_FDCWD, "/a/b.py", O_RDONLY|O_CLOEXEC) = 3\\n7 openat(AT_FDCWD, "/a", O_RDONLY) = -1 E')
    ['/a/b.py']
    """
    found = (match for line in trace.splitlines() if (match := _OPENED.search(line)))
    return [
        match["path"] for match in found if "O_DIRECTORY" not in match["flags"] and not Path(match["path"]).is_dir()
    ]


def _summary(paths: list[str]) -> Raw:
    packages = Counter(package_of(path) for path in paths)
    return {
        "n_files": len(paths),
        "n_different": len(set(paths)),
        "by_package": dict(packages.most_common()),
        "heavy": sorted(_heavy(paths)),
    }


def package_of(path: str) -> str:
    """Return whose a file is: never a path of this machine.

    >>> package_of("/x/site-packages/mpi4py/run.py"), package_of("/x/python3.11/json/decoder.py")
    ('mpi4py', 'standard library')
    """
    parts = Path(path).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".pth").split("-")[0]
    if "fullrank" in parts and ".h5" not in path:
        return "fullrank"
    if any(re.fullmatch(r"python3\.\d+", part) for part in parts):
        return "standard library"
    if re.search(r"\.so(\.|$)", path):
        return "shared libraries"
    return "system" if path.startswith(("/proc", "/sys", "/dev", "/etc")) else "other"


def _heavy(paths: Iterable[str]) -> set[str]:
    """Return which heavy packages were imported; asking for a version opens metadata alone."""
    return {name for path in paths for name in HEAVY if f"/site-packages/{name}/" in path}


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    if "missing" in raw:
        return f"Not measured: {raw['missing']}."
    beyond = raw[OTHER]["n_files"] - raw[IMPORTS]["n_files"]
    rows = [
        [name, str(part["n_files"]), str(part["n_different"]), ", ".join(part["heavy"]) or "no", "", ""]
        for name, part in ((name, raw[name]) for name in (ROOT, OTHER, IMPORTS))
    ]
    judged = "holds" if ASKED.holds(beyond) and not raw[OTHER]["heavy"] else "DOES NOT HOLD"
    rows.append(["**the other rank beyond the import**", str(beyond), "", "", f"{ASKED}, no", judged])
    heads = ["program", "opens", "different files", "numpy, h5py", "asked", "verdict"]
    whose = ", ".join(f"{name} {n}" for name, n in raw[OTHER]["by_package"].items())
    return "\n\n".join(
        [
            "Successful opens of files (strace, directories left out), of a run of one no-op item on two ranks.",
            table(heads, rows),
            f"The other rank's, by owner: {whose}.",
        ]
    )
